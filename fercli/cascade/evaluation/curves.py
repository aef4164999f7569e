"""Recall, precision and false alarms over the score threshold, and how certain they are.

Confidence intervals are made by the bootstrap over images: images are drawn with replacement as
often as there are images, again and again, and a figure is computed of each draw; the middle 95 %
of its values are the interval. Images, not detections, are drawn, because the objects of an image
resemble each other. Two cascades are compared on the same draws.

See: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentiles).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: The number of draws; with many detections it falls, down to the second number.
DRAWS, MIN_DRAWS = 1000, 200
#: Detections in all draws together beyond which their number falls: some seconds of work.
MAX_DETECTIONS = 50_000_000
SEED = 0
#: The share of draws in an interval.
CONFIDENCE = 0.95

#: The values of a figure in all draws, NaN where it is undefined.
Values = NDArray[np.float64]


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
    return rank([scores], [is_hit], [truths]).curve()


@dataclass(frozen=True)
class RankedDetections:
    """The detections of all images by falling score, with the image that each is of.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
    is_hit : ndarray of bool, shape (n,)
    image : ndarray of int, shape (n,)
        Index of the image, from 0.
    truths : ndarray of int, shape (images,)
        Number of objects in each image.
    """

    scores: NDArray[np.float64]
    is_hit: NDArray[np.bool_]
    image: NDArray[np.intp]
    truths: NDArray[np.intp]

    def curve(self, times: NDArray[np.intp] | None = None) -> Curve:
        """Return the curve.

        Parameters
        ----------
        times : ndarray of int, shape (images,), optional
            How often each image counts. Defaults to once.
        """
        hits = self.is_hit.astype(np.intp)
        alarms = 1 - hits
        truths = int(self.truths.sum())
        if times is not None:
            of_detection = times[self.image]
            hits, alarms = hits * of_detection, alarms * of_detection
            truths = int(self.truths @ times)
        last = self._last_of_score
        return Curve(self.scores[last], np.cumsum(hits)[last], np.cumsum(alarms)[last], truths)

    @cached_property
    def _last_of_score(self) -> NDArray[np.intp]:
        return last_of_each(self.scores)


def rank(
    scores: Sequence[ArrayLike], is_hit: Sequence[ArrayLike], truths: ArrayLike
) -> RankedDetections:
    """Return the detections of images, ranked.

    Parameters
    ----------
    scores, is_hit : sequence of array-like
        Those of each image.
    truths : array-like of int
        The number of objects in each image.
    """
    values = np.concatenate([np.asarray(each, np.float64) for each in scores])
    hits = np.concatenate([np.asarray(each, bool) for each in is_hit])
    image = np.repeat(np.arange(len(scores)), [len(np.atleast_1d(each)) for each in scores])
    order = np.argsort(-values, kind="stable")
    return RankedDetections(values[order], hits[order], image[order], np.asarray(truths, np.intp))


def last_of_each(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the index of the last of each run of equal values."""
    return np.flatnonzero(np.append(values[1:] != values[:-1], True)[: len(values)])


def average_precision(curve: Curve) -> float | None:
    """Return the area under precision over recall, all points.

    Precision is first made non-increasing (the best at this or a higher recall), as in Pascal
    VOC from 2010 on. None if there are no objects.
    """
    if curve.truths == 0:
        return None
    found = curve.hits + curve.false_alarms
    precision = curve.hits / np.maximum(found, 1)  # none yet, where an image counts 0 times
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * best_from_here))


def recall_at(curve: Curve, false_alarms: float) -> float | None:
    """Return the recall at the lowest threshold with at most this many false alarms.

    None if there are no objects.
    """
    if curve.truths == 0:
        return None
    allowed = curve.recall[curve.false_alarms <= false_alarms]
    return float(allowed[-1]) if len(allowed) else 0.0


# Confidence intervals.


@dataclass(frozen=True)
class Interval:
    """The bounds of a confidence interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.3f}…{self.high:.3f}"

    @property
    def includes_zero(self) -> bool:
        """Whether 0 is not outside: a difference of two figures is then noise."""
        return self.low <= 0 <= self.high


def draw_images(images: int, draws: int = DRAWS, seed: int = SEED) -> NDArray[np.intp]:
    """Return how often each image is drawn in each draw, shape (draws, images)."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(images, size=(draws, images))
    times = np.zeros((draws, images), np.intp)
    np.add.at(times, (np.arange(draws)[:, np.newaxis], drawn), 1)
    return times


def draws_for(detections: int) -> int:
    """Return the number of draws for so many detections in all images."""
    return int(np.clip(MAX_DETECTIONS // max(detections, 1), MIN_DRAWS, DRAWS))


def curve_values(
    ranked: RankedDetections,
    times: NDArray[np.intp],
    figures: Callable[[Curve], list[float | None]],
) -> Values:
    """Return figures of the curve of each draw, shape (draws, figures)."""
    rows = [figures(ranked.curve(row)) for row in times]
    return np.array([[np.nan if value is None else value for value in row] for row in rows])


def share_values(
    parts: NDArray[np.intp], wholes: NDArray[np.intp], times: NDArray[np.intp]
) -> Values:
    """Return the sum of parts over the sum of wholes in each draw.

    Parameters
    ----------
    parts, wholes : ndarray of int, shape (images,)
        Such as the hits and the objects of each image.
    times : ndarray of int, shape (draws, images)

    Returns
    -------
    ndarray of float64, shape (draws,)
    """
    total = times @ wholes
    return np.where(total > 0, times @ parts / np.maximum(total, 1), np.nan)


def interval_of(values: Values, confidence: float = CONFIDENCE) -> Interval | None:
    """Return the middle of the values; None if the figure is undefined in half of the draws."""
    defined = values[np.isfinite(values)]
    if 2 * len(defined) < len(values) or not len(defined):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(low), float(high))
