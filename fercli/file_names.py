"""Names of files: which fit a disk, are free, can be shown, or are of the same file."""

from __future__ import annotations

import os
from collections.abc import Iterable
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


def free_name(stem: str, taken: dict[str, int], suffix: str = "", *, fold: bool = False) -> str:
    """Return a name that is not taken, numbered if its own is, and take it.

    Parameters
    ----------
    stem, suffix : str
        Together the name; a number goes between them.
    taken : dict of str to int
        The names that are taken, each with the last number that was tried for it: thousands of one
        name are numbered at once.
    fold : bool
        Whether names that differ in case alone are one; those of `taken` are case-folded then.
        Defaults to False.
    """

    def key(name: str) -> str:
        return name.casefold() if fold else name

    name = stem + suffix
    wanted = key(name)
    number = taken.get(wanted, 1)
    while key(name) in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken[wanted] = number
    taken.setdefault(key(name), 1)
    return name


def shown_name(name: str) -> str:
    """Return the name of a file for people: bytes that are not UTF-8 replaced by a mark."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
