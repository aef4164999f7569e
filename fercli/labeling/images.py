"""The images that the annotation page shows: opened on request, the last ones cached.

They are sent as fer reads them, upright and without the file's own notes, so that a pixel on the
page is the pixel that training and evaluation see.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import cv2

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import DEFAULTS, Detector
from fercli.common.boxes import Box
from fercli.common.errors import ImageError
from fercli.common.images import ImageArray, read_color
from fercli.common.parallel import available_workers

T = TypeVar("T")


@dataclass(frozen=True)
class Suggestion:
    """A box that is suggested.

    Parameters
    ----------
    box_xywh : (int, int, int, int)
    score : float
        As `fercli.cascade.detection.detector.Detections`: good to rank those of one cascade.
    label : str
        Its class; "" where the cascade has none.
    round : int
        Which training the cascade is of, from 1; 0 for one that was given.
    cascade : str, optional
        The class of the cascade that found it, "" as above. Defaults to none: it was followed
        through a video.
    """

    box_xywh: Box
    score: float
    label: str = ""
    round: int = 0
    cascade: str | None = None


class Finder:
    """A cascade that suggests boxes; threads may share it.

    Parameters
    ----------
    path : Path
        The cascade's file.
    options : DetectionOptions
        How images are searched.
    label, round
        As `Suggestion`.
    threshold : float
        From which score on suggestions are shown at first.

    Raises
    ------
    CascadeFileError
        The file is no cascade that a detector may load.
    """

    def __init__(
        self,
        path: Path,
        options: DetectionOptions = DEFAULTS,
        label: str = "",
        round: int = 0,
        threshold: float = 0.0,
    ) -> None:
        self._detector, self._options = Detector(path), options
        self.label, self.round, self.threshold = label, round, threshold

    def detect(self, image: ImageArray) -> list[Suggestion]:
        """Return what the cascade finds in an image, from top to bottom and left to right."""
        found = self._detector.detect(image, self._options)
        suggestions = (
            Suggestion((x, y, width, height), score, self.label, self.round, self.label)
            for (x, y, width, height), score in zip(
                found.boxes_xywh.tolist(), found.scores.tolist(), strict=True
            )
        )
        return sorted(suggestions, key=lambda each: (each.box_xywh[1], each.box_xywh[0]))


#: Pixels of the longer side that are sent at most; more only fills a telephone's memory.
LONGEST = 4096
THUMBNAIL_WH = (144, 108)

#: How many are kept.
OPENED, THUMBNAILS, FOUND = 12, 4000, 500


@dataclass(frozen=True)
class ShownImage:
    """An image that could be read.

    Parameters
    ----------
    size_wh : (int, int)
        Its size, in pixels.
    jpeg : bytes
        The image, smaller where it is very large.
    """

    size_wh: tuple[int, int]
    jpeg: bytes


class ResultCache(Generic[T]):
    """The results that were asked for last.

    Parameters
    ----------
    most : int
        How many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[int, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int, make: Callable[[int], T]) -> T:
        """Return the result for a number; two who ask at once may both make it."""
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        made = make(number)
        with self._lock:
            self._kept[number] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made


class _Suggesting:
    """Cascades, and what they found."""

    def __init__(self, finders: tuple[Finder, ...]) -> None:
        self.finders = finders
        self.found: ResultCache[tuple[Suggestion, ...]] = ResultCache(FOUND)


class ImageCache:
    """The images of a folder, and what cascades find in them.

    Parameters
    ----------
    paths : sequence of Path
    finder : Finder, optional
        Defaults to finding nothing.

    Attributes
    ----------
    unreadable : dict of int to str
        Why images that were asked for cannot be read.
    """

    def __init__(self, paths: Sequence[Path], finder: Finder | None = None) -> None:
        self._paths = paths
        self._suggesting = _Suggesting(() if finder is None else (finder,))
        self.unreadable: dict[int, str] = {}
        self._opened: ResultCache[ShownImage] = ResultCache(OPENED)
        self._thumbnails: ResultCache[bytes] = ResultCache(THUMBNAILS)
        self._turns = threading.Semaphore(available_workers())

    def open(self, number: int) -> ShownImage:
        """Return an image as it is shown.

        Raises
        ------
        ImageError
            It cannot be read.
        """
        return self._opened.get(number, self._open)

    def thumbnail(self, number: int) -> bytes:
        """Return a small JPEG of an image; errors as `open`."""
        return self._thumbnails.get(number, self._shrink)

    @property
    def finders(self) -> tuple[Finder, ...]:
        """The cascades that suggest, one a class at most."""
        return self._suggesting.finders

    def use(self, finder: Finder) -> None:
        """Let a cascade suggest from now on, in place of that of its class."""
        others = (each for each in self.finders if each.label != finder.label)
        self._suggesting = _Suggesting((*others, finder))

    def suggestions(self, number: int) -> tuple[Suggestion, ...]:
        """Return what the cascades find; errors as `open`."""
        now = self._suggesting  # with its own cache: another thread may replace it meanwhile
        return now.found.get(number, lambda at: self._find(at, now.finders))

    def _open(self, number: int) -> ShownImage:
        with self._turns:
            image = self._read(number)
            size_wh = image.shape[1], image.shape[0]
            return ShownImage(size_wh, _jpeg(_at_most(image, (LONGEST, LONGEST)), 92))

    def _shrink(self, number: int) -> bytes:
        with self._turns:
            return _jpeg(_at_most(self._read(number), THUMBNAIL_WH), 80)

    def _find(self, number: int, finders: Sequence[Finder]) -> tuple[Suggestion, ...]:
        if not finders:
            return ()
        with self._turns:
            image = self._read(number)
            return tuple(each for finder in finders for each in finder.detect(image))

    def _read(self, number: int) -> ImageArray:
        try:
            image = read_color(self._paths[number])
        except ImageError as error:
            self.unreadable[number] = error.message
            raise
        self.unreadable.pop(number, None)
        return image


def _at_most(image: ImageArray, most_wh: tuple[int, int]) -> ImageArray:
    height, width = image.shape[:2]
    scale = min(1.0, most_wh[0] / width, most_wh[1] / height)
    if scale == 1.0:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrunk: ImageArray = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return shrunk


def _jpeg(image: ImageArray, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)
