"""What is common to all ways of making samples: the account of what was made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fercli.common.errors import FerError

Engine = Literal["native", "opencv"]

#: So many of the things that were left out are listed; the rest are counted.
LISTED = 20


@dataclass
class Created:
    """What was made of what was given.

    Parameters
    ----------
    path : Path
        The ``.vec`` file, or the info file of test images.
    count : int
        Samples, or test images.
    size_wh : (int, int)
        Width and height of the samples.
    what : str
        What was counted: "samples", "test images".
    seconds : float
        How long it took.
    left_out : list of FerError
        What could not be used and was left out, in the order of the input.
    notes : list of str
        What the user should know about the result, a sentence each.
    """

    path: Path
    count: int
    size_wh: tuple[int, int]
    what: str = "samples"
    seconds: float = math.nan
    left_out: list[FerError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        """Return the account as text."""
        width, height = self.size_wh
        lines = [f"  {_without_hint(error)}" for error in self.left_out[:LISTED]]
        if len(self.left_out) > LISTED:
            lines.append(f"  … and {len(self.left_out) - LISTED} more (--json lists all)")
        if lines:
            lines.insert(0, f"left out: {len(self.left_out)}")
        lines += [f"note: {note}" for note in self.notes]
        of = f" of {width}x{height}" if self.what == "samples" else ""
        lines.append(f"{self.path}: {self.count} {self.what}{of} in {self.seconds:.1f} s")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the account as plain values."""
        return {
            "path": str(self.path),
            "count": self.count,
            "size": list(self.size_wh),
            "seconds": round(self.seconds, 3),
            "left_out": [_without_hint(error) for error in self.left_out],
            "notes": self.notes,
        }


def _without_hint(error: FerError) -> str:
    """Return an error's text less what to try, which is what the user has done already."""
    return str(type(error)(error.message, path=error.path, line=error.line))


@dataclass(frozen=True)
class Written:
    """A file, or folder, and how many samples were written to it."""

    path: Path
    count: int
