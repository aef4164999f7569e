"""Inputs: images, videos, cameras and streams named on the command line."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fercli.common.errors import InputError
from fercli.common.files import (
    IMAGE_EXTENSIONS,
    VIDEO_EXTENSIONS,
    FolderFiles,
    is_there,
    list_folder,
)
from fercli.common.images import HEADER_BYTES, content_kind, frame_count, may_be_animated
from fercli.common.tables import counted
from fercli.recognition.sources.live import shown_address

Kind = Literal["image", "video", "camera", "stream"]


@dataclass(frozen=True)
class Input:
    """An image, a video, a camera or a stream.

    Parameters
    ----------
    name : str
        A file's path, a camera's number or device, or a stream's address.
    kind : {"image", "video", "camera", "stream"}
    folder : str
        The folder that was named, if the file was found in or below it. Defaults to "".
    """

    name: str
    kind: Kind
    folder: str = field(default="", compare=False)

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.name)

    @property
    def shown(self) -> str:
        """The name in results and messages: that of a stream without its secrets."""
        return shown_address(self.name)

    @property
    def live(self) -> bool:
        """Whether it goes on until it is stopped."""
        return self.kind in ("camera", "stream")


def find_inputs(
    names: Iterable[str], lines: Iterable[str] = (), skipped: list[FolderFiles] | None = None
) -> list[Input]:
    """Return the inputs of names: folders and patterns are expanded, duplicates dropped.

    Parameters
    ----------
    names : iterable of str
        Files, folders, patterns (``*.jpg``), numbers of cameras, addresses, or ``-``.
    lines : iterable of str
        What ``-`` stands for: one name a line.
    skipped : list of FolderFiles, optional
        Gets each folder with files that are neither images nor videos by their suffix.

    Raises
    ------
    InputError
        A pattern or a folder has neither images nor videos, or there is no name at all.
    """
    found: dict[str, Input] = {}
    folders: list[FolderFiles] = []
    for name in names:
        several = (line.strip("\r\n") for line in lines) if name == "-" else (name,)
        for one in several:
            if one.strip():
                for each in _inputs_of(one, folders):
                    found.setdefault(each.name, each)
    if not found:
        raise InputError("Expected names of images or videos, got none")
    if skipped is not None:
        skipped += [files for files in folders if files.skipped]
    return list(found.values())


def _inputs_of(name: str, folders: list[FolderFiles]) -> Iterator[Input]:
    if "://" in name:
        yield Input(name, "stream")
    elif name.startswith("/dev/video") or (name.isdecimal() and not is_there(Path(name))):
        yield Input(name, "camera")
    elif Path(name).is_dir():
        yield from _inputs_in(Path(name), folders)
    elif not is_there(Path(name)) and glob.has_magic(name):
        yield from _inputs_like(name, folders)
    else:
        yield Input(name, _kind(Path(name)))


def _inputs_in(folder: Path, folders: list[FolderFiles]) -> Iterator[Input]:
    files = list_folder(folder, (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS))
    if not files.found:
        raise InputError(
            f"The folder has no images and no videos among {counted(len(files.skipped), 'file')}",
            path=folder,
        )
    folders.append(files)
    yield from (Input(str(path), _kind(path), str(folder)) for path in files.found)


def _inputs_like(pattern: str, folders: list[FolderFiles]) -> Iterator[Input]:
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # a pattern may be absolute
    if not names:
        raise InputError(f"No file matches {pattern}")
    plain = Path(pattern).parts[: next(i for i, p in enumerate(Path(pattern).parts)
                                       if glob.has_magic(p))]  # fmt: skip
    for name in names:
        for one in _inputs_of(name, folders):
            yield one if one.folder or one.live else Input(one.name, one.kind, str(Path(*plain)))


def _kind(path: Path) -> Kind:
    """Return what a file is by its content, or else by its name; an image if it is missing."""
    suffix = path.suffix.lower()
    by_name: Kind = "video" if suffix in VIDEO_EXTENSIONS else "image"
    try:
        if not path.is_file():  # to open a pipe would wait for ever
            return by_name
        with path.open("rb") as file:
            begin = file.read(HEADER_BYTES)
        kind, _ = content_kind(begin)
        if kind == "image" and may_be_animated(begin):
            return "video" if frame_count(path.read_bytes()) > 1 else "image"
    except (OSError, ValueError):  # the reader will say what is wrong
        return by_name
    if kind in ("image", "video"):
        return "image" if kind == "image" else "video"
    if suffix in (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS) or kind == "other" or not begin:
        return by_name
    return "image" if _is_image(path) else "video"


def _is_image(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path):
            return True
    except Exception:  # Pillow's plug-ins raise what they like
        return False
