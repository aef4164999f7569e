"""The check of `fer cascade check-info`: a list's records, and the images that they name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from fercli.annotations.base import NOTES, Record
from fercli.annotations.formats import FORMATS
from fercli.annotations.list_records import (
    ListRecord,
    Problem,
    background_entries,
    info_entries,
    is_info,
    read_lines,
    shown,
)
from fercli.annotations.opencv_lists import programs_read
from fercli.annotations.reading import find_annotations, read_records
from fercli.common.errors import AnnotationError, FerError, ImageError
from fercli.common.files import is_there
from fercli.common.images import digest_of, read_gray
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress

#: What follows from each problem. Tried with the programs of OpenCV 3.4.18.
CONSEQUENCES = {
    "no boxes": "opencv_createsamples never ends",
    "no names": "opencv_traincascade cannot train",
    "byte-order mark": "it becomes a part of the first name, which is then missing",
    "CRLF": "opencv_createsamples -bg takes the carriage return for a part of each name",
    "blank line": "it ends a background list; an info file goes on",
    "comment": "an info file has none: opencv_createsamples tries the words as records",
    "white space in name": "opencv_createsamples takes the last word for the name, then aborts",
    "absolute name": "opencv_createsamples puts the folder of the info file before it, then aborts"
    " (save if started in that folder)",
    "wrong count": "opencv_createsamples stops there, or takes numbers for names",
    "no name": "opencv_createsamples takes a number for a name, then aborts or stops",
    "no count": "opencv_createsamples tries the words one after another as names, then stops",
    "decimals": "opencv_createsamples stops there",
    "not a number": "opencv_createsamples stops there",
    "out of range": "opencv_createsamples takes another number for it, or aborts",
    "empty box": "opencv_createsamples aborts",
    "box outside": "opencv_createsamples aborts",
    "missing": "opencv_createsamples aborts; opencv_traincascade goes on without it",
    "unreadable": "opencv_createsamples aborts; opencv_traincascade goes on without it",
    "format": "opencv_createsamples, if built without it (as by fer), aborts: convert it to PNG",
    "not here": "opencv_traincascade looks for names in the working directory: start it in the"
    " list's folder, or name the images absolutely",
    "too small": "opencv_traincascade passes over it, and aborts if all are",
    "blanks around name": "those before it are a part of the name, for both programs",
    "duplicate": "it counts twice in the training",
    "UTF-16": "OpenCV's programs read nothing of it",
    "quotes": "OpenCV's programs take them for a part of the name",
    "backslashes": "OpenCV's programs look for such a name only on Windows",
}

#: What follows from each problem of annotations that OpenCV's programs do not read.
IN_ANNOTATIONS = {
    "malformed": "build-info leaves it out; other commands end there",
    "missing": "build-info and evaluate leave it out; other commands end there",
    "unreadable": "build-info and evaluate leave it out; other commands end there",
    "empty box": "build-info leaves it out; other commands end there",
    "box outside": "build-info clips it, or leaves it out; create-samples and train end there",
    "duplicate": "it counts twice in the training",
    "no boxes": "there is nothing to train with",
}


@dataclass(frozen=True)
class CheckReport:
    """What was checked and what is wrong.

    Parameters
    ----------
    path : Path
        The list.
    kind : str
        "info" for an info file, "bg" for a background list, else a name of
        `fercli.annotations.formats.FORMATS`.
    records, boxes : int
        How many it has.
    problems : tuple of Problem
        In the order of the records; those of the whole file first.
    title : str
        What people call the kind.
    notes : tuple of str
        What is assumed about the annotations when they are read.
    """

    path: Path
    kind: str
    records: int
    boxes: int
    problems: tuple[Problem, ...]
    title: str = ""
    notes: tuple[str, ...] = ()

    def consequence(self, kind: str) -> str:
        """Return what follows from a kind of problem."""
        return (CONSEQUENCES if self.kind in ("info", "bg") else IN_ANNOTATIONS)[kind]

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "records": self.records,
            "boxes": self.boxes,
            "problems": [
                {**asdict(problem), "consequence": self.consequence(problem.kind)}
                for problem in self.problems
            ],
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """Return the report for people: a table, and what follows from the problems."""
        from fercli.common.tables import format_table

        what = {"info": "info file", "bg": "background list"}.get(self.kind, self.title)
        boxes = "" if self.kind == "bg" else f", boxes: {self.boxes}"
        number = len(self.problems) or "none"
        summary = f"{self.path}: {what}; records: {self.records}{boxes}, problems: {number}"
        if not self.problems:
            return summary
        rows = [
            (_number(each.record), _number(each.line), each.kind, each.detail)
            for each in self.problems
        ]
        kinds = dict.fromkeys(each.kind for each in self.problems)
        return "\n".join(
            [
                format_table(["record", "line", "problem", "found"], rows),
                "",
                *(f"{kind}: {self.consequence(kind)}" for kind in kinds),
                "",
                summary,
            ]
        )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


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
        `fercli.annotations.reading.read_records`.
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
