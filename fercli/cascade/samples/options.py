"""Options of making samples from annotated boxes, and from images of the object."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fercli.common.options import SEED, Option, check, option

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
