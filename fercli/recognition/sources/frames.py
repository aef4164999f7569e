"""Frames: images of a video with number and time, converted to gray and color on demand."""

from __future__ import annotations

import sys
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from fercli.common.images import ImageArray, resize, to_gray

if TYPE_CHECKING:
    from av import VideoFrame

#: Video keeps black at 16 and white at 235 (ITU-R BT.601); images use 0…255.
BLACK, WHITE = 16, 235

#: Pixel formats whose first plane is the brightness, 8 bits a pixel.
_PLANAR = ("gray", "nv12", "nv21", "yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv410p")
_PLANAR_FULL = ("yuvj420p", "yuvj422p", "yuvj444p")
_FULL_RANGE = 2

#: Width of a pixel by its height unless a video says another, and the largest that is believed.
SQUARE, MOST_ASPECT = Fraction(1), 4

#: Byte order of what FFmpeg hands over.
LITTLE = sys.byteorder == "little"

#: Video of more lines is HD.
SD_LINES = 576

#: Matrices of swscale (``SWS_CS_*``) by those of files (ITU-T H.273, table 4).
_BT709, _BT601 = 1, 5
_MATRICES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: 9, 10: 9}


class Colors(NamedTuple):
    """How a video stores colors (ITU-T H.273).

    Parameters
    ----------
    matrix : int
        The matrix that is used, as `matrix_of` gives it.
    colorspace, primaries, transfer : int
        What the file says; 2 where it does not.
    full_range : bool
        Whether black is 0 and white 255.
    """

    matrix: int
    colorspace: int
    primaries: int
    transfer: int
    full_range: bool

    @property
    def hdr(self) -> str:
        """The transfer function of a video of high dynamic range; "" for others."""
        return {16: "PQ", 18: "HLG"}.get(self.transfer, "")


class Frame:
    """An image of a video, upright.

    Parameters
    ----------
    number : int
        From 0 on.
    seconds : float
        Time on the clock of a player: 0 where the first of image and sound starts.
    image : ndarray of uint8, shape (height, width, 3), or VideoFrame
        BGR, or as PyAV decodes it.
    duration : float
        How long it is shown, in seconds; 0 if that is not known. Defaults to 0.
    pixel_aspect : Fraction
        Width of a pixel by its height, once the image is upright. Defaults to 1.
    """

    def __init__(
        self,
        number: int,
        seconds: float,
        image: ImageArray | VideoFrame,
        duration: float = 0.0,
        pixel_aspect: Fraction = SQUARE,
    ) -> None:
        self.number = number
        self.seconds = seconds
        self.duration = duration
        self._stretch_wh = _stretch(pixel_aspect)
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
        """Gray levels in square pixels, shape (height, width): faces have their shape there."""
        if self._gray is None:
            if self._native is not None:
                self._gray = self._squared(_turned(_gray_levels(self._native), self._native))
            else:
                self._gray = self._squared(to_gray(self.color))
        return self._gray

    def forget_gray(self) -> None:
        """Free the gray levels; they are computed again on demand."""
        self._gray = None

    @property
    def color(self) -> ImageArray:
        """Blue, green, red in the pixels of the file, shape (height, width, 3); read-only."""
        if self._color is None:
            assert self._native is not None
            pixels = self._native.reformat(format="bgr24", src_colorspace=matrix_of(self._native))
            self._color = _turned(pixels.to_ndarray(), self._native)
        return self._color

    @property
    def colors(self) -> Colors | None:
        """How the file stores colors; None for images of a camera."""
        if self._native is None:
            return None
        native = self._native
        return Colors(
            matrix_of(native),
            int(native.colorspace),
            int(getattr(native, "color_primaries", 2)),  # PyAV 15 has neither
            int(getattr(native, "color_trc", 2)),
            int(native.color_range) == _FULL_RANGE or native.format.name in _PLANAR_FULL,
        )

    @property
    def square_color(self) -> ImageArray:
        """Blue, green, red in square pixels."""
        return self._squared(self.color)

    def stored_box(self, box_xywh: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Return a box of `gray` in the pixels of `color`."""
        x, y, width, height = box_xywh
        across, down = self._stretch_wh
        return round(x / across), round(y / down), round(width / across), round(height / down)

    def _squared(self, image: ImageArray) -> ImageArray:
        across, down = self._stretch_wh
        height, width = image.shape[:2]
        return resize(image, (round(width * across), round(height * down)))


def _stretch(aspect: Fraction) -> tuple[float, float]:
    """Return by what width and height grow so that pixels are square; 1 for absurd shapes."""
    if not 1 / MOST_ASPECT <= aspect <= MOST_ASPECT:
        return 1, 1
    return (float(aspect), 1) if aspect > 1 else (1, float(1 / aspect))


def time_of(image: VideoFrame, stream: Any, number: int, rate: float) -> float:
    """Return the time of a decoded frame on a player's clock, in seconds; see `begin_of`.

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
        return lead_of(stream) + number / rate
    unit = image.time_base or stream.time_base  # the last of a broken stream have none
    return max(float(image.pts * unit - begin_of(stream)), 0.0)


def duration_of(image: VideoFrame, stream: Any) -> float:
    """Return how long a decoded frame is shown, in seconds; 0 if the file does not say."""
    return float((image.duration or 0) * (image.time_base or stream.time_base))


def begin_of(stream: Any) -> Fraction:
    """Return the time on the file's own clock at which a player's clock is 0, in seconds.

    That is the start of the stream that starts first: where sound starts before the images, the
    first image is not at 0.
    """
    own = (stream.start_time or 0) * Fraction(stream.time_base)
    whole = stream.container.start_time
    return own if whole is None else min(Fraction(whole, 1_000_000), own)


def lead_of(stream: Any) -> float:
    """Return the time of a stream's start on a player's clock, in seconds."""
    return float((stream.start_time or 0) * Fraction(stream.time_base) - begin_of(stream))


def seek(container: Any, stream: Any, seconds: float) -> None:
    """Seek to a time on a player's clock; do nothing where that is impossible."""
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
    scale = 255 / (WHITE - BLACK)
    return np.asarray(cv2.convertScaleAbs(cv2.subtract(levels, BLACK), alpha=scale), np.uint8)


def _turned(image: ImageArray, frame: VideoFrame) -> ImageArray:
    """Return an image as the file's display matrix turns and mirrors it (phones write one)."""
    swapped, up, left = orientation_of(frame)
    if not (swapped or up or left):
        return image
    view = image.swapaxes(0, 1) if swapped else image
    return np.ascontiguousarray(view[:: -1 if up else 1, :: -1 if left else 1])


def orientation_of(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """Return how a frame is to be shown, by its display matrix (ISO/IEC 14496-12, 8.3.2).

    Returns
    -------
    swapped, upside_down, mirrored : bool
        Whether rows and columns are swapped, and then the order of rows and of columns reversed.
    """
    from av.sidedata.sidedata import SideDataContainer

    # Not `frame.side_data`, which the frame would keep and which keeps the frame: a cycle, so that
    # frames would stay in memory until the garbage collector comes.
    side_data = SideDataContainer(frame)  # type: ignore[call-arg]  # its stub lacks it
    matrix = next((one for one in side_data if one.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return False, False, False
    # x' = a x + c y, y' = b x + d y
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), "<i4" if LITTLE else ">i4").tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, d < 0, a < 0
    return True, b < 0, c < 0


def matrix_of(frame: VideoFrame) -> int:
    """Return the matrix by which a frame's colors are converted, as swscale counts them.

    Where the file does not say, it is BT.709 for more than 576 lines and BT.601 for others, as
    players take it.
    """
    known = _MATRICES.get(int(frame.colorspace))
    return known if known is not None else _BT709 if frame.height > SD_LINES else _BT601
