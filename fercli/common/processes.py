"""Processes: programs run as children, signals that end a process, the memory that is there."""

from __future__ import annotations

import ctypes
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from threading import Event
from types import FrameType
from typing import Any

import psutil

from fercli.common.errors import DependencyError

#: How long a child that was told to end may take before it is killed.
GRACE_SECONDS = 3.0

#: How long a wait lasts at most before Python looks at signals: on Windows, it does not meanwhile.
_WAIT_SECONDS = 0.2

_LINE_ENDS = re.compile(rb"[\r\n]+")


class Child:
    """A running program, made by `running`.

    Parameters
    ----------
    process : subprocess.Popen
        The process, its standard output and standard error in one pipe.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Hand on what the program prints, b"" at its end: select waits for no pipe on Windows."""
        assert self._process.stdout is not None
        chunk = b"begin"
        while chunk:
            try:
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            except (OSError, ValueError):  # the pipe was closed
                chunk = b""
            self._chunks.put(chunk)

    def lines(self, tick: float | None = None) -> Iterator[str]:
        r"""Yield what the program prints, split at ``\n`` and ``\r``, without empty lines.

        Parameters
        ----------
        tick : float, optional
            Yield an empty line whenever nothing came for so many seconds. Defaults to waiting.
        """
        rest = b""
        while (chunk := self._next_chunk(tick)) != b"":
            if chunk is None:
                yield ""
                continue
            *whole, rest = _LINE_ENDS.split(rest + chunk)
            yield from (_to_text(line) for line in whole if line)
        if rest:
            yield _to_text(rest)

    def _next_chunk(self, tick: float | None) -> bytes | None:
        """Return what comes next; None if nothing came for so many seconds."""
        end = None if tick is None else time.monotonic() + tick
        while True:
            left = _WAIT_SECONDS if end is None else min(_WAIT_SECONDS, end - time.monotonic())
            with suppress(queue.Empty):
                return self._chunks.get(timeout=max(left, 0))
            if end is not None and time.monotonic() >= end:
                return None

    def close(self) -> None:
        """Close the pipe, once the thread that reads it has ended."""
        assert self._process.stdout is not None
        self._reader.join(GRACE_SECONDS)
        if not self._reader.is_alive():
            self._process.stdout.close()

    def wait(self) -> int:
        """Return the exit status; that of a signal is 128 + its number, as in a shell."""
        status = self._process.wait()
        return 128 - status if status < 0 else status


def _to_text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    handed_on: Collection[int] = (),
) -> Iterator[Child]:
    """Run a program while the body reads its lines; it has ended when the body has.

    An exception in the body (Ctrl-C included) stops the program and all that it started. SIGTERM
    and SIGHUP to us count as Ctrl-C meanwhile. Where util-linux's ``setpriv`` is there, the
    program does not even outlive a ``kill -9`` of ours.

    Parameters
    ----------
    command : sequence
        The program and its arguments.
    folder : Path, optional
        Its working directory. Defaults to ours.
    environment : mapping, optional
        Variables to set beside ours.
    handed_on : collection of int
        File descriptors that the program inherits.

    Raises
    ------
    DependencyError
        The program cannot be started.
    """
    with signals_as_interrupts():
        process = _start(command, folder, environment, handed_on)
        child = None
        try:
            child = Child(process)
            yield child
            process.wait()
        finally:
            _stop(process)
            if child is not None:
                child.close()


def _start(
    command: Sequence[str | Path],
    folder: Path | None,
    environment: Mapping[str, str] | None,
    handed_on: Collection[int],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [*_guard(), *map(str, command)],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            **_group_of_its_own(handed_on),
        )
    except OSError as error:
        raise DependencyError(
            f"cannot be started: {error.strerror}", path=Path(command[0])
        ) from error


def _group_of_its_own(handed_on: Collection[int]) -> dict[str, Any]:
    """Return what makes a program start a group of processes, which Ctrl-C to us does not reach.

    Windows hands on no descriptors like ours: there a lock ends with the process that took it.
    """
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    else:  # mypy takes what follows a return for unreachable there
        return {"start_new_session": True, "pass_fds": handed_on}


@cache
def _guard() -> tuple[str, ...]:
    """Return what to put before a command so that it dies with us; nothing where unknown."""
    guard = ("setpriv", "--pdeathsig", "KILL", "--")
    works = (
        shutil.which(guard[0])
        and not subprocess.run(
            [*guard, "true"], capture_output=True, stdin=subprocess.DEVNULL, check=False
        ).returncode
    )  # busybox has a setpriv without that option
    return guard if works else ()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the program's whole group: first asked, then forced."""
    stopped, started = process.poll() is None, list[psutil.Process]()
    try:
        if stopped:
            started = _descendants(process)
            _ask_to_end(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
    finally:
        # What it started may be deaf where it is not; a second Ctrl-C may have cut the grace short.
        if stopped:
            _kill(process, started)
            process.wait()


def _descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the processes that a program started: Windows has no groups that could be killed."""
    if sys.platform == "win32":
        with suppress(psutil.Error):
            return list(psutil.Process(process.pid).children(recursive=True))
    return []


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        with suppress(OSError):
            process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def _kill(process: subprocess.Popen[bytes], descendants: Collection[psutil.Process]) -> None:
    if sys.platform == "win32":
        for one in descendants:
            with suppress(psutil.Error):
                one.kill()
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def lower_priority(niceness: int) -> None:
    """Let other processes come before this one; Windows has one such step, others 19."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(niceness)


# Signals that end a process, taken as Ctrl-C or as a wish to stop.


#: What ends a process beside Ctrl-C: a request, and the end of its terminal.
END_SIGNALS: tuple[signal.Signals, ...]
if sys.platform == "win32":
    END_SIGNALS = (signal.SIGTERM, signal.SIGBREAK)
else:
    END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP (Windows: SIGBREAK) into KeyboardInterrupt while the body runs.

    Signals that are ignored (``nohup``) stay so. Only the main thread can set handlers; in another
    nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in END_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    with handled(ours, _interrupt):
        yield


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """Give an event that Ctrl-C, SIGTERM and SIGHUP set; a second Ctrl-C ends at once.

    The other two may come twice: ``timeout`` tells a process and then its group, and when a
    terminal is closed its shell tells the process, and then the system does.

    Signals that are ignored (``nohup``) stay so. Only the main thread can set handlers; in another
    nothing sets the event.
    """
    stop = Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, *END_SIGNALS)
    before = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number in numbers if before[number] is not signal.SIG_IGN]

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before[signal.SIGINT])
        stop.set()

    with handled(ours, first):
        yield stop


@contextmanager
def handled(numbers: Iterable[signal.Signals], handler: Handler) -> Iterator[None]:
    """Handle signals while the body runs; then their handlers are again those of before."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


# Measure the memory available to this process, also in containers.


_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def available_memory(groups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Return the bytes of memory that can be allocated without swapping or being killed.

    The minimum of the system's available memory and of what remains in the control groups of this
    process, up to the root. Cached pages of files count as free.

    Parameters
    ----------
    groups, membership : Path
        Linux's folder of control groups, and the file with those of this process.
    """
    limits = [_remaining(folder) for folder in _folders(groups, membership)]
    free = int(psutil.virtual_memory().available)
    return max(0, min([free, *(r for r in limits if r is not None)]))


def release_memory() -> None:
    """Give memory that was freed back to the system, where the C library can (glibc)."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    with suppress(AttributeError, OSError, TypeError):
        return ctypes.CDLL(None).malloc_trim
    return None


#: Blocks from so many bytes on go back to the system as soon as they are freed.
LARGE_BLOCK = 8 << 20

#: Numbers of glibc's settings (malloc.h).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


@cache
def return_large_blocks() -> None:
    """Have large blocks given back when they are freed, where the C library can (glibc).

    Otherwise it keeps for each thread about as much as the thread once used: with frames of 4K,
    which every thread of a pipeline allocates or frees, hundreds of megabytes.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, 2 * LARGE_BLOCK)
        mallopt(_MMAP_THRESHOLD, LARGE_BLOCK)


def _folders(groups: Path, membership: Path) -> list[Path]:
    """Return the folders of this process's groups and their parents, of versions 1 and 2."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers in ("", "memory"):
            group = PurePosixPath(name.lstrip("/"))
            found += [groups / controllers / part for part in (group, *group.parents)]
    return found


def _remaining(folder: Path) -> int | None:
    """Return the memory that remains in one group; None if it has no limit."""
    for limit, usage, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = int((folder / limit).read_text())  # "max" stands for no limit
            used = int((folder / usage).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
        except (OSError, ValueError):
            continue
        statistics = dict(line.split(maxsplit=1) for line in lines)
        return most - used + int(statistics.get(cached, 0))
    return None
