"""Video files written: H.264 in MP4, which every browser plays, with the sound of the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fercli.common.errors import OutputError
from fercli.common.files import atomic_write, output_error
from fercli.common.images import ImageArray, resize
from fercli.recognition.sources.frames import SD_LINES, SQUARE, Colors

#: Suffixes of what can be written.
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")

#: Ticks a second: those of MPEG, of which all usual frame rates are parts.
TICKS = 90_000

#: The longest time from one frame to the next, in ticks: FFmpeg refuses 2³⁰ and more.
LONGEST_GAP = 10_000 * TICKS

#: Ranges of colors, and how those of cameras and drawn images are stored (ITU-T H.273).
LIMITED, FULL = 1, 2
HD = Colors(matrix=1, colorspace=1, primaries=1, transfer=1, full_range=False)
SD = Colors(matrix=5, colorspace=6, primaries=6, transfer=6, full_range=False)

#: x264's quality (smaller is better, 23 its default) and speed.
QUALITY, SPEED = "21", "veryfast"

#: Frames of more lines are encoded with fewer in memory.
HD_LINES = 1200


class VideoWriter:
    """Writes a video. A context manager.

    The file appears under its name only when the context ends without an exception.

    Parameters
    ----------
    path : Path
    rate : float
        Frames a second; each frame has its own time besides.
    sound : Path, optional
        A video whose sound is copied.
    start : float
        Where in `sound` the first frame is, in seconds. Defaults to 0.
    begin : float
        The time from which `start` and the times of frames count, on the clock of `sound`
        (`VideoFile.begin`). Defaults to 0.
    sample_aspect_ratio : Fraction
        Width of a pixel by its height. Defaults to 1.
    colors : Colors, optional
        How colors are stored: as in the source. Defaults to BT.709 for more than 576 lines and
        BT.601 for others.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Attributes
    ----------
    problems : list of str
        Notes such as sound that cannot be copied.

    Raises
    ------
    OutputError
        The file exists, cannot be written, or its suffix is not one of `VIDEO_SUFFIXES`.
    """

    def __init__(
        self,
        path: Path,
        rate: float,
        *,
        sound: Path | None = None,
        start: float = 0.0,
        begin: float = 0.0,
        sample_aspect_ratio: Fraction = SQUARE,
        colors: Colors | None = None,
        overwrite: bool = False,
    ) -> None:
        require_video_suffix(path)
        self.path = path
        self.problems: list[str] = []
        self._rate = rate
        self._sound_path = sound
        self._start = start
        self._begin = begin
        self._sample_aspect_ratio = sample_aspect_ratio
        self._colors = colors
        self._overwrite = overwrite
        self._last, self._cut = -1, 0

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            whole = atomic_write(self.path, overwrite=self._overwrite)
            self._temporary = stack.enter_context(whole)
            self._container = _create(self._temporary)
            stack.callback(lambda: _close_quietly(self._container))
            self._stream: Any = None
            self._sound: Audio | None = None
            if self._sound_path is not None:
                self._sound = Audio(self._sound_path, self._start, self._begin)
                stack.callback(self._sound.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is None:
            try:
                self._finish()
            except BaseException as error:
                # Remove the unfinished file, as if the body had failed.
                if not self._stack.__exit__(type(error), error, error.__traceback__):
                    raise
                return
        self._stack.__exit__(kind, *rest)

    def write(self, image: ImageArray, seconds: float) -> None:
        """Write a frame.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3), BGR
            An odd last row or column is dropped: H.264 stores colors for 2 × 2 pixels. An image
            of another size is resized to that of the first.
        seconds : float
            Its time in the source.
        """
        import av

        if self._stream is None:
            self._add_streams(image)
        fitting = _fitted(image, self._stream.width, self._stream.height)
        frame = self._converted(av.VideoFrame.from_ndarray(fitting, format="bgr24"))
        self._last = self._next_time(round((seconds - self._start) * TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))
        self._write_sound(seconds)

    def _next_time(self, ticks: int) -> int:
        """Return the time of a frame: after the last, and within what MP4 can store."""
        ticks = max(ticks - self._cut, self._last + 1)
        if self._last >= 0 and ticks - self._last > LONGEST_GAP:
            gap = (ticks - self._last) / TICKS
            self._cut += ticks - self._last - LONGEST_GAP
            ticks = self._last + LONGEST_GAP
            self.problems.append(
                f"A gap of {gap:.0f} s between frames has {LONGEST_GAP / TICKS:.0f} s in the copy"
            )
        return ticks

    def _converted(self, frame: Any) -> Any:
        """Return a frame with its colors stored as those of the source."""
        colors = self._colors_of(frame.height)
        stored = frame.reformat(
            format="yuv420p",
            dst_colorspace=colors.matrix,
            dst_color_range=FULL if colors.full_range else LIMITED,
        )
        stored.colorspace, stored.color_range = colors.colorspace, _range(colors)
        if hasattr(stored, "color_trc"):  # not in PyAV 15
            stored.color_primaries, stored.color_trc = colors.primaries, colors.transfer
        return stored

    def _colors_of(self, height: int) -> Colors:
        return self._colors or (HD if height > SD_LINES else SD)

    def _add_streams(self, image: ImageArray) -> None:
        """Add the streams of images and sound; without sound where the file cannot hold it."""
        import av

        self._stream = self._add_stream(image)
        if self._sound is None:
            return
        try:
            self._sound.begin(self._container, self.path.suffix.lower())
            self._container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            self._give_up_sound(error)
            _close_quietly(self._container)  # a stream cannot be removed from it
            self._container = _create(self._temporary)
            self._stream = self._add_stream(image)

    def _write_sound(self, seconds: float) -> None:
        import av

        if self._sound is None:
            return
        try:
            self._sound.write_until(seconds)
        except OSError:  # of the disk: it concerns the images, too
            raise
        except (av.error.FFmpegError, ValueError) as error:
            self._give_up_sound(error)

    def _give_up_sound(self, error: Exception) -> None:
        self._sound = None
        reason = getattr(error, "strerror", None) or str(error)
        self.problems.append(f"The copy has no sound from here on: {reason}")

    def _add_stream(self, image: ImageArray) -> Any:
        height, width = image.shape[:2]
        if min(height, width) < 2:
            raise OutputError(
                f"Expected frames of at least 2 × 2 pixels, got {width} × {height}", path=self.path
            )
        rate = Fraction(self._rate).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.sample_aspect_ratio = self._sample_aspect_ratio
        codec, colors = stream.codec_context, self._colors_of(height)
        codec.colorspace, codec.color_range = colors.colorspace, _range(colors)
        codec.color_primaries, codec.color_trc = colors.primaries, colors.transfer
        stream.options = {"crf": QUALITY, "preset": SPEED}
        if height > HD_LINES:  # x264 keeps 45 MB for each frame that it looks ahead in 4K
            stream.options |= {"rc-lookahead": "3", "bf": "0"}
        return stream

    def _finish(self) -> None:
        if self._stream is None:
            raise OutputError("There are no frames to write", path=self.path)
        self._container.mux(self._stream.encode(None))
        self._write_sound(self._start + self._last / TICKS + 1 / self._rate)
        self._container.close()


def _range(colors: Colors) -> int:
    """Return the range of colors that the file states."""
    return FULL if colors.full_range else LIMITED


def require_video_suffix(path: Path) -> None:
    """Raise `OutputError` unless a name has the suffix of a video that can be written."""
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise OutputError(
            f"Expected the suffix of a video ({', '.join(VIDEO_SUFFIXES)}), got {path.suffix!r}",
            hint="use a name that ends in .mp4",
            path=path,
        )


def _fitted(image: ImageArray, width: int, height: int) -> ImageArray:
    """Return an image without an odd last row or column; one of another size is resized."""
    rows, columns = image.shape[:2]
    if rows - height in (0, 1) and columns - width in (0, 1):
        return np.ascontiguousarray(image[:height, :width])
    return resize(image, (width, height))


def _create(path: Path) -> Any:
    import av

    # The index at the front lets a browser play while it loads.
    options = {"movflags": "+faststart"} if path.suffix.lower() != ".mkv" else {}
    try:
        return av.open(f"file:{path}", "w", container_options=options)
    except OSError as error:
        raise output_error(error, path) from error


def _close_quietly(container: Any) -> None:
    """Close a container, whether it is closed already or its disk is full."""
    with suppress(Exception):
        container.close()


# Sound: copied where the file can hold its codec, otherwise encoded as AAC


#: Codecs of sound that are copied into a file of each suffix; others are encoded as AAC.
COPIED_CODECS = {
    ".mp4": ("aac", "ac3", "mp3", "opus"),
    ".m4v": ("aac", "ac3"),
    ".mov": ("aac", "ac3", "mp3"),
    ".mkv": ("aac", "ac3", "mp3", "opus"),
}

#: Sample rates of AAC (ISO/IEC 14496-3, table 1.18).
AAC_RATES = (
    7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000,
)  # fmt: skip

#: Seconds before the wanted sound at which reading begins: in the file, sound may come before the
#: images of its time.
LEAD = 2.0


class Audio:
    """The sound of a video file, written step by step beside the frames of a copy.

    Parameters
    ----------
    path : Path
    start : float
        Where the copy begins, in seconds since `begin`.
    begin : float
        The time from which `start` counts on the file's clock, in seconds.
    """

    def __init__(self, path: Path, start: float, begin: float) -> None:
        import av

        self._source = av.open(f"file:{path}", metadata_errors="replace")
        known = [one for one in self._source.streams.audio if one.codec_context is not None]
        self._given = known[0] if known else None
        self._begin = begin
        self._start = begin + start
        self._taken: Any = None

    def begin(self, container: Any, suffix: str) -> None:
        """Add the stream of sound to an output container that has the stream of images.

        Raises
        ------
        FFmpegError, ValueError
            FFmpeg cannot read the sound or cannot write it to a file of this suffix.
        """
        if self._given is None:
            return
        self._container = container
        copied = self._given.codec_context.name in COPIED_CODECS[suffix]
        if copied:
            self._taken = container.add_stream_from_template(self._given)
        else:
            self._taken = container.add_stream("aac", rate=_aac_rate(self._given.rate))
        if self._start > LEAD:
            self._source.seek(int((self._start - LEAD) * 1_000_000))
        self._packets = self._copied() if copied else self._encoded()
        self._next: Any = next(self._packets, None)

    def write_until(self, seconds: float) -> None:
        """Write the sound up to a time, in seconds since `begin`; errors as `begin`."""
        until = self._begin + seconds
        while self._taken is not None and self._next is not None and self._next[0] <= until:
            self._container.mux(self._next[1])
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _copied(self) -> Iterator[tuple[float, Any]]:
        """Yield copied packets with their times."""
        for packet in self._demuxed():
            seconds = float(packet.pts * packet.time_base)
            if seconds < self._start:
                continue
            shift = round(self._start / packet.time_base)
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = self._taken
            yield seconds, packet

    def _encoded(self) -> Iterator[tuple[float, Any]]:
        """Yield newly encoded packets with their times."""
        import av

        seconds = self._start
        for packet in self._demuxed():
            frames: list[Any] = []
            with suppress(av.error.InvalidDataError):
                frames = packet.decode()
            for frame in frames:
                if frame.time is None or frame.time < self._start:
                    continue
                seconds = frame.time
                frame.pts -= round(self._start / frame.time_base)
                yield from ((seconds, one) for one in self._taken.encode(frame))
        yield from ((seconds, one) for one in self._taken.encode(None))

    def _demuxed(self) -> Iterator[Any]:
        import av

        with suppress(av.error.FFmpegError):  # a damaged end: the sound ends there
            yield from (one for one in self._source.demux(self._given) if one.pts is not None)


def _aac_rate(rate: int) -> int:
    """Return the lowest AAC rate that is not below a sample rate, or the highest."""
    return next((known for known in AAC_RATES if known >= rate), AAC_RATES[-1])
