"""Cameras and streams: frames that come while they are looked at."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import cv2

from fercli.cascade.detection.options import LARGEST
from fercli.common.errors import VideoError
from fercli.recognition.sources.frames import SQUARE, Frame, seek, time_of

#: How long a stream may take to answer, and to send its next frame, in seconds.
TIMEOUT = 10.0

#: cv2's level of messages at which it writes none.
SILENT_LEVEL = 0

#: Waits before the first and before the last attempt to reach a stream again, in seconds.
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0

Note = Callable[[str], None]


def ignore(text: str) -> None:
    """Take a note that nobody reads."""


class Camera:
    """A camera of this machine that is open. A context manager.

    Parameters
    ----------
    name : str
        Its number, such as ``0``, or its device.
    stop : Event, optional
        Ends the frames when set.

    Raises
    ------
    VideoError
        There is none of that name, it is busy, or it gives no images.
    """

    live, has_sound, seconds, count = True, False, None, None
    begin, sample_aspect_ratio = 0.0, SQUARE

    def __init__(self, name: str, stop: Event | None = None) -> None:
        self.name = name
        self.problems: list[str] = []
        self._stop = stop or Event()
        self._capture = _open_camera(name)
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or 30.0

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `stop` is set.

        Raises
        ------
        VideoError
            The camera gives no more frames: it was unplugged.
        """
        begin, number = time.monotonic(), 0
        while not self._stop.is_set():
            taken, image = self._capture.read()
            if not taken:
                raise VideoError(
                    f"camera {self.name} gives no images any more (after {number} frames)",
                    hint="is it still plugged in?",
                )
            yield Frame(number, time.monotonic() - begin, image)
            number += 1


class Stream:
    """A stream of a network (RTSP, HTTP, …) that is open. A context manager.

    A stream that breaks off is opened again. One that says how long it is, such as a file of a
    web server, has an end, and its frames have the file's times; any other has times since it
    was opened.

    Parameters
    ----------
    address : str
        Its secrets are in no message and no note, nor in its `name`.
    attempts : int
        How often it is tried to reach it again before giving up; 0 for never. Defaults to 10.
    stop : Event, optional
        Ends the frames when set.
    note : callable, optional
        Told when the stream breaks off and comes back.

    Raises
    ------
    VideoError
        It cannot be reached, or is no video.
    """

    has_sound, begin, sample_aspect_ratio = False, 0.0, SQUARE

    def __init__(
        self, address: str, *, attempts: int = 10, stop: Event | None = None, note: Note = ignore
    ) -> None:
        self.name = shown_address(address)
        self._address = address
        self.problems: list[str] = []
        self._attempts = attempts
        self._stop = stop or Event()
        self._note = note
        self._broken = False
        self._container = open_stream(address)
        stream = self._stream
        self.rate = float(stream.average_rate or stream.guessed_rate or 25)
        self.seconds = self._container.duration / 1e6 if self._container.duration else None
        self.count = stream.frames or None
        self.live = self.count is None and self.seconds is None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._container.close()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the stream's end, or until `stop` is set.

        Raises
        ------
        VideoError
            The stream broke off and could not be reached again.
        """
        return self._live_frames() if self.live else self._file_frames()

    def _live_frames(self) -> Iterator[Frame]:
        """Yield the frames of a stream that goes on until someone stops it."""
        begin, number = time.monotonic(), 0
        while not self._stop.is_set():
            for image in self._images():
                if self._stop.is_set():
                    return
                yield Frame(number, time.monotonic() - begin, image)
                number += 1
            if not self._stop.is_set():
                self._reconnect()

    def _file_frames(self) -> Iterator[Frame]:
        """Yield the frames of a stream that has an end; what was seen is not seen again."""
        number, seen, in_vain = 0, -math.inf, 0
        while in_vain <= self._attempts:
            last, before = seen, number
            for image in self._images():
                if self._stop.is_set():
                    return
                seconds = time_of(image, self._stream, number, self.rate)
                if seconds > seen:
                    yield Frame(number, seconds, image)
                    number, last = number + 1, max(last, seconds)
            if self._stop.is_set() or not self._broken:
                return
            in_vain = in_vain + 1 if number == before else 0
            seen = last
            self._reconnect()
            if self._stop.is_set():
                return
            if seen >= 0:
                seek(self._container, self._stream, seen)
        raise VideoError(f"given up after {self._attempts} attempts: breaks off at {seen:.1f} s")

    def _images(self) -> Iterator[Any]:
        """Yield images until the end, or until the stream breaks off."""
        import av

        self._broken = False
        try:
            for packet in self._container.demux(video=0):
                with suppress(av.error.InvalidDataError):  # a damaged frame: wait for the next
                    yield from packet.decode()
        except (av.error.FFmpegError, OSError):
            self._broken = True

    @property
    def _stream(self) -> Any:
        return self._container.streams.video[0]

    def _reconnect(self) -> None:
        """Open the stream anew, waiting longer each time."""
        self._note(f"{self.name}: broken off; trying to reach it again")
        self.close()
        wait = FIRST_WAIT
        for attempt in range(self._attempts):
            if self._stop.wait(wait):
                return
            try:
                self._container = open_stream(self._address)
            except VideoError as error:
                failure = error
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            self._note(f"{self.name}: back after {attempt + 1} attempts")
            return
        if not self._attempts:
            raise VideoError("the stream broke off", path=None, hint=f"is {self.name} running?")
        raise VideoError(f"given up after {self._attempts} attempts: {failure}")


def shown_address(address: str) -> str:
    """Return the address of a stream for messages: without user, password, query and fragment.

    Anything else, such as a file or a camera's number, stays as it is. Of an address that is
    malformed, whose password may be anywhere, the scheme alone is left.
    """
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    try:
        parts = urlsplit(f"//{rest}")  # FFmpeg knows schemes that urlsplit does not: async:http
        parts.port  # noqa: B018  # raises unless it is a number: is it part of a password?
    except ValueError:
        return f"{scheme}://…"
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def open_stream(address: str) -> Any:
    """Return PyAV's container of a stream that has images.

    Raises
    ------
    VideoError
        It cannot be reached, or is no video.
    """
    import av

    shown = shown_address(address)
    options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
    try:
        container = av.open(address, options=options, timeout=(TIMEOUT, TIMEOUT))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"{shown}: wanted a stream, found: {reason}",
            hint="is the address right, and the sender running?",
        ) from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{shown}: wanted a stream with images, found sound alone")
    container.streams.video[0].thread_type = "SLICE"  # by frames would keep some back
    return container


def _open_camera(name: str) -> cv2.VideoCapture:
    if name.isdecimal() and (len(name) > 10 or int(name) > LARGEST):
        raise VideoError(f"wanted the number of a camera, at most {LARGEST}, found {name[:40]}")
    # cv2 writes to stderr what is said here; in OpenCV 4.10 what keeps it quiet is cv2's own.
    logging = getattr(cv2.utils, "logging", cv2)
    level = logging.setLogLevel(SILENT_LEVEL)
    try:
        capture = cv2.VideoCapture(int(name) if name.isdecimal() else name)
        opened = capture.isOpened() and capture.read()[0]
    finally:
        logging.setLogLevel(level)
    if not opened:
        capture.release()
        found, hint = _camera_trouble(name)
        raise VideoError(f"wanted camera {name}, found {found}", hint=hint)
    return capture


def _camera_trouble(name: str) -> tuple[str, str]:
    """Return why a camera does not open, and what to try."""
    device = Path(f"/dev/video{name}" if name.isdecimal() else name)
    if not device.exists():
        others = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*")))
        return (f"no {device}; cameras here: {others or 'none'}", "plug it in, or another number")
    if not os.access(device, os.R_OK | os.W_OK):
        return "no permission to use it", "membership in the group video"
    return "that it gives no images", "close the program that is using it"
