"""Cameras of this machine, read with OpenCV."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import cv2

from fercli.cascade.detection.options import LARGEST
from fercli.common.errors import VideoError
from fercli.recognition.sources.frames import SQUARE, Frame

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
                raise VideoError(
                    f"Camera {self.name} stopped delivering images after {number} frames",
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
