"""Processes: started, run to their end, and disturbed while they run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


def fer(*arguments: str) -> list[str]:
    """Return the command line of a ``fer`` that says only what is wrong."""
    return [sys.executable, "-m", "fercli", *arguments, "--quiet"]


def start(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a command in a process group of its own, with Ctrl-C as a terminal gives it."""
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        start_new_session=True, preexec_fn=_take_interrupts,
    )  # fmt: skip


def _take_interrupts() -> None:
    # A shell lets what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(command: Sequence[str]) -> str:
    """Run a command to its end, which must be a good one; return what it said."""
    process = start(command)
    said = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ends with {process.returncode}: {said}")
    return said


def kill(process: subprocess.Popen[str], after: float, folder: Path) -> None:
    """End the process, and all that it started, without a word."""
    _signal_after(process, after, signal.SIGKILL)


def interrupt(process: subprocess.Popen[str], after: float, folder: Path) -> None:
    """Press Ctrl-C."""
    _signal_after(process, after, signal.SIGINT)


def _signal_after(process: subprocess.Popen[str], after: float, number: signal.Signals) -> None:
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)


def take_rights(process: subprocess.Popen[str], after: float, folder: Path) -> None:
    """Let nothing more be written to the folder of results."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        subprocess.run(["chattr", "+i", *map(str, folders)], stderr=subprocess.DEVNULL)


def give_rights(folder: Path) -> None:
    """Undo `take_rights`."""
    subprocess.run(["chattr", "-R", "-i", str(folder)], stderr=subprocess.DEVNULL)


def wait_for_end(process: subprocess.Popen[str], after: float, folder: Path) -> None:
    """Do nothing: the disk will be full."""


#: How a process is disturbed; the last two as root alone.
WAYS = {"kill -9": kill, "Ctrl-C": interrupt, "full disk": wait_for_end, "no rights": take_rights}


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a disk of so many bytes over a folder; what is on it is copied out of it at the end."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    kept = folder.with_name("kept")
    try:
        yield
        shutil.copytree(folder, kept, symlinks=True)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(kept)
