"""The arithmetic of OpenMV cameras, to tell what a cascade decides there.

All is done in whole numbers of 32 bits that may wrap around, as in the camera: integral images of
the sums and the squares; with n the area of the window, windows with a variance
``squares // n − (sum // n)²`` below 2500 are passed over; ``std = sqrt(n·squares − sum²)``, cut to
a whole number; a weak classifier compares ``Σ rectangle · weight · 4096`` with
``threshold · std``; a stage passes if its leaves reach ``factor · threshold`` (a float32).

See: OpenMV, ``haar.c``, ``integral_mw.c``, ``rectangle.c`` and ``mathop.c`` of ``imlib``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import DEFAULTS, AcceptedWindows
from fercli.cascade.detection.grid import Layer, detector_layers
from fercli.cascade.model import Cascade, HaarFeature
from fercli.cascade.model.export.openmv import LEAF_UNIT, NODE_UNIT, STAGE_UNIT
from fercli.common.images import ImageArray, to_gray
from fercli.common.kernels import compiled

#: Windows of less variance than this are passed over.
LEAST_VARIANCE = 50 * 50

Int64s = NDArray[np.int64]


class CameraTables(NamedTuple):
    """A cascade as the camera has it.

    Attributes
    ----------
    width, height : int
    counts : ndarray of int64, shape (stages,)
        Weak classifiers of each stage.
    stage_thresholds : ndarray of int64, shape (stages,)
    thresholds : ndarray of int64, shape (weak,)
    leaves : ndarray of int64, shape (weak, 2)
    rectangles : ndarray of int64, shape (weak, 3, 5)
        x, y, width, height, weight; all 0 where there is none.
    """

    width: int
    height: int
    counts: Int64s
    stage_thresholds: Int64s
    thresholds: Int64s
    leaves: Int64s
    rectangles: Int64s


class CameraDecisions(NamedTuple):
    """What the camera decides on a grid of windows; all of shape (rows, columns).

    Attributes
    ----------
    passed : ndarray of int32
        How many stages in a row a window passes, its variance aside.
    low_contrast : ndarray of bool
        Whether it is passed over for its variance.
    margins : ndarray of float64
        How far the sum of the last stage that was reached is above its threshold.
    """

    passed: NDArray[np.int32]
    low_contrast: NDArray[np.bool_]
    margins: NDArray[np.float64]


def camera_tables(cascade: Cascade) -> CameraTables:
    """Return the tables of a cascade that `read_openmv` read: its values are exact there."""
    stages = cascade.stages
    stumps = [weak for stage in stages for weak in stage.weak_classifiers]
    rectangles = np.zeros((len(stumps), 3, 5), np.int64)
    for at, weak in enumerate(stumps):
        feature = cascade.features[weak.nodes[0].feature]
        assert isinstance(feature, HaarFeature)
        for number, part in enumerate(feature.rectangles):
            corners = (part.x, part.y, part.width, part.height)
            rectangles[at, number] = (*corners, int(part.weight))

    def fixed(values: list[float], unit: int) -> Int64s:
        whole: Int64s = np.rint(np.array(values) * unit).astype(np.int64)
        return whole

    return CameraTables(
        *cascade.size_wh,
        counts=np.array([len(stage.weak_classifiers) for stage in stages], np.int64),
        stage_thresholds=fixed([stage.threshold for stage in stages], STAGE_UNIT),
        thresholds=fixed([weak.nodes[0].threshold or 0.0 for weak in stumps], NODE_UNIT),
        leaves=np.stack([fixed(list(weak.leaves), LEAF_UNIT) for weak in stumps]),
        rectangles=rectangles,
    )


def decide(
    pixels: NDArray[np.uint8],
    tables: CameraTables,
    *,
    step: int,
    columns: int,
    rows: int,
    factor: float = 1.0,
) -> CameraDecisions:
    """Return what the camera decides on the windows of an image at its own size.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    tables : CameraTables
    step : int
        Pixels from a window to the next, across and down.
    columns, rows : int
        How many windows.
    factor : float
        What the thresholds of stages are multiplied by: `threshold` of ``find_features``.
        Defaults to 1, which is what a cascade is trained for.
    """
    sums, squares = _integral(pixels), _integral(pixels.astype(np.int64) ** 2)
    shape = max(rows, 0), max(columns, 0)
    decisions = CameraDecisions(
        np.zeros(shape, np.int32), np.zeros(shape, np.bool_), np.zeros(shape)
    )
    _decide(sums, squares, tables, step, np.float32(factor), *decisions)
    return decisions


class CameraDetector:
    """Finds what a camera accepts in the windows that cv2 looks at.

    Parameters
    ----------
    cascade : Cascade
        As `read_openmv` read it.
    any_contrast : bool
        Whether windows of little variance are looked at, too. Defaults to False.
    contrast : float
        Of the images before they are searched, see `raise_contrast`. Defaults to 1.
    beside : CameraDetector, optional
        One of the same cascade that is run on the same images first: its decisions are used.
    """

    def __init__(
        self,
        cascade: Cascade,
        *,
        any_contrast: bool = False,
        contrast: float = 1.0,
        beside: CameraDetector | None = None,
    ) -> None:
        self.cascade = cascade
        self._tables = camera_tables(cascade)
        self._any_contrast = any_contrast
        self._contrast = contrast
        self._last: list[Any] = beside._last if beside else [None, None]

    def scan(self, image: ImageArray, options: DetectionOptions = DEFAULTS) -> AcceptedWindows:
        """Return the windows of an image that the camera accepts; parameters as `Detector.scan`."""
        gray = to_gray(image)
        if self._last[0] is not gray:
            raised = raise_contrast(gray, self._contrast)
            self._last[:] = gray, list(self._decide(raised, options))
        boxes, margins = [np.empty((0, 4), np.int32)], [np.empty(0)]
        for layer, decided in self._last[1]:
            accepted = decided.passed == len(self.cascade.stages)
            if not self._any_contrast:
                accepted &= ~decided.low_contrast
            rows, columns = np.nonzero(accepted)
            boxes.append(layer.boxes(np.stack([columns, rows], 1).astype(np.int32) * layer.step))
            margins.append(decided.margins[accepted])
        image_wh = gray.shape[1], gray.shape[0]
        return AcceptedWindows(np.concatenate(boxes), np.concatenate(margins), image_wh)

    def _decide(
        self, gray: ImageArray, options: DetectionOptions
    ) -> Iterator[tuple[Layer, CameraDecisions]]:
        for layer in detector_layers(
            (gray.shape[1], gray.shape[0]), self.cascade.size_wh,
            scale_factor=options.scale_factor,
            min_size=options.min_size_wh, max_size=options.max_size_wh,
        ):  # fmt: skip
            grid = {"step": layer.step, "columns": layer.columns, "rows": layer.rows}
            yield layer, decide(layer.resize(gray), self._tables, **grid)


def raise_contrast(gray: ImageArray, factor: float) -> ImageArray:
    """Return an image with its gray levels so many times as far from their mean.

    As a camera's ``img.gamma_corr(contrast=factor, brightness=(1 - factor) * mean / 255)`` does it,
    with mean from ``img.get_statistics().mean()``: what exceeds black and white is lost. The camera
    computes in float32, and may come out a level lower.
    """
    levels = factor * np.arange(256) + (1 - factor) * round(float(gray.mean()))
    table = np.clip(levels, 0, 255).astype(np.uint8)
    raised: ImageArray = table[gray]
    return raised


def find_features(
    gray: ImageArray, tables: CameraTables, *, scale_factor: float = 1.25
) -> NDArray[np.int32]:
    """Return the boxes that a camera's ``img.find_features`` returns, at its threshold of 1.

    The camera looks at other windows than cv2. It reduces an image by leaving pixels out, goes on
    by a twentieth of the image's width at its own size and by ever less at smaller ones, leaves
    out the last row and column, and returns the means of windows that overlap.

    Parameters
    ----------
    gray : ndarray of uint8, shape (height, width)
    tables : CameraTables
    scale_factor : float
        From one size of the image to the next. Defaults to 1.25.

    Returns
    -------
    ndarray of int32, shape (n, 4)
        x, y, width, height.
    """
    height, width = gray.shape
    step, scale = min(width // 20, tables.height), np.float32(1)
    boxes: list[tuple[int, ...]] = []
    while True:
        columns, rows = int(width / scale), int(height / scale)
        if columns < tables.width or rows < tables.height:
            return np.array(_merged(boxes), np.int32).reshape(-1, 4)
        step = int(step / scale) or 1
        # The table of sums has no zeros before the first row and column: it begins one later.
        xs = np.arange(1, columns) * ((width << 16) // columns + 1) >> 16
        ys = np.arange(1, rows) * ((height << 16) // rows + 1) >> 16
        decided = decide(
            gray[np.ix_(ys, xs)], tables, step=step,
            columns=-(-(columns - tables.width) // step), rows=-(-(rows - tables.height) // step),
        )  # fmt: skip
        accepted = (decided.passed == len(tables.counts)) & ~decided.low_contrast
        size = (int(tables.width * scale + 0.5), int(tables.height * scale + 0.5))
        for y, x in np.argwhere(accepted) * step:
            boxes.append((int(x * scale + 0.5), int(y * scale + 0.5), *size))
        scale *= np.float32(scale_factor)


def _merged(boxes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return the mean of the first box and those that it overlaps, and so on with the rest."""
    means = []
    while boxes:
        x, y, width, height = boxes[0]
        joined = [
            (a, b, w, h)
            for a, b, w, h in boxes
            if x < a + w and a < x + width and y < b + h and b < y + height
        ]
        means.append(tuple(sum(values) // len(joined) for values in zip(*joined, strict=True)))
        boxes = [box for box in boxes if box not in joined]
    return means


def _integral(pixels: NDArray[np.uint8] | Int64s) -> NDArray[np.uint32]:
    sums = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1), np.uint32)
    sums[1:, 1:] = pixels.cumsum(0, np.int64).cumsum(1)
    return sums


@compiled
def _wrapped(value: int) -> int:
    """Return a whole number as int32 holds it."""
    return ((value + 2147483648) & 4294967295) - 2147483648


@compiled
def _decide(
    sums: NDArray[np.uint32],
    squares: NDArray[np.uint32],
    tables: CameraTables,
    step: int,
    factor: np.float32,
    passed: NDArray[np.int32],
    low_contrast: NDArray[np.bool_],
    margins: NDArray[np.float64],
) -> None:
    width, height = tables.width, tables.height
    area = width * height
    for row in range(passed.shape[0]):
        for column in range(passed.shape[1]):
            x, y = column * step, row * step
            total = _rectangle(sums, x, y, width, height)
            of_squares = _rectangle(squares, x, y, width, height)
            mean = total // area
            variance = (of_squares // area - mean * mean) & 4294967295
            low_contrast[row, column] = variance < LEAST_VARIANCE
            spread = (of_squares * area - total * total) & 4294967295
            deviation = int(np.sqrt(np.float32(spread)))
            first = 0
            for stage in range(len(tables.counts)):
                vote = 0
                for at in range(first, first + tables.counts[stage]):
                    value = 0
                    for part in range(3):
                        px, py, w, h, weight = tables.rectangles[at, part]
                        if w > 0:
                            value += _rectangle(sums, x + px, y + py, w, h) * weight * NODE_UNIT
                    right = _wrapped(value) >= _wrapped(tables.thresholds[at] * deviation)
                    vote += tables.leaves[at, int(right)]
                first += tables.counts[stage]
                wanted = np.float32(factor * np.float32(tables.stage_thresholds[stage]))
                margins[row, column] = (vote - wanted) / LEAF_UNIT
                if np.float32(vote) < wanted:
                    break
                passed[row, column] = stage + 1


@compiled
def _rectangle(sums: NDArray[np.uint32], x: int, y: int, width: int, height: int) -> Any:
    right, bottom = x + width, y + height
    total = (
        np.int64(sums[y, x])
        - np.int64(sums[y, right])
        - np.int64(sums[bottom, x])
        + np.int64(sums[bottom, right])
    )
    return total & 4294967295
