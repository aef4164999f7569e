"""A cascade: stages of weak classifiers, which are small trees of features.

Here is also the check that a detector may load it, with all that cv2 does not check itself: it
loads a cascade whose nodes name features that do not exist, whose rectangles are more than three
(and then writes beyond its memory), or whose trees run in circles (and then never returns).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from fercli.cascade import FeatureType
from fercli.common.errors import CascadeFileError


@dataclass(frozen=True)
class WeightedRectangle:
    """One rectangle of a Haar feature, in pixels of the window.

    Parameters
    ----------
    x, y, width, height : int
        If the feature is tilted, (x, y) is the top corner, and the rectangle reaches `width` steps
        down to the right and `height` steps down to the left.
    weight : float
        What the sum of its pixels is multiplied by (a float32).
    """

    x: int
    y: int
    width: int
    height: int
    weight: float


@dataclass(frozen=True)
class HaarFeature:
    """One to three weighted rectangles; if `tilted`, all of them stand on a corner."""

    rectangles: tuple[WeightedRectangle, ...]
    tilted: bool = False


@dataclass(frozen=True)
class LbpFeature:
    """Local binary pattern of 3×3 equal blocks: the first of them, in pixels of the window."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Node:
    """A node of a weak classifier: a test of a feature, which chooses the left or right child.

    Parameters
    ----------
    left, right : int
        Above 0, the number of a node; otherwise minus the number of a leaf. Node 0 is the root.
    feature : int
        Index in the cascade's features.
    threshold : float, optional
        Haar only (a float32): a smaller value of the feature goes left.
    subset : tuple of 8 int, optional
        LBP only: the 256 codes as 8 int32; a code whose bit is set goes left
        (code c is bit ``c % 32`` of number ``c // 32``).
    """

    left: int
    right: int
    feature: int
    threshold: float | None = None
    subset: tuple[int, ...] | None = None


@dataclass(frozen=True)
class WeakClassifier:
    """A binary tree: n nodes, n + 1 leaves with what it adds to the stage's sum (float32)."""

    nodes: tuple[Node, ...]
    leaves: tuple[float, ...]

    def from_the_root(self) -> list[int]:
        """Return the numbers of the nodes, level by level, so that parents precede children."""
        order = [0]
        for number in order:
            node = self.nodes[number]
            order += [child for child in (node.left, node.right) if child > 0]
        return order


@dataclass(frozen=True)
class Stage:
    """Weak classifiers whose sum must reach `threshold` (as in the file) for a window to pass.

    The detector subtracts 1e-5 from the threshold before it compares.
    """

    threshold: float
    weak_classifiers: tuple[WeakClassifier, ...]


@dataclass(frozen=True)
class Cascade:
    """A detector: a window must pass all stages.

    Parameters
    ----------
    feature_type : {"HAAR", "LBP"}
    size_wh : tuple of 2 int
        The window.
    stages : tuple of Stage
    features : tuple of HaarFeature or of LbpFeature
        What the nodes refer to; features that no node uses are allowed and not written.
    parameters : mapping, optional
        How it was trained, where known: ``boostType`` and ``mode`` (str), ``minHitRate``,
        ``maxFalseAlarm`` and ``weightTrimRate`` (float), ``maxDepth`` and ``maxWeakCount`` (int).
    """

    feature_type: FeatureType
    size_wh: tuple[int, int]
    stages: tuple[Stage, ...]
    features: tuple[HaarFeature | LbpFeature, ...]
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def weak_count(self) -> int:
        """How many weak classifiers all stages have."""
        return sum(len(stage.weak_classifiers) for stage in self.stages)


#: The smallest windows that hold a feature: a Haar window loses a border of one pixel.
SMALLEST_SIDE = 3
#: No larger window fits an image that fer reads.
LARGEST_SIDE = 1 << 14
#: cv2 keeps room for this many rectangles a feature.
MOST_RECTANGLES = 3
#: 256 codes of a local binary pattern in words of 32 bits.
SUBSET_WORDS = 8
#: A feature's values are numbers (0) or one of so many codes.
CATEGORIES = {"HAAR": 0, "LBP": 256}


def check_cascade(cascade: Cascade) -> None:
    """Raise `CascadeFileError` (without a path) for the first thing that no detector may load."""
    if cascade.feature_type not in ("HAAR", "LBP"):
        raise CascadeFileError(f"Expected feature type HAAR or LBP, got {cascade.feature_type!r}")
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in cascade.size_wh):
        raise CascadeFileError(
            f"Expected a window of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side, "
            f"got {cascade.size_wh[0]}x{cascade.size_wh[1]}"
        )
    for at, feature in enumerate(cascade.features):
        _check_feature(feature, cascade, f"feature {at}")
    if not cascade.stages:
        raise CascadeFileError("Expected at least one stage, got none")
    for name, value in cascade.parameters.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise CascadeFileError(f"Expected a finite {name}, got {value}")
    for at, stage in enumerate(cascade.stages):
        _check_stage(stage, cascade, f"stage {at}")
    _check_stumps(cascade)


def fits_float32(value: object) -> TypeGuard[float]:
    """Return whether `value` is a finite number that a float32 can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float32(value))
    except OverflowError:
        return False


def float32(value: float) -> float:
    """Return the float32 nearest to `value`; OverflowError if it is too large for one."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _check_feature(feature: HaarFeature | LbpFeature, cascade: Cascade, where: str) -> None:
    wanted = HaarFeature if cascade.feature_type == "HAAR" else LbpFeature
    if not isinstance(feature, wanted):
        raise CascadeFileError(f"{where}: not a feature of a {cascade.feature_type} cascade")
    if isinstance(feature, LbpFeature):
        corners = (feature.x, feature.y, feature.width, feature.height)
        _check_inside(corners, 3 * feature.width, 3 * feature.height, cascade, where)
        return
    if not 1 <= len(feature.rectangles) <= MOST_RECTANGLES:
        raise CascadeFileError(
            f"{where}: expected 1 to {MOST_RECTANGLES} rectangles, got {len(feature.rectangles)}"
        )
    for at, part in enumerate(feature.rectangles):
        here = f"{where}, rectangle {at}"
        if not fits_float32(part.weight):
            raise CascadeFileError(f"{here}: expected a finite weight, got {part.weight}")
        rectangle = (part.x, part.y, part.width, part.height)
        if feature.tilted:
            # It spreads from its top corner to both sides.
            down = part.width + part.height
            _check_inside(rectangle, part.width, down, cascade, here, to_left=part.height)
        else:
            _check_inside(rectangle, part.width, part.height, cascade, here)


def _check_inside(
    rectangle_xywh: tuple[int, int, int, int],
    to_right: int,
    down: int,
    cascade: Cascade,
    where: str,
    *,
    to_left: int = 0,
) -> None:
    x, y, width, height = rectangle_xywh
    window_width, window_height = cascade.size_wh
    inside = x - to_left >= 0 and y >= 0 and width > 0 and height > 0
    if not inside or x + to_right > window_width or y + down > window_height:
        raise CascadeFileError(
            f"{where}: expected a rectangle inside the window of {window_width}x{window_height}, "
            f"got x {x}, y {y}, width {width}, height {height}"
        )


def _check_stage(stage: Stage, cascade: Cascade, where: str) -> None:
    if not fits_float32(stage.threshold):
        raise CascadeFileError(f"{where}: expected a finite threshold, got {stage.threshold}")
    if not stage.weak_classifiers:
        raise CascadeFileError(f"{where}: expected at least one weak classifier, got none")
    for at, weak in enumerate(stage.weak_classifiers):
        _check_weak_classifier(weak, cascade, f"{where}, weak classifier {at}")


def _check_weak_classifier(weak: WeakClassifier, cascade: Cascade, where: str) -> None:
    if not weak.nodes:
        raise CascadeFileError(f"{where}: expected at least one node, got none")
    if len(weak.leaves) != len(weak.nodes) + 1:
        raise CascadeFileError(
            f"{where}: expected {len(weak.nodes) + 1} leaves for {len(weak.nodes)} nodes, "
            f"got {len(weak.leaves)}"
        )
    for value in weak.leaves:
        if not fits_float32(value):
            raise CascadeFileError(f"{where}: expected finite leaf values, got {value}")
    for node in weak.nodes:
        _check_node(node, cascade, where)
    _check_tree(weak, where)


def _check_node(node: Node, cascade: Cascade, where: str) -> None:
    if not 0 <= node.feature < len(cascade.features):
        raise CascadeFileError(
            f"{where}: expected the index of one of the {len(cascade.features)} features, "
            f"got {node.feature}"
        )
    if cascade.feature_type == "HAAR":
        if not fits_float32(node.threshold) or node.subset is not None:
            raise CascadeFileError(f"{where}: expected a finite threshold, got {node.threshold}")
    elif node.threshold is not None or not _is_subset(node.subset):
        raise CascadeFileError(
            f"{where}: expected a subset of {SUBSET_WORDS} 32-bit integers, got {node.subset}"
        )


def _is_subset(subset: tuple[int, ...] | None) -> bool:
    return (
        subset is not None
        and len(subset) == SUBSET_WORDS
        and all(-(1 << 31) <= word < 1 << 31 for word in subset)
    )


def _check_tree(weak: WeakClassifier, where: str) -> None:
    """Each node but the root and each leaf must be the child of exactly one node, below the root.

    The detector follows the numbers blindly: it would run in a circle for ever, or read beyond.
    """
    count = len(weak.nodes)
    seen = {0}
    waiting = [0]
    while waiting:
        node = weak.nodes[waiting.pop()]
        for child in (node.left, node.right):
            if not -count <= child < count:
                raise CascadeFileError(
                    f"{where}: expected children from {-count} to {count - 1}, got {child}"
                )
            # Leaf 0 and the root share the number 0, and the root is nobody's child.
            name = child if child > 0 else child - 1
            if name in seen:
                kind = "node" if child > 0 else "leaf"
                raise CascadeFileError(
                    f"{where}: expected a tree, got {kind} {abs(child)} as a child twice"
                )
            seen.add(name)
            if child > 0:
                waiting.append(child)
    if len(seen) != 2 * count + 1:
        raise CascadeFileError(f"{where}: expected a tree, got nodes that the root does not reach")


def _check_stumps(cascade: Cascade) -> None:
    """Where all trees are stumps, cv2 takes the left leaf to be the first, whatever is written."""
    trees = [
        (f"stage {i}, weak classifier {j}", weak.nodes)
        for i, stage in enumerate(cascade.stages)
        for j, weak in enumerate(stage.weak_classifiers)
    ]
    if any(len(nodes) > 1 for _, nodes in trees):
        return
    for where, (root,) in trees:
        if (root.left, root.right) != (0, -1):
            raise CascadeFileError(
                f"{where}: expected the children 0 and -1 of a stump, "
                f"got {root.left} and {root.right}"
            )
