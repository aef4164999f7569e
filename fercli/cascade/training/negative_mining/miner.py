"""Mining of hard negatives: windows of backgrounds that the cascade so far accepts.

The negatives of a stage are false alarms of the stages before it, among the windows that the
detector itself looks at. They are taken from all images, at random scales and positions, few from
one spot. The unit is a tile of an image (see `worker`). Each round scans some new tiles of every
image; rounds grow, and with them the number of windows that a tile may give, until enough windows
are found or every window of every image has been seen.

The result depends on the images, the cascade, the seed and the stage alone: not on the number of
threads, nor on what was mined before. A training that is resumed gets the same.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.grid import Size
from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.model import Cascade
from fercli.cascade.training.negative_mining.worker import (
    ORDER,
    BackgroundCache,
    Boxes,
    MiningTask,
    MiningWorker,
    TaskResult,
    TileResult,
)
from fercli.common.errors import ImageError, InputError, OptionError
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Bar, Progress

#: Images that cannot be used are named one by one up to so many.
MOST_ERRORS_SHOWN = 10
#: The first round scans at least so many tiles, several of each image where images are few.
LEAST_FIRST_TILES = 1000
#: Quarters by which images are turned, once they have been seen as they are.
TURNS = (2, 1, 3)
#: Tiles of a task.
TASK_TILES = 8
#: Windows of a tile that are kept for later rounds, beyond those that it may give at once.
KEPT_FOR_LATER = 32


@dataclass(frozen=True)
class MiningResult:
    """The negatives of a stage, and how many windows were seen for them.

    Parameters
    ----------
    windows : ndarray of uint8, shape (n, height, width)
        All different.
    images : ndarray of int32, shape (n,)
        Which of the backgrounds each is from.
    boxes_xywh : ndarray of int32, shape (n, 4)
        Where it is in that image.
    windows_seen : int
        How many windows were scanned.
    windows_accepted : int
        How many of them the cascade accepts: perhaps more than were taken.
    exhausted : bool
        Whether every window of every image has been seen, and still too few are found.
    rare : bool
        Whether mining was given up because so few windows are accepted.
    seconds : float
    """

    windows: NDArray[np.uint8]
    images: NDArray[np.int32]
    boxes_xywh: NDArray[np.int32]
    windows_seen: int
    windows_accepted: int
    exhausted: bool
    rare: bool
    seconds: float

    @property
    def acceptance_ratio(self) -> float:
        """The share of the windows seen that the cascade accepts: its false alarm rate."""
        return self.windows_accepted / max(self.windows_seen, 1)


class NegativeMiner:
    """Background images to mine, stage by stage.

    Parameters
    ----------
    backgrounds : sequence of Path
        Those that cannot be read, or are smaller than the window, are left out.
    size_wh : tuple of 2 int
        The window.
    seed : int
        Start of the random numbers. Defaults to 0.
    workers : int or Workers, optional
        How many threads, or a cluster, whose workers read the images themselves. Defaults to all
        cores.
    memory_bytes : int
        The most that images kept in memory may take; others are read again in each round.
        Defaults to 1 GiB.
    scale_factor : float
        Between the scales of the detector's grid. Defaults to 1.1.
    objects : mapping of Path to boxes, optional
        Known objects (x, y, width, height) in some of the images; windows that share a pixel
        with one are never taken, nor counted.
    refuse_flat : bool
        Whether flat windows are left out where there is no cascade yet: true for Haar features,
        whose detector refuses them, and false for LBP. Defaults to True.
    turned : bool
        Whether windows of the images turned by a half and by quarters are taken too, once all of
        them as they are have been seen. Defaults to False.

    Raises
    ------
    OptionError
        `scale_factor` is not above 1.
    InputError
        There are no backgrounds.
    """

    def __init__(
        self,
        backgrounds: Sequence[Path],
        size_wh: Size,
        *,
        seed: int = 0,
        workers: int | Workers | None = None,
        memory_bytes: int = 1 << 30,
        scale_factor: float = 1.1,
        objects: Mapping[Path, Boxes] | None = None,
        refuse_flat: bool = True,
        turned: bool = False,
    ) -> None:
        if not scale_factor > 1:
            raise OptionError(f"`scale_factor`: expected more than 1, got {scale_factor:g}")
        if not backgrounds:
            raise InputError("There are no background images")
        self.backgrounds = tuple(backgrounds)
        self._cache = BackgroundCache(memory_bytes)
        self.size_wh = size_wh
        self.seed = seed
        self.workers = workers
        self.scale_factor = scale_factor
        self.objects = dict(objects or {})
        self.refuse_flat = refuse_flat
        self.turned = turned
        #: Why images are left out, by number: as far as they have been asked for.
        self.left_out: dict[int, ImageError] = {}

    def mine(
        self,
        cascade: Cascade | None,
        wanted: int,
        *,
        stage_index: int,
        lowest_ratio: float = 0.0,
        progress: Progress = SILENT,
    ) -> MiningResult:
        """Return windows that a cascade accepts.

        Parameters
        ----------
        cascade : Cascade, optional
            The stages so far. Without any, all windows are accepted, but for flat ones.
        wanted : int
            How many windows.
        stage_index : int
            The stage that they are for: each has random numbers of its own.
        lowest_ratio : float
            Give up when the acceptance ratio over all images is surely (by three standard
            deviations) below this. Defaults to 0: never.
        progress : Progress

        Raises
        ------
        InputError
            No image can be read and is as large as the window.
        """
        if cascade is None:
            cascade = Cascade("HAAR" if self.refuse_flat else "LBP", self.size_wh, (), ())
        worker = MiningWorker(
            Scanner(cascade), self._cache, self.scale_factor, (self.seed, stage_index)
        )
        rounds = MiningRounds(
            worker, self.backgrounds, self.objects, wanted, lowest_ratio, self.workers
        )
        began = time.monotonic()
        with progress.bar(f"Negatives for stage {stage_index}", total=wanted, unit="window") as bar:
            rounds.run(bar)
            for turn in TURNS if self.turned else ():
                rounds.run(bar, turn)
        self._note_left_out(rounds.left_out, progress)
        windows, images, boxes = rounds.buffer.contents()
        return MiningResult(
            windows,
            images,
            boxes,
            windows_seen=rounds.seen,
            windows_accepted=rounds.accepted,
            exhausted=rounds.needs_more,
            rare=rounds.rare,
            seconds=time.monotonic() - began,
        )

    def _note_left_out(self, found: Mapping[int, ImageError], progress: Progress) -> None:
        """Note the images that turned out to be unusable; raise if all are."""
        new = [found[number] for number in sorted(found) if number not in self.left_out]
        self.left_out.update(found)
        if len(self.left_out) == len(self.backgrounds):
            why = f"; the first: {new[0]}" if new else ""
            raise InputError(
                f"None of the {len(self.backgrounds)} background images can be read and is as "
                f"large as the window of {self.size_wh[0]}x{self.size_wh[1]}{why}",
                hint="use larger images, or names that are right from this folder",
            )
        for error in new[:MOST_ERRORS_SHOWN]:
            progress.note(f"left out: {error}")
        if len(new) > MOST_ERRORS_SHOWN:
            progress.note(f"left out: {len(new) - MOST_ERRORS_SHOWN} more background images")


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
                self._boxes[self._count] = tile.boxes_xywh[tile.used]
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
    backgrounds : sequence of Path
    objects : mapping of Path to boxes
        Known objects in some of them.
    wanted : int
        How many windows.
    lowest_ratio : float
        Give up when surely fewer windows than this share are accepted.
    workers : int or Workers, optional
    """

    def __init__(
        self,
        worker: MiningWorker,
        backgrounds: Sequence[Path],
        objects: Mapping[Path, Boxes],
        wanted: int,
        lowest_ratio: float,
        workers: int | Workers | None,
    ) -> None:
        self.worker = worker
        self.backgrounds = backgrounds
        self.objects = objects
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
        # Tiles with more accepted windows than are kept of them: image, number and turn.
        self._truncated: list[tuple[int, int, int]] = []
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
    def needs_more(self) -> bool:
        """Whether windows are still missing, and are worth looking for.

        If so when all have been seen, the backgrounds are exhausted.
        """
        return not self.buffer.full and not self.rare

    def run(self, bar: Bar, turn: int = 0) -> None:
        """Scan until enough windows are found, or all of the images so turned have been seen."""
        images = np.arange(len(self.backgrounds))
        first, count = 0, math.ceil(LEAST_FIRST_TILES / len(images))
        quota = math.ceil(self.buffer.wanted / (len(images) * count))
        while len(images) and self.needs_more:
            order = self.worker.random(ORDER, first).permutation(images)
            tasks = self._tasks(order, first, first + count, quota + KEPT_FOR_LATER, turn)
            images = self._scan(tasks, quota, bar)
            self._rounds += 1
            # The next round is as large as all before it, and a tile may give twice as many.
            first, count, quota = first + count, first + count, 2 * quota
            self._take_remaining(quota, bar)
        self._take_remaining(self.buffer.wanted, bar)
        self._rescan_truncated(bar)

    def _tasks(
        self, images: NDArray[np.int64], first: int, last: int, limit: int, turn: int
    ) -> Iterator[MiningTask]:
        """Yield tasks of up to `TASK_TILES` tiles: one for each image, then their next ones."""
        for start in range(first, last, TASK_TILES):
            for image in images:
                yield self._task(int(image), start, min(start + TASK_TILES, last), limit, turn)

    def _task(self, image: int, first: int, last: int, limit: int, turn: int) -> MiningTask:
        path = self.backgrounds[image]
        return MiningTask(image, first, last, limit, path, self.objects.get(path, ()), turn)

    def _scan(self, tasks: Iterable[MiningTask], quota: int, bar: Bar) -> NDArray[np.int64]:
        """Run tasks; return the images that have more tiles."""
        more: dict[int, bool] = {}
        for result in self._results(tasks):
            more[result.image] = result.has_more
            self._receive(result, quota, bar)
            if not self.needs_more:
                break
        return np.array([number for number in sorted(more) if more[number]], np.int64)

    def _results(self, tasks: Iterable[MiningTask]) -> Iterator[TaskResult]:
        return parallel_map(self.worker.run, tasks, workers=self.workers, prefer="threads")

    def _receive(self, result: TaskResult, quota: int, bar: Bar) -> None:
        if result.error is not None:
            self.left_out[result.image] = result.error
        self.seen += result.seen
        for tile in result.tiles:
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
            self._truncated.append((tile.image, tile.number, tile.turn))
        if remaining and fits:
            tile.drop_used()
            self._remaining.append(tile)
            self._kept += remaining

    def _take_remaining(self, most: int, bar: Bar) -> None:
        """Take more of the windows kept, now that each tile may give `most`."""
        if not self.needs_more:
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
        while self._truncated and self.needs_more:
            share = math.ceil(self.buffer.missing / len(self._truncated))
            self._truncated = self._rescan(share, bar)

    def _rescan(self, most: int, bar: Bar) -> list[tuple[int, int, int]]:
        """Take up to `most` new windows of each tile that had more; return those that gave them."""
        more = []
        limit = self.buffer.wanted
        tasks = (
            self._task(image, number, number + 1, limit, turn)
            for image, number, turn in self._truncated
        )
        for result in self._results(tasks):
            for tile in result.tiles:
                bar.advance(self.buffer.add(tile, most))
                if tile.given == most:
                    more.append((tile.image, tile.number, tile.turn))
            if self.buffer.full:
                break
        return more
