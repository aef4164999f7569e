"""Live sources: network streams (RTSP, HTTP, …), read with PyAV, and cameras, read with OpenCV."""

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

from fercli.cascade.detection import LARGEST
from fercli.common.errors import VideoError
from fercli.common.tables import counted
from fercli.recognition.sources.frames import SQUARE, Frame, seek, time_of

#: How long a stream may take to answer, and to send its next frame, in seconds.
TIMEOUT = 10.0

#: Waits before the first and before the last attempt to reconnect, in seconds.
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0

Note = Callable[[str], None]


def ignore(text: str) -> None:
    """Drop a note."""


class Stream:
    """An open network stream (RTSP, HTTP, …). A context manager.

    A stream that breaks off is opened again. One with a length, such as a file of a web server,
    has an end, and its frames have the file's times; any other has times since it was opened.

    Parameters
    ----------
    address : str
        User, password and query appear in no message, no note and not in `name`.
    attempts : int
        Attempts to reconnect before giving up; 0 for none. Defaults to 10.
    stop : Event, optional
        Ends the frames when set.
    note : callable, optional
        Called with a text when the stream breaks off and when it is back.

    Raises
    ------
    VideoError
        It cannot be reached or has no images.
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
            The stream broke off, and no attempt to reconnect succeeded.
        """
        return self._live_frames() if self.live else self._file_frames()

    def _live_frames(self) -> Iterator[Frame]:
        """Yield the frames of a stream without an end."""
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
        """Yield the frames of a stream with an end; after reconnecting, only later ones."""
        number, seen, failures = 0, -math.inf, 0
        while failures <= self._attempts:
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
            failures = failures + 1 if number == before else 0
            seen = last
            self._reconnect()
            if self._stop.is_set():
                return
            if seen >= 0:
                seek(self._container, self._stream, seen)
        raise VideoError(
            f"{self.name}: The stream breaks off at {seen:.1f} s; "
            f"{counted(self._attempts, 'attempt')} to reconnect failed"
        )

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
        self._note(f"{self.name}: connection lost, reconnecting")
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
            self._note(f"{self.name}: reconnected after {counted(attempt + 1, 'attempt')}")
            return
        if not self._attempts:
            raise VideoError(
                f"{self.name}: The stream broke off", hint="check that its sender is running"
            )
        raise VideoError(f"{counted(self._attempts, 'attempt')} to reconnect failed: {failure}")


def shown_address(address: str) -> str:
    """Return the address of a stream without user, password, query and fragment, for messages.

    Anything else, such as a file or a camera's number, is returned as it is. A malformed address,
    whose password may be anywhere, becomes its scheme.
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
        It cannot be reached or has no images.
    """
    import av

    shown = shown_address(address)
    options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
    try:
        container = av.open(address, options=options, timeout=(TIMEOUT, TIMEOUT))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"{shown}: The stream cannot be opened: {reason}",
            hint="check the address and that the sender is running",
        ) from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{shown}: The stream has no images, only sound")
    container.streams.video[0].thread_type = "SLICE"  # threads by frame would delay frames
    return container


# Cameras


#: cv2's level of messages at which it writes none.
SILENT_LEVEL = 0


class Camera:
    """An open camera of this machine. A context manager.

    Parameters
    ----------
    name : str
        Its number, such as ``0``, or its device.
    stop : Event, optional
        Ends the frames when set.

    Raises
    ------
    VideoError
        There is no such camera, it is busy, or it delivers no images.
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
        """Release the camera."""
        self._capture.release()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `stop` is set.

        Raises
        ------
        VideoError
            The camera stopped delivering frames.
        """
        begin, number = time.monotonic(), 0
        while not self._stop.is_set():
            taken, image = self._capture.read()
            if not taken:
                frames = counted(number, "frame")
                raise VideoError(
                    f"Camera {self.name} stopped delivering images after {frames}",
                    hint="check that it is plugged in",
                )
            yield Frame(number, time.monotonic() - begin, image)
            number += 1


def _open_camera(name: str) -> cv2.VideoCapture:
    if name.isdecimal() and (len(name) > 10 or int(name) > LARGEST):
        raise VideoError(f"Expected a camera number of at most {LARGEST}, got {name[:40]}")
    # cv2 would log what the error says, too; in OpenCV 4.10 its log level is cv2's own.
    logging = getattr(cv2.utils, "logging", cv2)
    level = logging.setLogLevel(SILENT_LEVEL)
    try:
        capture = cv2.VideoCapture(int(name) if name.isdecimal() else name)
        opened = capture.isOpened() and capture.read()[0]
    finally:
        logging.setLogLevel(level)
    if not opened:
        capture.release()
        reason, hint = _camera_failure(name)
        raise VideoError(f"Camera {name} cannot be opened: {reason}", hint=hint)
    return capture


def _camera_failure(name: str) -> tuple[str, str]:
    """Return why a camera does not open, and a hint."""
    device = Path(f"/dev/video{name}" if name.isdecimal() else name)
    if not device.exists():
        others = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*")))
        return (
            f"there is no {device}; cameras here: {others or 'none'}",
            "plug it in, or use another number",
        )
    if not os.access(device, os.R_OK | os.W_OK):
        return "no permission to use it", "add your user to the group video"
    return "it delivers no images", "close other programs that use it"
