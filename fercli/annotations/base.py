"""What every format of annotations is read into: images with boxes.

A format's reader gives `Record` objects: boxes as the file has them, fractions, labels and all. A
record becomes an `AnnotatedImage`, boxes in whole pixels, once the image's size is known
where that is needed.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntFlag
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fercli.common.errors import AnnotationError, FerError, ImageError
from fercli.common.parallel import carry_notes, current_notes
from fercli.common.tables import listed

if TYPE_CHECKING:  # numpy, which no reader needs
    from fercli.common.boxes import Box


#: By file and item: of how many things something was assumed, and what was found.
_Items = dict[tuple[Path, Hashable], tuple[int, str]]


class AnnotationNotes:
    """Counts what was assumed about annotations; used by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[str, _Items] = {}
        self._told: set[tuple[str, Path, Hashable]] = set()
        self._muted = threading.local()

    def add(
        self, source: Path, kind: str, item: Hashable = None, detail: str = "", count: int = 1
    ) -> None:
        """Take in an assumption; one about the same item of the same file counts once.

        Parameters
        ----------
        source : Path
            The file of annotations.
        kind : str
            What was assumed, of which things, in the plural: "polygons, bounding boxes used".
        item : hashable
            What it was assumed of, such as the image.
        detail : str
            What was found there.
        count : int
            How many things the assumption is about. 0: it is about the whole file, and no number
            is told. Defaults to 1.
        """
        if getattr(self._muted, "now", False):
            return
        current = current_notes(__name__)
        with self._lock:
            if (kind, source, item) not in self._told:
                known = self._notes if current is None else current
                known.setdefault(kind, {})[source, item] = (count, detail)

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Take in nothing from this thread while the body runs, which only tries a reader."""
        before, self._muted.now = getattr(self._muted, "now", False), True
        try:
            yield
        finally:
            self._muted.now = before

    def take(self) -> list[str]:
        """Return a line for each kind of assumption; none is told again before `forget`."""
        with self._lock:
            notes, self._notes = self._notes, {}
            self._told.update((kind, *key) for kind, items in notes.items() for key in items)
        return [_line(kind, items) for kind, items in notes.items()]

    def lines(self) -> list[str]:
        """Return the lines of `take`, which are still to be told."""
        with self._lock:
            return [_line(kind, items) for kind, items in self._notes.items()]

    def merge(self, notes: Mapping[str, _Items]) -> None:
        """Take in assumptions by kind."""
        for kind, items in notes.items():
            for (source, item), (count, detail) in items.items():
                self.add(source, kind, item, detail, count)

    def forget(self) -> None:
        """Begin anew, as at the start of a command."""
        with self._lock:
            self._notes.clear()
            self._told.clear()


def _line(kind: str, items: _Items) -> str:
    (source, _), (_, detail) = next(iter(items.items()))
    files = len({path for path, _ in items})
    total = sum(count for count, _ in items.values())
    number = f": {total}" if total else ""
    first = f"; the first: {detail}" if detail and total > 1 else f": {detail}" if detail else ""
    if files == 1:
        return f"{source}: {kind}{number}{first}"
    where = f"; the first: {source}" if not detail else f"; the first: {source}: {detail}"
    return f"{kind}{number or f': {files}'} in {files} files{where}"


#: The notes of this process.
NOTES = AnnotationNotes()
carry_notes(__name__, NOTES)


def input_notes() -> list[str]:
    """Return a line for each kind of assumption about annotations and images, for results."""
    from fercli.common.images import IMAGE_NOTES  # imports cv2, which not all readers need

    return NOTES.lines() + IMAGE_NOTES.lines()


#: Coordinates beyond this are noise, not boxes: no image that fer opens is so wide or high.
LARGEST = 1 << 28

T = TypeVar("T")

#: What a reader does with a malformed part of its input: raise it, or note it and go on.
OnError = Callable[[FerError], None]


class Reason(IntFlag):
    """Why a box is not counted, for or against: neither trained on nor evaluated."""

    #: To be ignored: a crowd (COCO), ``ignore`` (dlib), and where a file does not say why.
    IGNORED = 1
    #: Hard to recognize (Pascal VOC).
    DIFFICULT = 2


COUNTED = Reason(0)


def is_set(mark: object) -> bool:
    """Whether a mark of a box, such as ``difficult``, is set.

    It is by a number above 0, true, or any word that does not deny it: files say 0, "0", "0.0" (of
    pandas), -1 (unknown), false or nothing where it is not.
    """
    text = str(mark).strip().lower()
    try:
        return float(text) > 0
    except ValueError:
        return text not in ("", "false", "no", "none", "null", "unknown", "unspecified")


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
        Boxes that the annotators did not want counted, for or against. Not for training; a
        detector that finds them is neither right nor wrong.
    size_wh : (int, int), optional
        The image's size where it is known; no part of what makes two equal.
    labels, ignored_labels : tuple of str
        The class of each box, to be written; none where all are of one class.
    reasons : tuple of Reason
        Why each of `ignored_xywh` is not counted, to be written; none where all are to be ignored.
    """

    path: Path
    boxes_xywh: tuple[Box, ...]
    ignored_xywh: tuple[Box, ...] = ()
    size_wh: tuple[int, int] | None = field(default=None, compare=False)
    labels: tuple[str, ...] = field(default=(), compare=False)
    ignored_labels: tuple[str, ...] = field(default=(), compare=False)
    reasons: tuple[Reason, ...] = field(default=(), compare=False)

    def labeled(self, label: str) -> list[tuple[Box, str]]:
        """Return each box with its class, which is `label` where all are of one class."""
        labels = self.labels or (label,) * len(self.boxes_xywh)
        return list(zip(self.boxes_xywh, labels, strict=True))

    def ignored_labeled(self, label: str) -> list[tuple[Box, str, Reason]]:
        """Return each ignored box with its class, as `labeled`, and the reason."""
        labels = self.ignored_labels or (label,) * len(self.ignored_xywh)
        return list(zip(self.ignored_xywh, labels, self.each_reason, strict=True))

    @property
    def each_reason(self) -> tuple[Reason, ...]:
        """Why each ignored box is not counted."""
        return self.reasons or (Reason.IGNORED,) * len(self.ignored_xywh)


@dataclass(frozen=True)
class LabeledBox:
    """A box as a file has it: perhaps fractional, perhaps labeled, perhaps not to be counted."""

    x: float
    y: float
    width: float
    height: float
    label: str = ""
    ignored: Reason = COUNTED

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

    def turned(self, orientation: int, size_wh: tuple[int, int]) -> LabeledBox:
        """Return the box in the upright image.

        Parameters
        ----------
        orientation : int
            EXIF's, 1 to 8: how the stored image, in which the box is, has to be turned.
        size_wh : (int, int)
            The size of the stored image.
        """
        wide, high = size_wh
        far_x, far_y = wide - self.x - self.width, high - self.y - self.height
        left = {1: self.x, 2: far_x, 3: far_x, 4: self.x, 5: self.y, 6: far_y, 7: far_y, 8: self.y}
        top = {1: self.y, 2: self.y, 3: far_y, 4: far_y, 5: self.x, 6: self.x, 7: far_x, 8: far_x}
        sides = (self.width, self.height) if orientation < 5 else (self.height, self.width)
        return replace(
            self, x=left[orientation], y=top[orientation], width=sides[0], height=sides[1]
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
    stated_wh : (int, int), optional
        The size of the image that the file states.
    """

    path: Path
    boxes: tuple[LabeledBox, ...]
    source: Path
    line: int | None = None
    normalized: bool = False
    stated_wh: tuple[int, int] | None = None

    def with_labels(self, labels: Collection[str]) -> Record:
        """Return the record with the boxes of these labels alone."""
        return replace(self, boxes=tuple(box for box in self.boxes if box.label in labels))

    def in_pixels(self, size_wh: tuple[int, int] | None = None) -> AnnotatedImage:
        """Return the boxes in whole pixels.

        Parameters
        ----------
        size_wh : (int, int), optional
            The image's size; needed for normalized boxes and for images whose size the file
            states, and read from the image when not given.

        Raises
        ------
        AnnotationError
            A box is not finite, or absurdly large, or the file states a size of the image from
            which its boxes cannot be brought to the image (`fit_to_image`).
        ImageError
            The size is needed and the image cannot be read.
        """
        boxes = self.boxes
        if self.normalized and boxes:
            from fercli.annotations.image_paths import image_size

            size_wh = size_wh or image_size(self.path)
            boxes = tuple(box.scaled(size_wh) for box in boxes)
        elif self.stated_wh and boxes:
            boxes = fit_to_image(self, size_wh)
        try:
            return AnnotatedImage(
                self.path,
                tuple(box.rounded() for box in boxes if not box.ignored),
                tuple(box.rounded() for box in boxes if box.ignored),
                size_wh,
                reasons=tuple(box.ignored for box in boxes if box.ignored),
            )
        except AnnotationError as error:
            raise AnnotationError(error.message, path=self.source, line=self.line) from error


def read_each(items: Iterable[T], read: Callable[[T], Record], on_error: OnError) -> list[Record]:
    """Return the record of each item, such as a file; `on_error` is told of those without one."""
    records = []
    for item in items:
        try:
            records.append(read(item))
        except FerError as error:
            on_error(error)
    return records


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


def fit_to_image(record: Record, size_wh: tuple[int, int] | None) -> tuple[LabeledBox, ...]:
    """Return the boxes of a record in the pixels of the image as it is.

    Where the image has another size than the file states, but the same shape, it was scaled after
    it was annotated, and so are the boxes. Where width and height are swapped and the image has
    an EXIF orientation that swaps them, the boxes were drawn in the stored image, and are turned
    as it is. Both are noted.

    Parameters
    ----------
    record : Record
        With `stated_wh`.
    size_wh : (int, int), optional
        The image's size. Defaults to reading it; an image that cannot be read is left to those
        who open it.

    Raises
    ------
    AnnotationError
        The two sizes do not agree in any of these ways.
    """
    from fercli.annotations.image_paths import exif_orientation, image_size

    stated = record.stated_wh
    try:
        found = size_wh or image_size(record.path)
    except ImageError:
        return record.boxes
    if stated is None:
        return record.boxes
    if stated == found:
        if _is_turned_within(record.path, found):
            kind = "images turned by EXIF without another size, boxes taken as drawn upright"
            NOTES.add(record.source, kind, record.path, str(record.path))
        return record.boxes
    boxes, detail = record.boxes, f"{record.path}, {_by(stated)} stated, {_by(found)} found"
    if not _same_shape(stated, found):
        orientation = exif_orientation(record.path)
        if orientation < 5 or not _same_shape(stated[::-1], found):
            raise AnnotationError(
                f"The file states a size of {_by(stated)} for {record.path}, which is "
                f"{_by(found)}: its boxes cannot be placed",
                hint="annotate the image anew, or correct the stated size",
                path=record.source,
                line=record.line,
            )
        boxes = tuple(box.turned(orientation, stated) for box in boxes)
        stated = stated[::-1]
        NOTES.add(record.source, "images turned by EXIF after they were annotated, boxes turned "
                  "with them", record.path, detail)  # fmt: skip
    if stated == found:
        return boxes
    NOTES.add(record.source, "images of another size than stated, boxes scaled", record.path,
              detail)  # fmt: skip
    across, down = found[0] / stated[0], found[1] / stated[1]
    return tuple(
        replace(
            box,
            x=box.x * across,
            y=box.y * down,
            width=box.width * across,
            height=box.height * down,
        )
        for box in boxes
    )


def are_fractions(boxes: Iterable[LabeledBox]) -> bool:
    """Whether all boxes of a file lie in 0 … 1 and not all numbers are whole: of no pixel format.

    Some write boxes as fractions of the image in formats that have pixels (Azure, AutoML).
    """
    whole = True
    for box in boxes:
        numbers = (box.x, box.y, box.width, box.height)
        if not all(-0.01 <= number <= 1.01 for number in numbers):
            return False
        whole = whole and all(number == int(number) for number in numbers)
    return not whole


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


def labels_text(counts: Mapping[str, int]) -> str:
    """Return the counts of labels in words: ``car 120, bus 30``, and how many more there are."""
    return listed([f"{label or 'no label'} {count}" for label, count in counts.items()], 8)


def raise_it(error: FerError) -> None:
    """Raise an error: the `OnError` of those who want all or nothing."""
    raise error


def _joined(one: AnnotatedImage, other: AnnotatedImage) -> AnnotatedImage:
    boxes = dict.fromkeys(one.boxes_xywh + other.boxes_xywh)
    reasons = one.each_reason + other.each_reason
    ignored = dict(zip(one.ignored_xywh + other.ignored_xywh, reasons, strict=True))
    return AnnotatedImage(
        one.path,
        tuple(boxes),
        tuple(ignored),
        one.size_wh or other.size_wh,
        reasons=tuple(ignored.values()),
    )


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)


def _extent(start: int, value: float, extent: float) -> int:
    rounded = _nearest(value + extent) - start
    return max(rounded, 1) if extent > 0 else min(rounded, 0)


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one image can be a scaled copy of the other, sides being whole pixels."""
    return abs(one[0] * other[1] - other[0] * one[1]) <= max(*one, *other)


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"


def _is_turned_within(path: Path, size_wh: tuple[int, int]) -> bool:
    """Whether EXIF turns or mirrors an image such that its size does not tell."""
    from fercli.annotations.image_paths import exif_orientation, has_exif

    orientation = exif_orientation(path) if has_exif(path) else 1
    return orientation > 1 and (orientation < 5 or size_wh[0] == size_wh[1])
