"""What a search is given, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

#: How splits are compared: by squared error about the means (gentle AdaBoost, LogitBoost), by
#: Gini's impurity (real AdaBoost) or by the weight classified wrongly (discrete AdaBoost).
Criterion = Literal["least squares", "gini", "misclassification"]

SearchName = Literal["fast", "exhaustive"]
SEARCHES: tuple[SearchName, ...] = get_args(SearchName)


@dataclass(frozen=True)
class WeightedSamples:
    """Samples that a node of a weak classifier is to split.

    Parameters
    ----------
    columns : ndarray of intp, shape (n,)
        Which of the windows, ascending: positives before negatives.
    positives : int
        The first so many are positives.
    weights : ndarray of float64, shape (n,)
    targets : ndarray of float64, shape (n,)
        What the leaves should answer: 1 and −1, or LogitBoost's responses.
    criterion : Criterion
    """

    columns: NDArray[np.intp]
    positives: int
    weights: NDArray[np.float64]
    targets: NDArray[np.float64]
    criterion: Criterion

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.columns)

    def pull(self) -> NDArray[np.float64]:
        """Return how much each sample pulls at the answer of its leaf: weight times |target|."""
        return self.weights * np.abs(self.targets)


@dataclass(frozen=True)
class Split:
    """The answer of a search.

    Parameters
    ----------
    feature : int
        Its number in the full list.
    threshold : float, optional
        Haar features: smaller values go left.
    subset : tuple of 8 int, optional
        Local binary patterns: the codes that go left, as in `fercli.cascade.model.Node`.
    """

    feature: int
    threshold: float | None = None
    subset: tuple[int, ...] | None = None
