"""Write a cascade file anew: shorter, or in OpenCV's present format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fercli.cascade.model import Cascade, read_cascade, write_cascade
from fercli.common.errors import OptionError


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Parameters
    ----------
    path : Path
        The new file.
    cascade : Cascade
        What it holds.
    bytes_before, bytes_after : int
        Sizes of the two files.
    """

    path: Path
    cascade: Cascade
    bytes_before: int
    bytes_after: int

    def to_text(self) -> str:
        """Return the conversion in one line."""
        return (
            f"{self.path}: {len(self.cascade.stages)} stages, "
            f"{self.cascade.weak_count} weak classifiers, "
            f"{self.bytes_after / 1000:.0f} kB (before: {self.bytes_before / 1000:.0f} kB)"
        )


def convert_cascade(
    source: Path,
    out: Path,
    *,
    stages: int | None = None,
    compact: bool = False,
    overwrite: bool = False,
) -> Conversion:
    """Write a cascade of any format as a ``cascade.xml`` of the present one.

    Parameters
    ----------
    source : Path
        A cascade of the new or old format, also one that OpenCV refuses because of its encoding,
        its line ends or the missing XML declaration.
    out : Path
        The file to write.
    stages : int, optional
        Keep only the first so many. Defaults to all.
    compact : bool
        Whether to leave out blanks and digits that nobody needs; the cascade stays the same.
    overwrite : bool
        Whether `out` may be replaced. Defaults to False.

    Raises
    ------
    CascadeFileError
        The file is no cascade that a detector may load.
    OptionError
        It has not so many stages.
    OutputExistsError, OutputError
        `out` exists and `overwrite` is False, or cannot be written.
    """
    cascade = read_cascade(source, repair=True)
    there = len(cascade.stages)
    if stages is not None and not 1 <= stages <= there:
        raise OptionError(f"`stages`: expected 1 to {there}, the stages of {source}, got {stages}")
    before = source.stat().st_size
    shorter = replace(cascade, stages=cascade.stages[:stages])
    write_cascade(out, shorter, overwrite=overwrite, compact=compact)
    return Conversion(out, shorter, before, out.stat().st_size)
