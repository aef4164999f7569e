"""Frames: pictures of a video with their number and time, converted only when asked for."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fercli.common.images import Picture

if TYPE_CHECKING:
    from av import VideoFrame

#: Video keeps black at 16 and white at 235 (ITU-R BT.601); pictures use 0…255.
_FROM_LIMITED = np.clip(np.rint((np.arange(256) - 16.0) * 255 / 219), 0, 255).astype(np.uint8)

#: Pixel formats whose first plane is the brightness, 8 bits a pixel.
_PLANAR = ("gray", "nv12", "nv21", "yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv410p")
_PLANAR_FULL = ("yuvj420p", "yuvj422p", "yuvj444p")
_FULL_RANGE = 2

#: Width of a pixel by its height unless a video says another.
SQUARE = Fraction(1)


class Frame:
    """A picture of a video.

    Parameters
    ----------
    number : int
        From 0 on.
    seconds : float
        Time since the video's start.
    picture : ndarray of uint8, shape (height, width, 3), or VideoFrame
        BGR, or as PyAV decodes it.
    """

    def __init__(self, number: int, seconds: float, picture: Picture | VideoFrame) -> None:
        self.number = number
        self.seconds = seconds
        self._native = None if isinstance(picture, np.ndarray) else picture
        self._colour = picture if isinstance(picture, np.ndarray) else None
        self._grey: Picture | None = None

    @property
    def pixels(self) -> int:
        """How many it has."""
        if self._native is not None:
            return int(self._native.width * self._native.height)
        return self.colour.size // 3

    @property
    def grey(self) -> Picture:
        """Grey levels, shape (height, width)."""
        if self._grey is None:
            if self._native is not None:
                self._grey = _turned(_grey_levels(self._native), self._native)
            else:
                self._grey = cv2.cvtColor(self.colour, cv2.COLOR_BGR2GRAY)
        return self._grey

    def forget_grey(self) -> None:
        """Free the grey levels; they are made again if asked for."""
        self._grey = None

    @property
    def colour(self) -> Picture:
        """Blue, green, red, shape (height, width, 3); not to be drawn on."""
        if self._colour is None:
            assert self._native is not None
            self._colour = _turned(self._native.to_ndarray(format="bgr24"), self._native)
        return self._colour


def time_of(picture: VideoFrame, stream: Any, number: int, rate: float) -> float:
    """Return the time of a decoded frame since its stream's start, in seconds.

    Parameters
    ----------
    picture : VideoFrame
    stream : av.VideoStream
        The one that it is of.
    number : int
        Its number, which tells the time where the file does not.
    rate : float
        Frames a second.
    """
    if picture.pts is None:
        return number / rate
    unit = picture.time_base or stream.time_base  # the last of a broken stream have none
    return max(float(picture.pts * unit - begin_of(stream)), 0.0)


def begin_of(stream: Any) -> Fraction:
    """Return the time of a stream's first frame on the file's own clock, in seconds."""
    return (stream.start_time or 0) * Fraction(stream.time_base)


def seek(container: Any, stream: Any, seconds: float) -> None:
    """Go to a time since a stream's start; where that cannot be done, stay."""
    import av

    offset = int((begin_of(stream) + seconds) / stream.time_base)
    with suppress(av.error.FFmpegError):
        container.seek(max(offset, 0), stream=stream)


def _grey_levels(frame: VideoFrame) -> Picture:
    """Return the brightness of a decoded frame as 0…255, without a conversion where possible."""
    name = frame.format.name
    if name not in _PLANAR and name not in _PLANAR_FULL:
        return frame.to_ndarray(format="gray")  # type: ignore[no-any-return]
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8)[: frame.height * plane.line_size]
    levels = lines.reshape(frame.height, plane.line_size)[:, : frame.width]
    if name in _PLANAR_FULL or name == "gray" or frame.color_range == _FULL_RANGE:
        return np.ascontiguousarray(levels)
    return np.asarray(cv2.LUT(levels, _FROM_LIMITED), np.uint8)


def _turned(picture: Picture, frame: VideoFrame) -> Picture:
    """Return a picture upright: telephones note how they were held."""
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, quarters)) if quarters else picture
