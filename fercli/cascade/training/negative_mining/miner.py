"""Mining of hard negatives: windows of backgrounds that the cascade so far accepts.

The negatives of a stage are false alarms of the stages before it, among the windows that the
detector itself looks at. They are taken from all images, at random scales and positions, few from
one spot. The unit is a tile of an image (see `tiles`). Each round scans some new tiles of every
image; rounds grow, and with them the number of windows that a tile may give, until enough windows
are found or every window of every image has been seen.

The result depends on the images, the cascade, the seed and the stage alone: not on the number of
threads, nor on what was mined before. A training that is resumed gets the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.grid import Size
from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.model import Cascade
from fercli.cascade.training.negative_mining.rounds import MiningRounds
from fercli.cascade.training.negative_mining.tiles import Boxes
from fercli.cascade.training.negative_mining.worker import BackgroundCache, MiningWorker
from fercli.common.errors import ImageError, InputError, OptionError
from fercli.common.progress import SILENT, Progress

#: Images that cannot be used are named one by one up to so many.
NAMED = 10


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
    workers : int, optional
        How many threads. Defaults to all cores.
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
        workers: int | None = None,
        memory_bytes: int = 1 << 30,
        scale_factor: float = 1.1,
        objects: Mapping[Path, Boxes] | None = None,
        refuse_flat: bool = True,
    ) -> None:
        if not scale_factor > 1:
            raise OptionError(f"`scale_factor`: expected more than 1, got {scale_factor:g}")
        if not backgrounds:
            raise InputError("There are no background images")
        self.backgrounds = BackgroundCache(backgrounds, memory_bytes)
        self.size_wh = size_wh
        self.seed = seed
        self.workers = workers
        self.scale_factor = scale_factor
        self.objects = dict(objects or {})
        self.refuse_flat = refuse_flat
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
            Scanner(cascade),
            self.backgrounds,
            self.objects,
            self.scale_factor,
            (self.seed, stage_index),
        )
        rounds = MiningRounds(worker, len(self.backgrounds), wanted, lowest_ratio, self.workers)
        began = time.monotonic()
        with progress.bar(f"Negatives for stage {stage_index}", total=wanted, unit="window") as bar:
            rounds.run(bar)
        self._note_left_out(rounds.left_out, progress)
        windows, images, boxes = rounds.buffer.contents()
        return MiningResult(
            windows,
            images,
            boxes,
            windows_seen=rounds.seen,
            windows_accepted=rounds.accepted,
            exhausted=not rounds.done,
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
        for error in new[:NAMED]:
            progress.note(f"left out: {error}")
        if len(new) > NAMED:
            progress.note(f"left out: {len(new) - NAMED} more background images")
