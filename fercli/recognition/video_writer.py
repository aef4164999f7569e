"""Video files written: H.264 in MP4, which every browser plays, with the sound of the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fercli.errors import OutputError
from fercli.files import output_error, written_whole
from fercli.pictures import Picture

#: Suffixes of what can be written.
SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")

#: Kinds of sound that go into MP4 as they are; others become AAC.
KEPT = ("aac", "ac3", "mp3", "opus")

#: Ticks a second: those of MPEG, of which all usual frame rates are parts.
TICKS = 90_000

#: x264's quality (smaller is better, 23 its default) and speed.
QUALITY, SPEED = "21", "veryfast"


class VideoWriter:
    """A video that is being written. A context manager.

    The file appears under its name when the context ends without an exception: whole.

    Parameters
    ----------
    path : Path
    rate : float
        Frames a second; each frame has its own time besides.
    sound : Path, optional
        A video whose sound is taken over.
    start : float
        Where in `sound` the first frame is, in seconds. Defaults to 0.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Raises
    ------
    OutputError
        The file exists, cannot be written, or its suffix is not one of `SUFFIXES`.
    """

    def __init__(
        self,
        path: Path,
        rate: float,
        *,
        sound: Path | None = None,
        start: float = 0.0,
        overwrite: bool = False,
    ) -> None:
        require_video_suffix(path)
        self.path = path
        self._rate = rate
        self._sound_path = sound
        self._start = start
        self._overwrite = overwrite
        self._last = -1

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(written_whole(self.path, overwrite=self._overwrite))
            self._container = _create(temporary)
            stack.callback(_close_quietly, self._container)
            self._stream: Any = None
            self._sound = (
                None
                if self._sound_path is None
                else _Sound(self._sound_path, self._container, self._start)
            )
            if self._sound is not None:
                stack.callback(self._sound.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is None:
            try:
                self._finish()
            except BaseException as error:
                # What is half written goes, as if the body had failed.
                if not self._stack.__exit__(type(error), error, error.__traceback__):
                    raise
                return
        self._stack.__exit__(kind, *rest)

    def write(self, picture: Picture, seconds: float) -> None:
        """Write a frame.

        Parameters
        ----------
        picture : ndarray of uint8, shape (height, width, 3), BGR
            An odd last row or column is left out: H.264 keeps colours for two by two pixels.
        seconds : float
            Its time in the source.
        """
        import av

        if self._stream is None:
            self._stream = self._add_stream(picture)
        even = picture[: self._stream.height, : self._stream.width]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="bgr24")
        self._last = max(round((seconds - self._start) * TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._mux(self._stream.encode(frame))
        if self._sound is not None:
            self._sound.write_until(seconds)

    def _add_stream(self, picture: Picture) -> Any:
        height, width = picture.shape[:2]
        if min(height, width) < 2:
            raise OutputError(
                f"wanted frames of at least 2 × 2 pixels, found {width} × {height}", path=self.path
            )
        rate = Fraction(self._rate).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.options = {"crf": QUALITY, "preset": SPEED}
        if self._sound is not None:
            self._sound.begin()
        return stream

    def _mux(self, packets: Any) -> None:
        self._container.mux(packets)

    def _finish(self) -> None:
        if self._stream is None:
            raise OutputError("no frame to write", path=self.path)
        self._mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.write_until(self._start + self._last / TICKS + 1 / self._rate)
        self._container.close()


class _Sound:
    """The sound of a video on its way into another, as far as the frames are."""

    def __init__(self, path: Path, container: Any, start: float) -> None:
        import av

        self._source = av.open(f"file:{path}", metadata_errors="replace")
        self._given = self._source.streams.audio[0] if self._source.streams.audio else None
        self._container = container
        self._start = start
        self._taken: Any = None

    def begin(self) -> None:
        """Add the stream of sound; the stream of pictures is there."""
        if self._given is None:
            return
        kept = self._given.codec_context.name in KEPT
        if kept:
            self._taken = self._container.add_stream_from_template(self._given)
        else:
            self._taken = self._container.add_stream("aac", rate=self._given.rate)
        if self._start:
            self._source.seek(int(self._start * 1_000_000))
        self._packets = self._copied() if kept else self._encoded()
        self._next: Any = next(self._packets, None)

    def write_until(self, seconds: float) -> None:
        """Write the sound up to a time of the source."""
        while self._taken is not None and self._next is not None and self._next[0] <= seconds:
            self._container.mux(self._next[1])
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _copied(self) -> Iterator[tuple[float, Any]]:
        """Yield packets as they are, with their time."""
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
        """Yield packets encoded anew, with their time."""
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


def require_video_suffix(path: Path) -> None:
    """Raise `OutputError` unless a name has the suffix of a video that can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"wanted the suffix of a video, found {path.suffix!r}",
            hint="a name that ends in .mp4",
            path=path,
        )


def _create(path: Path) -> Any:
    import av

    # The index at the front lets a browser play while it loads.
    options = {"movflags": "+faststart"} if path.suffix.lower() != ".mkv" else {}
    try:
        return av.open(f"file:{path}", "w", container_options=options)
    except OSError as error:
        raise output_error(error, path) from error


def _close_quietly(container: Any) -> None:
    """Close a container that may be closed already, or whose disk is full."""
    with suppress(Exception):
        container.close()
