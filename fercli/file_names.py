"""Names of files: which fit a disk, are free, can be shown, or are of the same file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path


def input_among(outputs: Iterable[Path], inputs: Iterable[Path]) -> Path | None:
    """Return the first file to be written that is one of those to be read, whatever its name."""
    read = {_identity(path) for path in inputs} - {None}
    return next((path for path in outputs if _identity(path) in read), None)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the number of a file; None if there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def shortened(name: str, most: int) -> str:
    """Return the beginning of a file's name, of at most `most` bytes; no character is halved."""
    content = os.fsencode(name)
    return name if len(content) <= most else content[:most].decode("utf-8", "ignore")


def free_stem(stem: str, taken: Collection[str]) -> str:
    """Return a stem, numbered if it is among those taken, which are case-folded."""
    free, number = stem, 1
    while free.casefold() in taken:
        number += 1
        free = f"{stem}-{number}"
    return free


def shown_name(name: str) -> str:
    """Return the name of a file for people: bytes that are not UTF-8 replaced by a mark."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
