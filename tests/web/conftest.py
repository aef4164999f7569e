"""A server of our own, clients for it, and a camera that shows scikit-image's astronaut."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fercli.models.catalog import DEFAULT
from fercli.models.model_card import ModelSettings
from fercli.recognition import recognizer
from fercli.recognition.recognizer import DEFAULTS
from fercli.web.app import Limits, ServerSettings, create_app, services
from fercli.web.server import make_server

from ..browser import served_here, visiting

TOKEN = "a token of the tests"

#: The settings of a model whose file lacks nothing.
NOTHING = ModelSettings()


@pytest.fixture(scope="session", autouse=True)
def _cascades_are_read_once() -> Iterator[None]:
    """Nearly every test starts an application, which would read the same cascade again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recognizer, "Detector", functools.cache(recognizer.Detector))
        yield


@pytest.fixture(scope="session")
def jpeg(portrait) -> bytes:
    return cv2.imencode(".jpg", portrait)[1].tobytes()


@pytest.fixture(scope="session")
def make_video(portrait) -> Callable[..., Path]:
    """Write a video of a face that moves: ``make_video(path, frames)``; its 40 frames repeat."""

    def make(path: Path, frames: int = 24) -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=20, options={"preset": "ultrafast"})
            stream.height, stream.width = portrait.shape[:2]
            stream.pix_fmt = "yuv420p"
            packets = []
            for at in range(min(frames, 40)):
                moved = np.roll(portrait, at, axis=1)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(moved), format="bgr24")
                packets += stream.encode(frame)
            packets += stream.encode(None)
            encoded = [(bytes(one), one.pts, one.dts, one.time_base) for one in packets]
            for at in range(frames):  # the first of the 40 is a key frame
                data, pts, dts, base = encoded[at % 40]
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, base
                shift = round(at // 40 * 40 / 20 / base)
                packet.pts, packet.dts = pts + shift, dts + shift
                packet.is_keyframe = at % 40 == 0
                container.mux(packet)
        return path

    return make


@pytest.fixture(scope="session")
def video(make_video, tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("videos") / "face.mp4")


@pytest.fixture
def make_client() -> Iterator[Callable[..., object]]:
    """Return a client of an application in this process: ``make_client(token=…, waiting=1)``."""
    apps = []

    def make(
        *,
        token="",
        camera="",
        model=DEFAULT,
        model_settings=NOTHING,
        recognition=DEFAULTS,
        **limits,
    ):
        app = create_app(
            ServerSettings(
                model=model,
                model_settings=model_settings,
                recognition=recognition,
                camera=camera,
                token=token,
                limits=Limits(**limits),
            )
        )
        apps.append(app)
        return app.test_client()

    yield make
    for app in apps:
        services(app).close()


@pytest.fixture
def make_app() -> Iterator[Callable[..., object]]:
    """Return an application without a camera: ``make_app(token=…)``."""
    apps = []

    def make(**settings):
        apps.append(create_app(ServerSettings(camera="", **settings)))
        return apps[-1]

    yield make
    for app in apps:
        services(app).close()


@pytest.fixture
def client(make_client):
    return make_client()


@contextmanager
def served(
    *options: object, under: tuple[str, ...] = (), end: int = signal.SIGINT
) -> Iterator[str]:
    """Run ``fer serve`` as a process of its own, `under` another, and give its address.

    The signal `end` ends it, in good order.
    """
    command = [*under, sys.executable, "-m", "fercli", "serve", "--port", "0", *map(str, options)]
    environment = os.environ | {"FER_TOKEN": ""}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        line = process.stdout.readline()
        assert line.startswith("fer serves http://"), line
        yield line.split()[2].rstrip("/")
        process.send_signal(end)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def run_server():
    return served


@pytest.fixture(scope="session")
def stream(portrait) -> Iterator[str]:
    """The address of a camera that sends Motion JPEG, 20 frames a second."""
    with sending(portrait, 0.05) as address:
        yield address


@pytest.fixture
def slow_stream(portrait) -> Iterator[str]:
    """The address of a camera that takes a second for each frame."""
    with sending(portrait, 1.0) as address:
        yield address


@contextmanager
def sending(portrait, pause: float) -> Iterator[str]:
    """Send Motion JPEG with so many seconds between two frames."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Camera) as sender:
        sender.daemon_threads = True
        sender.image = cv2.resize(portrait, (480, 360))
        sender.pause = pause
        sender.ended = threading.Event()
        threading.Thread(target=sender.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{sender.server_port}/camera"
        sender.ended.set()
        sender.shutdown()


class _Camera(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # its name is given
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        at = 0
        try:
            while not self.server.ended.wait(self.server.pause):
                moved = np.roll(self.server.image, at % 60, axis=1)
                data = cv2.imencode(".jpg", moved)[1].tobytes()
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(b"Content-Length: %d\r\n\r\n%b\r\n" % (len(data), data))
                at += 2
        except OSError:
            return  # the one who looked went away

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def server(stream) -> Iterator[str]:
    """The address of a server with a camera."""
    with served("--camera", stream) as address:
        yield address


@pytest.fixture(scope="session")
def analyzed(server, video) -> str:
    """The path of the page that shows what was found in `video`."""
    with urllib.request.urlopen(f"{server}/api/v1/jobs", video.read_bytes(), timeout=10) as answer:
        return f"/#{json.load(answer)['id']}"


@pytest.fixture
def serve_here(make_app):
    """Serve an application of these settings from this process, and return its address."""
    with ExitStack() as servers:
        yield lambda **settings: servers.enter_context(
            served_here(make_app(**settings), make_server)
        )


@pytest.fixture
def visit(request, browser, tmp_path, serve_here):  # whose servers outlive the pages
    """Open a page, of the server with a camera or of another: ``visit("/image", address)``."""
    with visiting(browser, tmp_path / "saved") as addresses:

        def go(path, base=None):
            addresses.append(base or request.getfixturevalue("server"))
            browser.get(addresses[-1] + path)
            return browser

        yield go


# Helpers


def png(width, height, color=2):
    """A PNG file that claims a size and has no pixels."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def refused(response, status, text):
    assert response.status_code == status, response.text
    assert response.json["error"]["status"] == status
    assert text in response.json["error"]["reason"]
    assert "Traceback" not in response.text


def eventually(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def health(address):
    with urllib.request.urlopen(f"{address}/api/v1/health", timeout=10) as answer:
        return json.load(answer)


def parts(response, count):
    """Read images of a view of the camera."""
    found = []
    for _ in range(count):
        while not (line := response.readline()).lower().startswith(b"content-length"):
            assert line
        response.readline()
        found.append(response.read(int(line.split(b":")[1])))
    return found


def started(address):
    """Start the camera of a server, and return the address of its view."""
    with urllib.request.urlopen(f"{address}/camera", timeout=20) as page:
        key = re.search(r'name="key" value="(.+?)"', page.read().decode())[1]
    with urllib.request.urlopen(f"{address}/camera", data=f"key={key}".encode(), timeout=20):
        return f"{address}/camera/stream"
