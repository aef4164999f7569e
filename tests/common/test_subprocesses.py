import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fercli.common.errors import DependencyError
from fercli.common.subprocesses import running


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_dead(pid, seconds=10.0):
    end = time.monotonic() + seconds
    while alive(pid):
        assert time.monotonic() < end, "still alive"
        time.sleep(0.02)


def test_lines_end_at_either_character():
    with running(["printf", r"a\rb\r\nc\n\nd"]) as child:
        assert list(child.lines()) == ["a", "b", "c", "d"]
    assert child.wait() == 0


def test_lines_come_while_the_program_runs():
    with running(["sh", "-c", "echo one; sleep 1; echo two"]) as child:
        lines = child.lines()
        assert next(lines) == "one"
        first = time.monotonic()
        assert next(lines) == "two"
        assert time.monotonic() - first > 0.5


def test_silence_is_told():
    with running(["sh", "-c", "sleep 0.3; echo one"]) as child:
        lines = list(child.lines(tick=0.05))
    assert lines[-1] == "one"
    assert set(lines[:-1]) == {""}


def test_both_outputs_are_read_and_odd_bytes_do_not_matter():
    with running(["sh", "-c", r"echo out; printf 'err \377\n' >&2"]) as child:
        assert list(child.lines()) == ["out", "err \ufffd"]


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_the_status_is_that_of_a_shell(script, status):
    with running(["sh", "-c", script]) as child:
        assert list(child.lines()) == []
    assert child.wait() == status


def test_the_variables_and_the_folder_are_set(tmp_path):
    with running(["sh", "-c", "echo $FER_X; pwd"], folder=tmp_path,
                 environment={"FER_X": "1"}) as child:  # fmt: skip
        assert list(child.lines()) == ["1", str(tmp_path)]


DEAF = "trap '' TERM; sleep 1000 & wait; sleep 1000"


@pytest.mark.parametrize(
    ("child", "parent"),
    [("sleep 1000", "sleep 1000"), (DEAF, DEAF), (DEAF, "sleep 1000")],
    ids=["both listen", "neither listens", "the child does not listen"],
)
def test_an_exception_stops_the_program_and_its_children(child, parent, monkeypatch):
    monkeypatch.setattr("fercli.common.subprocesses.GRACE_SECONDS", 0.2)
    pids = []

    def fail(lines):
        pids.extend([int(next(lines)), int(next(lines))])
        raise RuntimeError

    # The parent waits, so that the child has set its trap when both are told.
    command = ["sh", "-c", f"echo $$; ({child}) & sleep 0.3; echo $!; {parent}"]
    with pytest.raises(RuntimeError), running(command) as program:
        fail(program.lines())
    for pid in pids:
        wait_until_dead(pid)


def test_a_program_that_cannot_be_started_is_named(tmp_path):
    with (
        pytest.raises(DependencyError, match="cannot be started"),
        running(["true"], folder=tmp_path / "missing"),
    ):
        pass


PARENT = """
import signal, sys, time
from fercli.common.subprocesses import running
signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in sys.argv else signal.SIG_DFL)
with running(["sh", "-c", "echo $$; sleep 1000"]) as child:
    for line in child.lines():
        print(line, flush=True)
"""


@pytest.fixture
def parent():
    """Start a process that runs a program, and give both."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_program(parent, number):
    process, pid = parent()
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in err
    wait_until_dead(pid)


def test_a_signal_that_is_ignored_stays_so(parent):
    process, pid = parent("nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    assert alive(pid)


def test_the_program_does_not_outlive_a_kill(parent):
    process, pid = parent()
    os.kill(process.pid, signal.SIGKILL)
    wait_until_dead(pid)
