"""The source of OpenCV's programs: the source package of opencv-python 3.4 on PyPI.

It contains all of OpenCV 3.4.18 in a folder ``opencv/``. OpenCV 4 no longer builds the programs.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath

from fercli.common.errors import DependencyError, InputError
from fercli.common.files import input_error
from fercli.common.processes import running
from fercli.common.progress import SILENT, Bar, Progress

#: The modules of OpenCV that the two programs need, with their dependencies.
MODULES = (
    "core", "imgproc", "imgcodecs", "videoio", "highgui", "flann", "features2d", "calib3d",
    "objdetect",
)  # fmt: skip

#: The folders of OpenCV's source that are unpacked.
PARTS = (
    "CMakeLists.txt", "LICENSE", "apps", "cmake", "doc/CMakeLists.txt", "data/CMakeLists.txt",
    "include", "modules/CMakeLists.txt", "platforms", "3rdparty/include", "3rdparty/libjpeg-turbo",
    "3rdparty/libpng", "3rdparty/zlib", "3rdparty/quirc", "3rdparty/cpufeatures",
    *(f"modules/{module}/{part}" for module in MODULES
      for part in ("CMakeLists.txt", "cmake", "include", "src")),
)  # fmt: skip

#: A file by which the source of the programs is recognized.
MARKER = "apps/traincascade/cascadeclassifier.cpp"


@dataclass(frozen=True)
class OpenCVSource:
    """Folder and version (such as "3.4.18") of OpenCV's unpacked source."""

    folder: Path
    version: str


def unpack_source(archive: Path, folder: Path, progress: Progress = SILENT) -> OpenCVSource:
    """Unpack the parts of OpenCV's source that the programs need into `folder`.

    Parameters
    ----------
    archive : Path
        The source package of opencv-python 3.4, or an archive of OpenCV 3's own source; .tar.*
        or .zip.
    folder : Path
        The target.
    progress : Progress
        Shows a bar over the files.

    Raises
    ------
    InputError
        The archive is missing or damaged, or does not contain the source of OpenCV 3.
    """
    target = folder / "opencv"
    with archived_files(archive) as files:
        root = find_root(files, MARKER, archive)
        chosen = [name for name in files if _is_wanted(name, root)]
        for name in progress.track(chosen, "unpacking OpenCV", unit="file"):
            _write(target / name.relative_to(root), files[name]())
    return OpenCVSource(target, _version(target, archive))


Files = Mapping[PurePosixPath, Callable[[], bytes]]


@contextmanager
def archived_files(archive: Path) -> Iterator[Files]:
    """Yield the regular files of a .tar.* or .zip, in its order, as functions that read them.

    Reading in another order than the archive's is slow.

    Raises
    ------
    InputError
        The archive is missing, unreadable or damaged; also while files are read.
    """
    try:
        archive.open("rb").close()
    except OSError as error:
        raise input_error(error, archive, wanted="an archive of OpenCV's source") from error
    try:
        with _open_archive(archive) as files:
            yield files
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, BadGzipFile) as error:
        raise InputError(
            f"The file is not a complete .tar.gz or .zip archive: {error}", path=archive
        ) from error


@contextmanager
def _open_archive(archive: Path) -> Iterator[Files]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield {
                PurePosixPath(name): partial(packed.read, name)
                for name in packed.namelist()
                if not name.endswith("/")
            }
    else:
        with tarfile.open(archive) as tape:
            yield {
                PurePosixPath(member.name): partial(_read_member, tape, member)
                for member in tape
                if member.isreg()
            }


def _read_member(tape: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = tape.extractfile(member)
    assert content is not None  # it is a regular file
    return content.read()


def find_root(files: Files, marker: str, archive: Path) -> PurePosixPath:
    """Return the folder of OpenCV in an archive, found by a file of it.

    Raises
    ------
    InputError
        There is no such file.
    """
    for name in files:
        if f"/{name}".endswith(f"/{marker}"):
            return name.parents[marker.count("/")]
    raise not_the_source(f"it has no {marker}", archive)


def _is_wanted(name: PurePosixPath, root: PurePosixPath) -> bool:
    if not name.is_relative_to(root) or ".." in name.parts:
        return False
    inside = str(name.relative_to(root))
    return any(inside == part or inside.startswith(f"{part}/") for part in PARTS)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _version(source: Path, archive: Path) -> str:
    """Return OpenCV's version from its header; only version 3 builds the programs."""
    header = source / "modules/core/include/opencv2/core/version.hpp"
    text = header.read_text(encoding="utf-8") if header.is_file() else ""
    numbers = re.findall(r"define CV_VERSION_(?:MAJOR|MINOR|REVISION)\s+(\d+)", text)
    if len(numbers) != 3 or numbers[0] != "3":
        raise not_the_source(
            f"it is OpenCV {'.'.join(numbers)}" if numbers else "it has no version", archive
        )
    return ".".join(numbers)


def not_the_source(why: str, archive: Path) -> InputError:
    """Return the error for an archive of something else."""
    return InputError(
        f"The archive is not OpenCV 3's source: {why}",
        hint=f"use {PACKAGE}-{PACKAGE_VERSION}.tar.gz from the Python package index",
        path=archive,
    )


# Downloads by pip: the source package of opencv-python 3.4, and programs that a build needs.


PACKAGE = "opencv-python"
PACKAGE_VERSION = "3.4.18.65"
SHA256 = "0c2d5ebd08420079d6ebdec7a247f0284d403edd87647e9fbcc474c5adcb310b"
#: The size of its archive, in 10^6 bytes.
MEGABYTES = 88

#: Interval of checking a download.
TICK_SECONDS = 0.3

#: pip asks a source package's build backend for its metadata, which for this one means building
#: old versions of its requirements. This stands in for that backend: it reads the name and the
#: version from PKG-INFO, and pip keeps the archive.
_BACKEND = """
import pathlib
import sys


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    lines = pathlib.Path("PKG-INFO").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line.startswith(("Name: ", "Version: "))]
    name, version = (line.split(": ", 1)[1] for line in wanted)
    made = pathlib.Path(folder, f"{name.replace('-', '_')}-{version}.dist-info")
    made.mkdir()
    text = "\\n".join(["Metadata-Version: 2.1", *wanted, ""])
    (made / "METADATA").write_text(text, encoding="utf-8")
    return made.name


def build_wheel(*args, **kwargs):
    raise RuntimeError("only the archive is wanted")


get_requires_for_build_sdist = get_requires_for_build_wheel
build_sdist = build_wheel
__legacy__ = sys.modules[__name__]
"""


def download_source(folder: Path, progress: Progress = SILENT) -> Path:
    """Download the source package by pip into `folder`, and return the archive.

    pip uses its configured index; the hash is checked against `SHA256`.

    Parameters
    ----------
    folder : Path
        The target; also pip's working folder.
    progress : Progress
        Shows a bar over the megabytes.

    Raises
    ------
    DependencyError
        This Python has no pip, or pip cannot get the package.
    """
    backend = folder / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(_BACKEND, encoding="utf-8")
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE}=={PACKAGE_VERSION} --hash=sha256:{SHA256}\n")
    with progress.bar("downloading OpenCV's source", total=MEGABYTES, unit="MB") as bar:
        run_pip(
            ["download", "--no-deps", "--no-binary", PACKAGE, "--no-build-isolation",
             "--require-hashes", "--dest", str(folder), "--requirement", str(wanted)],
            folder, f"{PACKAGE} {PACKAGE_VERSION}'s source",
            environment={"PYTHONPATH": str(backend.parent)}, watch=_DownloadProgress(folder, bar),
        )  # fmt: skip
    return next(folder.glob(f"{PACKAGE.replace('-', '[-_]')}-{PACKAGE_VERSION}*"))


class _DownloadProgress:
    """A bar over the growth of a folder, since pip prints no progress."""

    def __init__(self, folder: Path, bar: Bar) -> None:
        self._folder = folder
        self._bar = bar
        self._shown = 0

    def __call__(self) -> None:
        # Files may vanish meanwhile; in the end pip unpacks the archive beside itself.
        with suppress(OSError):
            sizes = (path.lstat().st_size for path in self._folder.rglob("*"))
            now = min(sum(sizes) // 10**6, MEGABYTES)
            self._bar.advance(max(now - self._shown, 0))
            self._shown = max(now, self._shown)


def run_pip(
    arguments: Sequence[str],
    folder: Path,
    wanted: str,
    *,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] | None = None,
) -> None:
    """Run pip with its temporary files in `folder`.

    Parameters
    ----------
    arguments : sequence of str
        Its command and options.
    folder : Path
        Its working folder.
    wanted : str
        The package, for messages.
    environment : mapping, optional
        Variables to set for it.
    watch : callable, optional
        Called several times a second while pip prints nothing.

    Raises
    ------
    DependencyError
        This Python has no pip, or pip fails; the message has its error.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of setuptools about distutils
        there = importlib.util.find_spec("pip") is not None
    if not there:
        raise DependencyError(
            f"{sys.executable} has no pip",
            hint=f"run {sys.executable} -m ensurepip",
        )
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    # Override settings of the user that would prevent a download into this folder.
    ours = {"TMPDIR": str(folder), "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    lines = []
    with running([*command, *arguments], environment={**ours, **(environment or {})}) as pip:
        for line in pip.lines(None if watch is None else TICK_SECONDS):
            if line:
                lines.append(line)
            elif watch is not None:
                watch()
    if pip.wait():
        errors = [line for line in lines if line.startswith("ERROR: ")] or lines[-1:]
        raise DependencyError(
            f"pip cannot get {wanted} from the package index: "
            f"{' '.join(errors).removeprefix('ERROR: ')}",
            hint="check the network and pip's settings, or download the source package "
            f"{PACKAGE}-{PACKAGE_VERSION}.tar.gz elsewhere and give it with `source`",
        )
