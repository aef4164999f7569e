"""A reader under test: what it reads, what is valid, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fercli.common.errors import FerError

MB = 1 << 20


def nothing(folder: Path) -> None:
    """Lay nothing beside the file."""


@dataclass(frozen=True)
class Reader:
    """One reader of fer.

    Parameters
    ----------
    name : str
        What the summary calls it.
    file : str
        Where each case is written, below a folder of the reader's own.
    valid : callable
        Returns contents that are valid, which are then mutated.
    read : callable
        Told the folder; reads the case in it, and raises what the reader raises.
    beside : callable
        Told the folder once; lays what belongs beside the file.
    share : float
        How many cases it gets, compared with others: less for slow ones. Defaults to 1.
    memory : int
        By how many bytes one case may raise the process's memory. Defaults to 256 MB.
    refusals : tuple of exception classes
        Further errors that are named ones here.
    """

    name: str
    file: str
    valid: Callable[[], Sequence[bytes]]
    read: Callable[[Path], object]
    beside: Callable[[Path], None] = nothing
    share: float = 1.0
    memory: int = 256 * MB
    refusals: tuple[type[Exception], ...] = field(default=(FerError,))
