"""Whole pictures: a folder of crops, each with one box around all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fercli.annotations.base import LabelledBox, OnError, Record, raise_it
from fercli.common.files import PICTURE_EXTENSIONS, find_files

#: All of the picture, whatever its size.
WHOLE = LabelledBox(0.0, 0.0, 1.0, 1.0)


def looks_like(path: Path) -> bool:
    """Whether this is a folder, or a file that is named as pictures are."""
    return path.is_dir() or path.suffix.lower() in PICTURE_EXTENSIONS


def read(
    path: Path,
    pictures: Path | None = None,
    on_error: OnError = raise_it,
    *,
    extensions: Sequence[str] = PICTURE_EXTENSIONS,
    recursive: bool = True,
) -> list[Record]:
    """Return a record for each picture in a folder, or for one picture.

    Raises
    ------
    InputError
        The folder is missing or cannot be read.
    """
    found = find_files(path, extensions, recursive=recursive) if path.is_dir() else [path]
    return [Record(name, (WHOLE,), path, normalised=True) for name in found]
