"""Curves: recall, precision and false alarms of a detector as the least score is lowered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Curve:
    """What a detector finds at each least score, from the strictest on.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (n,)
        The scores that occur, falling; detections of the same score come together.
    hits, false_alarms : ndarray of int, shape (n,)
        How many detections of at least that score are objects, or not.
    truths : int
        The objects that there are.
    """

    thresholds: NDArray[np.float64]
    hits: NDArray[np.intp]
    false_alarms: NDArray[np.intp]
    truths: int

    @property
    def recall(self) -> NDArray[np.float64]:
        """The share of the objects that are found (0 where there are none)."""
        return self.hits / max(self.truths, 1)

    @property
    def precision(self) -> NDArray[np.float64]:
        """The share of the detections that are objects."""
        return self.hits / (self.hits + self.false_alarms)

    @property
    def f1(self) -> NDArray[np.float64]:
        """The harmonic mean of precision and recall."""
        return 2 * self.hits / (self.hits + self.false_alarms + max(self.truths, 1))


def curve_of(scores: ArrayLike, is_hit: ArrayLike, truths: int) -> Curve:
    """Return the curve of detections.

    Parameters
    ----------
    scores : array-like of float, shape (n,)
        Of the detections of all images, in any order.
    is_hit : array-like of bool, shape (n,)
        Whether they are objects.
    truths : int
        The objects in all images.
    """
    values = np.asarray(scores, np.float64)
    hit = np.asarray(is_hit, bool)
    order = np.argsort(-values, kind="stable")
    values, hit = values[order], hit[order]
    last_of_score = np.flatnonzero(np.append(values[1:] != values[:-1], True)[: len(values)])
    return Curve(
        values[last_of_score],
        np.cumsum(hit)[last_of_score],
        np.cumsum(~hit)[last_of_score],
        truths,
    )


def average_precision(curve: Curve) -> float | None:
    """Return the area under precision over recall, all points.

    Precision is first made to fall with recall (the best that is had at this recall or a higher
    one), as in Pascal VOC from 2010 on. None where there is nothing to be found.
    """
    if curve.truths == 0:
        return None
    best_from_here = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * best_from_here))


def recall_at(curve: Curve, false_alarms: int) -> float | None:
    """Return the recall that is had with at most so many false alarms; None without objects."""
    if curve.truths == 0:
        return None
    allowed = curve.recall[curve.false_alarms <= false_alarms]
    return float(allowed[-1]) if len(allowed) else 0.0
