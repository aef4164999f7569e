"""The server as a process: its end, and clients that send too much or go away."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from fercli.web import server
from fercli.web.app import Limits
from fercli.web.http_errors import MEGA
from fercli.web.server import _ended_by_signals, make_server

from ..browser import served_here
from .conftest import TOKEN, eventually, health


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


def test_networks_tell_nobody_what_they_run(tmp_path):
    code = "from fercli.models.catalog import open_model; open_model('ferplus')"
    environment = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    for name in ("CI", "ORT_DISABLE_TELEMETRY"):  # either would hide it
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    kept = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert not {"deviceid", "onnxruntime.db", ".ses"} & set(kept)


@pytest.fixture
def watched(make_app):
    with served_here(make_app(), make_server) as address:
        yield address


def test_clients_that_go_away_free_their_work(watched, jpeg):
    host, port = watched.removeprefix("http://").split(":")
    head = f"POST /api/v1/classify HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    for _ in range(60):
        with socket.create_connection((host, int(port))) as one:
            one.sendall(head.encode() + jpeg)
    # And some that never say all.
    with contextlib.ExitStack() as halves:
        for _ in range(20):
            one = halves.enter_context(socket.create_connection((host, int(port))))
            one.sendall(head.encode() + jpeg[:100])
        request = urllib.request.Request(f"{watched}/api/v1/classify", data=jpeg)
        # While the images of those that went are still queued, the server says when to come again.
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(request, timeout=15) as answer:
                    assert answer.status == 200
                return
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > deadline:
                    raise
                time.sleep(float(error.headers["Retry-After"]))


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


def test_strangers_may_send_no_more_than_a_token(make_app):
    with served_here(make_app(token=TOKEN), make_server) as address:
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


def connect(address, source=None):
    host, port = address.removeprefix("http://").split(":")
    from_address = (source, 0) if source else None
    return socket.create_connection((host, int(port)), timeout=10, source_address=from_address)


def is_closed(connection, seconds=0.0):
    """Whether the server has closed a connection, or does within so many seconds."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except (TimeoutError, BlockingIOError):
        return False
    except ConnectionError:
        return True


def test_idle_connections_lock_nobody_out(make_app):
    with served_here(make_app(), make_server) as address:
        idle = [connect(address) for _ in range(110)]
        assert health(address)["status"] == "ok"
        eventually(lambda: sum(map(is_closed, idle)) >= 10)
        assert not is_closed(idle[-1])
        for one in idle:
            one.close()


def test_one_address_cannot_take_all_connections(make_app):
    with served_here(make_app(), make_server) as address:
        mine = [connect(address, "127.0.0.9") for _ in range(40)]
        eventually(lambda: sum(map(is_closed, mine)) == 40 - 24)
        for one in mine:
            one.close()


def test_headers_and_bodies_that_trickle_are_given_up(make_app, monkeypatch):
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(server, "BODY_SECONDS", 0.5)
    with served_here(make_app(), make_server) as address:
        head, body, quick = connect(address), connect(address), connect(address)
        sent = b"POST /api/v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
        body.sendall(sent + b"\r\n")
        quick.sendall(sent + b"\r\n" + bytes(8999))
        for byte in sent[:40]:
            with suppress(ConnectionError):
                head.sendall(bytes([byte]))
                body.sendall(b"x")
            time.sleep(0.05)
        assert is_closed(head, 5)
        assert is_closed(body, 5)
        assert not is_closed(quick)
        for one in (head, body, quick):
            one.close()


def test_pages_do_not_wait_for_images(make_app, monkeypatch):
    app = make_app()
    release, begun = threading.Event(), []
    view = app.view_functions["api.classify"]

    def slow():
        begun.append(1)
        release.wait(30)
        return view()

    monkeypatch.setitem(app.view_functions, "api.classify", slow)
    monkeypatch.setattr(server, "WAITING", 8)
    head = b"POST /api/v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd"
    with served_here(app, make_server) as address:
        asking = [connect(address) for _ in range(server.IMAGE_THREADS + 8)]
        for one in asking[: server.IMAGE_THREADS]:
            one.sendall(head)
        eventually(lambda: len(begun) == server.IMAGE_THREADS)
        for one in asking[server.IMAGE_THREADS :]:
            one.sendall(head)
        assert health(address)["status"] == "ok"
        with connect(address) as one_more:
            one_more.sendall(head)
            answer = whole(one_more)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1\r" in answer
        assert b'"status": 503' in answer
        assert health(address)["status"] == "ok"
        release.set()
        for one in asking:
            assert one.recv(20).split()[1] == b"415"
            one.close()


def test_images_that_would_wait_too_long_are_refused(make_app, monkeypatch):
    """However few are waiting: the first has taken 0.4 s, two would wait for 0.2 s."""
    app = make_app()
    begun, first_is_over, go = threading.Semaphore(0), threading.Event(), threading.Event()

    def slow():
        begun.release()
        go.wait(60) if first_is_over.is_set() else time.sleep(0.4)
        return ""

    monkeypatch.setitem(app.view_functions, "api.classify", slow)
    monkeypatch.setattr(server, "WAITING_SECONDS", 0.15)
    head = b"POST /api/v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd"
    with served_here(app, make_server) as address:
        with connect(address) as first:
            first.sendall(head)
            assert first.recv(12) == b"HTTP/1.1 200"
        assert begun.acquire(timeout=10)
        first_is_over.set()
        asking = [connect(address) for _ in range(server.IMAGE_THREADS + 3)]
        for number, one in enumerate(asking):
            one.sendall(head)
            if number < server.IMAGE_THREADS:
                assert begun.acquire(timeout=10)
            time.sleep(0.05)  # they come in this order
        assert asking[-1].recv(12) == b"HTTP/1.1 503"
        go.set()
        for one in asking[:-1]:
            assert one.recv(12) == b"HTTP/1.1 200"
        for one in asking:
            one.close()


def test_a_body_that_is_too_large_is_refused_as_json(make_app):
    with served_here(make_app(), make_server) as address, connect(address) as one:
        one.sendall(
            b"POST /api/v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
        )
        head, body = whole(one).split(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    error = json.loads(body)["error"]
    assert error == {"status": 413, "reason": "Expected at most 21 MB; try: a smaller file"}


def test_uploads_that_have_not_ended_count(make_app):
    """Before, each of them was stored on the disk first."""
    with served_here(make_app(limits=Limits(waiting=1, image_bytes=MEGA)), make_server) as address:
        head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
        videos = [connect(address) for _ in range(3)]
        for one in videos:
            one.sendall(head.format("/api/v1/jobs", 2 * MEGA).encode() + bytes(1000))
        answers = [one.recv(20) if at else b"" for at, one in enumerate(videos)]
        assert answers == [b"", b"HTTP/1.1 503 Service", b"HTTP/1.1 503 Service"]
        videos[0].close()
        images = [connect(address) for _ in range(40)]
        for one in images:
            one.sendall(head.format("/api/v1/classify", MEGA).encode() + bytes(1000))
        refused = sum(not is_waiting(one) for one in images)
        assert refused == 40 - 32  # 16 times two megabytes
        for one in images:
            one.close()
        for one in videos:
            one.close()
        wish = "Expect: 100-continue"
        eventually(lambda: answer_to_headers(address, "/api/v1/jobs", 10, wish) == b"100")


def whole(connection):
    """Read until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(10_000), b""))


def is_waiting(connection):
    connection.settimeout(0.05)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return True


def test_a_proxy_that_is_trusted_tells_the_scheme_and_the_host(make_app):
    sent = (
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: fer.example\r\n"
        b"Origin: https://fer.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 24\r\n\r\ntoken=" + TOKEN.replace(" ", "+").encode()[:18]
    )
    page = (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: fer.example\r\n"
        b"Authorization: Bearer " + TOKEN[:18].encode() + b"\r\n\r\n"
    )
    answers = []
    for proxy in ("127.0.0.1", "127.0.0.8"):
        token = TOKEN[:18]
        app = make_app(token=token, trusted_proxy=proxy)
        with served_here(app, make_server) as address, connect(address) as one:
            one.sendall(sent)
            answers.append(one.recv(10_000).decode())
            one.sendall(page)
            answers.append(whole(one).decode())
    trusted, shown, other, hidden = answers
    assert trusted.startswith("HTTP/1.1 303")
    assert "Secure; HttpOnly" in trusted
    assert "curl -H" in shown
    assert "https://fer.example/api/v1/classify" in shown
    assert other.startswith("HTTP/1.1 403")  # its headers are dropped, its origin is another
    assert "http://127.0.0.1/api/v1/classify" in hidden
