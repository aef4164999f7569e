"""Text, JSON and XML files of annotations, whatever program of whatever system wrote them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fercli.annotations.base import NOTES, LabeledBox
from fercli.common.errors import AnnotationError
from fercli.common.files import input_error, parse_json, read_text, write_text

if TYPE_CHECKING:  # a parser, which most readers do not need
    from fercli.common.xml import Document

#: Byte-order marks of UTF-16, which PowerShell writes with ``>``.
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def text_of(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with a byte-order mark.

    Raises
    ------
    AnnotationError
        The file begins as UTF-16, and is not.
    InputError
        The file cannot be read, or is not text.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(2)
    except OSError as error:
        raise input_error(error, path) from error
    if begin not in UTF_16_MARKS:
        return read_text(path)
    try:
        return path.read_text(encoding="utf-16")
    except UnicodeDecodeError as error:
        raise AnnotationError("Expected UTF-16 text, got something else", path=path) from error


def json_of(path: Path) -> Any:
    """Return what a JSON file holds; the last one that was read is remembered.

    Raises
    ------
    AnnotationError
        It is not JSON.
    InputError
        It cannot be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise input_error(error, path) from error
    return _json_of(path, found.st_mtime_ns, found.st_size)


def list_of(path: Path, program: str) -> list[Any]:
    """Return the list that a JSON file of a program holds.

    Raises
    ------
    AnnotationError
        It is not JSON, or no list.
    InputError
        It cannot be read.
    """
    content = json_of(path)
    if not isinstance(content, list):
        raise AnnotationError(f"The file is not {program}'s JSON: it is no list", path=path)
    return content


def forget_json() -> None:
    """Free what `json_of` remembers."""
    _json_of.cache_clear()


def number_of(value: Any) -> float:
    """Return a number that JSON holds as one, or as text.

    Raises
    ------
    ValueError
        It holds something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"Expected a number, got {str(value)[:60]}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("Expected a number, got one of hundreds of digits") from None


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """Return a stated size; None if none is stated, or one of 0, as some tools write."""
    try:
        size = int(number_of(width)), int(number_of(height))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


@lru_cache(maxsize=1)
def _json_of(path: Path, changed: int, size: int) -> Any:
    try:
        return parse_json(text_of(path))
    except json.JSONDecodeError as error:
        reason = f"The file is not JSON: {error.msg}"
        raise AnnotationError(reason, path=path, line=error.lineno) from error
    except ValueError as error:  # nested too deeply, or an integer of thousands of digits
        raise AnnotationError(
            f"The file is not JSON that can be read: {error}", path=path
        ) from error


#: What reading a value of the wrong type or without what it needs raises.
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, StopIteration)


def write_json(path: Path, content: Any, *, overwrite: bool) -> None:
    """Write JSON, whole or not at all; ASCII: what names hold beyond it is escaped."""
    write_text(path, json.dumps(content, indent=1) + "\n", overwrite=overwrite)


def boxes_of_shapes(
    path: Path,
    shapes: Sequence[Any],
    name: str,
    box_of: Callable[[dict[str, Any]], LabeledBox | None],
    *,
    expected: str,
    kind: str,
    left_out: str,
) -> tuple[LabeledBox, ...]:
    """Return the boxes around the shapes of a JSON file of one image; other shapes are noted.

    Parameters
    ----------
    path : Path
        The file.
    shapes : sequence
        The list called `name` in it.
    name : str
    box_of : callable
        Gives the box around a shape; None if it has none. It may raise `MALFORMED`.
    expected, left_out : str
        What a shape consists of, and which shapes have no box, for messages and notes.
    kind : str
        The key under which a shape says what it is, such as "rectangle".

    Raises
    ------
    AnnotationError
        A shape is malformed.
    """
    boxes = []
    for at, shape in enumerate(shapes):
        try:
            box = box_of(shape)
        except MALFORMED as error:
            reason = f"{name}[{at}]: Expected {expected}, got {str(shape)[:60]}"
            raise AnnotationError(reason, path=path) from error
        if box is None:
            NOTES.add(path, f"{left_out}, left out", at)
            continue
        if shape.get(kind) != "rectangle":
            NOTES.add(path, "outlines, their bounding boxes used", at)
        boxes.append(box)
    return tuple(boxes)


def box_around(points: Sequence[tuple[float, float]], label: str) -> LabeledBox:
    """Return the box around points."""
    left, top = (min(point[at] for point in points) for at in (0, 1))
    right, bottom = (max(point[at] for point in points) for at in (0, 1))
    return LabeledBox(left, top, right - left, bottom - top, label)


def box_around_rotated(
    center_xy: tuple[float, float], size_wh: tuple[float, float], radians: float, label: str
) -> LabeledBox:
    """Return the box around a box that is rotated about its center."""
    (x, y), (width, height) = center_xy, size_wh
    sine, cosine = math.sin(radians), math.cos(radians)
    across = abs(width * cosine) + abs(height * sine)
    down = abs(width * sine) + abs(height * cosine)
    return LabeledBox(x - across / 2, y - down / 2, across, down, label)


def open_xml(path: Path, tag: str) -> Document:
    """Return an XML file whose outermost element is `tag`.

    Raises
    ------
    AnnotationError, InputError
        As `read_xml`, or the outermost element is another.
    """
    from fercli.common.xml import read_xml

    document = read_xml(path)
    root = document.root
    if root.tag != tag:
        raise document.error(root, f"Expected <{tag}>, got <{root.tag}>")
    if document.encoding_ignored:
        NOTES.add(path, f"declared as {document.encoding_ignored}, but UTF-8, and read so", count=0)
    return document
