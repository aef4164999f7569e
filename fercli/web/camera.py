"""The server's camera: opened for the first viewer, shared by all, released after the last."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from threading import Event

import cv2

from fercli.common.errors import FerError
from fercli.common.images import ImageArray
from fercli.common.tables import counted
from fercli.recognition.pipeline import recognize_frames
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.sinks.draw import Annotator
from fercli.recognition.sinks.panels import draw_note
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.live import Camera, Stream
from fercli.web.http_errors import HttpError, without_path

#: How long the camera stays open for nobody, in seconds: the page opens it, then its image comes.
LINGER = 4.0

#: How long a viewer waits for a frame, in seconds.
PATIENCE = 15.0

#: How long a request waits while another opens the camera, in seconds.
PATIENCE_OPENING = 2.0

#: Quality of JPEG.
QUALITY = 80

#: Frames over which frame rate and delay are averaged.
RECENT = 20

#: Beginning of each part of a multipart response; a browser shows a part when the next begins.
BOUNDARY = b"--frame\r\n"
MIMETYPE = "multipart/x-mixed-replace; boundary=frame"


class SharedCamera:
    """A camera with several viewers.

    Parameters
    ----------
    name : str
        Its number, device or address.
    recognizer : Recognizer
    most : int
        Most viewers at once.
    """

    def __init__(self, name: str, recognizer: Recognizer, most: int) -> None:
        self.name = name
        self._recognizer = recognizer
        self._most = most
        self._opening = threading.Lock()
        self._changed = threading.Condition()
        self._stop = Event()
        self._stop.set()
        self._thread: threading.Thread | None = None
        self._viewers = 0
        self._wanted = 0.0
        self._number = 0
        self._jpeg = b""

    @property
    def is_open(self) -> bool:
        """Whether the camera is in use."""
        return not self._stop.is_set()

    def open(self) -> None:
        """Open the camera unless it is open.

        Raises
        ------
        VideoError
            It is missing, busy or out of reach.
        HttpError
            503: another request is opening it, and it does not respond.
        """
        # Without a limit all threads would wait, one after the other, for a stream out of reach.
        if not self._opening.acquire(timeout=PATIENCE_OPENING):
            raise HttpError(503, "The camera is being opened", hint="try again", retry=5)
        try:
            self._wanted = time.monotonic()
            if not self.is_open:
                self._start()
        finally:
            self._opening.release()

    def _start(self) -> None:
        self.wait()  # the thread of earlier viewers may still use it
        stop = Event()
        source = Stream(self.name, stop=stop) if "://" in self.name else Camera(self.name, stop)
        self._stop = stop
        self._thread = threading.Thread(
            target=self._run, args=(source, stop), name="camera", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Release the camera; the streams of its viewers end."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until the camera is released, after `close`.

        A thread that is inside OpenCV or a model while Python exits aborts the process.
        """
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def parts(self) -> Generator[bytes, None, None]:
        """Yield frames as parts of a multipart response until the camera ends.

        It is not opened here: any page in a browser may ask for an image.

        Raises
        ------
        HttpError
            409: the camera is off; 503: there are too many viewers.
        """
        with self._viewing():
            if not self.is_open:
                raise HttpError(409, "The camera is off", hint="start it on the page /camera")
            yield BOUNDARY
            for jpeg in self._jpegs():
                yield b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                yield jpeg + b"\r\n" + BOUNDARY

    def _jpegs(self) -> Iterator[bytes]:
        seen, stop = self._number, self._stop
        while True:
            with self._changed:
                self._changed.wait_for(partial(self._has_news, seen, stop), PATIENCE)
                if self._number == seen:
                    return
                seen, jpeg = self._number, self._jpeg
            yield jpeg

    def _has_news(self, seen: int, stop: Event) -> bool:
        return stop.is_set() or self._number != seen

    @contextmanager
    def _viewing(self) -> Iterator[None]:
        with self._changed:
            if self._viewers >= self._most:
                raise HttpError(
                    503, f"The camera has {counted(self._most, 'viewer')} already", retry=30
                )
            self._viewers += 1
        try:
            yield
        finally:
            with self._changed:
                self._viewers -= 1
                self._wanted = time.monotonic()

    def _run(self, source: Camera | Stream, stop: Event) -> None:
        image: ImageArray | None = None
        try:
            with source, closing(self._recognized(source)) as images:
                for image in images:
                    self._publish(image)
                    if not self._is_wanted():
                        return
        except FerError as error:
            if image is not None:
                self._publish(_with_note(image, without_path(error)))
        finally:
            stop.set()
            with self._changed:
                self._changed.notify_all()

    def _recognized(self, source: Camera | Stream) -> Generator[ImageArray, None, None]:
        """Yield frames with their faces, the frame rate and the delay drawn."""
        pace = _Pace()
        annotator = Annotator(self._recognizer.classes, bars=True)
        seen = recognize_frames(self._recognizer, pace.taken(source.frames()), live=True)
        with closing(seen):
            for one in seen:
                pace.shown(one.frame.number)
                drawn = annotator.draw(one.frame.color, one.faces)
                draw_note(drawn, str(pace))
                yield drawn

    def _is_wanted(self) -> bool:
        return self._viewers > 0 or time.monotonic() - self._wanted < LINGER

    def _publish(self, image: ImageArray) -> None:
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        with self._changed:
            self._number += 1
            self._jpeg = jpeg
            self._changed.notify_all()


class _Pace:
    """How many frames are shown a second, and how long after they came from the camera."""

    def __init__(self) -> None:
        self._taken: dict[int, float] = {}
        self._shown: deque[tuple[float, float]] = deque(maxlen=RECENT)

    def taken(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yield frames and note when they came; another thread calls `shown`."""
        for frame in frames:
            self._taken[frame.number] = time.monotonic()
            yield frame

    def shown(self, number: int) -> None:
        """Note that a frame is shown; those before it never will be."""
        now = time.monotonic()
        self._shown.append((now, now - self._taken.get(number, now)))
        for earlier in [one for one in list(self._taken) if one <= number]:
            del self._taken[earlier]

    def __str__(self) -> str:
        times, delays = zip(*self._shown, strict=True)
        if times[-1] == times[0]:
            return "…"
        rate = (len(times) - 1) / (times[-1] - times[0])
        delay = 1000 * sum(delays) / len(delays)
        return f"{counted(round(rate), 'frame')} a second, delay {delay:.0f} ms"


def _with_note(image: ImageArray, text: str) -> ImageArray:
    drawn = (image * 0.4).astype("uint8")
    draw_note(drawn, text)
    return drawn
