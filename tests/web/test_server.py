"""The server as a process: its end, and clients that send too much or go away."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from fercli.web.server import _ended_by_signals

from .conftest import TOKEN, health


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
    code = "from fercli.models.loading import open_model; open_model('ferplus')"
    environment = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    for name in ("CI", "ORT_DISABLE_TELEMETRY"):  # either would hide it
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    kept = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert not {"deviceid", "onnxruntime.db", ".ses"} & set(kept)


@pytest.fixture(scope="module")
def watched(run_server):
    with run_server("--no-camera") as address:
        yield address


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
