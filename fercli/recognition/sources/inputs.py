"""Inputs: images, videos, cameras and streams named on the command line."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fercli.common.errors import InputError
from fercli.common.files import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS, find_files, is_there
from fercli.recognition.sources.network_stream import shown_address

Kind = Literal["image", "video", "camera", "stream"]


@dataclass(frozen=True)
class Input:
    """An image, a video, a camera or a stream.

    Parameters
    ----------
    name : str
        A file's path, a camera's number or device, or a stream's address.
    kind : {"image", "video", "camera", "stream"}
    """

    name: str
    kind: Kind

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


def find_inputs(names: Iterable[str], lines: Iterable[str] = ()) -> list[Input]:
    """Return the inputs of names: folders and patterns are expanded, duplicates dropped.

    Parameters
    ----------
    names : iterable of str
        Files, folders, patterns (``*.jpg``), numbers of cameras, addresses, or ``-``.
    lines : iterable of str
        What ``-`` stands for: one name a line.

    Raises
    ------
    InputError
        A pattern or a folder has neither images nor videos, or there is no name at all.
    """
    found: dict[str, Input] = {}
    for name in names:
        several = (line.strip("\r\n") for line in lines) if name == "-" else (name,)
        for one in several:
            if one.strip():
                found.update((each.name, each) for each in _inputs_of(one))
    if not found:
        raise InputError("Expected names of images or videos, got none")
    return list(found.values())


def _inputs_of(name: str) -> Iterator[Input]:
    if "://" in name:
        yield Input(name, "stream")
    elif name.startswith("/dev/video") or (name.isdecimal() and not is_there(Path(name))):
        yield Input(name, "camera")
    elif Path(name).is_dir():
        yield from _inputs_in(Path(name))
    elif not is_there(Path(name)) and glob.has_magic(name):
        yield from _inputs_like(name)
    else:
        yield Input(name, _kind(Path(name)))


def _inputs_in(folder: Path) -> Iterator[Input]:
    files = find_files(folder, (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS))
    if not files:
        raise InputError("The folder has no images and no videos", path=folder)
    yield from (Input(str(path), _kind(path)) for path in files)


def _inputs_like(pattern: str) -> Iterator[Input]:
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # a pattern may be absolute
    if not names:
        raise InputError(f"No file matches {pattern}")
    for name in names:
        yield from _inputs_of(name)


def _kind(path: Path) -> Kind:
    """Return what a file is by its name, or else by its content; an image if it is missing."""
    suffix = path.suffix.lower()
    if suffix in VIDEO_EXTENSIONS:
        return "video"
    if suffix == ".gif" and path.is_file():  # to open a pipe would wait for ever
        return "video" if _is_animated(path) else "image"
    if suffix in IMAGE_EXTENSIONS or not path.is_file():
        return "image"
    return "image" if _is_image(path) else "video"


def _is_animated(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # Pillow's plug-ins raise what they like; the reader will say what is wrong
        return False


def _is_image(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path):
            return True
    except Exception:
        return False
