"""Whether OpenCV's programs are there, and whether they run."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fercli.cascade.opencv3.programs import PROGRAMS, Program, locate_program
from fercli.common.errors import DependencyError


@dataclass(frozen=True)
class ProgramStatus:
    """One line of ``fer cascade tools status``.

    Parameters
    ----------
    name : str
        The program.
    path : Path or None
        Where it was found.
    place : str or None
        Why it was looked for there: "PATH", "--tools", "the cache folder", …
    version : str or None
        The version of OpenCV that is linked into it, where it tells.
    problem : str or None
        What is wrong with it.
    """

    name: Program
    path: Path | None = None
    place: str | None = None
    version: str | None = None
    problem: str | None = None

    def __str__(self) -> str:
        if self.path is None:
            return f"{self.name}: {self.problem}"
        version = f"OpenCV {self.version}, from " if self.version else "from "
        problem = f": {self.problem}" if self.problem else ""
        return f"{self.name}: {self.path} ({version}{self.place}){problem}"

    @property
    def works(self) -> bool:
        """Whether the program was found and runs."""
        return self.problem is None

    def as_json(self) -> dict[str, str | None]:
        """Return the same in the types that JSON has."""
        return {
            "name": self.name,
            "path": None if self.path is None else str(self.path),
            "place": self.place,
            "version": self.version,
            "problem": self.problem,
        }


def examine_programs(folder: Path | None = None) -> list[ProgramStatus]:
    """Return the status of every program; `folder` as in `locate_program`."""
    return [_examine(name, folder) for name in PROGRAMS]


def _examine(name: Program, folder: Path | None) -> ProgramStatus:
    try:
        path, place = locate_program(name, folder)
    except DependencyError as error:
        return ProgramStatus(name, problem=f"{error.message}; try: {error.hint}")
    return ProgramStatus(name, path, place.reason, opencv_version(path), fault(path))


def fault(program: Path) -> str | None:
    """Return why a program is not usable, or None if it is there and runs."""
    if not os.access(program, os.X_OK):
        return "missing or not executable"
    try:
        done = subprocess.run(
            [program], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    # Without arguments both tell their usage and end with 0.
    if done.returncode or "Usage:" not in done.stdout:
        return f"does not run: {done.stderr.strip() or f'status {done.returncode}'}"
    return None


def opencv_version(program: Path) -> str | None:
    """Return the version of OpenCV that is linked into a program statically, else None.

    The programs do not tell it; OpenCV's core carries it in the text of its build information.
    """
    found = re.search(rb"General configuration for OpenCV (\d+\.\d+[\w.-]*)", program.read_bytes())
    return found.group(1).decode() if found else None
