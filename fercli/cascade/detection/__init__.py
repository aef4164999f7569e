"""Detection: a cascade run over images, its windows grouped into boxes; here its options."""

from __future__ import annotations

from dataclasses import dataclass

from fercli.common.errors import OptionError
from fercli.common.options import Option, check, option, shown_value

#: A smaller factor between two scales would look at thousands of sizes.
SMALLEST_SCALE_FACTOR = 1.01
#: The largest number that cv2 takes for a size or a count.
LARGEST = (1 << 31) - 1

SCALE_FACTOR = Option(
    help="Enlarge the window by this factor from one scan to the next.",
    metavar="X",
    minimum=SMALLEST_SCALE_FACTOR,
)
MIN_NEIGHBORS = Option(
    help="Keep a detection only if more than N windows agree on it; higher is stricter.",
    metavar="N",
    minimum=0,
    maximum=LARGEST,
)
FACE_CASCADE = Option(
    help="Detect faces with this cascade, OpenCV's or yours; may be repeated: windows that several "
    "accept are joined, and their votes added.",
    metavar="FILE.xml",
    default_text="fer's own",
)


@dataclass(frozen=True)
class DetectionOptions:
    """How images are searched; the defaults are those of ``detectMultiScale``.

    `equalize` is off by default: it makes the cascades of OpenCV slightly worse (on the MIT+CMU
    faces).

    Raises
    ------
    OptionError
        An option is out of range.
    """

    scale_factor: float = option(1.1, SCALE_FACTOR)
    min_neighbors: int = option(3, MIN_NEIGHBORS)
    min_size_wh: tuple[int, int] | None = option(
        None,
        help="Leave out objects smaller than this.",
        minimum=0,
        maximum=LARGEST,
        default_text="the cascade's window",
    )
    max_size_wh: tuple[int, int] | None = option(
        None,
        help="Leave out objects larger than this.",
        minimum=0,
        maximum=LARGEST,
        default_text="the image",
    )
    equalize: bool = option(False, help="Equalize the histogram of each image first.")

    def __post_init__(self) -> None:
        check(self)
        if self.min_size_wh and self.max_size_wh:
            # cv2 would look for objects of about the min size, whatever the max size.
            pairs = zip(self.min_size_wh, self.max_size_wh, strict=True)
            if any(least > most for least, most in pairs):
                raise OptionError(
                    f"`min_size_wh` {shown_value(self.min_size_wh)} exceeds `max_size_wh` "
                    f"{shown_value(self.max_size_wh)}",
                    hint="use a smaller `min_size_wh` or a larger `max_size_wh`",
                )
