"""Compile a cascade into the flat arrays that the scanner's kernels take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fercli.cascade.detection.scanner.kernels import Tables
from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    LbpFeature,
    Node,
    WeakClassifier,
    check_cascade,
)

Corner = tuple[int, int]

#: What the detector takes off a stage's threshold, in float32.
EPSILON = np.float32(1e-5)
#: cv2 has room for three rectangles; those that a feature lacks have no area and no weight.
RECTANGLES = 3


def compile_cascade(cascade: Cascade) -> Tables:
    """Return a cascade as the kernels take it.

    Parameters
    ----------
    cascade : Cascade
        It may have no stage.

    Raises
    ------
    CascadeFileError
        The cascade is one that no detector may load: kernels do not check what they read.
    """
    if cascade.stages:
        check_cascade(cascade)
    rows = _Rows(cascade.features)
    stage_first = [0]
    for stage in cascade.stages:
        for weak in stage.weak_classifiers:
            rows.add_tree(weak)
        stage_first.append(len(rows.features))
    lbp = cascade.feature_type == "LBP"
    count = len(rows.features)
    thresholds = np.array([stage.threshold for stage in cascade.stages], np.float32)
    return Tables(
        *cascade.size_wh,
        lbp=lbp,
        normalized=not lbp,
        corners=np.array([feature_corners(feature) for feature in rows.features], np.int32).reshape(
            count, 16 if lbp else 4 * RECTANGLES, 2
        ),
        tilted=np.array([getattr(f, "tilted", False) for f in rows.features], np.bool_),
        weights=np.array([_weights(f) for f in rows.features], np.float32).reshape(-1, RECTANGLES),
        thresholds=np.array([node.threshold or 0 for node in rows.nodes], np.float32),
        subsets=np.array([node.subset or (0,) * 8 for node in rows.nodes], np.int32).reshape(-1, 8),
        roots=np.array(rows.roots, np.bool_),
        children=np.array(rows.children, np.int32).reshape(-1, 2),
        # As in the file, float32; they are added up in float64.
        leaves=np.array(rows.leaves, np.float32).reshape(-1, 2).astype(np.float64),
        stage_first=np.array(stage_first, np.int64),
        stage_thresholds=(thresholds - EPSILON).astype(np.float64),
    )


def feature_corners(feature: HaarFeature | LbpFeature) -> list[Corner]:
    """Return x, y of the corners in the integral image that a feature is computed from.

    Returns
    -------
    list of 12 or 16 (int, int)
        Haar: for each of three rectangles the corners a, b, c, d of its sum a − b − c + d.
        LBP: the corners of the 3×3 blocks, row by row.
    """
    if isinstance(feature, LbpFeature):
        steps = [(x, y) for y in range(4) for x in range(4)]
        return [(feature.x + x * feature.width, feature.y + y * feature.height) for x, y in steps]
    corners: list[Corner] = []
    for r in feature.rectangles:
        # The two ways along its sides; a tilted rectangle stands on a corner.
        across = (r.width, r.width) if feature.tilted else (r.width, 0)
        down = (-r.height, r.height) if feature.tilted else (0, r.height)
        sides = ((0, 0), across, down, (across[0] + down[0], across[1] + down[1]))
        corners += [(r.x + x, r.y + y) for x, y in sides]
    return corners + [(0, 0)] * (4 * RECTANGLES - len(corners))


def _weights(feature: HaarFeature | LbpFeature) -> tuple[float, ...]:
    weights = (
        tuple(r.weight for r in feature.rectangles) if isinstance(feature, HaarFeature) else ()
    )
    return weights + (0.0,) * (RECTANGLES - len(weights))


class _Rows:
    """The nodes of all trees in one row, parents before children."""

    def __init__(self, features: tuple[HaarFeature | LbpFeature, ...]) -> None:
        self._features = features
        self.nodes: list[Node] = []
        self.features: list[HaarFeature | LbpFeature] = []
        self.roots: list[bool] = []
        self.children: list[tuple[int, int]] = []
        self.leaves: list[tuple[float, float]] = []

    def add_tree(self, weak: WeakClassifier) -> None:
        order = list(_from_the_root(weak))
        start = len(self.nodes)
        position = {number: start + at for at, number in enumerate(order)}
        for number in order:
            node = weak.nodes[number]
            left, right = node.left, node.right
            self.nodes.append(node)
            self.features.append(self._features[node.feature])
            self.roots.append(number == 0)
            self.children.append(
                (position[left] if left > 0 else -1, position[right] if right > 0 else -1)
            )
            self.leaves.append((_leaf(weak, left), _leaf(weak, right)))


def _from_the_root(weak: WeakClassifier) -> Iterator[int]:
    """Yield the numbers of a tree's nodes, a parent before its children."""
    waiting = [0]
    for number in waiting:
        yield number
        node = weak.nodes[number]
        waiting += [child for child in (node.left, node.right) if child > 0]


def _leaf(weak: WeakClassifier, child: int) -> float:
    return weak.leaves[-child] if child <= 0 else 0.0
