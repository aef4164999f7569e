"""Text and JSON files of annotations, whatever program of whatever system wrote them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from fercli.common.errors import AnnotationError
from fercli.common.files import input_error, parse_json, read_text

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
