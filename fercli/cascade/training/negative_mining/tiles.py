"""Tiles of an image: the unit of work of the miner.

Together, the tiles of an image hold every window of the detector's grid (`Sweep.GRID`), then the
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

from fercli.cascade.detection.grid import Layer, Size, detector_scales, layer_at
from fercli.common.boxes import Box

Boxes = tuple[Box, ...]

#: About how many windows a tile has; more in large layers, as each tile resizes its whole layer.
TILE_WINDOWS = 1 << 15
PIXELS_A_WINDOW = 32


class Sweep(IntEnum):
    """Passes over an image, in their order: see the module."""

    GRID = 0
    BETWEEN = 1
    HALF_SCALES = 2


@dataclass(frozen=True)
class Tile:
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
def tiles_of(
    sweep: Sweep, image_wh: Size, window_wh: Size, scale_factor: float
) -> tuple[Tile, ...]:
    """Return the tiles of an image in one sweep; none if it is smaller than the window."""
    scales = detector_scales(image_wh, window_wh, scale_factor)
    if sweep is Sweep.HALF_SCALES:
        half = math.sqrt(scale_factor)
        scales = (float(np.float32(scale * half)) for scale in scales)
    layers = [layer_at(scale, image_wh, window_wh) for scale in scales]
    return tuple(
        tile for layer in layers for tile in _of_layer(layer, sweep) if tile.columns * tile.rows
    )


def _of_layer(layer: Layer, sweep: Sweep) -> list[Tile]:
    if sweep is Sweep.GRID:
        return _in_bands(layer, layer.step, (0, 0))
    if sweep is Sweep.HALF_SCALES:
        return _in_bands(layer, 1, (0, 0))
    starts = [(1, 0), (0, 1), (1, 1)] if layer.step == 2 else []
    return [tile for start in starts for tile in _in_bands(layer, 2, start)]


def _in_bands(layer: Layer, step: int, start_xy: tuple[int, int]) -> list[Tile]:
    columns, rows = (
        max((side - window - start) // step + 1, 0)
        for side, window, start in zip(layer.size_wh, layer.window_wh, start_xy, strict=True)
    )
    most = max(TILE_WINDOWS, layer.size_wh[0] * layer.size_wh[1] // PIXELS_A_WINDOW)
    bands = max(-(-columns * rows // most), 1)
    depth = max(-(-rows // bands), 1)
    x, y = start_xy
    return [
        Tile(layer, step, (x, y + top * step), columns, min(depth, rows - top))
        for top in range(0, rows, depth)
    ]


def windows_touching(tile: Tile, image_wh: Size, boxes_xywh: Boxes) -> NDArray[np.bool_]:
    """Return which windows of a tile share a pixel with one of some boxes of its image.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
    """
    shared = np.zeros((tile.rows, tile.columns), np.bool_)
    for x, y, width, height in boxes_xywh:
        across = _touching(tile, 0, tile.columns, image_wh, x, x + width)
        down = _touching(tile, 1, tile.rows, image_wh, y, y + height)
        shared |= down[:, None] & across[None, :]
    return shared


def _touching(
    tile: Tile, axis: int, count: int, image_wh: Size, first: float, last: float
) -> NDArray[np.bool_]:
    """Return which windows along an axis reach into the image's pixels `first` to `last`."""
    scale = image_wh[axis] / tile.layer.size_wh[axis]
    starts = tile.start_xy[axis] + tile.step * np.arange(count)
    touching: NDArray[np.bool_] = (starts * scale < last) & (
        (starts + tile.layer.window_wh[axis]) * scale > first
    )
    return touching
