"""What a build of OpenCV's programs needs: a C and a C++ compiler, cmake and ninja."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fercli.cascade.opencv_tools.download import run_pip
from fercli.common.errors import DependencyError
from fercli.common.progress import SILENT, Progress

#: Older versions lack options that the build uses; cmake's ``-S`` and ``-B`` came with 3.13.
OLDEST = {"cmake": (3, 13), "ninja": (1, 5)}


@dataclass(frozen=True)
class Builders:
    """cmake and ninja, and the variables that they need in their environment."""

    cmake: Path
    ninja: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Language:
    name: str
    variable: str
    compilers: tuple[str, ...]
    suffix: str
    program: str


# In cmake's order of search.
_LANGUAGES = (
    _Language("C", "CC", ("cc", "gcc", "clang"), ".c",
              "#include <stdlib.h>\nint main(void) { return abs(0); }\n"),
    _Language("C++", "CXX", ("c++", "g++", "clang++"), ".cpp",
              "#include <string>\nint main() { return std::string(1, 'a').size() != 1; }\n"),
)  # fmt: skip


def require_compilers(folder: Path) -> None:
    """Raise `DependencyError` unless C and C++ programs can be compiled (in `folder`)."""
    for language in _LANGUAGES:
        compiler = _compiler(language)
        source = folder / f"try{language.suffix}"
        source.write_text(language.program)
        done = subprocess.run(
            [*compiler, source, "-o", folder / "try"], capture_output=True, text=True
        )
        if done.returncode:
            said = next(iter(done.stderr.splitlines()), f"status {done.returncode}")
            raise _no_compiler(language, f"{shlex.join(compiler)}, which fails: {said}")


def _compiler(language: _Language) -> list[str]:
    named = shlex.split(os.environ.get(language.variable, ""))
    for candidate in [named] if named else [[name] for name in language.compilers]:
        if shutil.which(candidate[0]):
            return candidate
    raise _no_compiler(language, f"no {' '.join(named[:1] or language.compilers[:1])}")


def _no_compiler(language: _Language, found: str) -> DependencyError:
    return DependencyError(
        f"wanted a {language.name} compiler, found {found}",
        hint="apt-get install g++ (Debian, Ubuntu; as root)",
    )


def find_builders(folder: Path, progress: Progress = SILENT) -> Builders:
    """Return the system's cmake and ninja if they are recent enough, else those of PyPI.

    Raises
    ------
    DependencyError
        pip cannot get them into `folder`.
    """
    found = {name: _system(name, oldest) for name, oldest in OLDEST.items()}
    missing = [name for name, path in found.items() if path is None]
    packages = folder / "packages"
    if missing:
        progress.note(f"fetching {' and '.join(missing)} from the Python package index")
        run_pip(["install", "--target", str(packages), *missing], folder, " and ".join(missing))
    programs = {name: path or packages / "bin" / name for name, path in found.items()}
    environment = {"PYTHONPATH": str(packages)} if missing else {}
    return Builders(programs["cmake"], programs["ninja"], environment)


def _system(name: str, oldest: Sequence[int]) -> Path | None:
    """Return a program of PATH, if it runs and is recent enough."""
    path = shutil.which(name)
    if path is None:
        return None
    done = subprocess.run([path, "--version"], capture_output=True, text=True)
    version = re.search(r"(\d+)\.(\d+)", done.stdout)
    if done.returncode or version is None or tuple(map(int, version.groups())) < tuple(oldest):
        return None
    return Path(path)
