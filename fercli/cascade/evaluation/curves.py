"""Recall, precision and false alarms of a detector over the score threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Curve:
    """Hits and false alarms at each score threshold, from the highest down.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (n,)
        The distinct scores, descending.
    hits, false_alarms : ndarray of int, shape (n,)
        Detections of at least that score that are objects, and those that are not.
    truths : int
        Number of objects.
    """

    thresholds: NDArray[np.float64]
    hits: NDArray[np.intp]
    false_alarms: NDArray[np.intp]
    truths: int

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the objects that are found (0 if there are none)."""
        return self.hits / max(self.truths, 1)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the detections that are objects."""
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
        Scores of the detections of all images, in any order.
    is_hit : array-like of bool, shape (n,)
        Whether each detection is an object.
    truths : int
        Number of objects in all images.
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

    Precision is first made non-increasing (the best at this or a higher recall), as in Pascal
    VOC from 2010 on. None if there are no objects.
    """
    if curve.truths == 0:
        return None
    best_from_here = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * best_from_here))


def recall_at(curve: Curve, false_alarms: int) -> float | None:
    """Return the recall at the lowest threshold with at most this many false alarms.

    None if there are no objects.
    """
    if curve.truths == 0:
        return None
    allowed = curve.recall[curve.false_alarms <= false_alarms]
    return float(allowed[-1]) if len(allowed) else 0.0
