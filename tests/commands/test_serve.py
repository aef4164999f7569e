"""``fer serve`` on the command line."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(end, tmp_path):
    command = [sys.executable, "-m", "fercli", "serve", "--port", "0", "--no-camera"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        address = process.stdout.readline().split()[2]
        with urllib.request.urlopen(address, timeout=10) as page:
            assert b"Faces and their expressions" in page.read()
        (folder,) = tmp_path.glob("fer-serve-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        process.send_signal(end)
        assert process.wait(30) == 0
        assert not folder.exists()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("token", ["", "short"])
def test_other_machines_need_a_token(fer, token):
    result = fer("serve", "--host", "0.0.0.0", "--token", token)
    assert result.status == 1
    assert (
        "--token must have at least 16 characters where other machines can connect (0.0.0.0)"
        in result.err
    )


def test_a_place_that_is_taken(fer):
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = fer("serve", "--port", other.getsockname()[1])
    assert result.status == 1
    assert "it is in use; try: use --port 0" in result.err


def test_a_host_that_is_none_of_ours(fer):
    result = fer("serve", "--host", "192.0.2.1", "--token", "x" * 16)
    assert result.status == 1
    assert "The server cannot listen on 192.0.2.1" in result.err


def test_a_network_that_is_not_there(fer):
    result = fer("serve", "--port", 0, "--model", "nobody")
    assert result.status == 1
    assert "There is no model 'nobody'" in result.err
