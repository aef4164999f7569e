"""Where OpenCV's training programs are.

They are looked for in one folder that was named (by an option, or by the environment variable
FER_OPENCV_TOOLS), else on PATH, else in the cache folder that ``fer cascade tools install`` fills.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fercli.common.errors import DependencyError

Program = Literal["opencv_createsamples", "opencv_traincascade"]

#: The programs that fer runs.
PROGRAMS: tuple[Program, ...] = ("opencv_createsamples", "opencv_traincascade")

#: The environment variable that names the folder of the programs.
VARIABLE = "FER_OPENCV_TOOLS"

INSTALL_HINT = "fer cascade tools install"


@dataclass(frozen=True)
class Place:
    """A folder in which the programs are looked for.

    Parameters
    ----------
    folder : Path or None
        None stands for the folders of PATH.
    reason : str
        Why it is looked in, for messages: "PATH", "the cache folder", …
    """

    folder: Path | None
    reason: str

    def find(self, name: Program) -> Path | None:
        """Return the absolute path of an executable program, or None."""
        found = shutil.which(name, path=None if self.folder is None else str(self.folder))
        return None if found is None else Path(found).absolute()

    def __str__(self) -> str:
        return self.reason if self.folder is None else f"{self.folder} ({self.reason})"


def find_program(name: Program, folder: Path | None = None) -> Path:
    """Return the absolute path of one of OpenCV's programs.

    Parameters
    ----------
    name : {"opencv_createsamples", "opencv_traincascade"}
        The program.
    folder : Path, optional
        The only folder to look in. Defaults to the one that FER_OPENCV_TOOLS names; without it,
        the folders of PATH and then the cache folder.

    Raises
    ------
    DependencyError
        No such program is there, or it is not executable.
    """
    return locate_program(name, folder)[0]


def locate_program(name: Program, folder: Path | None = None) -> tuple[Path, Place]:
    """Return a program and where it was found; parameters and errors as `find_program`."""
    looked_in = places(folder)
    for place in looked_in:
        found = place.find(name)
        if found is not None:
            return found, place
    where = " and ".join(map(str, looked_in))
    raise DependencyError(
        f"wanted OpenCV 3.4's program {name}, found none in {where}", hint=INSTALL_HINT
    )


def places(folder: Path | None = None) -> list[Place]:
    """Return the places to look in, in order."""
    if folder is not None:
        return [Place(folder, "--tools")]
    named = os.environ.get(VARIABLE)
    if named:
        return [Place(Path(named), VARIABLE)]
    return [Place(None, "PATH"), Place(cache_folder(), "the cache folder")]


def target_folder(folder: Path | None = None) -> Path:
    """Return where an installation goes: the named folder, else the cache folder."""
    place = places(folder)[-1]
    assert place.folder is not None
    return place.folder.absolute()


def cache_folder(name: str = "opencv-tools") -> Path:
    """Return a folder of fer's cache: by default that which ``fer cascade tools install`` fills.

    ``$XDG_CACHE_HOME/fer/NAME``, where that variable is unset (or relative, which the XDG base
    directory specification tells to ignore) ``~/.cache/fer/NAME``.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path("~/.cache").expanduser()
    return base / "fer" / name


# Whether OpenCV's programs are there, and whether they run.


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

    def to_dict(self) -> dict[str, str | None]:
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
