"""Video files written: H.264 in MP4, which every browser plays, with the sound of the source."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fercli.common.errors import OutputError
from fercli.common.files import output_error, written_whole
from fercli.common.images import Picture
from fercli.recognition.sound import Sound
from fercli.recognition.sources.frames import SQUARE

#: Suffixes of what can be written.
SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")

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
    begin : float
        The time from which `start` and the times of frames count, on the clock of `sound`
        (`VideoFile.begin`). Defaults to 0.
    sample_aspect_ratio : Fraction
        Width of a pixel by its height. Defaults to 1.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Attributes
    ----------
    problems : list of str
        What was met while writing, such as sound that cannot be taken over.

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
        begin: float = 0.0,
        sample_aspect_ratio: Fraction = SQUARE,
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
        self._overwrite = overwrite
        self._last = -1

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            whole = written_whole(self.path, overwrite=self._overwrite)
            self._temporary = stack.enter_context(whole)
            self._container = _create(self._temporary)
            stack.callback(lambda: _close_quietly(self._container))
            self._stream: Any = None
            self._sound: Sound | None = None
            if self._sound_path is not None:
                self._sound = Sound(self._sound_path, self._start, self._begin)
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
            An odd last row or column is left out: H.264 keeps colours for two by two pixels. A
            picture of another size is brought to the first one's.
        seconds : float
            Its time in the source.
        """
        import av

        if self._stream is None:
            self._add_streams(picture)
        fitting = _fitted(picture, self._stream.width, self._stream.height)
        frame = av.VideoFrame.from_ndarray(fitting, format="bgr24")
        self._last = max(round((seconds - self._start) * TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))
        self._write_sound(seconds)

    def _add_streams(self, picture: Picture) -> None:
        """Add pictures and sound; pictures alone where the sound does not go into the file."""
        import av

        self._stream = self._add_stream(picture)
        if self._sound is None:
            return
        try:
            self._sound.begin(self._container, self.path.suffix.lower())
            self._container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            self._give_up_sound(error)
            _close_quietly(self._container)  # a stream cannot be taken out of it any more
            self._container = _create(self._temporary)
            self._stream = self._add_stream(picture)

    def _write_sound(self, seconds: float) -> None:
        import av

        if self._sound is None:
            return
        try:
            self._sound.write_until(seconds)
        except OSError:  # the disk's, which the pictures meet as well
            raise
        except (av.error.FFmpegError, ValueError) as error:
            self._give_up_sound(error)

    def _give_up_sound(self, error: Exception) -> None:
        self._sound = None
        reason = getattr(error, "strerror", None) or str(error)
        self.problems.append(f"sound is left out from here on: {reason}")

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
        stream.codec_context.sample_aspect_ratio = self._sample_aspect_ratio
        stream.options = {"crf": QUALITY, "preset": SPEED}
        return stream

    def _finish(self) -> None:
        if self._stream is None:
            raise OutputError("no frame to write", path=self.path)
        self._container.mux(self._stream.encode(None))
        self._write_sound(self._start + self._last / TICKS + 1 / self._rate)
        self._container.close()


def require_video_suffix(path: Path) -> None:
    """Raise `OutputError` unless a name has the suffix of a video that can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"wanted the suffix of a video, found {path.suffix!r}",
            hint="a name that ends in .mp4",
            path=path,
        )


def _fitted(picture: Picture, width: int, height: int) -> Picture:
    """Return a picture less an odd last row or column; one of another size is scaled."""
    rows, columns = picture.shape[:2]
    if rows - height in (0, 1) and columns - width in (0, 1):
        return np.ascontiguousarray(picture[:height, :width])
    smaller = rows * columns > width * height
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


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
