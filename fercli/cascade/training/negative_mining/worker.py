"""Jobs of the miner: threads look at parts of images and bring back what the cascade accepts."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fercli.cascade.detection.scanner.grid import ImageArray, Layer, Size
from fercli.cascade.detection.scanner.scanner import Scanner
from fercli.cascade.training.negative_mining.tiles import (
    Boxes,
    Part,
    Sweep,
    parts_of,
    windows_on,
)
from fercli.common.errors import ImageError
from fercli.common.images import read_gray

#: What random numbers are drawn for; each purpose has its own.
PARTS, CHOICE, ORDER = 0, 1, 2
#: Of so many windows of a part, those of different spots come first.
SPREAD = 4096


@dataclass(frozen=True)
class Job:
    """What a thread is asked for: parts `first` to `last` of an image, in its random order.

    Parameters
    ----------
    image, first, last : int
    limit : int
        How many windows each part may bring back.
    """

    image: int
    first: int
    last: int
    limit: int


@dataclass
class TileResult:
    """What one part brought back.

    Parameters
    ----------
    image, part : int
        The image, and the part's number in its random order.
    layer : Layer
    windows : ndarray of uint8, shape (n, height, width)
        A random choice of the accepted windows, first those of different spots.
    positions_xy : ndarray of int32, shape (n, 2)
        Where they are in the layer.
    seen, accepted : int
        How many windows were looked at, and accepted: perhaps more than brought back.
    used, given : int
        How many of the windows the hunt has been through, and how many of them were new to it.
    """

    image: int
    part: int
    layer: Layer
    windows: NDArray[np.uint8]
    positions_xy: NDArray[np.int32]
    seen: int
    accepted: int
    used: int = 0
    given: int = 0

    def drop_used(self) -> None:
        """Free the memory of windows that have been taken or refused."""
        self.windows = self.windows[self.used :].copy()
        self.positions_xy = self.positions_xy[self.used :].copy()
        self.used = 0


@dataclass(frozen=True)
class Answer:
    """What a job brought back, and whether its image has more parts."""

    job: Job
    catches: list[TileResult]
    has_more: bool
    error: ImageError | None = None


class MiningWorker:
    """Does jobs. Threads may share it.

    Parameters
    ----------
    scanner : Scanner
    backgrounds : Backgrounds
    objects : mapping of Path to boxes
        What windows must keep away from.
    scale_factor : float
    seed : tuple of int
        Start of the random numbers.
    """

    def __init__(
        self,
        scanner: Scanner,
        backgrounds: Backgrounds,
        objects: Mapping[Path, Boxes],
        scale_factor: float,
        seed: tuple[int, ...],
    ) -> None:
        self._scanner = scanner
        self._backgrounds = backgrounds
        self._objects = objects
        self._scale_factor = scale_factor
        self._seed = seed

    @property
    def size_wh(self) -> Size:
        """The size of a window."""
        return self._scanner.cascade.size_wh

    def random(self, *purpose: int) -> np.random.Generator:
        """Return random numbers for a purpose, the same whenever they are asked for."""
        return np.random.default_rng([*self._seed, *purpose])

    def look(self, job: Job) -> Answer:
        """Do one job; an image that cannot be used is part of the answer."""
        try:
            image = self._backgrounds.read(job.image)
        except ImageError as error:
            return Answer(job, [], False, error)
        parts = self._parts(job.image, image, job.last + 1)
        if not parts:
            return Answer(job, [], False, self._too_small(job.image, image))
        catches = [
            self._look_at(image, part, job, number)
            for number, part in enumerate(parts[job.first : job.last], job.first)
        ]
        return Answer(job, catches, len(parts) > job.last)

    def _parts(self, number: int, image: ImageArray, wanted: int) -> list[Part]:
        """Return the first parts of an image in its random order, sweep by sweep."""
        size = (image.shape[1], image.shape[0])
        parts: list[Part] = []
        for sweep in Sweep:
            if len(parts) >= wanted:
                break
            new = parts_of(sweep, size, self._scanner.cascade.size_wh, self._scale_factor)
            order = self.random(PARTS, number, sweep).permutation(len(new))
            parts.extend(new[at] for at in order)
        return parts[:wanted]

    def _too_small(self, number: int, image: ImageArray) -> ImageError:
        wanted, found = self._scanner.cascade.size_wh, image.shape[::-1]
        return ImageError(
            f"wanted at least {wanted[0]}x{wanted[1]} pixels, found {found[0]}x{found[1]}",
            path=self._backgrounds.paths[number],
        )

    def _look_at(self, image: ImageArray, part: Part, job: Job, number: int) -> TileResult:
        pixels = part.layer.resize(image)
        scan = self._scanner.scan_layer(
            pixels, part.step, start_xy=part.start_xy, columns=part.columns, rows=part.rows
        )
        positions, seen = scan.positions_xy, int(scan.entered[0])
        boxes = self._objects.get(self._backgrounds.paths[job.image], ())
        if boxes:
            on = windows_on(part, (image.shape[1], image.shape[0]), boxes)
            columns, rows = ((positions - np.array(part.start_xy)) // part.step).T
            positions, seen = positions[~on[rows, columns]], seen - int(on.sum())
        chosen = self._choose(positions, job, number)
        width, height = part.layer.window_wh
        windows = sliding_window_view(pixels, (height, width))[chosen[:, 1], chosen[:, 0]]
        return TileResult(job.image, number, part.layer, windows, chosen, seen, len(positions))

    def _choose(self, positions: NDArray[np.int32], job: Job, number: int) -> NDArray[np.int32]:
        """Return up to a limit of windows in random order, but one of each spot first."""
        if len(positions) == 0:
            return positions
        random = self.random(CHOICE, job.image, number)
        shuffled = positions[random.permutation(len(positions))]
        width, height = self._scanner.cascade.size_wh
        # A spot is half a window wide and high: about as far as false alarms hang together.
        x, y = (shuffled[:SPREAD] // np.array([max(width // 2, 1), max(height // 2, 1)])).T
        _, firsts = np.unique(y.astype(np.int64) << 32 | x, return_index=True)
        repeats = np.ones(len(x), np.bool_)
        repeats[firsts] = False
        shuffled[:SPREAD] = shuffled[np.argsort(repeats, kind="stable")]
        return shuffled[: job.limit]


def jobs_of_round(
    images: NDArray[np.int64], first: int, last: int, limit: int, size: int
) -> Iterator[Job]:
    """Yield jobs of up to `size` parts: one of each image in turn, then their next ones."""
    for start in range(first, last, size):
        for image in images:
            yield Job(int(image), start, min(start + size, last), limit)


# Background images: read when asked for, and kept in memory as far as a bound allows.


class Backgrounds:
    """Gray images by their number. Threads may share it.

    Images are kept as they come, until the bound is reached: a training asks for all of them
    again and again, so that replacing one by another would gain nothing.

    Parameters
    ----------
    paths : sequence of Path
    memory_bytes : int
        The most that the images kept may take.
    """

    def __init__(self, paths: Sequence[Path], memory_bytes: int) -> None:
        self.paths = list(paths)
        self._room = memory_bytes
        self._kept: dict[int, ImageArray] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.paths)

    def read(self, number: int) -> ImageArray:
        """Return an image, from memory if it is there.

        Raises
        ------
        ImageError
            As `read_gray`.
        """
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        image = read_gray(self.paths[number])
        with self._lock:
            if image.nbytes <= self._room and number not in self._kept:
                self._kept[number] = image
                self._room -= image.nbytes
        return image
