"""Results of an evaluation: matched detections, and the figures computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.annotations import AnnotatedImage
from fercli.cascade.detection.options import DetectionOptions
from fercli.cascade.evaluation.curves import Curve, average_precision, curve_of
from fercli.cascade.evaluation.matching import FALSE_ALARM, IGNORED, MatchRule
from fercli.common.errors import ImageError
from fercli.common.plots import png_of


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
    def curve(self) -> Curve:
        """Recall, precision and false alarms at all scores."""
        judged = [result.ranked for result in self.images]
        scores = np.concatenate([image.scores for image in judged])
        verdicts = np.concatenate([image.verdicts for image in judged])
        counted = verdicts != IGNORED
        return curve_of(scores[counted], verdicts[counted] >= 0, self.counts.truths)

    @property
    def average_precision(self) -> float | None:
        """See `curves.average_precision`."""
        return average_precision(self.curve)

    @property
    def best_neighbors(self) -> int | None:
        """The least ``min_neighbors`` with the best F1; None without objects."""
        if not self.counts.truths:
            return None
        return max(sorted(self.by_neighbors), key=lambda count: self.by_neighbors[count].f1 or 0.0)

    @property
    def false_alarms_per_image(self) -> float:
        """Mean number of false alarms."""
        return self.counts.false_alarms / len(self.images)

    @property
    def median_milliseconds(self) -> float:
        """Median time for an image."""
        return float(np.median([result.milliseconds for result in self.images]))


@dataclass(frozen=True)
class Evaluation:
    """Results of cascades on the same images.

    Attributes
    ----------
    cascades : tuple of CascadeResult
    left_out : tuple of ImageError
        The images that could not be read.
    options : DetectionOptions
    rule : MatchRule
    """

    cascades: tuple[CascadeResult, ...]
    left_out: tuple[ImageError, ...]
    options: DetectionOptions
    rule: MatchRule

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
