import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from fercli.cascade.training.folder import CascadeFolder
from fercli.cascade.training.native import told_what_is_kept
from fercli.common.errors import DependencyError
from fercli.common.processes import (
    available_memory,
    running,
    signals_as_interrupts,
    stopped_by_signals,
)
from fercli.common.progress import SILENT


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
    monkeypatch.setattr("fercli.common.processes.GRACE_SECONDS", 0.2)
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
from fercli.common.processes import running
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


@pytest.fixture(params=["alone", "of a training"])
def interrupts(request, tmp_path):
    if request.param == "alone":
        return signals_as_interrupts
    return lambda: told_what_is_kept(CascadeFolder(tmp_path), SILENT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_a_process_are_interrupts(interrupts, number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interrupts():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_what_nohup_ignores_stays_ignored(interrupts):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_that_stop_in_good_order(number):
    before = signal.getsignal(number)
    with stopped_by_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        if number != signal.SIGINT:
            signal.raise_signal(number)  # those that end a process may come twice
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_is_ignored_does_not_stop(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stopped_by_signals() as stop:
            signal.raise_signal(number)
            assert not stop.is_set()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_thread_stops_nothing():
    def body():
        with stopped_by_signals() as stop:
            stopped.append(stop.is_set())

    stopped = []
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert stopped == [False]


MB = 1 << 20


def make_group(folder, *, names, limit, used, cached):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\n")


V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


@pytest.fixture
def member(tmp_path):
    def write(text):
        path = tmp_path / "self"
        path.write_text(text)
        return path

    return write


def test_without_groups_it_is_the_systems(tmp_path):
    found = available_memory(tmp_path / "none", tmp_path / "none")
    assert found == pytest.approx(psutil.virtual_memory().available, rel=0.1)


def test_a_group_limits_it(tmp_path, member):
    make_group(tmp_path / "a/b", names=V2, limit=64 * MB, used=50 * MB, cached=20 * MB)
    assert available_memory(tmp_path, member("0::/a/b\n")) == 34 * MB


def test_a_group_above_limits_it_too(tmp_path, member):
    make_group(tmp_path / "a/b", names=V2, limit="max", used=1, cached=0)
    make_group(tmp_path / "a", names=V2, limit=64 * MB, used=60 * MB, cached=0)
    assert available_memory(tmp_path, member("0::/a/b\n")) == 4 * MB


def test_version_1(tmp_path, member):
    make_group(tmp_path / "memory/a", names=V1, limit=64 * MB, used=60 * MB, cached=MB)
    assert available_memory(tmp_path, member("5:cpu:/\n4:memory:/a\n")) == 5 * MB


def test_a_group_that_is_over_its_limit_has_none(tmp_path, member):
    make_group(tmp_path, names=V2, limit=MB, used=2 * MB, cached=0)
    assert available_memory(tmp_path, member("0::/\n")) == 0
