"""Find OpenCV's training programs.

They are searched in the folder given by an option or by the environment variable
FER_OPENCV_TOOLS; without one, on PATH and then in the cache folder of
``fer cascade tools install``.
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

INSTALL_HINT = "run fer cascade tools install"


@dataclass(frozen=True)
class SearchLocation:
    """A folder in which the programs are searched.

    Parameters
    ----------
    folder : Path or None
        None for the folders of PATH.
    reason : str
        Where it comes from, for messages: "PATH", "the cache folder", …
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
        The only folder to search. Defaults to that of FER_OPENCV_TOOLS; without it, to the
        folders of PATH and then the cache folder.

    Raises
    ------
    DependencyError
        The program is missing or not executable.
    """
    return locate_program(name, folder)[0]


def locate_program(name: Program, folder: Path | None = None) -> tuple[Path, SearchLocation]:
    """Return a program and its location; parameters and errors as `find_program`."""
    locations = search_locations(folder)
    for location in locations:
        found = location.find(name)
        if found is not None:
            return found, location
    where = " and ".join(map(str, locations))
    raise DependencyError(
        f"OpenCV 3.4's program {name} was not found in {where}", hint=INSTALL_HINT
    )


def search_locations(folder: Path | None = None) -> list[SearchLocation]:
    """Return the locations to search, in order."""
    if folder is not None:
        return [SearchLocation(folder, "`tools`")]
    named = os.environ.get(VARIABLE)
    if named:
        return [SearchLocation(Path(named), VARIABLE)]
    return [SearchLocation(None, "PATH"), SearchLocation(cache_folder(), "the cache folder")]


def target_folder(folder: Path | None = None) -> Path:
    """Return the folder of an installation: the given one, else the cache folder."""
    location = search_locations(folder)[-1]
    assert location.folder is not None
    return location.folder.absolute()


def cache_folder(name: str = "opencv-tools") -> Path:
    """Return a folder of fer's cache: by default that which ``fer cascade tools install`` fills.

    On Linux ``$XDG_CACHE_HOME/fer/NAME``, where that variable is unset (or relative, which the XDG
    base directory specification tells to ignore) ``~/.cache/fer/NAME``; on macOS it is in
    ``~/Library/Caches``, on Windows in ``%LOCALAPPDATA%``.
    """
    from platformdirs import user_cache_path

    folder = user_cache_path("fer", appauthor=False)
    if not folder.is_absolute():
        folder = Path("~/.cache/fer").expanduser()
    return folder / name


# Status of the programs.


@dataclass(frozen=True)
class ProgramStatus:
    """One line of ``fer cascade tools status``.

    Parameters
    ----------
    name : str
        The program.
    path : Path or None
        Its path, if found.
    place : str or None
        Its location: "PATH", "`tools`", "the cache folder", …
    version : str or None
        The version of OpenCV linked into it, if known.
    problem : str or None
        Why it is not usable.
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
        """Return the status as JSON-compatible values."""
        return {
            "name": self.name,
            "path": None if self.path is None else str(self.path),
            "place": self.place and self.place.strip("`"),
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
    return ProgramStatus(name, path, place.reason, opencv_version(path), problem_of(path))


def problem_of(program: Path) -> str | None:
    """Return why a program is not usable, or None if it runs."""
    if not os.access(program, os.X_OK):
        return "missing or not executable"
    try:
        done = subprocess.run(
            [program], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    # Without arguments both print their usage and end with 0.
    if done.returncode or "Usage:" not in done.stdout:
        return f"does not run: {done.stderr.strip() or f'status {done.returncode}'}"
    return None


def opencv_version(program: Path) -> str | None:
    """Return the version of OpenCV linked into a program statically, else None.

    The programs have no option for it; OpenCV's core contains it in its build information.
    """
    found = re.search(rb"General configuration for OpenCV (\d+\.\d+[\w.-]*)", program.read_bytes())
    return found.group(1).decode() if found else None
