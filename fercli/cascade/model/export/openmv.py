"""The ``.cascade`` file of OpenMV cameras (``image.HaarCascade``), written and read.

Little-endian, without padding:

=====  =========  =============  ==========================================
order  type       count          content
=====  =========  =============  ==========================================
1      int32      2              width and height of the window
2      int32      1              stages
3      uint8      stages         weak classifiers of each stage
4      int16      stages         thresholds of the stages × 256
5      int16      weak           thresholds of the nodes × 4096
6      int16      weak           left leaves × 256
7      int16      weak           right leaves × 256
8      uint8      weak           rectangles of the feature, 2 or 3
9      int8       rectangles     weights
10     uint8 × 4  rectangles     x, y, width, height
=====  =========  =============  ==========================================

Fixed-point values are rounded to the nearest, where OpenMV's own converter cuts them off. Firmware
that has its own cascades in ``/rom`` skips bytes after row 3, up to a multiple of four; where the
number of stages is none, it and older firmware read different files.

See: OpenMV, ``ml/haarcascade/cascade_convert.py`` and ``src/omv/imlib/haar.c``, later
``lib/imlib/haar.c``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.model.cascade import (
    Cascade,
    HaarFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    check_cascade,
)
from fercli.common.errors import CascadeFileError
from fercli.common.files import input_error

#: What the thresholds and leaves are multiplied by.
STAGE_UNIT, NODE_UNIT, LEAF_UNIT = 256, 4096, 256
#: A stage has no more weak classifiers, a rectangle no larger number.
MOST = 255

#: What to train with for a cascade that can be written.
HOW_TO_TRAIN = "train with `fer cascade train --feature-type HAAR --mode CORE --max-depth 1`"
FEWER_WEAK = f"train with `fer cascade train --max-weak-count {MOST}`"
HEADER = struct.Struct("<iii")


def openmv_bytes(cascade: Cascade, *, align: bool = False) -> bytes:
    """Return the file of a cascade for OpenMV.

    Parameters
    ----------
    cascade : Cascade
        Upright Haar features of two or three rectangles with whole weights, in stumps.
    align : bool
        Whether zeros follow the counts of the stages, up to a multiple of four bytes, as firmware
        with cascades in ``/rom`` reads them. Defaults to False.

    Raises
    ------
    CascadeFileError
        The format cannot express the cascade; says what cannot be written, and which options of
        a training avoid it.
    """
    check_cascade(cascade)
    features = [_expressible(cascade, weak, where) for weak, where in _weak(cascade)]
    _check_counts(cascade)
    nodes = [weak.nodes[0] for weak, _ in _weak(cascade)]
    leaves = [_left_and_right(weak) for weak, _ in _weak(cascade)]
    parts = [part for feature in features for part in feature.rectangles]
    stage_thresholds = [stage.threshold for stage in cascade.stages]
    arrays: list[NDArray[Any]] = [
        np.array([len(stage.weak_classifiers) for stage in cascade.stages], np.uint8),
        _fixed(stage_thresholds, STAGE_UNIT, "thresholds of stages"),
        _fixed([node.threshold for node in nodes], NODE_UNIT, "thresholds of weak classifiers"),
        _fixed([left for left, _ in leaves], LEAF_UNIT, "left leaves"),
        _fixed([right for _, right in leaves], LEAF_UNIT, "right leaves"),
        np.array([len(feature.rectangles) for feature in features], np.uint8),
        np.array([part.weight for part in parts], np.int8),
        np.array([(part.x, part.y, part.width, part.height) for part in parts], np.uint8),
    ]
    if align:
        arrays.insert(1, np.zeros(padding(len(cascade.stages)), np.uint8))
    header = HEADER.pack(*cascade.size_wh, len(cascade.stages))
    return header + b"".join(array.tobytes() for array in arrays)


def padding(stages: int) -> int:
    """Return how many bytes newer firmware skips after the counts of so many stages."""
    return -stages % 4


def with_camera_norm(cascade: Cascade) -> Cascade:
    """Return a cascade with its thresholds fitted to the norm of the camera.

    OpenCV divides a feature by the area and the standard deviation of the window without its
    outermost pixels, the camera by those of the whole window. The areas' ratio is the larger part
    of the difference: thresholds are multiplied by it.
    """
    width, height = cascade.size_wh
    ratio = (width - 2) * (height - 2) / (width * height)

    def fitted(weak: WeakClassifier) -> WeakClassifier:
        nodes = (replace(node, threshold=(node.threshold or 0.0) * ratio) for node in weak.nodes)
        return replace(weak, nodes=tuple(nodes))

    if cascade.feature_type != "HAAR":
        return cascade
    stages = (
        replace(stage, weak_classifiers=tuple(map(fitted, stage.weak_classifiers)))
        for stage in cascade.stages
    )
    return replace(cascade, stages=tuple(stages))


def _weak(cascade: Cascade) -> Iterator[tuple[WeakClassifier, str]]:
    """Yield all weak classifiers, and where each is."""
    for i, stage in enumerate(cascade.stages):
        for j, weak in enumerate(stage.weak_classifiers):
            yield weak, f"stage {i}, weak classifier {j}"


def _expressible(cascade: Cascade, weak: WeakClassifier, where: str) -> HaarFeature:
    """Return the feature of a weak classifier, or raise if the format cannot express it."""
    if len(weak.nodes) > 1:
        raise _inexpressible(where, f"a tree of {len(weak.nodes)} nodes, not a stump")
    feature = cascade.features[weak.nodes[0].feature]
    if not isinstance(feature, HaarFeature):
        raise _inexpressible(where, "an LBP feature")
    if feature.tilted:
        raise _inexpressible(where, "a tilted feature")
    if not 2 <= len(feature.rectangles) <= 3:
        raise _inexpressible(where, "a feature of a single rectangle")
    for part in feature.rectangles:
        if part.weight != int(part.weight) or not -128 <= part.weight <= 127:
            raise _inexpressible(where, f"a rectangle of the weight {part.weight:g}")
    return feature


def _inexpressible(where: str, found: str) -> CascadeFileError:
    message = f"{where}: {found}, which the format of OpenMV cannot express"
    return CascadeFileError(message, hint=HOW_TO_TRAIN)


def _check_counts(cascade: Cascade) -> None:
    if max(cascade.size_wh) > MOST:
        width, height = cascade.size_wh
        raise CascadeFileError(
            f"A window of {width}x{height}, where OpenMV has at most {MOST} pixels a side",
            hint="train with `fer cascade train --size 24x24`",
        )
    for at, stage in enumerate(cascade.stages):
        if len(stage.weak_classifiers) > MOST:
            raise CascadeFileError(
                f"stage {at}: {len(stage.weak_classifiers)} weak classifiers, where OpenMV has "
                f"at most {MOST}",
                hint=FEWER_WEAK,
            )


def _left_and_right(weak: WeakClassifier) -> tuple[float, float]:
    (node,) = weak.nodes
    return weak.leaves[-node.left], weak.leaves[-node.right]


def _fixed(values: list[Any], unit: int, what: str) -> NDArray[np.int16]:
    """Return values in fixed point, rounded; raise `CascadeFileError` where one does not fit."""
    scaled = np.rint(np.array(values, np.float64) * unit)
    limits = np.iinfo(np.int16)
    wrong = np.flatnonzero((scaled < limits.min) | (scaled > limits.max))
    if len(wrong):
        raise CascadeFileError(
            f"{what}: {values[wrong[0]]:g} is beyond ±{-limits.min // unit}, the range of OpenMV",
            hint="train with `fer cascade train --boost-type GAB --max-weak-count 100`",
        )
    return scaled.astype("<i2")


# The file read back, as a cascade of today's format.


def is_openmv(data: bytes) -> bool:
    """Return whether data begin as an OpenMV file does: window and number of stages."""
    if len(data) < HEADER.size:
        return False
    width, height, stages = map(int, HEADER.unpack_from(data))
    return 3 <= width <= MOST and 3 <= height <= MOST and 1 <= stages <= 1000


def read_openmv(path: Path) -> Cascade:
    """Return the cascade of an OpenMV file, aligned or not, which `openmv_bytes` writes again.

    Raises
    ------
    CascadeFileError
        The file is missing, truncated or longer than its counts say, or holds a cascade that no
        detector may load.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        found = input_error(error, path, wanted="a cascade file")
        raise CascadeFileError(found.message, path=path) from error
    try:
        cascade = _parsed(data)
        check_cascade(cascade)
    except CascadeFileError as error:
        raise CascadeFileError(error.message, hint=error.hint, path=path) from error
    return cascade


def _parsed(data: bytes) -> Cascade:
    """Return the cascade of a file, written with `align` or without."""
    try:
        return _Reader(data).cascade()
    except CascadeFileError:
        if is_openmv(data):
            stages = HEADER.unpack_from(data)[2]
            end = HEADER.size + stages
            with suppress(CascadeFileError):
                return _Reader(data[:end] + data[end + padding(stages) :]).cascade()
        raise


class _Reader:
    """Takes one array after the other from a file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def cascade(self) -> Cascade:
        if not is_openmv(self._data):
            raise CascadeFileError("The file does not begin as a cascade of OpenMV does")
        *size_wh, stages = self._take("<i4", 3).tolist()
        counts = self._take("u1", stages)
        weak = int(counts.sum())
        thresholds = self._take("<i2", stages) / STAGE_UNIT
        nodes = self._take("<i2", weak) / NODE_UNIT
        leaves = np.stack([self._take("<i2", weak), self._take("<i2", weak)], 1) / LEAF_UNIT
        sizes = self._take("u1", weak)
        weights = self._take("i1", int(sizes.sum()))
        rectangles = self._take("u1", 4 * len(weights)).reshape(-1, 4)
        if self._at != len(self._data):
            raise CascadeFileError(
                f"Expected {self._at} bytes by its counts, got {len(self._data)}: "
                "the file is not a cascade of OpenMV"
            )
        parts = [
            WeightedRectangle(int(x), int(y), int(width), int(height), float(weight))
            for (x, y, width, height), weight in zip(rectangles, weights, strict=True)
        ]
        ends = np.cumsum(sizes, dtype=np.intp)
        features = tuple(
            HaarFeature(tuple(parts[end - size : end]))
            for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
        )
        stumps = [
            WeakClassifier((Node(0, -1, at, threshold=float(nodes[at])),), tuple(leaves[at]))
            for at in range(weak)
        ]
        firsts = [0, *np.cumsum(counts, dtype=np.intp).tolist()]
        return Cascade(
            "HAAR",
            (size_wh[0], size_wh[1]),
            tuple(
                Stage(float(threshold), tuple(stumps[first:last]))
                for threshold, first, last in zip(thresholds, firsts, firsts[1:], strict=False)
            ),
            features,
        )

    def _take(self, kind: str, count: int) -> NDArray[Any]:
        size = np.dtype(kind).itemsize * count
        if self._at + size > len(self._data):
            raise CascadeFileError(
                f"The cascade of OpenMV is truncated: it has {len(self._data)} bytes"
            )
        array = np.frombuffer(self._data, kind, count, self._at)
        self._at += size
        return array
