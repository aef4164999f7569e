"""Confidence intervals by the bootstrap over images, and differences that are only noise.

Images are drawn with replacement as often as there are images, again and again, and a figure is
computed of each draw; the middle 95 % of its values are the interval. Images, not detections, are
drawn, because the objects of an image resemble each other. Two cascades are compared on the same
draws.

See: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentiles).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.evaluation.curves import Curve, RankedDetections

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
