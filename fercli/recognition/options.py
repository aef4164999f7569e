"""How faces are detected, classified and tracked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fercli.cascade.detection import LARGEST, MIN_NEIGHBORS, SCALE_FACTOR
from fercli.common.errors import OptionError
from fercli.common.options import check, option
from fercli.datasets.options import MARGIN

#: Longer side, in pixels, at which images and video are searched unless told otherwise.
IMAGE_SIDE, VIDEO_SIDE = 1280, 640

#: The smallest face looked for, as a share of the shorter side of an image and of a video.
IMAGE_FACE, VIDEO_FACE = 1 / 50, 1 / 12


@dataclass(frozen=True)
class RecognitionOptions:
    """How the faces of one image are detected and classified.

    Larger images are scaled to `resolution` for the detection; faces are cut from the image
    itself. A margin of 0 is the default since the box of the cascade that fer ships is the image
    that the model was trained on: on 493 images of FER-2013 in which it finds a face, its side is
    0.97 of the image's (median), its center the image's; and of the 60 happy, sad, surprised and
    neutral Yale faces the model tells 44 at 0, 46 at -0.05, 40 at -0.15, 43 at 0.1 and 41 at 0.2.

    Raises
    ------
    OptionError
        An option is out of range.
    """

    min_face: int | None = option(
        None,
        help="Ignore faces with a shorter side than this.",
        metavar="PIXELS",
        minimum=1,
        maximum=LARGEST,
        default_text="1/50 of the shorter side of an image, 1/12 of a video's, but at least 24",
    )
    resolution: int | None = option(
        None,
        help="Scale larger images to this longer side to detect faces.",
        metavar="PIXELS",
        minimum=32,
        maximum=LARGEST,
        default_text=f"{IMAGE_SIDE}, {VIDEO_SIDE} in video, or what the smallest face needs",
    )
    largest: bool = option(False, help="Keep only the largest face of an image.")
    threshold: float = option(
        0.0,
        help='Call a face "unclear" whose best class has a lower probability than this.',
        metavar="P",
        minimum=0,
        maximum=1,
    )
    margin: float = option(0.0, MARGIN)
    scale_factor: float = option(1.1, SCALE_FACTOR)
    detector: Path | None = option(
        None,
        help="Detect faces with this YuNet network in place of a cascade, and turn them upright "
        "by its landmarks.",
        metavar="FILE.onnx",
    )
    min_score: float = option(
        0.7,
        help="Keep faces of --detector with at least this score.",
        metavar="P",
        minimum=0,
        maximum=1,
    )
    # With fer's own cascade, 3 would find hands and clothes too (cascade/frontalface.md).
    min_neighbors: int = option(5, MIN_NEIGHBORS)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class VideoOptions:
    """How a video is read and its people are tracked.

    `start` and `end` are in seconds; `smooth` is the time constant of an exponential mean of
    probabilities and boxes. A camera or stream, whose frames come one at a time, does not wait
    for a `batch`. Between two searches of whole frames (`search_interval`) the surroundings of
    known faces are searched; at 0 each frame is searched whole and exactly, which takes
    several times as long. At 0.1 s 98 % of the boxes of that are found on a dark, crowded clip,
    and most of the others are hands.

    Raises
    ------
    OptionError
        An option is out of range.
    """

    every: int = option(1, help="Look at every n-th frame.", metavar="N", minimum=1)
    start: float = option(0.0, help="Begin at this time of a video.", metavar="TIME", minimum=0)
    end: float = option(
        math.inf,
        help="End at this time of a video.",
        metavar="TIME",
        minimum=0,
        default_text="the video's end",
    )
    smooth: float = option(
        0.3,
        help="Smooth each person's probabilities over this time; 0: do not.",
        metavar="SECONDS",
        minimum=0,
    )
    batch: int = option(
        16, help="Classify the faces of this many frames at once.", metavar="N", minimum=1
    )
    identities: Literal["appearance", "off"] = option(
        "appearance",
        help="Know people again by the look of their faces after a cut, or when they come back; "
        "off: by place alone.",
    )
    search_interval: float = option(
        0.1,
        help="Search whole frames this often and track known faces in between; 0: search all "
        "frames, exactly.",
        metavar="SECONDS",
        minimum=0,
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.end > self.start:
            raise OptionError(f"`end` {self.end:g} s must come after `start` {self.start:g} s")
