"""``fer cascade annotate`` on the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest


@pytest.fixture
def photos(make_image, tmp_path):
    for name in ("a.png", "b.png"):
        make_image(f"photos/{name}")
    return tmp_path / "photos"


@contextmanager
def annotating(*options):
    command = [sys.executable, "-m", "fercli", "cascade", "annotate", "--port", "0"]
    process = subprocess.Popen(
        [*command, *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        first, second = process.stdout.readline(), process.stdout.readline()
        process.address = re.search(r"annotate at (http://127\.0\.0\.1:\d+/)", second).group(1)
        process.first = first
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(address, method="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_what_there_is_at_its_start_and_end(photos, tmp_path, end):
    (photos / "broken.png").write_bytes(b"no image")
    out = tmp_path / "work" / "info.dat"
    with annotating(photos, "--out", out) as process:
        assert process.first.endswith("photos: 0 done, 0 boxes, 0 negative\n")
        place = f"{process.address}api/v1/images/0"
        ask(place, "PUT", {**ask(place), "boxes": [[1, 2, 3, 4]], "done": False})
        with pytest.raises(urllib.error.HTTPError):
            ask(f"{process.address}api/v1/images/2")
        process.send_signal(end)
        told, troubles = process.communicate(timeout=30)
        assert process.returncode == 0
    assert told == f"{out}: 0 done, 1 box, 0 negative, 1 unfinished of 3 images\n"
    assert troubles.startswith(f"{photos / 'broken.png'}: The file is not an image")
    assert len(troubles.splitlines()) == 1
    with annotating(photos, "--out", out) as process:
        assert "0 done, 1 box, 0 negative, 1 unfinished" in process.first


@pytest.mark.slow
def test_the_second_on_one_output_says_so_and_a_kill_frees_it(photos, tmp_path, fer):
    out = tmp_path / "info.dat"
    with annotating(photos, "--out", out) as process:
        result = fer("cascade", "annotate", photos, "--out", out)
        assert result.status == 1
        assert "an annotation is under way there already" in result.err
        os.kill(process.pid, signal.SIGKILL)
    with annotating(photos, "--out", out):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nowhere", "--out", "info.dat"], "Expected a folder, found nothing of that name"),
        (["photos", "--out", "boxes"], "has no suffix"),
        (["photos", "--out", "info.dat", "--suggest", "no.xml"], "no.xml"),
        (["photos", "--out", "a.txt", "--review", "no.xml"], "no.xml"),
        (["photos", "--out", "photos/a.png/info.dat"], "found a file"),
    ],
)
def test_what_cannot_be_begun_is_named(fer, photos, monkeypatch, options, message):
    monkeypatch.chdir(photos.parent)
    result = fer("cascade", "annotate", "--port", 0, *options)
    assert result.status == 1
    assert message in result.err
    assert not (photos.parent / "info.dat").exists()


def test_a_port_that_is_taken(fer, photos, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = fer("cascade", "annotate", photos, "--out", tmp_path / "info.dat", "--port", port)
    assert result.status == 1
    assert "it is in use; try: use --port 0" in result.err


def test_a_review_goes_alone(fer, photos):
    result = fer(
        "cascade", "annotate", photos, "--out", "a", "--review", "faces", "--format", "voc"
    )
    assert result.status == 2
    assert "--review goes without" in result.err
