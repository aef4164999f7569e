"""The input and the result of a split search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: How splits are compared: by squared error about the means (gentle AdaBoost, LogitBoost), by
#: Gini's impurity (real AdaBoost) or by the weight classified wrongly (discrete AdaBoost).
Criterion = Literal["least squares", "gini", "misclassification"]


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

    def influence(self) -> NDArray[np.float64]:
        """Return the influence of each sample on the value of its leaf: weight times |target|."""
        return self.weights * np.abs(self.targets)


@dataclass(frozen=True)
class Split:
    """The result of a search.

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


# Small samples of equal weight that stand for all samples with their weights.


#: Sums of weights are kept below this, so that two of them fit into 64 bits.
LARGEST_SUM = 1 << 30


def draw_by_weight(
    weights: NDArray[np.float64], positives: int, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], int]:
    """Draw samples with a probability proportional to their weights.

    The drawing is systematic (one random start, equal steps along the cumulated weights), class
    by class, so that a sample is drawn as often as its share tells, give or take one.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        Positives first.
    positives : int
        How many of them are positives.
    size : int
        How many to draw.
    rng : Generator

    Returns
    -------
    drawn : ndarray of intp
        Indices, ascending; heavy samples several times.
    positives : int
        How many of the drawn are positives: at least one if any has weight, likewise negatives.
    """
    share = weights[:positives].sum() / weights.sum()
    wanted = round(size * share)
    wanted = min(max(wanted, int(share > 0)), size - int(share < 1))
    first = _draw(weights[:positives], wanted, rng)
    second = _draw(weights[positives:], size - wanted, rng) + positives
    return np.concatenate([first, second]), len(first)


def _draw(weights: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    start = rng.random()
    if size == 0 or not len(weights):
        return np.empty(0, np.intp)
    sums = np.cumsum(weights)
    indices = (np.arange(size) + start) * (sums[-1] / size)
    drawn: NDArray[np.intp] = np.searchsorted(sums, indices, side="right")
    return np.minimum(drawn, len(weights) - 1)


def pack(weights: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return weights and weights times targets as one integer each, so that one sum serves both.

    Returns
    -------
    ndarray of int64, shape (n,)
        ``(weight << 32) + weight · target``, in units of which all weights, and all their
        products with the targets, sum to less than 2³⁰.
    """
    products = weights * targets
    unit = max(weights.sum(), np.abs(products).sum()) / (LARGEST_SUM - 2 * len(weights))
    whole = np.rint(weights / unit).astype(np.int64)
    packed: NDArray[np.int64] = (whole << 32) + np.rint(products / unit).astype(np.int64)
    return packed


def unpack(packed: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights and the products of (sums of) packed samples."""
    low = ((packed + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    return ((packed - low) >> 32).astype(np.float64), low.astype(np.float64)


def best_indices(quality: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """Return the indices of the `count` largest values, best first; of equals, the first."""
    if count < len(quality):
        least = np.partition(quality, len(quality) - count)[len(quality) - count]
        indices = np.flatnonzero(quality >= least)
    else:
        indices = np.arange(len(quality))
    return indices[np.argsort(-quality[indices], kind="stable")][:count]
