"""Parts of an image: the portions in which the miner looks at it.

Together, the parts of an image hold every window of the detector's grid (`Sweep.GRID`), then the
windows between them (`Sweep.BETWEEN`: the grid steps two pixels where the scale is below 2), then
all those of the scales half-way between the detector's (`Sweep.HALF_SCALES`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.scanner.grid import Layer, Size, detector_scales, layer_at

#: x, y, width, height of each.
Boxes = tuple[tuple[int, int, int, int], ...]

#: Windows of a part, about; more in large layers, since each part resizes the whole of its layer.
PART = 1 << 15
PIXELS_A_WINDOW = 32


class Sweep(IntEnum):
    """The sweeps over an image, in their order."""

    GRID = 0
    BETWEEN = 1
    HALF_SCALES = 2


@dataclass(frozen=True)
class Part:
    """Some rows of windows of one layer.

    Parameters
    ----------
    layer : Layer
    step : int
        Pixels from a window to the next.
    start_xy : tuple of 2 int
        The first window.
    columns, rows : int
        How many windows.
    """

    layer: Layer
    step: int
    start_xy: tuple[int, int]
    columns: int
    rows: int


@lru_cache(maxsize=4096)
def parts_of(
    sweep: Sweep, image_wh: Size, window_wh: Size, scale_factor: float
) -> tuple[Part, ...]:
    """Return the parts of an image in one sweep; none if it is smaller than the window."""
    scales = detector_scales(image_wh, window_wh, scale_factor)
    if sweep is Sweep.HALF_SCALES:
        half = math.sqrt(scale_factor)
        scales = (float(np.float32(scale * half)) for scale in scales)
    layers = [layer_at(scale, image_wh, window_wh) for scale in scales]
    return tuple(
        part for layer in layers for part in _of_layer(layer, sweep) if part.columns * part.rows
    )


def _of_layer(layer: Layer, sweep: Sweep) -> list[Part]:
    if sweep is Sweep.GRID:
        return _in_bands(layer, layer.step, (0, 0))
    if sweep is Sweep.HALF_SCALES:
        return _in_bands(layer, 1, (0, 0))
    starts = [(1, 0), (0, 1), (1, 1)] if layer.step == 2 else []
    return [part for start in starts for part in _in_bands(layer, 2, start)]


def _in_bands(layer: Layer, step: int, start_xy: tuple[int, int]) -> list[Part]:
    columns, rows = (
        max((side - window - start) // step + 1, 0)
        for side, window, start in zip(layer.size_wh, layer.window_wh, start_xy, strict=True)
    )
    most = max(PART, layer.size_wh[0] * layer.size_wh[1] // PIXELS_A_WINDOW)
    bands = max(-(-columns * rows // most), 1)
    depth = max(-(-rows // bands), 1)
    x, y = start_xy
    return [
        Part(layer, step, (x, y + top * step), columns, min(depth, rows - top))
        for top in range(0, rows, depth)
    ]


def windows_on(part: Part, image_wh: Size, boxes_xywh: Boxes) -> NDArray[np.bool_]:
    """Return which windows of a part share a pixel with one of some boxes of its image.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
    """
    shared = np.zeros((part.rows, part.columns), np.bool_)
    for x, y, width, height in boxes_xywh:
        across = _touching(part, 0, part.columns, image_wh, x, x + width)
        down = _touching(part, 1, part.rows, image_wh, y, y + height)
        shared |= down[:, None] & across[None, :]
    return shared


def _touching(
    part: Part, axis: int, count: int, image_wh: Size, first: float, last: float
) -> NDArray[np.bool_]:
    """Return which windows along an axis reach into the image's pixels `first` to `last`."""
    scale = image_wh[axis] / part.layer.size_wh[axis]
    starts = part.start_xy[axis] + part.step * np.arange(count)
    touching: NDArray[np.bool_] = (starts * scale < last) & (
        (starts + part.layer.window_wh[axis]) * scale > first
    )
    return touching
