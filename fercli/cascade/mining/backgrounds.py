"""Background pictures: read when asked for, and kept in memory as far as a bound allows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from fercli.cascade.detection.scanner.grid import Picture
from fercli.common.images import read_grey


class Backgrounds:
    """Grey pictures by their number. Threads may share it.

    Pictures are kept as they come, until the bound is reached: a training asks for all of them
    again and again, so that replacing one by another would gain nothing.

    Parameters
    ----------
    paths : sequence of Path
    memory_bytes : int
        The most that the pictures kept may take.
    """

    def __init__(self, paths: Sequence[Path], memory_bytes: int) -> None:
        self.paths = list(paths)
        self._room = memory_bytes
        self._kept: dict[int, Picture] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.paths)

    def read(self, number: int) -> Picture:
        """Return a picture, from memory if it is there.

        Raises
        ------
        PictureError
            As `read_grey`.
        """
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        picture = read_grey(self.paths[number])
        with self._lock:
            if picture.nbytes <= self._room and number not in self._kept:
                self._kept[number] = picture
                self._room -= picture.nbytes
        return picture
