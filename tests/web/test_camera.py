"""The server's camera: who starts it, who watches, and when it ends."""

import json
import re
import socket
import threading
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest

from fercli.web.app import ServerSettings, create_app, services
from fercli.web.server import make_server

from ..browser import served_here
from .conftest import eventually, health, parts, started


def start_camera(client):
    """Start the camera as the page's form does."""
    key = re.search(r'name="key" value="(.+?)"', client.get("/camera").text)[1]
    return client.post("/camera", data={"key": key})


def test_only_the_pages_own_form_starts_the_camera(make_client, stream):
    client = make_client(camera=stream)
    camera = services(client.application).camera
    for answer in (
        client.get("/camera?watch=1"),
        client.get("/camera/stream"),
        client.post("/camera"),
        client.post("/camera", data={"key": "another"}),
    ):
        assert answer.status_code in (200, 403, 409)
        assert not camera.is_open
    started = start_camera(client)
    assert (started.status_code, started.headers["Location"]) == (303, "/camera?watch=1")
    assert camera.is_open
    assert 'class="view"' in client.get("/camera?watch=1").text
    services(client.application).close()


def test_a_camera_that_is_not_there(make_client):
    client = make_client(camera="/dev/video99")
    page = start_camera(client)
    assert "Camera /dev/video99 cannot be opened: there is no /dev/video99" in page.text
    assert client.get("/camera/stream").status_code == 409
    assert make_client().get("/camera").status_code == 200
    assert make_client().get("/camera/stream").status_code == 404


def test_a_camera_out_of_reach_is_named_without_its_secrets(make_client):
    client = make_client(camera="http://user:word@127.0.0.1:1/door?key=s3cret#s3cret")
    started = start_camera(client).text
    texts = {
        path: client.get(path).text for path in ("/camera", "/camera/stream", "/api/v1/health")
    }
    for path, text in {**texts, "started": started}.items():
        assert not any(secret in text for secret in ("user:", "word@", "s3cret")), path
    assert "http://127.0.0.1:1/door: The stream cannot be opened" in started


def test_a_camera_out_of_reach_does_not_hold_up_the_others(make_client, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = make_client(camera=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        camera = services(client.application).camera
        monkeypatch.setattr("fercli.recognition.sources.live.TIMEOUT", 3.0)
        monkeypatch.setattr("fercli.web.camera.PATIENCE_OPENING", 0.2)
        first = threading.Thread(target=start_camera, args=(client,))
        first.start()
        eventually(camera._opening.locked)
        page = start_camera(client.application.test_client())
        assert first.is_alive()
        assert page.status_code == 503
        assert "The camera is being opened" in page.text
        first.join()


def test_the_camera_has_ended_when_all_is_closed(slow_stream):
    app = create_app(ServerSettings(camera=slow_stream))
    services(app).camera.open()
    assert "camera" in [thread.name for thread in threading.enumerate()]
    services(app).close()
    assert "camera" not in [thread.name for thread in threading.enumerate()]


def test_a_server_with_viewers_ends_in_good_order(run_server, stream):
    with run_server("--camera", stream) as address:
        view = urllib.request.urlopen(started(address), timeout=20)
        parts(view, 1)
    view.close()  # the server went, with status 0, while someone was looking


@pytest.fixture(scope="module")
def watched(stream):
    app = create_app(ServerSettings(camera=stream))
    with served_here(app, make_server) as address:
        yield address
        services(app).close()


def test_two_watch_while_a_third_asks(watched, jpeg):
    started(watched)
    views = [urllib.request.urlopen(f"{watched}/camera/stream", timeout=20) for _ in range(2)]
    for _ in range(3):
        for view in views:
            for data in parts(view, 2):
                image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
                assert image.shape == (360, 480, 3)
        request = urllib.request.Request(f"{watched}/api/v1/classify", data=jpeg)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert len(json.load(answer)["images"][0]["faces"]) == 1
    for view in views:
        view.close()


def look(address):
    """Begin a view of the camera, or return None if too many look already."""
    try:
        return urllib.request.urlopen(started(address), timeout=20)
    except urllib.error.HTTPError as error:
        error.close()
        return None


def test_views_are_bounded_and_given_back(watched):
    views = []

    def one_more():
        views.extend(filter(None, [look(watched)]))
        return len(views) == 4

    eventually(one_more)
    assert look(watched) is None
    assert health(watched)["status"] == "ok"
    for view in views:
        view.close()
    eventually(lambda: (view := look(watched)) and view.close() is None)
