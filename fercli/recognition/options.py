"""How faces are looked for, named and followed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fercli.cascade.detection.detector import LARGEST
from fercli.common.errors import OptionError

#: Longer side, in pixels, at which images and video are searched unless told otherwise.
IMAGE_SIDE, VIDEO_SIDE = 1280, 640

#: The smallest face looked for, as a share of the shorter side of an image and of a video.
IMAGE_FACE, VIDEO_FACE = 1 / 20, 1 / 12


@dataclass(frozen=True)
class RecognitionOptions:
    """How the faces of one image are looked for and named.

    Parameters
    ----------
    min_face : int, optional
        Side of the smallest face looked for, in pixels. Defaults to a twentieth of an image's
        shorter side, and a twelfth of a video's.
    resolution : int, optional
        Longer side, in pixels, that larger images are brought to for the search; faces are cut
        from the image itself. Defaults to 1280, and 640 for video.
    largest : bool
        Only the largest face of an image. Defaults to False.
    threshold : float
        Probability that an expression must reach to be named; below it a face is "unclear".
        Defaults to 0.
    margin : float
        How much of a face's box is added at each of its sides before it goes to the network, as a
        share. Defaults to 0: the box of the cascade that fer ships is the image that the network
        was trained on. On 493 images of FER-2013 in which it finds a face, its side is 0.97 of
        the image's (median), its center the image's; and of the 60 happy, sad, surprised and
        neutral Yale faces the network tells 44 at 0, 46 at -0.05, 40 at -0.15, 43 at 0.1 and 41
        at 0.2.
    scale_factor, min_neighbors
        As in `fercli.cascade.detection.detector.DetectionOptions`.

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
        face, side, neighbors = self.min_face, self.resolution, self.min_neighbors
        factor = self.scale_factor
        _require(face is None or 1 <= face <= LARGEST, f"a min face from 1 to {LARGEST}", face)
        _require(side is None or 32 <= side <= LARGEST, f"a resolution from 32 to {LARGEST}", side)
        _require(0 <= self.threshold <= 1, "a threshold from 0 to 1", self.threshold)
        _require(-0.4 <= self.margin <= 4, "a margin from -0.4 to 4", self.margin)
        _require(1.01 <= factor < math.inf, "a scale factor of at least 1.01", factor)
        _require(0 <= neighbors <= LARGEST, f"min neighbors from 0 to {LARGEST}", neighbors)


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
        interval = self.search_interval
        _require(self.every >= 1, "a step of at least 1 frame", self.every)
        _require(0 <= self.start < math.inf, "a start of at least 0 seconds", self.start)
        _require(self.end > self.start, f"an end after the start ({self.start:g} s)", self.end)
        _require(0 <= self.smooth < math.inf, "a smoothing of at least 0 seconds", self.smooth)
        _require(self.batch >= 1, "a batch of at least 1 frame", self.batch)
        _require(0 <= interval < math.inf, "a search interval of at least 0 seconds", interval)


def _require(holds: bool, wanted: str, found: float | None) -> None:
    """Raise unless a condition holds; conditions are written so that NaN is refused too."""
    if not holds:
        raise OptionError(f"wanted {wanted}, found {found}")
