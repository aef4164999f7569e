"""The results of making samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fercli.common.errors import FerError

Engine = Literal["native", "opencv"]

#: Items left out that are listed as text; the rest are only counted.
MAX_LISTED = 20


@dataclass
class Created:
    """The samples or test images that were made.

    Parameters
    ----------
    path : Path
        The ``.vec`` file, or the info file of test images.
    count : int
        Number of samples or test images.
    size_wh : (int, int)
        Width and height of the samples.
    what : str
        What `count` counts: "samples" or "test images".
    seconds : float
        How long it took.
    left_out : list of FerError
        Why each unusable item was left out, in the order of the input.
    notes : list of str
        Remarks on the result, one sentence each.
    input_notes : list of str
        What was assumed about the annotations and images. The command line tells it at its end.
    """

    path: Path
    count: int
    size_wh: tuple[int, int]
    what: str = "samples"
    seconds: float = math.nan
    left_out: list[FerError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    input_notes: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        """Return the result as text."""
        width, height = self.size_wh
        lines = [f"  {_without_hint(error)}" for error in self.left_out[:MAX_LISTED]]
        if len(self.left_out) > MAX_LISTED:
            lines.append(f"  … and {len(self.left_out) - MAX_LISTED} more (--json lists all)")
        if lines:
            lines.insert(0, f"left out: {len(self.left_out)}")
        lines += [f"note: {note}" for note in self.notes]
        of = f" of {width}x{height}" if self.what == "samples" else ""
        lines.append(f"{self.path}: {self.count} {self.what}{of} in {self.seconds:.1f} s")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-compatible values."""
        return {
            "path": str(self.path),
            "count": self.count,
            "size": list(self.size_wh),
            "seconds": round(self.seconds, 3),
            "left_out": [_without_hint(error) for error in self.left_out],
            "notes": self.notes + self.input_notes,
        }


def _without_hint(error: FerError) -> str:
    """Return an error's text without its hint, which the user has already followed."""
    return str(type(error)(error.message, path=error.path, line=error.line))


@dataclass(frozen=True)
class Written:
    """A file or folder, and the number of samples written to it."""

    path: Path
    count: int
