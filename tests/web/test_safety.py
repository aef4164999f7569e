"""What strangers, other sites, odd files and clients that go away can and cannot do."""

import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib

import cv2
import numpy as np
import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from fercli.common.errors import OptionError
from fercli.recognition.options import RecognitionOptions
from fercli.web.app import create_app, services
from fercli.web.auth import local_address
from fercli.web.server import _ended_by_signals
from fercli.web.settings import MEGA, ServerSettings, require_token

TOKEN = "a token of the tests"


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


# Images


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"", 400, "got an empty request"),
        (b"hello", 415, "of a known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "of a known format"),
        (b"%PDF-1.7", 415, "of a known format"),
        (b"\xff\xd8\xff" + bytes(100), 422, "The JPEG image is damaged"),
        (b"GIF89a", 422, "The GIF image is damaged"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", 422, "The WebP image is damaged"),
        (b"BM" + bytes(60), 422, "The BMP image is damaged"),
        (png(100_000, 100_000), 413, "at most 64 megapixels"),
        (png(20_000, 5_000), 413, "got "),
        (png(64, 64), 422, ""),
    ],
)
def test_what_is_no_image_gets_a_reason(client, data, status, text):
    refused(client.post("/api/v1/classify", data=data), status, text)


def test_a_progressive_jpeg_of_many_scans_is_refused(client, portrait):
    from PIL import Image

    as_file = io.BytesIO()
    Image.fromarray(portrait).save(as_file, "JPEG", progressive=True)
    data = as_file.getvalue()
    assert client.post("/api/v1/classify", data=data).status_code == 200
    scan = data.rindex(b"\xff\xda")
    many = data[:-2] + data[scan:-2] * 200 + data[-2:]
    refused(client.post("/api/v1/classify", data=many), 422, "more than 64 scans")


def test_images_that_are_too_long_are_refused(client):
    answer = client.post("/api/v1/classify", data=png(24, 2_600_000))
    refused(answer, 413, "sides of at most 65500 pixels, got 24 × 2600000")


@pytest.mark.parametrize("format_name", ["AVIF", "HEIF"])
def test_images_of_telephones_are_answered(client, portrait, format_name):
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    as_file = io.BytesIO()
    Image.fromarray(portrait[:, :, ::-1]).save(as_file, format_name)
    response = client.post("/api/v1/classify", data=as_file.getvalue())
    assert len(response.json["images"][0]["faces"]) == 1


def test_a_truncated_image(client, jpeg):
    refused(client.post("/api/v1/classify", data=jpeg[:-2000]), 422, "truncated")


def test_the_one_of_several_is_named(client, jpeg):
    files = {"image": [(io.BytesIO(jpeg), "a.jpg"), (io.BytesIO(b"text"), "b.jpg")]}
    refused(
        client.post("/api/v1/classify", data=files), 415, "image 2 of 2: The file is not an image"
    )


def encoded(suffix, image):
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.mark.parametrize("kind", ["gray", "alpha", "16 bits", "webp", "bmp", "gif", "cmyk", "1x1"])
def test_odd_images_are_answered(client, portrait, kind):
    from PIL import Image

    as_file = io.BytesIO()
    rgb = Image.fromarray(portrait[:, :, ::-1])
    opacity = np.full(portrait.shape[:2], 255, np.uint8)
    opacity[:9] = 0
    if kind == "gif":
        rgb.save(as_file, "GIF", save_all=True, append_images=[rgb.rotate(90)])
    elif kind == "cmyk":
        rgb.convert("CMYK").save(as_file, "JPEG")
    data = (
        as_file.getvalue()
        or {
            "gray": lambda: encoded(".png", portrait[:, :, 1]),
            "alpha": lambda: encoded(".png", np.dstack([portrait, opacity])),
            "16 bits": lambda: encoded(".png", portrait.astype(np.uint16) * 257),
            "webp": lambda: encoded(".webp", portrait),
            "bmp": lambda: encoded(".bmp", portrait),
            "1x1": lambda: encoded(".png", portrait[:1, :1]),
        }[kind]()
    )
    response = client.post("/api/v1/classify", data=data)
    assert response.status_code == 200, response.text
    assert len(response.json["images"][0]["faces"]) == (kind != "1x1")


def test_turned_by_exif(client, portrait):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    as_file = io.BytesIO()
    Image.fromarray(portrait[:, :, ::-1]).rotate(90, expand=True).save(as_file, "JPEG", exif=exif)
    (image,) = client.post("/api/v1/classify", data=as_file.getvalue()).json["images"]
    assert (image["width"], image["height"]) == (240, 180)
    assert len(image["faces"]) == 1


def test_too_much(make_client, jpeg, video):
    client = make_client(image_bytes=MEGA // 2, images=2, video_bytes=MEGA // 4)
    reason = "Expected at most 0.5 MB, got 1 MB; try: a smaller file"
    refused(client.post("/api/v1/classify", data=jpeg.ljust(MEGA)), 413, reason)
    reason = "Expected at most 0.5 MB, got 0.51 MB;"
    refused(client.post("/api/v1/classify", data=jpeg.ljust(MEGA // 2 + 1)), 413, reason)
    reason = "Expected at most 0.25 MB, got 1"
    refused(client.post("/api/v1/jobs", data=video.read_bytes().ljust(MEGA)), 413, reason)
    assert client.get("/api/v1/health").json["jobs"]["waiting"] == 0
    files = {"image": [(io.BytesIO(png(1, 1)), "a.png") for _ in range(3)]}
    refused(client.post("/api/v1/classify", data=files), 400, "at most 2 images, got 3")


# Videos


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<?xml version='1.0'?><MPD/>",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"Glass",
    ],
)
def test_lists_of_other_files_are_no_videos(client, data):
    refused(client.post("/api/v1/jobs", data=data), 415, "of a known format")


def test_the_queue_is_bounded_and_a_removed_job_makes_room(make_client, make_video, tmp_path):
    client = make_client(waiting=1)
    data = make_video(tmp_path / "long.mp4", 400).read_bytes()
    first = client.post("/api/v1/jobs", data=data).json["id"]
    eventually(lambda: client.get(f"/api/v1/jobs/{first}").json["state"] == "running")
    second = client.post("/api/v1/jobs", data=data).json
    assert (second["state"], second["ahead"]) == ("waiting", 1)
    full = client.post("/api/v1/jobs", data=data)
    refused(full, 503, "1 videos are waiting already")
    assert int(full.headers["Retry-After"]) > 0
    assert client.delete(f"/api/v1/jobs/{second['id']}").status_code == 204
    third = client.post("/api/v1/jobs", data=data)
    assert third.status_code == 202
    client.delete(f"/api/v1/jobs/{first}")
    eventually(lambda: client.get(f"/api/v1/jobs/{third.json['id']}").json["state"] == "running")


def test_work_that_takes_too_long_is_ended(make_client, video):
    client = make_client(job_seconds=0.1)
    job = client.post("/api/v1/jobs", data=video.read_bytes()).json["id"]
    eventually(lambda: client.get(f"/api/v1/jobs/{job}").json["state"] == "failed")
    known = client.get(f"/api/v1/jobs/{job}").json
    assert known["error"] == "Processing took more than 0.1 seconds"
    folder = services(client.application).jobs.find(job).folder
    assert list(folder.iterdir()) == []


def test_jobs_that_nobody_asks_after_are_removed(make_client, video, monkeypatch):
    from fercli.web import jobs

    monkeypatch.setattr(jobs, "SWEEP", 0.05)
    client = make_client(patience=0.2, kept_seconds=0.2)
    job = client.post("/api/v1/jobs", data=video.read_bytes()).json["id"]
    found = services(client.application).jobs.find(job)
    assert found.folder.exists()
    eventually(lambda: not found.folder.exists())
    assert client.get("/api/v1/health").json["jobs"] == {"waiting": 0, "running": 0, "kept": 0}
    refused(client.get(f"/api/v1/jobs/{job}"), 404, "There is no such job")


def test_results_are_kept_in_bounded_number(make_client, monkeypatch):
    from fercli.web import jobs

    monkeypatch.setattr(jobs, "SWEEP", 0.05)
    client = make_client(kept=1)
    broken = b"OggS" * 100
    for _ in range(3):
        job = client.post("/api/v1/jobs", data=broken).json["id"]
        eventually(lambda job=job: client.get(f"/api/v1/jobs/{job}").json["state"] == "failed")
    eventually(lambda: client.get("/api/v1/health").json["jobs"]["kept"] == 1)
    assert client.get(f"/api/v1/jobs/{job}").status_code == 200


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e", "../../etc/passwd", "."])
def test_jobs_are_no_paths(client, name):
    for path in (f"/api/v1/jobs/{name}", f"/api/v1/jobs/{name}/video"):
        assert client.get(path).status_code in (404, 405), path


def test_what_a_server_that_died_has_left_is_removed(make_client, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    running = services(make_client().application).jobs
    for name in ("fer-serve-dead", "another's"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "video").write_bytes(b"private")
    for folder in tmp_path.iterdir():
        os.utime(folder, (0, 0))
    make_client()
    left = {folder.name for folder in tmp_path.iterdir()}
    assert "fer-serve-dead" not in left
    assert {"another's", running._folder.name} <= left


def test_a_terminal_that_closes_leaves_nothing_behind(run_server, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with run_server("--no-camera", end=signal.SIGHUP):
        assert list(tmp_path.glob("fer-serve-*"))
    assert list(tmp_path.glob("fer-serve-*")) == []


def test_a_signal_that_comes_twice_does_not_disturb_the_end(client):
    closed = []

    def run():
        with _ended_by_signals(client.application):
            try:
                signal.raise_signal(signal.SIGHUP)
            finally:
                signal.raise_signal(signal.SIGHUP)
                signal.raise_signal(signal.SIGTERM)
                closed.append(True)

    with pytest.raises(SystemExit):
        run()
    assert closed
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_a_server_under_nohup_outlives_its_terminal(run_server, tmp_path):
    identity = tmp_path / "process"
    under = ("nohup", "sh", "-c", f'echo $$ > {identity}; exec "$@"', "sh")
    with run_server("--no-camera", under=under) as address:
        os.kill(int(identity.read_text()), signal.SIGHUP)
        assert health(address)["status"] == "ok"


# Who may come in


def test_a_token_keeps_strangers_out(make_client, jpeg):
    client = make_client(token=TOKEN)
    assert client.get("/api/v1/health").status_code == 200
    refused(client.post("/api/v1/classify", data=jpeg), 401, "got none")
    wrong = {"Authorization": "Bearer wrong"}
    refused(client.get("/api/v1/models", headers=wrong), 401, "got another token")
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert client.post("/api/v1/classify", data=jpeg, headers=right).status_code == 200
    page = client.get("/video")
    assert (page.status_code, page.location) == (302, "/login?next=/video")


def test_a_token_may_have_letters_of_any_alphabet(make_client):
    token = "größer als sechzehn Buchstaben"
    sent = token.encode().decode("latin-1")  # what WSGI makes of a client's bytes
    header = {"Authorization": f"Bearer {sent}"}
    assert make_client(token=token).get("/api/v1/models", headers=header).status_code == 200


def test_people_say_the_token_once(make_client):
    client = make_client(token=TOKEN)
    assert client.post("/login", data={"token": "wrong"}).status_code == 401
    assert client.get("/image").status_code == 302
    admitted = client.post("/login?next=/image", data={"token": TOKEN})
    assert (admitted.status_code, admitted.location) == (303, "/image")
    cookie = admitted.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/image").status_code == 200


@pytest.mark.parametrize(
    ("address", "led_to"),
    [("/video", "/video"), ("//evil.example", "/"), ("https://evil.example", "/"),
     ("/\\evil.example", "/"), ("", "/"), ("javascript:alert(1)", "/")],
)  # fmt: skip
def test_coming_in_leads_nowhere_else(address, led_to):
    assert local_address(address) == led_to


@pytest.mark.parametrize(
    ("host", "token", "allowed"),
    [("127.0.0.1", "", True), ("localhost", "", True), ("::1", "", True), ("0.0.0.0", "", False),
     ("::", "x" * 15, False), ("0.0.0.0", "x" * 16, True), ("example.org", "", False)],
)  # fmt: skip
def test_other_machines_need_a_token(host, token, allowed):
    if allowed:
        require_token(host, token)
    else:
        with pytest.raises(OptionError, match="`token` must have at least 16 characters"):
            require_token(host, token)


def test_another_name_for_this_machine_is_refused(client):
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example"):
        refused(client.get("/api/v1/health", headers={"Host": host}), 421, "Expected a request to")
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.get("/api/v1/health", headers={"Host": host}).status_code == 200
    for host in ("a b", "[:a.b:1]", "[", "a" * 300, "a." * 200, "é"):
        request = EnvironBuilder("/").get_environ() | {"HTTP_HOST": host}
        assert run_wsgi_app(client.application, request)[1][:3] in ("400", "421")


@pytest.mark.parametrize("question", ["model=f\xe5r", "\x80", "bars=\xff"])
def test_addresses_that_are_no_text_are_refused(client, question):
    environment = {"QUERY_STRING": question}
    refused(
        client.post("/api/v1/jobs", data=b"x", environ_overrides=environment),
        400,
        "The query string is not UTF-8",
    )


@pytest.mark.parametrize("address", ["//[", "/\\[x", "http://[x/"])
def test_after_the_login_nobody_is_sent_elsewhere(address):
    assert local_address(address) == "/"


def test_other_sites_may_link_but_not_send(client, jpeg):
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        refused(client.post("/api/v1/classify", data=jpeg, headers=headers), 403, "another site")
        assert client.get("/camera/stream", headers=headers).status_code == 403
        link = headers | {"Sec-Fetch-Mode": "navigate"}
        assert client.get("/", headers=link).status_code == 200
        link |= {"Sec-Fetch-Dest": "document"}
        assert client.get("/camera?watch=1", headers=link).status_code == 200
        for place in ("iframe", "frame", "object", "embed"):
            frame = link | {"Sec-Fetch-Dest": place}
            assert client.get("/camera?watch=1", headers=frame).status_code == 403


@pytest.mark.parametrize("path", ["/", "/image", "/nothing", "/api/v1/health", "/static/style.css"])
def test_headers(client, path):
    with client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert "Access-Control-Allow-Origin" not in response.headers


def test_pages_tell_limits_below_one(make_client):
    client = make_client(image_bytes=MEGA // 2, video_bytes=MEGA // 4, kept_seconds=12)
    assert "up to 0.5 MB" in client.get("/image").text
    assert "up to 0.25 MB" in client.get("/video").text
    assert "0.2 minutes" in client.get("/").text


def test_the_page_of_the_browsers_camera_knows_the_threshold(make_client):
    page = make_client(recognition=RecognitionOptions(threshold=0.6)).get("/my-camera")
    assert 'data-threshold="0.6"' in page.text


@pytest.mark.parametrize("path", ["/", "/image", "/video", "/my-camera", "/login", "/nothing"])
def test_pages_have_nothing_inline_and_nothing_from_elsewhere(client, path):
    import re

    text = client.get(path).text
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text)
    assert re.findall(r'(?:src|href)="(?!/|#)[^"]*"', text) == []


def test_a_bug_gives_no_trace(client, monkeypatch, caplog):
    def broken():
        raise RuntimeError("a secret")

    monkeypatch.setitem(client.application.view_functions, "api.models", broken)
    response = client.get("/api/v1/models")
    refused(response, 500, "The server failed")
    assert "secret" not in response.text
    assert "a secret" in caplog.text


def test_unknown_addresses_and_methods(client):
    refused(client.get("/api/v1/nothing"), 404, "not found")
    response = client.get("/api/v1/classify")
    refused(response, 405, "not allowed")
    assert "POST" in response.headers["Allow"]
    assert "<h1>404</h1>" in client.get("/<script>alert(1)</script>").text


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


def test_networks_tell_nobody_what_they_run(tmp_path):
    code = "from fercli.models.loading import open_model; open_model('ferplus')"
    environment = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    for name in ("CI", "ORT_DISABLE_TELEMETRY"):  # either would hide it
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    kept = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert not {"deviceid", "onnxruntime.db", ".ses"} & set(kept)


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


# Several at once, and those that go away


def parts(response, count):
    """Read images of a view of the camera."""
    found = []
    for _ in range(count):
        while not (line := response.readline()).lower().startswith(b"content-length"):
            assert line
        response.readline()
        found.append(response.read(int(line.split(b":")[1])))
    return found


@pytest.fixture(scope="module")
def watched(run_server, stream):
    with run_server("--camera", stream) as address:
        yield address


def health(address):
    with urllib.request.urlopen(f"{address}/api/v1/health", timeout=10) as answer:
        return json.load(answer)


def started(address):
    """Start the camera of a server, and return the address of its view."""
    with urllib.request.urlopen(f"{address}/camera", timeout=20) as page:
        key = re.search(r'name="key" value="(.+?)"', page.read().decode())[1]
    with urllib.request.urlopen(f"{address}/camera", data=f"key={key}".encode(), timeout=20):
        return f"{address}/camera/stream"


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


def test_clients_that_go_away_free_their_work(watched, jpeg):
    host, port = watched.removeprefix("http://").split(":")
    head = f"POST /api/v1/classify HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    for _ in range(60):
        with socket.create_connection((host, int(port))) as one:
            one.sendall(head.encode() + jpeg)
    # And some that never say all.
    halves = [socket.create_connection((host, int(port))) for _ in range(20)]
    for one in halves:
        one.sendall(head.encode() + jpeg[:100])
    request = urllib.request.Request(f"{watched}/api/v1/classify", data=jpeg)
    with urllib.request.urlopen(request, timeout=15) as answer:
        assert answer.status == 200
    for one in halves:
        one.close()


def answer_to_headers(address, path, length, *others):
    """The status of a request whose body has not come yet."""
    host, port = address.removeprefix("http://").split(":")
    lines = (f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {length}", *others)
    with socket.create_connection((host, int(port)), timeout=10) as one:
        one.sendall("\r\n".join((*lines, "", "")).encode())
        return one.recv(100).split()[1]


def test_a_body_that_is_too_large_is_refused_before_it_comes(watched):
    assert answer_to_headers(watched, "/api/v1/jobs", 300 << 20) == b"413"
    assert answer_to_headers(watched, "/api/v1/classify", 100 << 20) == b"413"


def test_strangers_may_send_no_more_than_a_token(run_server):
    with run_server("--no-camera", "--token", TOKEN) as address:
        assert answer_to_headers(address, "/api/v1/jobs", 1 << 20) == b"413"
        known = (f"Authorization: Bearer {TOKEN}", "Expect: 100-continue")
        assert answer_to_headers(address, "/api/v1/jobs", 1 << 20, *known) == b"100"


def test_a_disk_that_is_full(run_server):
    limited = ("sh", "-c", 'ulimit -f 1000; exec "$@"', "sh")  # files of half a megabyte at most
    with run_server("--no-camera", under=limited) as address:
        body = b"\0\0\0\x18ftypisom" + bytes(2_000_000)
        request = urllib.request.Request(f"{address}/api/v1/jobs", data=body)
        with pytest.raises(urllib.error.HTTPError, match="507") as caught:
            urllib.request.urlopen(request, timeout=10)
        with caught.value as answer:
            assert b"cannot be stored: File too large" in answer.read()
        assert health(address)["status"] == "ok"


def test_work_that_breaks_off_is_named(client, video):
    job = client.post("/api/v1/jobs", data=video.read_bytes()).json["id"]
    found = services(client.application).jobs.find(job)
    eventually(lambda: found._process is not None)
    found._process.kill()  # as the system does when memory runs out
    eventually(lambda: client.get(f"/api/v1/jobs/{job}").json["state"] == "failed")
    assert "crashed" in client.get(f"/api/v1/jobs/{job}").json["error"]
    assert list(found.folder.iterdir()) == []


def test_work_that_cannot_begin_is_named_and_the_next_is_done(client, video, monkeypatch):
    def outcome():
        address = f"/api/v1/jobs/{client.post('/api/v1/jobs', data=video.read_bytes()).json['id']}"
        eventually(lambda: client.get(address).json["state"] in ("done", "failed"))
        return client.get(address).json

    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        broken = outcome()
    assert broken["state"] == "failed"
    assert "could not be started: No such file" in broken["error"]
    assert outcome()["state"] == "done"


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
