"""Whole images: a folder of crops, each with one box around all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fercli.annotations.base import LabeledBox, OnError, Record, raise_it
from fercli.common.files import IMAGE_EXTENSIONS, find_files

#: All of the image, whatever its size.
WHOLE = LabeledBox(0.0, 0.0, 1.0, 1.0)


def looks_like(path: Path) -> bool:
    """Whether this is a folder, or a file that is named as images are."""
    return path.is_dir() or path.suffix.lower() in IMAGE_EXTENSIONS


def read(
    path: Path,
    images: Path | None = None,
    on_error: OnError = raise_it,
    *,
    extensions: Sequence[str] = IMAGE_EXTENSIONS,
    recursive: bool = True,
) -> list[Record]:
    """Return a record for each image in a folder, or for one image.

    Raises
    ------
    InputError
        The folder is missing or cannot be read.
    """
    found = find_files(path, extensions, recursive=recursive) if path.is_dir() else [path]
    return [Record(name, (WHOLE,), path, normalized=True) for name in found]
