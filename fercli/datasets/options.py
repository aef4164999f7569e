"""Options of the commands for data sets: crop, import, split, augment, preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Literal

from fercli.cascade.detection import FACE_CASCADE, MIN_NEIGHBORS, SCALE_FACTOR
from fercli.common.options import SEED, Option, check, option

Channels = Literal["keep", "gray", "color"]
Placing = Literal["link", "copy", "symlink"]
Duplicates = Literal["near", "exact", "apart"]

MARGIN = Option(
    help="Widen the box of a face by this share at each side; 0 suits fer's own cascade.",
    metavar="SHARE",
    minimum=-0.4,
    maximum=4,
)
PLACING = Option(
    help="Put files into the new tree this way; link: hard links, which take no space.",
    names=("--files",),
)


@dataclass(frozen=True)
class FaceOptions:
    """The options of a crop.

    `align` turns each face so that its eyes are level and centers it on them; a face whose eyes
    are not found stays as it is. An image without a face is left out, or cut about its center to
    the shape of `size_wh` (`without_face`).

    Raises
    ------
    OptionError
        An option is out of range.
    """

    cascade: tuple[Path, ...] = option(MISSING, FACE_CASCADE)
    size_wh: tuple[int, int] = option((48, 48), help="Scale the crops to this size.")
    margin: float = option(0.0, MARGIN)
    channels: Literal["gray", "color"] = option("gray", help="Store the crops this way.")
    faces: Literal["largest", "all"] = option("largest", help="Cut these faces of each image.")
    align: bool = option(False, help="Turn faces so that their eyes are level.")
    without_face: Literal["skip", "keep"] = option(
        "skip", help="Leave out images without a face, or keep them whole."
    )
    least_face: int = option(
        24, help="Ignore faces with a shorter side than this.", metavar="PIXELS", minimum=8
    )
    scale_factor: float = option(1.1, SCALE_FACTOR)
    min_neighbors: int = option(3, MIN_NEIGHBORS)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """The options of an import.

    FER+'s `agreement` of 0.5 is the majority, 0 takes any class that leads; `least_votes` is that
    of the authors' own program.
    """

    size_wh: tuple[int, int] | None = option(
        None,
        help="Cut images about the center and scale them to this size.",
        default_text="as they are",
    )
    channels: Channels = option(
        "keep", help="Store images this way; keep: color as color, gray as gray."
    )
    votes: Path | None = option(
        None,
        help="FER+: read this fer2013new.csv for the FER-2013 CSV given.",
        metavar="FILE",
        default_text="the one beside it",
    )
    agreement: float = option(
        0.5,
        help="FER+: require more than this share of the votes for a class.",
        metavar="SHARE",
        minimum=0,
        below=1,
    )
    least_votes: int = option(
        2,
        help="FER+: take fewer votes for an expression as slips and do not count them.",
        metavar="N",
        minimum=1,
    )
    all_angles: bool = option(False, help="RaFD, KDEF: take faces from the side too.")
    peak_frames: int = option(
        3,
        help="CK+ sequences: take the last N frames, which show the expression.",
        metavar="N",
        minimum=1,
    )
    strict: bool = option(
        False, help="Stop at the first image that cannot be used, rather than list it."
    )


@dataclass(frozen=True)
class SplitOptions:
    """The options of a split.

    `ratios` are the shares of the splits. With `folds`, that many trees ``fold1``, ``fold2``, …
    are made: each image is in the validation split of one and in the train split of the others.
    `subject_pattern` is a regular expression whose first group (or whole match) in a file's name
    is the person; without it the person is the one that ``files.csv`` names.
    """

    ratios: Mapping[str, float] = field(
        default_factory=lambda: {"train": 0.8, "validation": 0.1, "test": 0.1}
    )
    folds: int | None = option(
        None,
        help="Make K trees fold1/, fold2/, … for cross-validation instead.",
        metavar="K",
        minimum=2,
    )
    by_subject: bool = option(False, help="Keep each person in one split.")
    subject_pattern: str | None = option(
        None,
        help="Find the person in a file's name by this pattern; implies --by-subject.",
        metavar="REGEX",
    )
    duplicates: Duplicates = option(
        "near", help="Keep images that look alike in one split; apart: do not."
    )
    placing: Placing = option("link", PLACING)
    seed: int = option(0, SEED)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class PolicyOptions:
    """How far images may be changed; each change is drawn anew for each image, 0 is none."""

    rotation: float = option(
        10.0, help="Turn by up to this angle.", metavar="DEGREES", minimum=0, maximum=180,
        default_text="the policy's",
    )  # fmt: skip
    flip: float = option(
        0.5, help="Mirror with this probability.", metavar="P", minimum=0, maximum=1,
        default_text="the policy's",
    )  # fmt: skip
    shift: float = option(
        0.08, help="Shift by up to this share of the side.", metavar="X", minimum=0, maximum=0.5,
        default_text="the policy's",
    )  # fmt: skip
    zoom: float = option(
        0.1, help="Zoom by up to this: 0.1 scales by 1/1.1 to 1.1.", metavar="X", minimum=0,
        maximum=0.9, default_text="the policy's",
    )  # fmt: skip
    brightness: float = option(
        0.1, help="Add up to this share of white to gray levels.", metavar="X", minimum=0,
        maximum=1, default_text="the policy's",
    )  # fmt: skip
    contrast: float = option(
        0.2, help="Change contrast by up to this: 0.3 multiplies by 0.7 to 1.3.", metavar="X",
        minimum=0, maximum=0.99, default_text="the policy's",
    )  # fmt: skip
    noise: float = option(
        4.0, help="Add noise of up to this deviation, in gray levels.", metavar="X", minimum=0,
        maximum=128, default_text="the policy's",
    )  # fmt: skip
    blur: float = option(
        1.0, help="Blur by a Gaussian of up to this deviation, in hundredths of the side.",
        metavar="X", minimum=0, maximum=10, default_text="the policy's",
    )  # fmt: skip
    erasing: float = option(
        0.0, help="Replace a rectangle by noise with this probability.", metavar="P", minimum=0,
        maximum=1, default_text="the policy's",
    )  # fmt: skip

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class CopyOptions:
    """How many changed copies there are, and of what.

    One of `copies` (of each image), `target` (images of each class of each split; larger classes
    stay as they are) and `balance`. `placing` is how the originals come into the new tree.
    """

    copies: int | None = option(None, help="Make N copies of each image.", metavar="N", minimum=1)
    target: int | None = option(None, help="Bring each class to N images.", metavar="N", minimum=1)
    balance: bool = option(False, help="Bring each class to the size of the largest.")
    splits: Sequence[str] = ("train",)
    placing: Placing = option("link", PLACING)
    seed: int = option(0, SEED)


@dataclass(frozen=True)
class PreviewOptions:
    """The options of contact sheets."""

    split: str | None = option(
        None, help="Draw only this split.", metavar="NAME", default_text="all"
    )
    count: int = option(
        100,
        help="Draw this many images a class, chosen at random.",
        metavar="N",
        minimum=1,
        maximum=10_000,
    )
    columns: int = option(10, help="Put this many images into a row.", metavar="N", minimum=1)
    size_wh: tuple[int, int] = option((64, 64), help="Draw each image at this size.")
    seed: int = option(0, SEED)

    def __post_init__(self) -> None:
        check(self)
