"""OpenCV's info file: what ``opencv_createsamples -info`` reads, often called positives.dat.

Records of ``name count x y width height x y width height …``, all whole numbers, separated by
white space of any kind; usually one record a line. Names are relative to the file's folder and
cannot hold white space.

See: ``cvCreateTrainingSamplesFromInfo`` in OpenCV 3.4, apps/createsamples/utility.cpp.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fercli.annotations.base import LabelledBox, OnError, Record, raise_it
from fercli.annotations.opencv_lists import read_list
from fercli.common.errors import AnnotationError

HINT = "`fer cascade check-info` lists all that is wrong with it"


def looks_like(path: Path) -> bool:
    """Whether a file begins with a name and whole numbers, count of them and all."""
    try:
        with path.open("rb") as file:
            words = file.read(4096).split()[:6]
    except OSError:
        return False
    return len(words) > 1 and _as_int(words[0]) is None and all(
        _as_int(word) is not None for word in words[1 : 2 + 4 * min(_as_int(words[1]) or 0, 1)]
    )  # fmt: skip


def read(path: Path, pictures: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return the records of an info file.

    Parameters
    ----------
    path : Path
        The info file.
    pictures : Path, optional
        The folder that the names are relative to. Defaults to the file's.
    on_error : callable
        Told of the first malformed record, which ends the reading: where the next one begins
        is then unknown. Defaults to raising it.

    Raises
    ------
    AnnotationError
        A record is malformed; the error's `line` is the number of the record.
    InputError
        The file cannot be read.
    """
    folder = path.parent if pictures is None else pictures
    words = iter(read_list(path).split())
    records: list[Record] = []
    try:
        for word in words:
            name = _name(word)
            records.append(Record(folder / name, _boxes(words, name), path, len(records) + 1))
    except AnnotationError as error:
        on_error(AnnotationError(error.message, hint=HINT, path=path, line=len(records) + 1))
    return records


def _name(word: bytes) -> str:
    if b"\0" in word or _as_int(word) is not None:
        raise AnnotationError(f"wanted the name of a picture, found {_shown(word)}")
    return os.fsdecode(word)


def _boxes(words: Iterator[bytes], name: str) -> tuple[LabelledBox, ...]:
    count = _number(words, f"the number of boxes of {name}")
    if count < 0:
        raise AnnotationError(f"wanted the number of boxes of {name}, found {count}")
    what = f"4 numbers for each of the {count} boxes of {name}"
    return tuple(_box(words, what) for _ in range(count))


def _box(words: Iterator[bytes], what: str) -> LabelledBox:
    x, y, width, height = (_number(words, what) for _ in range(4))
    return LabelledBox(x, y, width, height)


def _number(words: Iterator[bytes], what: str) -> int:
    word = next(words, None)
    if word is None:
        raise AnnotationError(f"wanted {what}, found the end of the file")
    number = _as_int(word)
    if number is None:
        raise AnnotationError(f"wanted {what}, whole numbers all, found {_shown(word)}")
    return number


def _as_int(word: bytes) -> int | None:
    try:
        return int(word) if b"_" not in word and len(word) < 19 else None
    except ValueError:
        return None


def _shown(word: bytes) -> str:
    text = repr(word[:40].decode("utf-8", "backslashreplace"))
    return text if len(word) <= 40 else f"{text}…"
