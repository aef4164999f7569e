"""The rounds of mining for one stage: over all images, until enough negatives are found."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.grid import Size
from fercli.cascade.training.negative_mining.worker import (
    ORDER,
    MiningTask,
    MiningWorker,
    TaskResult,
    TileResult,
    tasks_of_round,
)
from fercli.common.errors import ImageError
from fercli.common.parallel import parallel_map
from fercli.common.progress import Bar

#: The first round scans at least so many tiles: variety where images are few.
VARIETY = 1000
#: Tiles of a task.
TASK_TILES = 8
#: Windows of a tile that are kept for later rounds, beyond those that it may give at once.
SPARE = 32


class NegativeBuffer:
    """Different windows, up to a number.

    Parameters
    ----------
    wanted : int
    size_wh : tuple of 2 int
        Of a window.
    """

    def __init__(self, wanted: int, size_wh: Size) -> None:
        width, height = size_wh
        self.wanted = wanted
        self._count = 0
        # Memory that is never written to is never taken.
        self._windows = np.empty((wanted, height, width), np.uint8)
        self._images = np.empty(wanted, np.int32)
        self._boxes = np.empty((wanted, 4), np.int32)
        self._known: set[bytes] = set()

    @property
    def missing(self) -> int:
        """The number of windows that are still missing."""
        return self.wanted - self._count

    @property
    def full(self) -> bool:
        """Whether there are as many as wanted."""
        return self.missing <= 0

    def add(self, tile: TileResult, most: int) -> int:
        """Take windows of a tile until it has given `most`; return how many were taken."""
        before = self._count
        while tile.used < len(tile.windows) and tile.given < most and not self.full:
            window = tile.windows[tile.used]
            digest = hashlib.blake2b(window.tobytes(), digest_size=16).digest()
            if digest not in self._known:
                self._known.add(digest)
                self._windows[self._count] = window
                self._images[self._count] = tile.image
                self._boxes[self._count] = tile.layer.boxes(tile.positions_xy[tile.used, None])
                self._count += 1
                tile.given += 1
            tile.used += 1
        return self._count - before

    def contents(self) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
        """Return windows (n, height, width), images (n,) and boxes (n, 4)."""
        count = self._count
        return self._windows[:count], self._images[:count], self._boxes[:count]


class MiningRounds:
    """The mining of the negatives of one stage.

    Parameters
    ----------
    worker : MiningWorker
    images, wanted : int
        How many there are, and how many windows are wanted.
    lowest_ratio : float
        Give up when surely fewer windows than this share are accepted.
    workers : int, optional
    """

    def __init__(
        self,
        worker: MiningWorker,
        images: int,
        wanted: int,
        lowest_ratio: float,
        workers: int | None,
    ) -> None:
        self.worker = worker
        self.images = images
        self.lowest_ratio = lowest_ratio
        self.workers = workers
        self.buffer = NegativeBuffer(wanted, worker.size_wh)
        self.seen = 0
        self.accepted = 0
        self._rounds = 0
        self.left_out: dict[int, ImageError] = {}
        # Tiles with more windows than they may give as yet, and how many windows those are.
        self._remaining: list[TileResult] = []
        self._kept = 0
        # Tiles with more accepted windows than are kept of them: image and number.
        self._truncated: list[tuple[int, int]] = []
        self._began = time.monotonic()

    @property
    def rare(self) -> bool:
        """Whether the acceptance ratio is below the lowest wanted, by three standard deviations.

        Windows of one image are alike: only those of all images tell.
        """
        if self._rounds == 0:
            return False
        most = self.accepted + 3 * math.sqrt(self.accepted + 1)
        return not self.buffer.full and most < self.lowest_ratio * self.seen

    @property
    def done(self) -> bool:
        """Whether mining is at its end."""
        return self.buffer.full or self.rare

    def run(self, bar: Bar) -> None:
        """Scan until enough windows are found, or all have been seen."""
        images = np.arange(self.images)
        first, count = 0, math.ceil(VARIETY / self.images)
        quota = math.ceil(self.buffer.wanted / (self.images * count))
        while len(images) and not self.done:
            order = self.worker.random(ORDER, first).permutation(images)
            tasks = tasks_of_round(order, first, first + count, quota + SPARE, TASK_TILES)
            images = self._scan(tasks, quota, bar)
            self._rounds += 1
            # The next round is as large as all before it, and a tile may give twice as many.
            first, count, quota = first + count, first + count, 2 * quota
            self._take_remaining(quota, bar)
        self._take_remaining(self.buffer.wanted, bar)
        self._rescan_truncated(bar)

    def _scan(self, tasks: Iterable[MiningTask], quota: int, bar: Bar) -> NDArray[np.int64]:
        """Run tasks; return the images that have more tiles."""
        more: dict[int, bool] = {}
        for result in self._results(tasks):
            more[result.task.image] = result.has_more
            self._receive(result, quota, bar)
            if self.done:
                break
        return np.array([number for number in sorted(more) if more[number]], np.int64)

    def _results(self, tasks: Iterable[MiningTask]) -> Iterator[TaskResult]:
        return parallel_map(self.worker.run, tasks, workers=self.workers, prefer="threads")

    def _receive(self, result: TaskResult, quota: int, bar: Bar) -> None:
        if result.error is not None:
            self.left_out[result.task.image] = result.error
        for tile in result.tiles:
            self.seen += tile.seen
            self.accepted += tile.accepted
            bar.advance(self.buffer.add(tile, quota))
            self._keep(tile)
        rate = self.seen / max(time.monotonic() - self._began, 1e-6)
        ratio = self.accepted / max(self.seen, 1)
        bar.figures(f"acceptance {ratio:.3g}, {rate / 1e6:.1f} M windows/s")

    def _keep(self, tile: TileResult) -> None:
        """Keep the windows of a tile that were not taken, while they could be needed."""
        remaining = len(tile.windows) - tile.used
        fits = self._kept + remaining <= 2 * self.buffer.wanted
        if tile.accepted > len(tile.windows) or not fits:
            self._truncated.append((tile.image, tile.number))
        if remaining and fits:
            tile.drop_used()
            self._remaining.append(tile)
            self._kept += remaining

    def _take_remaining(self, most: int, bar: Bar) -> None:
        """Take more of the windows kept, now that each tile may give `most`."""
        if self.done:
            return
        for tile in self._remaining:
            bar.advance(self.buffer.add(tile, most))
        self._remaining = [tile for tile in self._remaining if tile.used < len(tile.windows)]
        self._kept = sum(len(tile.windows) - tile.used for tile in self._remaining)

    def _rescan_truncated(self, bar: Bar) -> None:
        """Scan the tiles again of which not all accepted windows were kept, if more are needed.

        The missing windows are shared evenly among the tiles; what one does not have is shared
        among the others.
        """
        while self._truncated and not self.done:
            share = math.ceil(self.buffer.missing / len(self._truncated))
            self._truncated = self._rescan(share, bar)

    def _rescan(self, most: int, bar: Bar) -> list[tuple[int, int]]:
        """Take up to `most` new windows of each tile that had more; return those that gave them."""
        more = []
        limit = self.buffer.wanted
        tasks = (MiningTask(image, number, number + 1, limit) for image, number in self._truncated)
        for result in self._results(tasks):
            for tile in result.tiles:
                bar.advance(self.buffer.add(tile, most))
                if tile.given == most:
                    more.append((tile.image, tile.number))
            if self.buffer.full:
                break
        return more
