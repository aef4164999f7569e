"""The hunt for the negatives of one stage: rounds over all images, until enough are found."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.scanner.grid import Size
from fercli.cascade.training.negative_mining.worker import (
    ORDER,
    Answer,
    Job,
    MiningWorker,
    TileResult,
    jobs_of_round,
)
from fercli.common.errors import ImageError
from fercli.common.parallel import parallel_map
from fercli.common.progress import Bar

#: In the first round, at least so many parts are looked at: variety where images are few.
VARIETY = 1000
#: Parts of an image that a thread looks at in one go.
JOB = 8
#: Windows that a part brings back for later rounds, beyond those that it may give at once.
RESERVE = 32


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
        """How many are still wanted."""
        return self.wanted - self._count

    @property
    def full(self) -> bool:
        """Whether there are as many as wanted."""
        return self.missing <= 0

    def add(self, catch: TileResult, most: int) -> int:
        """Take the next windows of a catch, until it has given `most`; return how many are new."""
        before = self._count
        while catch.used < len(catch.windows) and catch.given < most and not self.full:
            window = catch.windows[catch.used]
            digest = hashlib.blake2b(window.tobytes(), digest_size=16).digest()
            if digest not in self._known:
                self._known.add(digest)
                self._windows[self._count] = window
                self._images[self._count] = catch.image
                self._boxes[self._count] = catch.layer.boxes(catch.positions_xy[catch.used, None])
                self._count += 1
                catch.given += 1
            catch.used += 1
        return self._count - before

    def contents(self) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
        """Return windows (n, height, width), images (n,) and boxes (n, 4)."""
        count = self._count
        return self._windows[:count], self._images[:count], self._boxes[:count]


class MiningRounds:
    """One search for negatives.

    Parameters
    ----------
    looker : MiningWorker
    images, wanted : int
        How many there are, and how many windows are wanted.
    lowest_ratio : float
        Give up when surely fewer windows than this share are accepted.
    workers : int, optional
    """

    def __init__(
        self,
        looker: MiningWorker,
        images: int,
        wanted: int,
        lowest_ratio: float,
        workers: int | None,
    ) -> None:
        self.looker = looker
        self.images = images
        self.lowest_ratio = lowest_ratio
        self.workers = workers
        self.basket = NegativeBuffer(wanted, looker.size_wh)
        self.seen = 0
        self.accepted = 0
        self._rounds = 0
        self.left_out: dict[int, ImageError] = {}
        # What parts brought back beyond what they may give as yet, and how many windows that is.
        self._rests: list[TileResult] = []
        self._kept = 0
        # Parts that have more than is kept of them.
        self._cut: list[tuple[int, int]] = []
        self._began = time.monotonic()

    @property
    def rare(self) -> bool:
        """Whether the acceptance ratio is below the lowest wanted, by three standard deviations.

        Windows of one image are alike: only those of all images tell.
        """
        if self._rounds == 0:
            return False
        most = self.accepted + 3 * math.sqrt(self.accepted + 1)
        return not self.basket.full and most < self.lowest_ratio * self.seen

    @property
    def done(self) -> bool:
        """Whether there is no reason to look further."""
        return self.basket.full or self.rare

    def run(self, bar: Bar) -> None:
        """Look until enough windows are found, or until there is no more to see."""
        images = np.arange(self.images)
        first, count = 0, math.ceil(VARIETY / self.images)
        quota = math.ceil(self.basket.wanted / (self.images * count))
        while len(images) and not self.done:
            order = self.looker.random(ORDER, first).permutation(images)
            jobs = jobs_of_round(order, first, first + count, quota + RESERVE, JOB)
            images = self._look(jobs, quota, bar)
            self._rounds += 1
            # The next round is as large as all before it, and a part may give twice as much.
            first, count, quota = first + count, first + count, 2 * quota
            self._take_rests(quota, bar)
        self._take_rests(self.basket.wanted, bar)
        self._fetch_cut(bar)

    def _look(self, jobs: Iterable[Job], quota: int, bar: Bar) -> NDArray[np.int64]:
        """Have jobs done; return the images that have more to show."""
        more: dict[int, bool] = {}
        for answer in self._answers(jobs):
            more[answer.job.image] = answer.has_more
            self._receive(answer, quota, bar)
            if self.done:
                break
        return np.array([number for number in sorted(more) if more[number]], np.int64)

    def _answers(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        return parallel_map(self.looker.look, jobs, workers=self.workers, prefer="threads")

    def _receive(self, answer: Answer, quota: int, bar: Bar) -> None:
        if answer.error is not None:
            self.left_out[answer.job.image] = answer.error
        for catch in answer.catches:
            self.seen += catch.seen
            self.accepted += catch.accepted
            bar.advance(self.basket.add(catch, quota))
            self._keep(catch)
        rate = self.seen / max(time.monotonic() - self._began, 1e-6)
        ratio = self.accepted / max(self.seen, 1)
        bar.figures(f"acceptance {ratio:.3g}, {rate / 1e6:.1f} M windows/s")

    def _keep(self, catch: TileResult) -> None:
        """Keep what a part has left, as far as all of it could be wanted."""
        rest = len(catch.windows) - catch.used
        fits = self._kept + rest <= 2 * self.basket.wanted
        if catch.accepted > len(catch.windows) or not fits:
            self._cut.append((catch.image, catch.part))
        if rest and fits:
            catch.drop_used()
            self._rests.append(catch)
            self._kept += rest

    def _take_rests(self, most: int, bar: Bar) -> None:
        """Take more of what is kept, now that each part may give `most`."""
        if self.done:
            return
        for catch in self._rests:
            bar.advance(self.basket.add(catch, most))
        self._rests = [catch for catch in self._rests if catch.used < len(catch.windows)]
        self._kept = sum(len(catch.windows) - catch.used for catch in self._rests)

    def _fetch_cut(self, bar: Bar) -> None:
        """Look again at the parts that had more, where that is needed.

        What is missing is shared evenly among them, so that no part fills all the rest; what some
        do not have, among the others.
        """
        while self._cut and not self.done:
            share = math.ceil(self.basket.missing / len(self._cut))
            self._cut = self._look_again(share, bar)

    def _look_again(self, most: int, bar: Bar) -> list[tuple[int, int]]:
        """Take up to `most` new windows of each part that had more; return those that gave them."""
        more = []
        limit = self.basket.wanted
        jobs = (Job(image, part, part + 1, limit) for image, part in self._cut)
        for answer in self._answers(jobs):
            for catch in answer.catches:
                bar.advance(self.basket.add(catch, most))
                if catch.given == most:
                    more.append((catch.image, catch.part))
            if self.basket.full:
                break
        return more
