"""A child program: its output line by line as it comes, and its end whatever happens to us."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from fercli.common.errors import DependencyError
from fercli.common.signals import signals_as_interrupts

#: How long a child that was told to end may take before it is killed.
GRACE_SECONDS = 3.0

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

    def lines(self, tick: float | None = None) -> Iterator[str]:
        r"""Yield what the program prints, split at ``\n`` and ``\r``, without empty lines.

        Parameters
        ----------
        tick : float, optional
            Yield an empty line whenever nothing came for so many seconds. Defaults to waiting.
        """
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        rest = b""
        while True:
            if not select.select([pipe], [], [], tick)[0]:
                yield ""
                continue
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                break
            *whole, rest = _LINE_ENDS.split(rest + chunk)
            yield from (_to_text(line) for line in whole if line)
        if rest:
            yield _to_text(rest)

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
        try:
            yield Child(process)
            process.wait()
        finally:
            _stop(process)


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
            start_new_session=True,
            pass_fds=handed_on,
        )
    except OSError as error:
        raise DependencyError(
            f"cannot be started: {error.strerror}", path=Path(command[0])
        ) from error


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
    stopped = process.poll() is None
    try:
        if stopped:
            _signal_group(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
    finally:
        # What it started may be deaf where it is not; a second Ctrl-C may have cut the grace short.
        if stopped:
            _signal_group(process, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
