"""Match detections with the ground truth.

There are two rules. *Intersection over union* compares the common area of the two boxes with their
union; at least a half is usual (Pascal VOC, FDDB, WIDER FACE), and the default here. *Center and
size* compares the positions of the centers and the sizes; it tolerates boxes that are wider or
narrower than the annotated ones. Its default limits are those of OpenCV's former
``opencv_performance``: 0.3 of the object's side, a factor of 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fercli.common.boxes import intersections
from fercli.common.errors import OptionError

Boxes = NDArray[np.float64]
NO_MATCH = -np.inf

#: Verdicts on detections that match no object.
FALSE_ALARM = -1
IGNORED = -2
#: A detection is ignored if this share of it is in an ignored region (COCO's rule for crowds).
IGNORED_SHARE = 0.5


class MatchRule(Protocol):
    """A measure of the agreement of boxes."""

    def agreement(self, detections: Boxes, truths: Boxes) -> NDArray[np.float64]:
        """Return the agreement of each detection (row) with each object (column).

        Larger is better; `NO_MATCH` where the two are not the same object.
        """


@dataclass(frozen=True)
class IouRule:
    """Intersection over union of at least `minimum` (above 0, at most 1)."""

    minimum: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.minimum <= 1:
            raise OptionError(f"`iou` must be above 0 and at most 1, got {self.minimum:g}")

    def __str__(self) -> str:
        return f"intersection over union of at least {self.minimum:g}"

    def agreement(self, detections: Boxes, truths: Boxes) -> NDArray[np.float64]:
        """Return intersection over union where it reaches the minimum."""
        common = intersections(detections, truths)
        areas, others = (boxes[:, 2] * boxes[:, 3] for boxes in (detections, truths))
        union = areas[:, np.newaxis] + others - common
        overlap = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
        return np.where(overlap >= self.minimum, overlap, NO_MATCH)


@dataclass(frozen=True)
class CenterRule:
    """Centers close together, and sides (the root of the area) of about the same length.

    Parameters
    ----------
    max_distance : float
        Largest distance of the centers, as a share of the object's side. Defaults to 0.3.
    max_size_ratio : float
        Largest ratio of the longer side to the shorter. Defaults to 1.5.
    """

    max_distance: float = 0.3
    max_size_ratio: float = 1.5

    def __post_init__(self) -> None:
        if not self.max_distance > 0 or not self.max_size_ratio >= 1:
            raise OptionError(
                "`max_distance` must be above 0 and `max_size_ratio` at least 1, "
                f"got {self.max_distance:g} and {self.max_size_ratio:g}"
            )

    def __str__(self) -> str:
        return (
            f"centers within {self.max_distance:g} sides, "
            f"sides within a factor of {self.max_size_ratio:g}"
        )

    def agreement(self, detections: Boxes, truths: Boxes) -> NDArray[np.float64]:
        """Return minus the distance of centers, in sides of the object, where both limits hold."""
        between = centers(detections)[:, np.newaxis] - centers(truths)
        distance = np.hypot(between[..., 0], between[..., 1]) / sides(truths)
        ratio = size_ratios(detections, truths)
        same = (distance <= self.max_distance) & (
            np.maximum(ratio, 1 / ratio) <= self.max_size_ratio
        )
        return np.where(same, -distance, NO_MATCH)


def match_rule(
    name: str,
    *,
    minimum: float | None = None,
    max_distance: float | None = None,
    max_size_ratio: float | None = None,
) -> MatchRule:
    """Return the rule "iou" or "center" with the limits that are not None.

    Raises
    ------
    OptionError
        There is no such rule, or a limit is out of range or not one of this rule's.
    """
    kinds: dict[str, type[IouRule] | type[CenterRule]] = {"iou": IouRule, "center": CenterRule}
    if name not in kinds:
        raise OptionError(f"`match` must be one of {', '.join(kinds)}, got {name!r}")
    limits = {"minimum": minimum, "max_distance": max_distance, "max_size_ratio": max_size_ratio}
    given = {limit: value for limit, value in limits.items() if value is not None}
    others = sorted(set(given) - {field.name for field in fields(kinds[name])})
    if others:
        options = ", ".join(f"`{'iou' if other == 'minimum' else other}`" for other in others)
        raise OptionError(f"The rule {name} has no {options}")
    return kinds[name](**given)


def match(
    detections_xywh: ArrayLike,
    truths_xywh: ArrayLike,
    rule: MatchRule,
    *,
    ignored_xywh: ArrayLike = (),
) -> NDArray[np.intp]:
    """Return the verdict on each detection of an image.

    Each detection, best first, is matched with the object that it agrees with best among those
    not matched yet. A second detection of the same object is a false alarm.

    Parameters
    ----------
    detections_xywh : array-like, shape (n, 4)
        In descending order of scores.
    truths_xywh : array-like, shape (m, 4)
    rule : MatchRule
    ignored_xywh : array-like, shape (k, 4), optional
        Regions to ignore: detections inside them, or that match them, count neither as hits nor
        as false alarms.

    Returns
    -------
    ndarray of int, shape (n,)
        The index of the object, `FALSE_ALARM` or `IGNORED`.
    """
    detections, truths, ignored = (
        np.asarray(boxes, np.float64).reshape(-1, 4)
        for boxes in (detections_xywh, truths_xywh, ignored_xywh)
    )
    same = (rule.agreement(detections, ignored) > NO_MATCH).any(axis=1)
    beside = same | _lies_in(detections, ignored)
    verdicts = np.where(beside, IGNORED, FALSE_ALARM).astype(np.intp)
    if len(truths) == 0:
        return verdicts
    agreement = rule.agreement(detections, truths)
    for at, row in enumerate(agreement):
        best = int(row.argmax())
        if row[best] > NO_MATCH:
            verdicts[at] = best
            agreement[:, best] = NO_MATCH
    return verdicts


def scaled(boxes_xywh: ArrayLike, factor: float) -> Boxes:
    """Return boxes enlarged by `factor` around their centers."""
    boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
    sizes = boxes[:, 2:] * factor
    return np.hstack([centers(boxes) - sizes / 2, sizes])


def centers(boxes: Boxes) -> NDArray[np.float64]:
    """Return the centers (x, y) of boxes."""
    return boxes[:, :2] + boxes[:, 2:] / 2


def sides(boxes: Boxes) -> NDArray[np.float64]:
    """Return the roots of the boxes' areas, at least a thousandth of a pixel."""
    return np.maximum(np.sqrt(boxes[:, 2] * boxes[:, 3]), 1e-3)


def size_ratios(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Return the ratio of each box's side (row) to each other box's side (column)."""
    return sides(boxes)[:, np.newaxis] / sides(others)


def _lies_in(boxes: Boxes, regions: Boxes) -> NDArray[np.bool_]:
    areas = (boxes[:, 2] * boxes[:, 3])[:, np.newaxis]
    inside = intersections(boxes, regions) >= IGNORED_SHARE * areas
    return np.asarray(inside.any(axis=1), np.bool_)
