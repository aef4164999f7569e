"""Results of an evaluation: matched detections, and the figures computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.annotations.base import AnnotatedImage
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.evaluation.curves import (
    Curve,
    Interval,
    RankedDetections,
    Values,
    average_precision,
    curve_values,
    draw_images,
    draws_for,
    interval_of,
    rank,
    recall_at,
    share_values,
)
from fercli.cascade.evaluation.matching import FALSE_ALARM, IGNORED, MatchRule
from fercli.common.drawing import png_of
from fercli.common.errors import ImageError

#: False alarms an image at which the recall is reported.
FALSE_ALARM_RATES = (0.01, 0.1, 1.0)
#: The default of ``detectMultiScale``.
CV2_NEIGHBORS = 3
#: Sides of objects, in pixels, at which one group of sizes ends and the next begins.
SIDES = (32, 64, 128)


@dataclass(frozen=True)
class DetectionCounts:
    """Numbers of hits, of false alarms and of objects."""

    hits: int
    false_alarms: int
    truths: int

    @property
    def misses(self) -> int:
        """Objects that were not found."""
        return self.truths - self.hits

    @property
    def precision(self) -> float | None:
        """The share of the detections that are objects; None without detections."""
        found = self.hits + self.false_alarms
        return self.hits / found if found else None

    @property
    def recall(self) -> float | None:
        """The share of the objects that were found; None without objects."""
        return self.hits / self.truths if self.truths else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None without objects."""
        both = self.hits + self.false_alarms + self.truths
        return 2 * self.hits / both if self.truths else None


def total(counts: Iterable[DetectionCounts]) -> DetectionCounts:
    """Return the sum of counts."""
    rows = [(each.hits, each.false_alarms, each.truths) for each in counts]
    return DetectionCounts(*(sum(column) for column in zip(*rows, strict=True)))


@dataclass(frozen=True)
class MatchedDetections:
    """Detections of an image, best first, each with its verdict (see `match`)."""

    boxes_xywh: NDArray[np.float64]
    scores: NDArray[np.float64]
    verdicts: NDArray[np.intp]


@dataclass(frozen=True)
class ImageResult:
    """The result of a cascade on an image.

    Attributes
    ----------
    image : AnnotatedImage
    chosen : MatchedDetections
        Detections with the options of the evaluation.
    ranked : MatchedDetections
        All detections that the cascade can give, for the curve.
    milliseconds : float
        Time of the detection, without reading the file.
    """

    image: AnnotatedImage
    chosen: MatchedDetections
    ranked: MatchedDetections
    milliseconds: float

    @property
    def counts(self) -> DetectionCounts:
        """Counts of the chosen detections."""
        return count_detections(self.chosen.verdicts, self.image)

    @property
    def missed(self) -> list[int]:
        """Indices of the objects that were not found."""
        found = set(self.chosen.verdicts.tolist())
        return [at for at in range(len(self.image.boxes_xywh)) if at not in found]


def count_detections(verdicts: NDArray[np.intp], image: AnnotatedImage) -> DetectionCounts:
    """Return the counts of the verdicts on an image's detections."""
    hits, false_alarms = int((verdicts >= 0).sum()), int((verdicts == FALSE_ALARM).sum())
    return DetectionCounts(hits, false_alarms, len(image.boxes_xywh))


@dataclass(frozen=True)
class SizeGroup:
    """The recall of objects of similar size.

    Attributes
    ----------
    low, high : int
        The bounds of the side (the root of the area) in pixels, `high` excluded; None for none.
    hits, objects : int
    interval : Interval, optional
        The confidence interval of the recall.
    """

    low: int
    high: int | None
    hits: int
    objects: int
    interval: Interval | None

    @property
    def recall(self) -> float:
        """The share of the objects that are found."""
        return self.hits / self.objects

    def __str__(self) -> str:
        """Return the range in words: "below 32", "32 to 63", "128 or more"."""
        if self.high is None:
            return f"{self.low} or more"
        return f"{self.low} to {self.high - 1}" if self.low else f"below {self.high}"


def _hits_of_side(result: ImageResult, low: int, high: int | None) -> tuple[int, int]:
    """Return how many objects of a range of sides are found, and how many there are."""
    missed = set(result.missed)
    sides = [(width * height) ** 0.5 for _, _, width, height in result.image.boxes_xywh]
    own = [at for at, side in enumerate(sides) if low <= side and (high is None or side < high)]
    return sum(at not in missed for at in own), len(own)


@dataclass(frozen=True)
class CascadeResult:
    """The result of a cascade on all images.

    Attributes
    ----------
    path : Path
    name : str
        A short name that no other cascade of the evaluation has.
    images : tuple of ImageResult
    box_scale : float
        Factor by which detections were enlarged before matching.
    box_ratio : float, optional
        Median ratio of a detection's side to the object's before that; None if too few.
    by_neighbors : mapping of int to DetectionCounts
        Counts at other values of ``min_neighbors``.
    """

    path: Path
    name: str
    images: tuple[ImageResult, ...]
    box_scale: float
    box_ratio: float | None
    by_neighbors: Mapping[int, DetectionCounts]

    @cached_property
    def counts(self) -> DetectionCounts:
        """Counts of the detections in all images."""
        return total(result.counts for result in self.images)

    @cached_property
    def ranked(self) -> RankedDetections:
        """All detections that count, ranked."""
        judged = [result.ranked for result in self.images]
        counted = [each.verdicts != IGNORED for each in judged]
        return rank(
            [each.scores[kept] for each, kept in zip(judged, counted, strict=True)],
            [each.verdicts[kept] >= 0 for each, kept in zip(judged, counted, strict=True)],
            [len(result.image.boxes_xywh) for result in self.images],
        )

    @cached_property
    def curve(self) -> Curve:
        """Recall, precision and false alarms at all scores."""
        return self.ranked.curve()

    @property
    def average_precision(self) -> float | None:
        """See `curves.average_precision`."""
        return average_precision(self.curve)

    def recall_at_rate(self, rate: float) -> float | None:
        """Return the recall with at most `rate` false alarms an image; None without objects."""
        return recall_at(self.curve, rate * len(self.images))

    @cached_property
    def draws(self) -> Mapping[str, Values]:
        """Figures in each draw of the bootstrap, by name.

        ``average_precision``, ``precision``, ``recall``, ``false_alarms_per_image``, and
        ``recall_at_RATE`` for each of `FALSE_ALARM_RATES`.
        """
        counts = [result.counts for result in self.images]
        hits = np.array([each.hits for each in counts])
        alarms = np.array([each.false_alarms for each in counts])
        of_curve = curve_values(self.ranked, self._times, self._curve_figures)
        names = ["average_precision", *(f"recall_at_{rate:g}" for rate in FALSE_ALARM_RATES)]
        return {
            **dict(zip(names, of_curve.T, strict=True)),
            "precision": share_values(hits, hits + alarms, self._times),
            "recall": share_values(hits, self.ranked.truths, self._times),
            "false_alarms_per_image": share_values(alarms, np.ones_like(alarms), self._times),
        }

    @cached_property
    def intervals(self) -> Mapping[str, Interval | None]:
        """The confidence interval of each figure of `draws`; None where it is undefined."""
        return {name: interval_of(values) for name, values in self.draws.items()}

    @cached_property
    def by_size(self) -> tuple[SizeGroup, ...]:
        """The recall of objects by their side, for the sizes that occur."""
        groups = []
        for low, high in zip((0, *SIDES), (*SIDES, None), strict=True):
            found = [_hits_of_side(result, low, high) for result in self.images]
            hits, objects = np.array(found).reshape(-1, 2).T
            if objects.sum():
                interval = interval_of(share_values(hits, objects, self._times))
                groups.append(SizeGroup(low, high, int(hits.sum()), int(objects.sum()), interval))
        return tuple(groups)

    @cached_property
    def _times(self) -> NDArray[np.intp]:
        return draw_images(len(self.images), draws_for(len(self.ranked.scores)))

    def _curve_figures(self, curve: Curve) -> list[float | None]:
        rates = [recall_at(curve, rate * len(self.images)) for rate in FALSE_ALARM_RATES]
        return [average_precision(curve), *rates]

    @property
    def best_neighbors(self) -> int | None:
        """The ``min_neighbors`` with the best F1, of several the nearest to cv2's 3.

        None without objects.
        """
        if not self.counts.truths:
            return None
        near = sorted(self.by_neighbors, key=lambda count: (abs(count - CV2_NEIGHBORS), count))
        return max(near, key=lambda count: self.by_neighbors[count].f1 or 0.0)

    @property
    def false_alarms_per_image(self) -> float:
        """Mean number of false alarms."""
        return self.counts.false_alarms / len(self.images)

    @property
    def median_milliseconds(self) -> float:
        """Median time for an image."""
        return float(np.median([result.milliseconds for result in self.images]))


@dataclass(frozen=True)
class CascadeEvaluation:
    """Results of cascades on the same images.

    Attributes
    ----------
    cascades : tuple of CascadeResult
    left_out : tuple of ImageError
        The images that could not be read.
    options : DetectionOptions
    rule : MatchRule
    notes : tuple of str
        What was assumed about the annotations and images. The command line tells it at its end.
    """

    cascades: tuple[CascadeResult, ...]
    left_out: tuple[ImageError, ...]
    options: DetectionOptions
    rule: MatchRule
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        from fercli.cascade.evaluation.report import summary

        return dict(summary(self))

    def _repr_png_(self) -> bytes:
        """Draw the recall over false alarms, for Jupyter."""
        from fercli.cascade.evaluation.report import plot_recall

        return png_of(lambda path: plot_recall(self, path))

    @property
    def images(self) -> int:
        """Number of images that were read."""
        return len(self.cascades[0].images)

    def differences(self, figure: str = "average_precision") -> list[Difference]:
        """Return how much better the best cascade is than each other, by a figure of `draws`."""
        means = [np.nanmean(each.draws[figure]) for each in self.cascades if each.counts.truths]
        if len(means) < 2:
            return []
        best = self.cascades[int(np.nanargmax(means))]
        return [_difference(best, other, figure) for other in self.cascades if other is not best]

    def to_text(self) -> str:
        """Return the figures of all cascades as tables for the terminal."""
        from fercli.cascade.evaluation.report import report_text

        return report_text(self)


@dataclass(frozen=True)
class Difference:
    """How much better one cascade is than another on the same images.

    Attributes
    ----------
    better, other : str
        The names of the cascades.
    difference : float
        The difference of the figure, the mean over the draws.
    interval : Interval, optional
        Its confidence interval; None if it is undefined.
    """

    better: str
    other: str
    difference: float
    interval: Interval | None

    @property
    def is_noise(self) -> bool:
        """Whether other images of the same kind might show no difference, or the contrary."""
        return self.interval is None or self.interval.includes_zero


def _difference(better: CascadeResult, other: CascadeResult, figure: str) -> Difference:
    draws = min(len(better.draws[figure]), len(other.draws[figure]))
    values = better.draws[figure][:draws] - other.draws[figure][:draws]
    mean = float(np.nanmean(values))
    return Difference(better.name, other.name, mean, interval_of(values))
