"""The records of OpenCV's lists one by one, with what is wrong with how they are written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fercli.annotations.opencv_lists import BYTE_ORDER_MARK
from fercli.annotations.text_files import UTF_16_MARKS
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError
from fercli.common.files import input_error

#: The largest number that fits the programs' integers.
LARGEST_INTEGER = 2**31 - 1
#: Letters of a number that are looked at: enough to tell that it is beyond `LARGEST_INTEGER`.
MOST_DIGITS = 100

INTEGER = re.compile(rb"[+-]?\d+")
DECIMAL = re.compile(rb"[+-]?(\d+[.,]\d*|[.,]\d+|\d+(\.\d*)?[eE][+-]?\d+|nan|inf(inity)?)", re.I)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Parameters
    ----------
    kind : str
        A key of `fercli.annotations.validate.CONSEQUENCES`.
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
            yield from _parse_record(words, lines[at], record, number)
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


def _parse_record(
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
