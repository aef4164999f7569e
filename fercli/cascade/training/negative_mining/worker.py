"""Tasks of the miner: tiles of images, scanned for windows that the cascade accepts.

Together, the tiles of an image hold every window of the detector's grid (`Sweep.GRID`), then the
windows between them (`Sweep.BETWEEN`: the grid steps two pixels where the scale is below 2), then
all those of the scales half-way between the detector's (`Sweep.HALF_SCALES`). The same goes for an
image that is turned.
"""

from __future__ import annotations

import math
import threading
import uuid
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fercli.cascade.detection.grid import (
    ImageArray,
    Layer,
    Size,
    detector_scales,
    layer_at,
)
from fercli.cascade.detection.scanner import Scanner
from fercli.common.boxes import Box, turn_boxes
from fercli.common.cluster_worker import memory_limit
from fercli.common.errors import ImageError
from fercli.common.images import read_gray
from fercli.common.parallel import Noted, merge_notes, with_notes

Boxes = tuple[Box, ...]

#: About how many windows a tile has; more in large layers, as each tile resizes its whole layer.
TILE_WINDOWS = 1 << 15
PIXELS_A_WINDOW = 32
#: What random numbers are drawn for; each purpose has its own.
TILES, CHOICE, ORDER = 0, 1, 2
#: Among the first so many windows of a tile, those of different spots come first.
SPREAD = 4096


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


# Tasks: tiles of one image


@dataclass(frozen=True)
class MiningTask:
    """Tiles `first` to `last` of an image, in its random order, to scan.

    Parameters
    ----------
    image, first, last : int
    limit : int
        How many windows are wanted of each tile at most.
    path : Path
        The file of the image.
    boxes_xywh : tuple of boxes
        Known objects in it, which no window may touch.
    turn : int
        Quarters, counterclockwise, by which it is turned.
    """

    image: int
    first: int
    last: int
    limit: int
    path: Path
    boxes_xywh: Boxes = ()
    turn: int = 0


@dataclass
class TileResult:
    """The accepted windows of one tile.

    Parameters
    ----------
    image, number, turn : int
        The image, the tile's number in its random order, and how the image is turned.
    windows : ndarray of uint8, shape (n, height, width)
        A random choice of the accepted windows, first those of different spots.
    boxes_xywh : ndarray of int32, shape (n, 4)
        Where they are in the image.
    seen, accepted : int
        How many windows were scanned, and accepted: perhaps more than there are in `windows`.
    used, given : int
        How many of the windows the buffer was offered, and how many of them it took.
    """

    image: int
    number: int
    turn: int
    windows: NDArray[np.uint8]
    boxes_xywh: NDArray[np.int32]
    seen: int
    accepted: int
    used: int = 0
    given: int = 0

    def drop_used(self) -> None:
        """Free the memory of windows that the buffer was offered."""
        self.windows = self.windows[self.used :].copy()
        self.boxes_xywh = self.boxes_xywh[self.used :].copy()
        self.used = 0


@dataclass(frozen=True)
class TaskResult:
    """The result of a task.

    Parameters
    ----------
    image : int
    tiles : list of TileResult
        Those with a window that is accepted; of a late stage, next to none.
    seen : int
        How many windows were scanned in all tiles of the task.
    has_more : bool
        Whether the image has more tiles.
    error : ImageError, optional
        Why the image cannot be used.
    """

    image: int
    tiles: list[TileResult]
    seen: int
    has_more: bool
    error: ImageError | None = None


class MiningWorker:
    """Scans tiles of background images. Threads may share it.

    A pickled one holds the cascade, and none of the images.

    Parameters
    ----------
    scanner : Scanner
    backgrounds : BackgroundCache
    scale_factor : float
    seed : tuple of int
        Start of the random numbers.
    """

    def __init__(
        self,
        scanner: Scanner,
        backgrounds: BackgroundCache,
        scale_factor: float,
        seed: tuple[int, ...],
    ) -> None:
        self._scanner = scanner
        self._backgrounds = backgrounds
        self._scale_factor = scale_factor
        self._seed = seed

    @property
    def size_wh(self) -> Size:
        """The size of a window."""
        return self._scanner.cascade.size_wh

    def random(self, *purpose: int) -> np.random.Generator:
        """Return random numbers for a purpose, the same whenever they are asked for."""
        return np.random.default_rng([*self._seed, *purpose])

    def run(self, task: MiningTask) -> TaskResult:
        """Do one task; the error of an image that cannot be used is in the result."""
        try:
            image = self._backgrounds.read(task.path)
        except ImageError as error:
            return TaskResult(task.image, [], 0, False, error)
        if task.turn:
            size = (image.shape[1], image.shape[0])
            boxes = turn_boxes(np.array(task.boxes_xywh).reshape(-1, 4), task.turn, size)
            task = replace(task, boxes_xywh=tuple(map(tuple, boxes.tolist())))
            image = np.rot90(image, task.turn).copy()
        tiles = self._tiles(task, image)
        if not tiles:
            return TaskResult(task.image, [], 0, False, self._too_small(task.path, image))
        scanned = [
            self._scan_tile(image, tile, task, number)
            for number, tile in enumerate(tiles[task.first : task.last], task.first)
        ]
        found = [tile for tile in scanned if tile.accepted]
        seen = sum(tile.seen for tile in scanned)
        return TaskResult(task.image, found, seen, len(tiles) > task.last)

    def _tiles(self, task: MiningTask, image: ImageArray) -> list[Tile]:
        """Return an image's tiles up to those of a task and one, in its order, sweep by sweep."""
        size = (image.shape[1], image.shape[0])
        wanted = task.last + 1
        tiles: list[Tile] = []
        for sweep in Sweep:
            if len(tiles) >= wanted:
                break
            new = tiles_of(sweep, size, self._scanner.cascade.size_wh, self._scale_factor)
            order = self.random(TILES, task.image, sweep, *_if_any(task.turn)).permutation(len(new))
            tiles.extend(new[at] for at in order)
        return tiles[:wanted]

    def _too_small(self, path: Path, image: ImageArray) -> ImageError:
        wanted, found = self._scanner.cascade.size_wh, image.shape[::-1]
        return ImageError(
            f"The image of {found[0]}x{found[1]} pixels is smaller than the window of "
            f"{wanted[0]}x{wanted[1]}",
            path=path,
        )

    def _scan_tile(
        self, image: ImageArray, tile: Tile, task: MiningTask, number: int
    ) -> TileResult:
        pixels = tile.layer.resize(image)
        scan = self._scanner.scan_layer(
            pixels, tile.step, start_xy=tile.start_xy, columns=tile.columns, rows=tile.rows
        )
        positions, seen = scan.positions_xy, int(scan.entered[0])
        if task.boxes_xywh:
            on = windows_touching(tile, (image.shape[1], image.shape[0]), task.boxes_xywh)
            columns, rows = ((positions - np.array(tile.start_xy)) // tile.step).T
            positions, seen = positions[~on[rows, columns]], seen - int(on.sum())
        chosen = self._choose(positions, task, number)
        width, height = tile.layer.window_wh
        windows = sliding_window_view(pixels, (height, width))[chosen[:, 1], chosen[:, 0]]
        size = (image.shape[1], image.shape[0])
        boxes = turn_boxes(tile.layer.boxes(chosen), -task.turn, size)
        return TileResult(task.image, number, task.turn, windows, boxes, seen, len(positions))

    def _choose(
        self, positions: NDArray[np.int32], task: MiningTask, number: int
    ) -> NDArray[np.int32]:
        """Return up to a limit of windows in random order, but one of each spot first."""
        if len(positions) == 0:
            return positions
        random = self.random(CHOICE, task.image, number, *_if_any(task.turn))
        shuffled = positions[random.permutation(len(positions))]
        width, height = self._scanner.cascade.size_wh
        # A spot is half a window wide and high: about as far as false alarms hang together.
        x, y = (shuffled[:SPREAD] // np.array([max(width // 2, 1), max(height // 2, 1)])).T
        _, firsts = np.unique(y.astype(np.int64) << 32 | x, return_index=True)
        repeats = np.ones(len(x), np.bool_)
        repeats[firsts] = False
        shuffled[:SPREAD] = shuffled[np.argsort(repeats, kind="stable")]
        return shuffled[: task.limit]


def _if_any(turn: int) -> tuple[int, ...]:
    """Return what tells the random numbers of a turned image; nothing of one as it is."""
    return (turn,) if turn else ()


class BackgroundCache:
    """Gray background images, kept in memory up to a bound. Threads may share it.

    Images are kept as they come, until the bound is reached: a training asks for all of them
    again and again, so that replacing one by another would gain nothing. A pickled cache is empty,
    and each process that unpickles it has one, which it keeps from stage to stage.

    Parameters
    ----------
    memory_bytes : int
        The most that the images kept may take.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = self._room = memory_bytes
        self._token = uuid.uuid4().hex
        self._kept: dict[Path, Noted[ImageArray]] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Leave out the images."""
        return _cache_of_process, (self._token, self._memory_bytes)

    def read(self, path: Path) -> ImageArray:
        """Return an image, from memory if it is there.

        Raises
        ------
        ImageError
            As `read_gray`.
        """
        image, notes = self._kept.get(path) or self._keep(path)
        merge_notes(notes)  # again, since the task that read it may have been given up
        return image

    def _keep(self, path: Path) -> Noted[ImageArray]:
        noted = with_notes(read_gray, path)
        size = noted[0].nbytes
        with self._lock:
            if size <= self._room and path not in self._kept:
                self._kept[path] = noted
                self._room -= size
        return noted


#: The cache of this process for the training of another, by its token; never more than one.
_CACHES: dict[str, BackgroundCache] = {}


def _cache_of_process(token: str, memory_bytes: int) -> BackgroundCache:
    if token not in _CACHES:
        limit = memory_limit()
        _CACHES.clear()
        _CACHES[token] = BackgroundCache(min(memory_bytes, limit // 4 if limit else memory_bytes))
    return _CACHES[token]
