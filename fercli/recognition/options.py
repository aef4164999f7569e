"""How faces are looked for, named and followed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fercli.errors import OptionError

#: Longer side, in pixels, at which pictures and video are searched unless told otherwise.
PICTURE_SIDE, VIDEO_SIDE = 1280, 640

#: The smallest face looked for, as a share of the shorter side of a picture and of a video.
PICTURE_FACE, VIDEO_FACE = 1 / 20, 1 / 12


@dataclass(frozen=True)
class RecognitionOptions:
    """How the faces of one picture are looked for and named.

    Parameters
    ----------
    min_face : int, optional
        Side of the smallest face looked for, in pixels. Defaults to a twentieth of a picture's
        shorter side, and a twelfth of a video's.
    resolution : int, optional
        Longer side, in pixels, that larger pictures are brought to for the search; faces are cut
        from the picture itself. Defaults to 1280, and 640 for video.
    largest : bool
        Only the largest face of a picture. Defaults to False.
    threshold : float
        Probability that an expression must reach to be named; below it a face is "unclear".
        Defaults to 0.
    margin : float
        How much of a face's box is added at each of its sides before it goes to the network, as a
        share. Defaults to 0: the box of the cascade that fer ships is the picture that the network
        was trained on. On 493 pictures of FER-2013 in which it finds a face, its side is 0.97 of
        the picture's (median), its centre the picture's; and of the 60 happy, sad, surprised and
        neutral Yale faces the network tells 44 at 0, 46 at -0.05, 40 at -0.15, 43 at 0.1 and 41
        at 0.2.
    scale_factor, min_neighbors
        As in `fercli.cascade.detection.DetectionOptions`.

    Raises
    ------
    OptionError
        An option is out of range.
    """

    min_face: int | None = None
    resolution: int | None = None
    largest: bool = False
    threshold: float = 0.0
    margin: float = 0.0
    scale_factor: float = 1.1
    min_neighbors: int = 3

    def __post_init__(self) -> None:
        _require(self.min_face is None or self.min_face >= 1, "min face of at least 1")
        _require(self.resolution is None or self.resolution >= 32, "resolution of at least 32")
        _require(0 <= self.threshold <= 1, "threshold from 0 to 1")
        _require(-0.4 <= self.margin <= 4, "margin from -0.4 to 4")
        _require(1.01 <= self.scale_factor < math.inf, "scale factor of at least 1.01")
        _require(self.min_neighbors >= 0, "min neighbors of at least 0")


@dataclass(frozen=True)
class VideoOptions:
    """How a video is read and its people are followed.

    Parameters
    ----------
    every : int
        Every n-th frame is looked at. Defaults to 1.
    start, end : float
        The part that is looked at, in seconds. Default to all of it.
    smooth : float
        Time over which probabilities and boxes are smoothed, in seconds (the time constant of an
        exponential mean); 0 turns it off. Defaults to 0.3.
    batch : int
        Frames whose faces go through the network in one call. Defaults to 16; a camera or stream,
        whose frames come one at a time, is not made to wait.
    search_interval : float
        Time from one search of a whole frame to the next, in seconds; on the frames between, the
        surroundings of known faces are searched. 0 searches each frame whole and thoroughly.
        Defaults to 0.3.

    Raises
    ------
    OptionError
        An option is out of range.
    """

    every: int = 1
    start: float = 0.0
    end: float = math.inf
    smooth: float = 0.3
    batch: int = 16
    search_interval: float = 0.3

    def __post_init__(self) -> None:
        _require(self.every >= 1, "step of at least 1 frame")
        _require(0 <= self.start < math.inf, "start of at least 0 seconds")
        _require(self.end > self.start, "end after the start")
        _require(0 <= self.smooth < math.inf, "smoothing of at least 0 seconds")
        _require(self.batch >= 1, "batch of at least 1 frame")
        _require(0 <= self.search_interval < math.inf, "search interval of at least 0 seconds")


def _require(holds: bool, wanted: str) -> None:
    """Raise unless a condition holds; conditions are written so that NaN is refused too."""
    if not holds:
        raise OptionError(f"wanted a {wanted}")
