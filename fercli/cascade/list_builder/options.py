"""Which images and boxes go into the lists of a training, and how the lists are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fercli.cascade.detection import MIN_NEIGHBORS
from fercli.common.files import IMAGE_EXTENSIONS
from fercli.common.options import SEED, check, option

#: A number of things, or as a float a share of them.
Amount = int | float

Names = Literal["relative", "absolute"]


@dataclass(frozen=True)
class BoxRules:
    """What becomes of boxes: widened to the shape of the window, padded, left out if small."""

    window_wh: tuple[int, int] | None = option(
        None,
        help="Widen boxes to the shape of this training window and leave out smaller negatives.",
        names=("--size",),
        default_text="leave boxes as they are and propose a window",
    )
    padding: float = option(
        0.0,
        help="Widen each box by this share at each side: 0.1 makes it 1.2 times as wide and high.",
        metavar="SHARE",
        minimum=0,
        maximum=2,
    )
    min_size_wh: tuple[int, int] = option((1, 1), help="Leave out smaller boxes, once widened.")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class CollectOptions:
    """Which images and boxes are used, and in which order.

    `format` is a name of `fercli.annotations.formats.FORMATS`, `images` the folder that names in
    annotations are relative to; without `labels` all boxes are used. The order is drawn at random
    unless `in_order`, because a training takes positives and negatives from the start of its
    lists. A share such as 0.2 may stand for a number (`take`, `take_negatives`, `test`).
    """

    format: str | None = None
    images: Path | None = None
    labels: Sequence[str] = ()
    box_format: Literal["xywh", "xyxy"] | None = None
    detect: Path | None = option(
        None,
        help="Take as boxes what this cascade detects in the images.",
        metavar="CASCADE.xml",
    )
    extensions: Sequence[str] = IMAGE_EXTENSIONS
    recursive: bool = option(True, help="Look into subfolders.")
    rules: BoxRules = field(default_factory=BoxRules)
    keep_duplicates: bool = option(False, help="Keep images whose pixels all came before.")
    check_negatives: Path | None = option(
        None,
        help="Leave out and list negatives in which this cascade detects something.",
        metavar="CASCADE.xml",
    )
    min_neighbors: int = option(3, MIN_NEIGHBORS)
    take: Amount | None = option(None, help="Draw this many images of the positives.")
    take_negatives: Amount | None = option(None, help="Draw this many images of the negatives.")
    test: Amount | None = option(
        None, help="Set this many images of both aside: test_info.dat, test_bg.txt."
    )
    seed: int = option(0, SEED)
    in_order: bool = option(
        False,
        help="Keep the order of files and annotations instead of drawing it; a training uses the "
        "lists from their start.",
    )


@dataclass(frozen=True)
class FileOptions:
    """How the lists are written.

    With the names "auto" they work from any directory: relative to its folder in the info file,
    as ``opencv_createsamples`` wants it, absolute in the background list, as
    ``opencv_traincascade`` does.
    """

    names: Literal["auto", "relative", "absolute"] = option(
        "auto", help="Write the names of images this way; see above."
    )
    separator: str = " "
    also: Literal["csv", "coco", "dlib"] | None = option(
        None, help="Write the boxes of the positives in this format, too: annotations.*"
    )
    plot: Path | None = option(
        None, help="Draw the sizes and shapes of the boxes.", metavar="FILE.png"
    )
    overwrite: bool = False

    @property
    def info_names(self) -> Names:
        """How the info file names images."""
        return "relative" if self.names == "auto" else self.names

    @property
    def background_names(self) -> Names:
        """How the background list names images."""
        return "absolute" if self.names == "auto" else self.names
