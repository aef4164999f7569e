"""The source of OpenCV's programs: the source package of opencv-python 3.4 on PyPI.

It carries all of OpenCV 3.4.18 in a folder ``opencv/``. OpenCV 4 no longer builds the programs.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath

from fercli.cascade.opencv_tools.download import PACKAGE, PACKAGE_VERSION
from fercli.common.errors import InputError
from fercli.common.files import input_error
from fercli.common.progress import SILENT, Progress

#: What the two programs need of OpenCV, with what those modules need themselves.
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

#: A file that is only where the program that matters is.
LANDMARK = "apps/traincascade/cascadeclassifier.cpp"


@dataclass(frozen=True)
class Source:
    """OpenCV's source, unpacked: its folder, and its version such as "3.4.18"."""

    folder: Path
    version: str


def unpack_source(archive: Path, folder: Path, progress: Progress = SILENT) -> Source:
    """Unpack what the programs need of OpenCV's source into `folder`.

    Parameters
    ----------
    archive : Path
        The source package of opencv-python 3.4, or an archive of OpenCV 3's own source; .tar.*
        or .zip.
    folder : Path
        Where to.
    progress : Progress
        Shows a bar over the files.

    Raises
    ------
    InputError
        The archive is missing, damaged, or holds no source of OpenCV 3.
    """
    target = folder / "opencv"
    with archived_files(archive) as files:
        root = find_root(files, LANDMARK, archive)
        chosen = [name for name in files if _is_wanted(name, root)]
        for name in progress.track(chosen, "unpacking OpenCV", unit="file"):
            _write(target / name.relative_to(root), files[name]())
    return Source(target, _version(target, archive))


Files = Mapping[PurePosixPath, Callable[[], bytes]]


@contextmanager
def archived_files(archive: Path) -> Iterator[Files]:
    """Give the regular files of a .tar.* or .zip, in its order, as functions that read them.

    In another order than the archive's, reading takes long.

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
        raise InputError(f"wanted a whole .tar.gz or .zip: {error}", path=archive) from error


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


def find_root(files: Files, landmark: str, archive: Path) -> PurePosixPath:
    """Return the folder of OpenCV in an archive, by a file that is only there.

    Raises
    ------
    InputError
        There is no such file.
    """
    for name in files:
        if f"/{name}".endswith(f"/{landmark}"):
            return name.parents[landmark.count("/")]
    raise not_the_source(f"no {landmark}", archive)


def _is_wanted(name: PurePosixPath, root: PurePosixPath) -> bool:
    if not name.is_relative_to(root) or ".." in name.parts:
        return False
    inside = str(name.relative_to(root))
    return any(inside == part or inside.startswith(f"{part}/") for part in PARTS)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _version(source: Path, archive: Path) -> str:
    """Return OpenCV's version by its own header; only 3 still builds the programs."""
    header = source / "modules/core/include/opencv2/core/version.hpp"
    text = header.read_text(encoding="utf-8") if header.is_file() else ""
    numbers = re.findall(r"define CV_VERSION_(?:MAJOR|MINOR|REVISION)\s+(\d+)", text)
    if len(numbers) != 3 or numbers[0] != "3":
        raise not_the_source(f"OpenCV {'.'.join(numbers) or 'of no version'}", archive)
    return ".".join(numbers)


def not_the_source(found: str, archive: Path) -> InputError:
    """Return the error for an archive of something else."""
    return InputError(
        f"wanted an archive of OpenCV 3's source, found {found}",
        hint=f"{PACKAGE}-{PACKAGE_VERSION}.tar.gz from the Python package index",
        path=archive,
    )
