"""The check: a list's records, and the images that they name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from fercli.annotations.base import NOTES, Record
from fercli.annotations.formats import FORMATS
from fercli.annotations.opencv_lists import BYTE_ORDER_MARK, programs_read
from fercli.annotations.reading import find_annotations, read_records
from fercli.annotations.text_files import UTF_16_MARKS
from fercli.cascade.list_builder.image_audit import digest_of
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError, FerError, ImageError
from fercli.common.files import input_error, is_there
from fercli.common.images import read_gray
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress

#: The largest number that fits the programs' integers.
LARGEST_INTEGER = 2**31 - 1
#: Letters of a number that are looked at: enough to tell that it is beyond `LARGEST_INTEGER`.
MOST_DIGITS = 100

INTEGER = re.compile(rb"[+-]?\d+")
DECIMAL = re.compile(rb"[+-]?(\d+[.,]\d*|[.,]\d+|\d+(\.\d*)?[eE][+-]?\d+|nan|inf(inity)?)", re.I)


@dataclass(frozen=True)
class ListRecord:
    """A record that could be made out, at least its name."""

    record: int
    line: int
    name: str
    boxes_xywh: tuple[Box, ...] = ()

    def problem(self, kind: str, detail: str) -> Problem:
        """Return a problem of this record."""
        return Problem(kind, detail, self.record, self.line or None)


@dataclass(frozen=True)
class ListLines:
    """The lines of a file: without the ends of lines, and what is to be said of the whole."""

    lines: tuple[bytes, ...]
    problems: tuple[Problem, ...]


def read_lines(path: Path) -> ListLines:
    """Return the lines of a list.

    Raises
    ------
    AnnotationError
        The file is not a text file.
    InputError
        The file is missing or cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise input_error(error, path, wanted="a list of images") from error
    problems = []
    if content.startswith(UTF_16_MARKS):
        try:
            content = content.decode("utf-16").encode()
            problems.append(Problem("UTF-16", "the whole file", None, 1))
        except UnicodeDecodeError:
            pass
    if b"\0" in content:
        raise AnnotationError("Expected a list of images, got a binary file", path=path)
    if content.startswith(BYTE_ORDER_MARK):
        content = content.removeprefix(BYTE_ORDER_MARK)
        problems.append(Problem("byte-order mark", "the file begins with one", None, 1))
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    ends = [number for number, line in enumerate(lines, 1) if line.endswith(b"\r")]
    if ends:
        problems.append(Problem("CRLF", f"at the end of lines: {len(ends)}", None, ends[0]))
    return ListLines(tuple(line.removesuffix(b"\r") for line in lines), tuple(problems))


def is_info(lines: Sequence[bytes]) -> bool:
    """Whether lines seem to be of an info file: most of the first end in numbers."""
    first = [line.split() for line in lines[:50] if line.strip() and not line.startswith(b"#")]
    info = sum(len(words) > 1 and _is_number(words[-1]) for words in first)
    return 2 * info > len(first)


def info_entries(lines: Sequence[bytes]) -> Iterator[ListRecord | Problem]:
    """Yield the records of an info file and what is wrong with how they are written."""
    at = record = 0
    while at < len(lines):
        number, line = at + 1, lines[at]
        if not line.strip():
            yield Problem("blank line", "nothing on it", None, number)
        elif line.startswith(b"#"):
            yield Problem("comment", shown(line), None, number)
        else:
            record += 1
            words, taken = _whole_record(lines, at)
            yield from _made_out(words, lines[at], record, number)
            at += taken - 1
        at += 1


def background_entries(lines: Sequence[bytes]) -> Iterator[ListRecord | Problem]:
    """Yield the names of a background list and what is wrong with how they are written."""
    record = 0
    after = sum(bool(line.strip()) for line in lines)
    for number, line in enumerate(lines, 1):
        after -= bool(line.strip())
        name = line.rstrip(b" \t\r")
        if line.startswith(b"#"):
            continue
        if not name:
            detail = f"names after it that are not read: {after}"
            yield Problem("blank line", detail, None, number)
            continue
        record += 1
        entry = ListRecord(record, number, os.fsdecode(name))
        yield entry
        if line.strip() != line:
            yield entry.problem("blanks around name", repr(os.fsdecode(line))[:80])


def shown(text: bytes) -> str:
    """Return the beginning of some bytes, as it can be printed on one line."""
    word = text[:60].decode("utf-8", "backslashreplace")
    return repr(word)[1:-1] + ("…" if len(text) > 60 else "")


def _whole_record(lines: Sequence[bytes], at: int) -> tuple[list[bytes], int]:
    """Return the words of the record that begins on a line, and how many lines it takes.

    A record goes on over lines of numbers until it has as many as its count says.
    """
    words, taken = lines[at].split(), 1
    if INTEGER.fullmatch(words[0]) or not _are_integers(words[1:]):
        return words, taken
    while at + taken < len(lines) and _wants_more(words):
        following = lines[at + taken].split()
        if not _are_integers(following):
            break
        words += following
        taken += 1
    return (words, taken) if _is_exact(words) else (lines[at].split(), 1)


def _wants_more(words: Sequence[bytes]) -> bool:
    """Whether a name and whole numbers, perhaps none yet, are fewer than their count says."""
    return len(words) < 2 or len(words) - 2 < 4 * _value(words[1])


def _are_integers(words: Sequence[bytes]) -> bool:
    return all(INTEGER.fullmatch(word) for word in words)


def _is_exact(words: Sequence[bytes]) -> bool:
    numbers = words[1:]
    return (
        len(numbers) > 0 and _are_integers(numbers) and len(numbers) - 1 == 4 * _value(numbers[0])
    )


def _made_out(
    words: Sequence[bytes], line: bytes, record: int, number: int
) -> Iterator[ListRecord | Problem]:
    """Yield the entry of a record, and what is wrong with it."""
    if INTEGER.fullmatch(words[0]):
        yield Problem("no name", shown(line), record, number)
        return
    spaces = 0 if _is_exact(words) else _spaces_in_name(words)
    name = b" ".join(words[: spaces + 1])
    entry = ListRecord(
        record, number, os.fsdecode(_as_written(name, line)), _boxes(words[spaces + 2 :])
    )
    yield entry
    if spaces:
        yield entry.problem("white space in name", shown(name))
    elif not _is_exact(words):
        yield entry.problem(*_fault(words))
    if any(INTEGER.fullmatch(w) and abs(_value(w)) > LARGEST_INTEGER for w in words[spaces + 1 :]):
        yield entry.problem("out of range", f"a number beyond {LARGEST_INTEGER}")


def _spaces_in_name(words: Sequence[bytes]) -> int:
    """Return how many spaces the name must have for the numbers after it to be right, or 0.

    A name does not end in a number: that would rather be a count that is wrong.
    """
    last = max((at for at, word in enumerate(words) if not INTEGER.fullmatch(word)), default=0)
    return last if _is_exact(words[last:]) else 0


def _as_written(name: bytes, line: bytes) -> bytes:
    """Return a name of several words with the white space that it has in its line."""
    pattern = rb"\s+".join(re.escape(word) for word in name.split())
    found = re.search(pattern, line)
    return found.group() if found else name


def _boxes(numbers: Sequence[bytes]) -> tuple[Box, ...]:
    """Return the boxes that numbers make, or none if they do not come out even."""
    if len(numbers) % 4 or not _are_integers(numbers):
        return ()
    values = [_value(word) for word in numbers]
    return tuple(
        (values[at], values[at + 1], values[at + 2], values[at + 3])
        for at in range(0, len(values), 4)
    )


def _fault(words: Sequence[bytes]) -> tuple[str, str]:
    """Return what is wrong with the numbers of a record, and what was found."""
    numbers = words[1:]
    decimal = next((word for word in numbers if DECIMAL.fullmatch(word)), None)
    if decimal is not None:
        return "decimals", shown(decimal)
    if not numbers or not INTEGER.fullmatch(numbers[0]):
        return "no count", shown(b" ".join(numbers)) if numbers else "a name alone"
    odd = next((word for word in numbers if not INTEGER.fullmatch(word)), None)
    if odd is not None:
        return "not a number", shown(odd)
    count, found = _value(numbers[0]), len(numbers) - 1
    return "wrong count", f"count {count}, then {found} numbers instead of {4 * max(count, 0)}"


def _value(word: bytes) -> int:
    """Return a whole number, cut where Python would refuse to read it: far out of range."""
    return int(word[:MOST_DIGITS])


def _is_number(word: bytes) -> bool:
    return bool(INTEGER.fullmatch(word) or DECIMAL.fullmatch(word))


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
class Problem:
    """One thing that is wrong.

    Parameters
    ----------
    kind : str
        A key of `CONSEQUENCES`.
    detail : str
        What was found.
    record : int, optional
        The record, counted from 1; None for what concerns the whole file. Comments and blank
        lines are no records.
    line : int, optional
        The line of the file, counted from 1.
    """

    kind: str
    detail: str
    record: int | None = None
    line: int | None = None


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
        `fercli.annotations.reading.read_annotations`.
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
