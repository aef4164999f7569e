"""The check: a list's records, and the images that they name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from fercli.annotations.base import Record
from fercli.annotations.formats import FORMATS, find_annotations, read_records
from fercli.annotations.notes import NOTES
from fercli.annotations.opencv_lists import programs_read
from fercli.annotations.validate.problems import CheckReport, Problem
from fercli.annotations.validate.records import (
    ListRecord,
    background_entries,
    info_entries,
    is_info,
    read_lines,
    shown,
)
from fercli.cascade.list_builder.image_audit import digest_of
from fercli.common.errors import AnnotationError, FerError, ImageError
from fercli.common.files import is_there
from fercli.common.images import read_gray
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress

Kind = Literal["info", "bg"]


@dataclass(frozen=True)
class OpenedImage:
    """What became of opening an image: its size and digest, or what is wrong with it."""

    size_wh: tuple[int, int] | None
    digest: bytes
    kind: str = ""
    detail: str = ""


def check_list(
    path: Path,
    *,
    kind: Kind | None = None,
    format: str | None = None,
    images: Path | None = None,
    window_wh: tuple[int, int] = (1, 1),
    workers: int | None = None,
    progress: Progress = SILENT,
) -> CheckReport:
    """Return all that is wrong with an info file, a background list or other annotations.

    Every image is opened.

    Parameters
    ----------
    path : Path
        The list, or a file or folder of annotations.
    kind : {"info", "bg"}, optional
        Which list of OpenCV's programs it is. Defaults to what it looks like.
    format, images : optional
        The format of other annotations, and the folder of their images, as
        `fercli.annotations.read_annotations`.
    window_wh : (int, int)
        Smaller images in a background list are a problem. Defaults to 1 × 1.
    workers, progress
        As `parallel_map`.

    Raises
    ------
    AnnotationError
        The file is not a text file.
    InputError
        The file is missing or cannot be read.
    """
    if kind is None and (format is not None or _is_other(path)):
        return _check_annotations(path, format, images, workers, progress)
    read = read_lines(path)
    kind = kind or ("info" if is_info(read.lines) else "bg")
    found = list(info_entries(read.lines) if kind == "info" else background_entries(read.lines))
    entries = [each for each in found if isinstance(each, ListRecord)]
    opened = list(
        parallel_map(
            partial(_open, folder=path.parent, kind=kind),
            [entry.name for entry in entries],
            workers=workers,
            prefer="threads",
            progress=progress,
            description="checking",
        )
    )
    problems = [*read.problems, *(each for each in found if isinstance(each, Problem))]
    problems += _of_the_whole(entries, kind)
    for entry, image in zip(entries, opened, strict=True):
        problems += _of_image(entry, image, window_wh)
    problems += _duplicates(entries, opened)
    problems.sort(key=lambda each: (each.record is not None, each.line or 0))
    boxes = sum(len(entry.boxes_xywh) for entry in entries)
    return CheckReport(path, kind, len(entries), boxes, tuple(problems))


def _is_other(path: Path) -> bool:
    """Whether a path is of annotations that OpenCV's programs do not read."""
    if path.is_dir():
        return True
    lists = ("info", "images", "info-folder")
    return any(each.name not in lists and each.looks_like(path) for each in FORMATS.values())


def _check_annotations(
    path: Path,
    format: str | None,
    images: Path | None,
    workers: int | None,
    progress: Progress,
) -> CheckReport:
    """Return what is wrong with annotations of any format, as the commands read them."""
    errors: list[FerError] = []
    form = find_annotations(path, format).format
    records = read_records(path, format=format, images=images, on_error=errors.append)
    problems = [Problem("malformed", _located(error, path), None, error.line) for error in errors]
    checked = parallel_map(
        _check_record,
        list(enumerate(records, 1)),
        workers=workers,
        prefer="threads",
        progress=progress,
        description="checking",
    )
    entries, opened = [], []
    for entry, image, found in checked:
        entries.append(entry)
        opened.append(image)
        problems += found or _of_image(entry, image, (1, 1))
    if not any(entry.boxes_xywh for entry in entries):
        problems.insert(0, Problem("no boxes", f"records without a box: {len(entries)}"))
    if form.name != "images":
        problems += _duplicates(entries, opened)
    boxes = sum(len(record.boxes) for record in records)
    notes = tuple(NOTES.take())
    return CheckReport(path, form.name, len(records), boxes, tuple(problems), form.title, notes)


def _located(error: FerError, path: Path) -> str:
    return error.message if error.path in (None, path) else f"{error.path}: {error.message}"


def _check_record(
    numbered: tuple[int, Record],
) -> tuple[ListRecord, OpenedImage, list[Problem]]:
    """Open the image of a record; return it with its boxes, and what is wrong with them."""
    number, record = numbered
    line = record.line or 0
    entry = ListRecord(number, line, str(record.path))
    try:
        image = read_gray(record.path)
    except ImageError as error:
        kind = "unreadable" if is_there(record.path) else "missing"
        detail = f"{_shown(entry.name)}: {error.message}" if kind == "unreadable" else entry.name
        return entry, OpenedImage(None, b"", kind, detail), []
    opened = OpenedImage(_size(image.shape), digest_of(image))
    try:
        found = record.in_pixels(opened.size_wh)
    except AnnotationError as error:
        return entry, opened, [entry.problem("malformed", error.message)]
    return ListRecord(number, line, entry.name, found.boxes_xywh), opened, []


def _open(name: str, folder: Path, kind: Kind) -> OpenedImage:
    """Open an image where the program would that reads this kind of list."""
    path = folder / name if kind == "info" else Path(name)
    try:
        image = read_gray(path)
        if not programs_read(path):
            return OpenedImage(_size(image.shape), digest_of(image), "format", _shown(name))
        return OpenedImage(_size(image.shape), digest_of(image))
    except ImageError as error:
        if is_there(path):
            return OpenedImage(None, b"", "unreadable", f"{_shown(name)}: {error.message}")
        if kind == "bg" and is_there(folder / name):
            return OpenedImage(None, b"", "not here", _shown(name))
        if name[:1] in "\"'" and len(name) > 1:
            return OpenedImage(None, b"", "quotes", _shown(name))
        if "\\" in name and is_there(folder / name.replace("\\", "/")):
            return OpenedImage(None, b"", "backslashes", _shown(name))
        return OpenedImage(None, b"", "missing", _shown(name))


def _of_the_whole(entries: Sequence[ListRecord], kind: Kind) -> Iterator[Problem]:
    if kind == "bg":
        if not entries:
            yield Problem("no names", "no image is listed")
        return
    if not any(entry.boxes_xywh for entry in entries):
        yield Problem("no boxes", f"records without a box: {len(entries)}")
    absolute = [entry for entry in entries if entry.name.startswith("/")]
    if absolute:
        detail = f"records: {len(absolute)}, the first: {_shown(absolute[0].name)}"
        yield Problem("absolute name", detail, None, absolute[0].line)


def _of_image(
    entry: ListRecord, image: OpenedImage, window_wh: tuple[int, int]
) -> Iterator[Problem]:
    if image.kind:
        yield entry.problem(image.kind, image.detail)
    size_wh = image.size_wh
    if size_wh is not None and (size_wh[0] < window_wh[0] or size_wh[1] < window_wh[1]):
        yield entry.problem("too small", f"{_shown(entry.name)}: {_by(size_wh)}")
    for box in entry.boxes_xywh:
        x, y, width, height = box
        if width <= 0 or height <= 0:
            yield entry.problem("empty box", " ".join(map(str, box)))
        elif x < 0 or y < 0 or (size_wh and (x + width > size_wh[0] or y + height > size_wh[1])):
            of = f" in an image of {_by(size_wh)}" if size_wh else ""
            yield entry.problem("box outside", " ".join(map(str, box)) + of)


def _duplicates(entries: Sequence[ListRecord], opened: Sequence[OpenedImage]) -> Iterator[Problem]:
    names: dict[str, int] = {}
    digests: dict[bytes, int] = {}
    for entry, image in zip(entries, opened, strict=True):
        seen = set()
        for box in entry.boxes_xywh:
            if box in seen:
                yield entry.problem("duplicate", f"box {' '.join(map(str, box))} twice")
            seen.add(box)
        first = names.setdefault(os.path.normpath(entry.name), entry.record)
        same = digests.setdefault(image.digest, entry.record) if image.digest else first
        if first != entry.record:
            yield entry.problem("duplicate", f"{_shown(entry.name)}: also record {first}")
        elif same != entry.record:
            yield entry.problem("duplicate", f"{_shown(entry.name)}: same pixels as record {same}")


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[1], shape[0]


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"


def _shown(name: str) -> str:
    return shown(os.fsencode(name)) if len(name) <= 60 else "…" + shown(os.fsencode(name)[-59:])
