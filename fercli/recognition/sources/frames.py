"""Frames: images of a video with number and time, converted to gray and color on demand."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fercli.common.images import ImageArray, to_gray

if TYPE_CHECKING:
    from av import VideoFrame

#: Video keeps black at 16 and white at 235 (ITU-R BT.601); images use 0…255.
_FROM_LIMITED = np.clip(np.rint((np.arange(256) - 16.0) * 255 / 219), 0, 255).astype(np.uint8)

#: Pixel formats whose first plane is the brightness, 8 bits a pixel.
_PLANAR = ("gray", "nv12", "nv21", "yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv410p")
_PLANAR_FULL = ("yuvj420p", "yuvj422p", "yuvj444p")
_FULL_RANGE = 2

#: Width of a pixel by its height unless a video says another.
SQUARE = Fraction(1)


class Frame:
    """An image of a video.

    Parameters
    ----------
    number : int
        From 0 on.
    seconds : float
        Time since the video's start.
    image : ndarray of uint8, shape (height, width, 3), or VideoFrame
        BGR, or as PyAV decodes it.
    duration : float
        How long it is shown, in seconds; 0 if that is not known. Defaults to 0.
    """

    def __init__(
        self, number: int, seconds: float, image: ImageArray | VideoFrame, duration: float = 0.0
    ) -> None:
        self.number = number
        self.seconds = seconds
        self.duration = duration
        self._native = None if isinstance(image, np.ndarray) else image
        self._color = image if isinstance(image, np.ndarray) else None
        self._gray: ImageArray | None = None

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        if self._native is not None:
            return int(self._native.width * self._native.height)
        return self.color.size // 3

    @property
    def gray(self) -> ImageArray:
        """Gray levels, shape (height, width)."""
        if self._gray is None:
            if self._native is not None:
                self._gray = _turned(_gray_levels(self._native), self._native)
            else:
                self._gray = to_gray(self.color)
        return self._gray

    def forget_gray(self) -> None:
        """Free the gray levels; they are computed again on demand."""
        self._gray = None

    @property
    def color(self) -> ImageArray:
        """Blue, green, red, shape (height, width, 3); not to be drawn on."""
        if self._color is None:
            assert self._native is not None
            self._color = _turned(self._native.to_ndarray(format="bgr24"), self._native)
        return self._color


def time_of(image: VideoFrame, stream: Any, number: int, rate: float) -> float:
    """Return the time of a decoded frame since its stream's start, in seconds.

    Parameters
    ----------
    image : VideoFrame
    stream : av.VideoStream
        The stream of the frame.
    number : int
        Its number, from which the time follows where the file has none.
    rate : float
        Frames a second.
    """
    if image.pts is None:
        return number / rate
    unit = image.time_base or stream.time_base  # the last of a broken stream have none
    return max(float(image.pts * unit - begin_of(stream)), 0.0)


def duration_of(image: VideoFrame, stream: Any) -> float:
    """Return how long a decoded frame is shown, in seconds; 0 if the file does not say."""
    return float((image.duration or 0) * (image.time_base or stream.time_base))


def begin_of(stream: Any) -> Fraction:
    """Return the time of a stream's first frame on the file's own clock, in seconds."""
    return (stream.start_time or 0) * Fraction(stream.time_base)


def seek(container: Any, stream: Any, seconds: float) -> None:
    """Seek to a time since a stream's start; do nothing where that is impossible."""
    import av

    offset = int((begin_of(stream) + seconds) / stream.time_base)
    with suppress(av.error.FFmpegError):
        container.seek(max(offset, 0), stream=stream)


def _gray_levels(frame: VideoFrame) -> ImageArray:
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


def _turned(image: ImageArray, frame: VideoFrame) -> ImageArray:
    """Return an image upright, as the file's rotation says (phones write it)."""
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image
