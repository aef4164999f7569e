"""Build OpenCV's training programs from its source.

Only the modules that the programs need, linked statically, without a window system: they depend
only on the C and C++ libraries. The build runs in a hidden folder inside the target; the programs
are moved to the target when both run, and that folder is always removed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fercli.cascade.opencv3.programs import (
    PROGRAMS,
    Program,
    examine_programs,
    problem_of,
    target_folder,
)
from fercli.cascade.opencv3.source import MODULES, download_source, run_pip, unpack_source
from fercli.common.errors import DependencyError
from fercli.common.parallel import available_workers
from fercli.common.processes import running, signals_as_interrupts
from fercli.common.progress import SILENT, Progress
from fercli.run_folder import work_folder

#: Peak disk usage of a build, rounded up, in MB.
MEGABYTES_NEEDED = 500

_OFF = (
    "BUILD_DOCS", "BUILD_EXAMPLES", "BUILD_IPP_IW", "BUILD_ITT", "BUILD_JAVA", "BUILD_PERF_TESTS",
    "BUILD_SHARED_LIBS", "BUILD_TESTS", "BUILD_opencv_python2", "BUILD_opencv_python3",
    "ENABLE_PRECOMPILED_HEADERS", "WITH_1394", "WITH_CUDA", "WITH_EIGEN", "WITH_FFMPEG",
    "WITH_GPHOTO2", "WITH_GSTREAMER", "WITH_GTK", "WITH_IPP", "WITH_ITT", "WITH_JASPER",
    "WITH_LAPACK", "WITH_MATLAB", "WITH_OPENCL", "WITH_OPENEXR", "WITH_PROTOBUF", "WITH_QT",
    "WITH_QUIRC", "WITH_TBB", "WITH_TIFF", "WITH_V4L", "WITH_VA", "WITH_VTK", "WITH_WEBP",
)  # fmt: skip

_SETTINGS = {
    "CMAKE_BUILD_TYPE": "Release",
    # cmake 4 refuses projects that ask for an older one than this.
    "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
    # Newer compilers default to language standards that zlib and OpenCV 3 do not compile with.
    "CMAKE_C_STANDARD": "11",
    "CMAKE_CXX_STANDARD": "11",
    "ENABLE_CXX11": "ON",
    "CMAKE_EXE_LINKER_FLAGS": "-s",
    # Code paths for newer processors would be a third of the build and do not speed up training.
    "CPU_DISPATCH": "",
    "BUILD_LIST": ",".join(MODULES),
    "BUILD_opencv_apps": "ON",
    "BUILD_APPS_LIST": "traincascade;createsamples",
    "BUILD_ZLIB": "ON",
    "BUILD_JPEG": "ON",
    "BUILD_PNG": "ON",
    **dict.fromkeys(_OFF, "OFF"),
}

_STEP = re.compile(r"\[(\d+)/(\d+)\] ")


@dataclass(frozen=True)
class Installation:
    """The result of `install_programs`.

    Parameters
    ----------
    programs : mapping
        The path of each program.
    version : str or None
        Their version of OpenCV; None if they were installed already.
    seconds : float
        Duration of the build; 0 if they were installed already.
    """

    programs: Mapping[Program, Path]
    version: str | None
    seconds: float

    def to_text(self) -> str:
        """Return a line for each program, and one on the build."""
        lines = [f"{path}  {path.stat().st_size / 1e6:.1f} MB" for path in self.programs.values()]
        minutes, seconds = divmod(round(self.seconds), 60)
        done = (
            f"built from the source of OpenCV {self.version} in {minutes} min {seconds} s"
            if self.version
            else "already installed and working: nothing was done"
        )
        return "\n".join([*lines, done])


def install_programs(
    folder: Path | None = None,
    *,
    source: Path | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Installation:
    """Build OpenCV's training programs, unless they are there already.

    Needs a C++ compiler, about half a gigabyte of disk during the build, and pip with a package
    index (without one: `source`, cmake and ninja). Needs write permission only for `folder`.

    Parameters
    ----------
    folder : Path, optional
        The folder of the programs. Defaults to the folder that FER_OPENCV_TOOLS names, else the
        cache folder.
    source : Path, optional
        An archive of the source; see `unpack_source`. Defaults to downloading one.
    overwrite : bool
        Whether working programs are built again. Defaults to False.
    workers : int, optional
        Number of compilers run at once. Defaults to the number of cores.
    progress : Progress
        Shows notes and a bar over the files to compile.

    Raises
    ------
    DependencyError
        A compiler or pip is missing or does not work, or the build fails; its log then stays in
        the folder.
    InputError
        `source` is no archive of OpenCV 3's source.
    OutputError
        The folder cannot be written, has too little space, or another installation is running.
    """
    found = {
        status.name: status.path
        for status in examine_programs(folder)
        if status.path and status.works
    }
    if not overwrite and len(found) == len(PROGRAMS):
        return Installation(found, None, 0.0)
    target = target_folder(folder)
    start = time.monotonic()
    with (
        signals_as_interrupts(),
        work_folder(
            target,
            "an installation",
            megabytes=MEGABYTES_NEEDED,
            hint="choose another folder with `tools`",
        ) as place,
    ):
        version = _build(place, target, source, workers or available_workers(), progress)
    programs = {name: target / name for name in PROGRAMS}
    return Installation(programs, version, time.monotonic() - start)


def _build(place: Path, target: Path, source: Path | None, workers: int, progress: Progress) -> str:
    """Build in `place`, move the programs to `target`, and return OpenCV's version."""
    require_compilers(place)
    tools = find_build_tools(place, progress)
    if source is None:
        source = download_source(place, progress)
    opencv = unpack_source(source, place, progress)
    made, log = place / "made", place / "build.log"
    with _kept_on_failure(log, target / log.name):
        progress.note(f"configuring OpenCV {opencv.version}")
        _run(_configure(tools, opencv.folder, made), tools, log, SILENT)
        _run([tools.ninja, "-C", made, "-j", str(workers), *PROGRAMS], tools, log, progress)
        for name in PROGRAMS:
            _require_working(made / "bin" / name)
    for name in PROGRAMS:
        (made / "bin" / name).replace(target / name)
    return opencv.version


def _configure(tools: BuildTools, source: Path, made: Path) -> list[str | Path]:
    settings = [f"-D{name}={value}" for name, value in _SETTINGS.items()]
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools.ninja}"]
    return [tools.cmake, *generator, "-S", source, "-B", made, *settings]


def _run(command: Sequence[str | Path], tools: BuildTools, log: Path, progress: Progress) -> None:
    """Run one step of the build; log its output, show ninja's count of files on a bar."""
    environment = {**tools.environment, "NINJA_STATUS": "[%f/%t] "}
    with (
        log.open("a", encoding="utf-8") as file,
        ExitStack() as open_bars,
        running(command, environment=environment) as child,
    ):
        bar, done = None, 0
        for line in child.lines():
            file.write(line + "\n")
            if counted := _STEP.match(line):
                now, total = map(int, counted.groups())
                bar = bar or open_bars.enter_context(
                    progress.bar("compiling OpenCV", total=total, unit="file")
                )
                bar.advance(now - done)
                done = now
    if child.wait():
        raise _failure(log)


def _failure(log: Path) -> DependencyError:
    """Return the error of a failed build, with the first error of its log."""
    lines = log.read_text(encoding="utf-8").splitlines()
    errors = [line for line in lines if re.search(r"\berror\b|Error at|No space left", line, re.I)]
    return DependencyError(
        f"OpenCV's programs cannot be built: {(errors or lines or ['no output'])[0].strip()}",
        hint=f"see the log of the build, {log.parent.parent / log.name}",
    )


def _require_working(program: Path) -> None:
    problem = problem_of(program)
    if problem is not None:
        raise DependencyError(f"{program.name} was built but does not work: {problem}")


@contextmanager
def _kept_on_failure(log: Path, kept: Path) -> Iterator[None]:
    """Keep the log if the body fails; on success remove that of an earlier failure."""
    try:
        yield
    except DependencyError:
        log.replace(kept)
        raise
    kept.unlink(missing_ok=True)


# Build tools: a C and a C++ compiler, cmake and ninja.


#: Oldest versions with the options that the build uses; cmake's ``-S`` and ``-B`` came with 3.13.
MIN_VERSIONS = {"cmake": (3, 13), "ninja": (1, 5)}


@dataclass(frozen=True)
class BuildTools:
    """cmake and ninja, and the environment variables that they need."""

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


#: How to get one, by system. Without one everything but the engine opencv works.
COMPILER_HINTS = {
    "linux": "install one; on Debian and Ubuntu, as root: apt-get install g++",
    "darwin": "install Apple's: xcode-select --install",
    "win32": "use fer's own engine, which needs no program, or install one such as MinGW-w64 and "
    "name it by the variables CC and CXX; or name a folder that has OpenCV 3.4's programs, which "
    "its releases for Windows contain, by `tools`",
}


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
            raise _no_compiler(language, f"{shlex.join(compiler)} fails: {said}")


def _compiler(language: _Language) -> list[str]:
    named = shlex.split(os.environ.get(language.variable, ""))
    for candidate in [named] if named else [[name] for name in language.compilers]:
        if shutil.which(candidate[0]):
            return candidate
    raise _no_compiler(language, f"there is no {' '.join(named[:1] or language.compilers[:1])}")


def _no_compiler(language: _Language, found: str) -> DependencyError:
    return DependencyError(
        f"The build needs a {language.name} compiler, but {found}",
        hint=COMPILER_HINTS.get(sys.platform, COMPILER_HINTS["linux"]),
    )


def find_build_tools(folder: Path, progress: Progress = SILENT) -> BuildTools:
    """Return the system's cmake and ninja if they are recent enough, else those of PyPI.

    Raises
    ------
    DependencyError
        pip cannot get them into `folder`.
    """
    found = {name: _system(name, oldest) for name, oldest in MIN_VERSIONS.items()}
    missing = [name for name, path in found.items() if path is None]
    packages = folder / "packages"
    if missing:
        progress.note(f"fetching {' and '.join(missing)} from the Python package index")
        run_pip(["install", "--target", str(packages), *missing], folder, " and ".join(missing))
    programs = {name: path or packages / "bin" / name for name, path in found.items()}
    environment = {"PYTHONPATH": str(packages)} if missing else {}
    return BuildTools(programs["cmake"], programs["ninja"], environment)


def _system(name: str, oldest: Sequence[int]) -> Path | None:
    """Return a program on PATH if it runs and is recent enough."""
    path = shutil.which(name)
    if path is None:
        return None
    done = subprocess.run([path, "--version"], capture_output=True, text=True)
    version = re.search(r"(\d+)\.(\d+)", done.stdout)
    if done.returncode or version is None or tuple(map(int, version.groups())) < tuple(oldest):
        return None
    return Path(path)
