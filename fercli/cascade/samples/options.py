"""Options of making samples from annotated boxes, and from images of the object."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fercli.common.errors import FerError
from fercli.common.options import SEED, Option, check, option
from fercli.common.tables import counted

Invert = Literal["never", "always", "random"]

SAMPLE_SIZE = Option(
    help="Make samples of this size, that of the training window.", names=("--size",)
)
SKIP_BAD = Option(help="Leave out and list what cannot be used, rather than stop.")
ANGLE = Option(help="Turn the image by up to this angle.", metavar="RAD", minimum=0, maximum=1.5)


@dataclass(frozen=True)
class CropRules:
    """Which boxes become samples, and how; the first `num` in the order of the annotations."""

    size_wh: tuple[int, int] = option((24, 24), SAMPLE_SIZE)
    num: int | None = option(
        None,
        help="Make at most N samples.",
        metavar="N",
        minimum=1,
        maximum=2**31 - 1,
        default_text="all boxes; with --image 1000",
    )
    mirror: bool = option(False, help="Add the mirror image after each sample.")
    skip_bad: bool = option(False, SKIP_BAD)

    def __post_init__(self) -> None:
        check(self)

    @property
    def max_boxes(self) -> int | None:
        """The number of boxes that give `num` samples, rounded up; None for all."""
        return -(-self.num // 2) if self.num is not None and self.mirror else self.num


@dataclass(frozen=True)
class Distortion:
    """Ranges of rotation and of intensity change.

    The largest rotations are in radians; that around y is bounded by `max_y_angle` less that
    around x. With `invert` "random" every other sample is inverted.
    """

    max_x_angle: float = option(
        1.1, ANGLE, help="Let the image nod by up to this angle, in radians."
    )
    max_y_angle: float = option(
        1.1, ANGLE, help="Turn the image sideways by up to this angle, less that of the nod."
    )
    max_z_angle: float = option(0.5, ANGLE, help="Tilt the image by up to this angle.")
    max_intensity_deviation: int = option(
        40,
        help="Shift the gray levels of the image by up to this.",
        metavar="GRAY",
        minimum=0,
        maximum=255,
    )
    invert: Invert = option("never", help="Invert the gray levels of the image.")


@dataclass(frozen=True)
class WarpRules:
    """How images of the object are warped, and their backgrounds.

    `backgrounds` is a list of images without the object, as `read_background_list` reads it;
    without it, a flat background of `bg_color`, and without that either, the image's edges,
    extended.
    """

    size_wh: tuple[int, int] = option((24, 24), SAMPLE_SIZE)
    distortion: Distortion = field(default_factory=Distortion)
    backgrounds: Path | None = option(
        None,
        help="Put windows of the images in this list behind the object (--image).",
        names=("--bg",),
        metavar="LIST",
    )
    bg_color: int | None = option(
        None,
        help="Treat this gray level of the image as transparent.",
        metavar="GRAY",
        minimum=0,
        maximum=255,
        default_text="none",
    )
    bg_threshold: int = option(
        80,
        help="Treat gray levels as transparent that differ from --bg-color by up to this.",
        metavar="GRAY",
        minimum=0,
        maximum=255,
    )
    seed: int = option(0, SEED)
    skip_bad: bool = option(False, SKIP_BAD)


# The results of making samples.


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
        made = counted(self.count, self.what.removesuffix("s"))
        lines.append(f"{self.path}: {made}{of} in {self.seconds:.1f} s")
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
