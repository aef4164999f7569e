"""Video files, read with FFmpeg's libraries (PyAV); animated images that FFmpeg cannot read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fercli.common.errors import VideoError
from fercli.common.files import input_error
from fercli.common.images import HEADER_BYTES, content_kind, white_background
from fercli.common.tables import counted
from fercli.recognition.sources.frames import (
    SQUARE,
    Frame,
    begin_of,
    duration_of,
    lead_of,
    orientation_of,
    seek,
    time_of,
)

if TYPE_CHECKING:
    from av import VideoFrame

#: Seconds before the wanted time of successive attempts to seek. In an MPEG transport stream,
#: which has no index, a seek leads to any frame, and nothing can be decoded until the next key
#: frame.
STEPS_BACK = (0.0, 5.0, 20.0, 80.0)


#: Where a file states no number of frames, so many seconds may be missing at its end: sound may
#: last longer than images.
MISSING = 1.0

#: The size in the header of a RIFF file that is written as a stream.
UNKNOWN_SIZE = 0xFFFFFFF0


class VideoFile:
    """A video file that is open. A context manager.

    Parameters
    ----------
    path : Path
    most_pixels : int, optional
        Frames of more pixels are refused before they are decoded, whatever the file says of their
        size. Defaults to no limit.

    Attributes
    ----------
    name : str
    rate : float
        Frames a second.
    seconds : float or None
        Its end on a player's clock, as far as the file says.
    count : int or None
        Number of frames, as far as can be told without decoding.
    size_wh : (int, int)
        Width and height of its frames in pixels, as they are stored.
    sample_aspect_ratio : Fraction
        Width of a pixel by its height; of the upright image once a frame was read.
    begin : float
        The time on the file's own clock at which a player's clock is 0, in seconds.
    has_sound : bool
    problems : list of str
        Notes such as damaged frames; complete after the last frame.

    Raises
    ------
    VideoError
        The file is missing, unreadable, or not a video that FFmpeg knows.
    """

    live = False

    def __init__(self, path: Path, most_pixels: int | None = None) -> None:
        self.path = path
        self._most_pixels = most_pixels
        self.name = str(path)
        self.problems: list[str] = []
        self._open()
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        self._lead = lead_of(self._stream)
        self.seconds = _seconds(self._container, self._stream)
        self.count = self._stream.frames or (
            round((self.seconds - self._lead) * self.rate) if self.seconds else None
        )
        self.size_wh = (self._stream.width, self._stream.height)
        self.sample_aspect_ratio = self._stream.sample_aspect_ratio or SQUARE
        self.has_sound = bool(self._container.streams.audio)
        self.begin = float(begin_of(self._stream))

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _open(self) -> None:
        self._container = _open(self.path)
        try:
            self._stream = _video_stream(self._container, self.path)
        except VideoError:
            self._container.close()
            raise
        if self._most_pixels is not None:
            self._stream.codec_context.options = {"max_pixels": str(self._most_pixels)}

    def frames(self, start: float = 0.0, end: float = math.inf) -> Iterator[Frame]:
        """Yield the frames of a part of the video, in order; once.

        Where `start` is not 0, the number of the first is estimated from its time: it, and all
        that are counted from it, are right where the frame rate does not vary.

        Parameters
        ----------
        start, end : float
            In seconds. Default to all of it.

        Raises
        ------
        VideoError
            There is no frame at all.
        """
        number, seconds = -1, 0.0
        for number, image in self._numbered(start):
            seconds = self._time(image, number)
            if seconds >= end:
                return
            if seconds >= start - 0.5 / self.rate:
                duration = duration_of(image, self._stream)
                yield Frame(number, seconds, image, duration, self.sample_aspect_ratio)
        self._conclude(number, seconds, start)

    def _numbered(self, start: float) -> Iterator[tuple[int, VideoFrame]]:
        """Yield frames with their numbers, counted from the first after the seek."""
        first = None
        for count, image in enumerate(self._decoded_from(start)):
            if first is None:
                self._turn_pixels(image)
                since = self._time(image, 0) - self._lead
                first = round(since * self.rate) if start else 0
            yield first + count, image

    def _turn_pixels(self, image: VideoFrame) -> None:
        """Swap width and height of pixels where the image is turned by a quarter."""
        if orientation_of(image)[0]:
            self.sample_aspect_ratio = 1 / self.sample_aspect_ratio

    def _decoded_from(self, start: float) -> Iterator[VideoFrame]:
        """Return frames from a key frame on that is not later than `start`."""
        for back in STEPS_BACK:
            if start <= back:
                break
            seek(self._container, self._stream, start - back)
            images = self._decoded()
            first = next(images, None)
            if first is not None and self._time(first, 0) <= start:
                return chain((first,), images)
        if start:  # no seek led before it: read from the beginning
            self._container.close()
            self._open()
        return self._decoded()

    def _decoded(self) -> Iterator[VideoFrame]:
        import av

        self._damaged = 0
        self.problems.clear()  # those of a seek that led too far
        try:
            for packet in self._container.demux(self._stream):
                yield from self._decode(packet)
        except av.error.FFmpegError as error:
            self.problems.append(f"Reading ended early: {error.strerror}")
            yield from self._decode(None)  # what the decoder still has
        if self._damaged:
            were = "was" if self._damaged == 1 else "were"
            self.problems.append(f"{counted(self._damaged, 'damaged frame')} {were} skipped")

    def _decode(self, packet: Any) -> Iterator[VideoFrame]:
        import av

        try:
            yield from self._stream.decode(packet)
        except av.error.EOFError:
            pass  # it had been told already
        except av.error.FFmpegError:
            self._damaged += 1

    def _time(self, image: VideoFrame, number: int) -> float:
        return time_of(image, self._stream, number, self.rate)

    def _conclude(self, last: int, seconds: float, start: float) -> None:
        if last < 0 and self._most_pixels is not None and self._damaged:
            most = self._most_pixels / 1e6
            raise VideoError(
                f"The video has damaged frames, or frames of more than {most:g} megapixels",
                path=self.path,
            )
        if last < 0 and not start:
            raise VideoError("The video has no frames", path=self.path)
        if seconds < start - 0.5 / self.rate:
            length = self.seconds or seconds
            raise VideoError(
                f"The video ends at {length:.1f} s, before the start of {start:g} s",
                path=self.path,
            )
        expected = self._stream.frames
        # After a seek the number is an estimate; and a video that was cut without encoding it again
        # still counts the frames that are not shown.
        if expected and not start and last + 1 < expected and not self._reaches_end(seconds):
            self.problems.append(
                f"The video ends after {last + 1:,} of {counted(expected, 'frame')}; "
                "it may be truncated"
            )
        elif not expected and self.seconds is not None and self.seconds - seconds > MISSING:
            self.problems.append(
                f"The video ends at {seconds:.1f} s of {self.seconds:.1f} s; it may be truncated"
            )
        elif (stated := _stated_size(self.path)) > (size := self.path.stat().st_size):
            self.problems.append(f"The file has {size} of {stated} bytes; it is truncated")

    def _reaches_end(self, seconds: float) -> bool:
        """Whether the video has no room for another frame after the one of this time."""
        return self.seconds is not None and seconds + 1.5 / self.rate >= self.seconds


def _open(path: Path) -> Any:
    import av

    try:
        if path.is_fifo():  # reading would wait for a writer for ever
            raise VideoError("Expected a video, got a pipe", path=path)
        with path.open("rb"):
            pass
    except ValueError as error:
        raise VideoError(f"Expected a video, got the name {path.name[:40]!r}") from error
    except OSError as error:
        raise VideoError(input_error(error, path, wanted="a video").message, path=path) from error
    if not path.stat().st_size:
        raise VideoError("Expected a video, got an empty file", path=path)
    try:
        # "file:" keeps FFmpeg from taking a colon in the name for a protocol.
        return av.open(f"file:{path}", metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError(
            f"The file cannot be read as a video ({_reason(error)}): it is truncated or of another "
            "kind",
            path=path,
        ) from error


def _stated_size(path: Path) -> int:
    """Return the size that the header of an AVI file states; 0 for other files, and if unknown."""
    with path.open("rb") as file:
        begin = file.read(12)
    size = int.from_bytes(begin[4:8], "little")
    is_avi = begin[:4] == b"RIFF" and begin[8:12] == b"AVI "
    return size + 8 if is_avi and size < UNKNOWN_SIZE else 0


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _video_stream(container: Any, path: Path) -> Any:
    # A cover image in a sound file is a stream of one frame.
    streams = [s for s in container.streams.video if s.codec_context is not None]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams}) or ["nothing"]
        raise VideoError(f"Expected a video, got a file with {' and '.join(kinds)} only", path=path)
    streams[0].thread_type = "AUTO"
    return streams[0]


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return lead_of(stream) + float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


# Animated images


#: Formats that are read here; FFmpeg reads animated GIF and PNG.
ANIMATED = ("WebP", "AVIF")

#: How long a frame without a duration is shown, in seconds, as browsers do.
DEFAULT_DURATION = 0.1


def is_animation(path: Path) -> bool:
    """Whether a file is an image of one of `ANIMATED`."""
    with path.open("rb") as file:
        return content_kind(file.read(HEADER_BYTES))[1] in ANIMATED


class Animation:
    """An open animated image. A context manager; attributes as those of `VideoFile`.

    Parameters
    ----------
    path : Path

    Raises
    ------
    VideoError
        The file is unreadable or damaged.
    """

    live, has_sound, begin, sample_aspect_ratio = False, False, 0.0, SQUARE

    def __init__(self, path: Path) -> None:
        from PIL import Image

        self.path = path
        self.name = str(path)
        self.problems: list[str] = []
        try:
            self._image: Any = Image.open(path)
        except Exception as error:  # Pillow's plug-ins raise what they like
            raise VideoError("The animated image cannot be read", path=path) from error
        self.count = int(getattr(self._image, "n_frames", 1))
        self.size_wh = self._image.size
        self.seconds: float | None = None
        self.rate = 1 / self._duration()

    def __enter__(self) -> Animation:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._image.close()

    def frames(self) -> Iterator[Frame]:
        """Yield all frames; one that cannot be decoded ends them, and is named in `problems`."""
        seconds = 0.0
        for number in range(self.count):
            try:
                self._image.seek(number)
                pixels = np.asarray(white_background(self._image).convert("RGB"))
            except Exception as error:  # Pillow's plug-ins raise what they like
                self.problems.append(
                    f"Reading ended after {number} of {counted(self.count, 'frame')}: {error}"
                )
                return
            duration = self._duration()
            color = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
            yield Frame(number, seconds, np.asarray(color, np.uint8), duration=duration)
            seconds += duration

    def _duration(self) -> float:
        return float(self._image.info.get("duration") or 1000 * DEFAULT_DURATION) / 1000
