"""What every format of annotations is read into: images with boxes.

A format's reader gives `Record` objects: boxes as the file has them, fractions, labels and all. A
record becomes an `AnnotatedImage`, boxes in whole pixels, once the image's size is known
where that is needed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fercli.common.boxes import Box as Box
from fercli.common.errors import AnnotationError, FerError

#: Coordinates beyond this are noise, not boxes: no image that fer opens is so wide or high.
LARGEST = 1 << 28

#: What a reader does with a malformed part of its input: raise it, or note it and go on.
OnError = Callable[[FerError], None]


@dataclass(frozen=True)
class AnnotatedImage:
    """An image and the boxes of the objects in it.

    Parameters
    ----------
    path : Path
        The image, to be opened as it stands: absolute, or relative to the working directory.
    boxes_xywh : tuple of (int, int, int, int)
        A box an object: x, y of its top-left pixel (from 0), width, height. An image without
        an object has none.
    ignored_xywh : tuple of (int, int, int, int)
        Boxes that the annotators did not want counted, for or against: crowds (COCO), difficult
        objects (Pascal VOC), ``ignore`` (dlib). Not for training; a detector that finds them is
        neither right nor wrong.
    size_wh : (int, int), optional
        The image's size where it is known; no part of what makes two equal.
    """

    path: Path
    boxes_xywh: tuple[Box, ...]
    ignored_xywh: tuple[Box, ...] = ()
    size_wh: tuple[int, int] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class LabeledBox:
    """A box as a file has it: perhaps fractional, perhaps labeled, perhaps to be ignored."""

    x: float
    y: float
    width: float
    height: float
    label: str = ""
    ignored: bool = False

    def scaled(self, size_wh: tuple[int, int]) -> LabeledBox:
        """Return the box with fractions of an image turned into pixels of it."""
        width, height = size_wh
        return replace(
            self,
            x=self.x * width,
            y=self.y * height,
            width=self.width * width,
            height=self.height * height,
        )

    def rounded(self) -> Box:
        """Return the box in whole pixels, as `round_box`."""
        return round_box(self.x, self.y, self.width, self.height)


@dataclass(frozen=True)
class Record:
    """What a file of annotations says about one image.

    Parameters
    ----------
    path : Path
        The image.
    boxes : tuple of LabeledBox
        Its boxes, in the order of the file.
    source : Path
        The file that says so.
    line : int, optional
        The line, or record, in it that the image begins at.
    normalized : bool
        Whether the boxes are fractions of the image's width and height. Defaults to False.
    """

    path: Path
    boxes: tuple[LabeledBox, ...]
    source: Path
    line: int | None = None
    normalized: bool = False

    def with_labels(self, labels: Collection[str]) -> Record:
        """Return the record with the boxes of these labels alone."""
        return replace(self, boxes=tuple(box for box in self.boxes if box.label in labels))

    def in_pixels(self, size_wh: tuple[int, int] | None = None) -> AnnotatedImage:
        """Return the boxes in whole pixels.

        Parameters
        ----------
        size_wh : (int, int), optional
            The image's size; needed for normalized boxes, and read from the image when not
            given.

        Raises
        ------
        AnnotationError
            A box is not finite, or absurdly large.
        ImageError
            The size is needed and the image cannot be read.
        """
        boxes = self.boxes
        if self.normalized and boxes:
            size = size_wh or _size_of(self.path)
            boxes = tuple(box.scaled(size) for box in boxes)
        try:
            return AnnotatedImage(
                self.path,
                tuple(box.rounded() for box in boxes if not box.ignored),
                tuple(box.rounded() for box in boxes if box.ignored),
                size_wh,
            )
        except AnnotationError as error:
            raise AnnotationError(error.message, path=self.source, line=self.line) from error


def round_box(x: float, y: float, width: float, height: float) -> Box:
    """Return a fractional box in whole pixels.

    Each edge goes to the nearest whole number, halves up, so that no edge moves by more than
    half a pixel and boxes that touch still do. A box that has some width or height keeps at
    least one pixel of it.

    Raises
    ------
    AnnotationError
        A number is not finite or beyond `LARGEST`.
    """
    if not all(abs(value) <= LARGEST for value in (x, y, width, height)):
        found = f"{x} {y} {width} {height}"[:80]
        raise AnnotationError(f"Expected a box in pixels, got {found}")
    left, top = _nearest(x), _nearest(y)
    return left, top, _extent(left, x, width), _extent(top, y, height)


def joined_by_path(images: Iterable[AnnotatedImage]) -> list[AnnotatedImage]:
    """Return each image once, in the order of the first, with all that is said of it.

    A box that is said again of the same image, by the same record or another, is the same
    object.
    """
    joined: dict[Path, AnnotatedImage] = {}
    for image in images:
        before = joined.get(image.path, AnnotatedImage(image.path, ()))
        joined[image.path] = _joined(before, image)
    return list(joined.values())


def label_counts(records: Iterable[Record]) -> dict[str, int]:
    """Return how many boxes have each label, the most frequent first; "" is for no label."""
    return dict(Counter(box.label for record in records for box in record.boxes).most_common())


def labels_text(counts: Mapping[str, int], most: int = 8) -> str:
    """Return the counts of labels in words: ``car 120, bus 30``, and how many more there are."""
    shown = [f"{label or 'no label'} {count}" for label, count in list(counts.items())[:most]]
    more = [f"{len(counts) - most} more"] if len(counts) > most else []
    return ", ".join(shown + more)


def raise_it(error: FerError) -> None:
    """Raise an error: the `OnError` of those who want all or nothing."""
    raise error


def _joined(one: AnnotatedImage, other: AnnotatedImage) -> AnnotatedImage:
    boxes = dict.fromkeys(one.boxes_xywh + other.boxes_xywh)
    ignored = dict.fromkeys(one.ignored_xywh + other.ignored_xywh)
    return AnnotatedImage(one.path, tuple(boxes), tuple(ignored), one.size_wh or other.size_wh)


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)


def _extent(start: int, value: float, extent: float) -> int:
    rounded = _nearest(value + extent) - start
    return max(rounded, 1) if extent > 0 else min(rounded, 0)


def _size_of(path: Path) -> tuple[int, int]:
    from fercli.common.images import read_gray

    height, width = read_gray(path).shape
    return width, height
