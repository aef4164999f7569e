"""Network streams."""

import http.server
import threading
from unittest import mock

import av
import numpy as np
import pytest

from fercli.common.errors import VideoError
from fercli.recognition.sources import live
from fercli.recognition.sources.live import Stream

SECRET = "rtsp://admin:secret@127.0.0.1:9/s?token=secret"


@pytest.fixture
def serve(tmp_path):
    """Serve the folder; ``serve(cuts)`` breaks off the n-th answers after that many bytes."""
    servers = []

    def start(*cuts):
        left = list(cuts)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def copyfile(self, source, target):
                target.write(source.read(left.pop(0)) if left else source.read())

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *args: Handler(*args, directory=tmp_path)
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def told_of(address, monkeypatch, attempts):
    """Return what is said of a stream that breaks off and is out of reach from then on."""
    notes = []
    monkeypatch.setattr(live, "FIRST_WAIT", 0.01)
    with monkeypatch.context() as within:
        within.setattr(av, "open", lambda *args, **options: mock.MagicMock())
        stream = Stream(address, attempts=attempts, note=notes.append)
    with pytest.raises(VideoError) as caught:
        stream._reconnect()
    return [*notes, str(caught.value)]


def test_a_file_of_a_web_server_has_its_own_times_and_end(tmp_path, serve, make_sounding):
    make_sounding(tmp_path / "a.mkv", "libopus", 48_000, begin=3, lasts=2)
    notes = []
    with Stream(f"{serve()}/a.mkv", note=notes.append) as stream:
        frames = list(stream.frames())
    assert np.allclose([frame.seconds for frame in frames], np.arange(10) / 10, atol=2e-3)
    assert notes == []  # that the sound is longer is no breaking off


def test_a_file_that_breaks_off_is_gone_on_with(make_video, tmp_path, serve, monkeypatch):
    monkeypatch.setattr(live, "FIRST_WAIT", 0.01)
    size = make_video(tmp_path / "a.mkv").stat().st_size
    notes = []
    with Stream(f"{serve(size // 2, size * 3 // 4)}/a.mkv", note=notes.append) as stream:
        frames = list(stream.frames())
    assert [frame.number for frame in frames] == list(range(24))
    assert np.allclose([frame.seconds for frame in frames], np.arange(24) / 20, atol=2e-3)
    assert any("connection lost" in note for note in notes)


def test_a_file_that_always_breaks_off_is_given_up(make_video, tmp_path, serve, monkeypatch):
    monkeypatch.setattr(live, "FIRST_WAIT", 0.01)
    size = make_video(tmp_path / "a.mkv").stat().st_size
    with (
        Stream(f"{serve(*[size // 2] * 99)}/a.mkv", attempts=2) as stream,
        pytest.raises(VideoError, match=r"breaks off at .* 2 attempts to reconnect failed"),
    ):
        list(stream.frames())


@pytest.mark.parametrize("attempts", [0, 1])
def test_what_is_said_of_a_stream_holds_no_password(monkeypatch, attempts):
    with pytest.raises(VideoError) as caught:
        live.open_stream(SECRET)
    told = [str(caught.value), *told_of(SECRET, monkeypatch, attempts)]
    assert not [text for text in told if "secret" in text or "admin" in text]
    assert all("rtsp://127.0.0.1:9/s" in text for text in told)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:se@cret@cam:554/s/1?a=b#c", "rtsp://cam:554/s/1"),
        ("async:http://admin:secret@cam/s", "async:http://cam/s"),
        ("http://[::1]:80/cam", "http://[::1]:80/cam"),
        ("rtsp://admin:p#ss@cam/s", "rtsp://…"),  # the host would be admin, the port p
        ("http://[::1/cam", "http://…"),
        ("films/what? a@b.mp4", "films/what? a@b.mp4"),
        ("0", "0"),
    ],
)
def test_addresses_are_shown_without_secrets(address, shown):
    assert live.shown_address(address) == shown
