"""A child program: its output line by line as it comes, and its end whatever happens to us."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from fercli.common.errors import DependencyError
from fercli.common.signals import signals_as_interrupts

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
