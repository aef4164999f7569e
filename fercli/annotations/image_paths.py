"""Where images lie that annotations name: beside them, or in the folders that are usual."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from fercli.common.files import IMAGE_EXTENSIONS, find_files, is_there

#: Folders of images, seen from the folder of the annotations, in the order they are tried.
USUAL = (".", "images", "../images", "../JPEGImages", "..")

#: What tells an image's folder from that of its label, lower case.
PARTED = ("images", "labels", "jpegimages", "annotations")

#: Of the files of one image each.
LABEL_SUFFIXES = (".txt", ".xml")

#: Among so many files a folder's format is looked for: other texts may lie before the labels.
MOST_TRIED = 100


def locate(name: str, folder: Path, images: Path | None = None) -> Path:
    """Return the path of an image that annotations in `folder` name.

    Parameters
    ----------
    name : str
        As it stands in the annotations; backslashes count as slashes if that finds the image.
    folder : Path
        The folder of the annotations.
    images : Path, optional
        The folder that the user said the names are relative to; then nowhere else is looked.

    Returns
    -------
    Path
        The first that exists; if none does, the first that was tried.
    """
    tried = list(_candidates(name, folder, images))
    return next((path for path in tried if is_there(path)), tried[0])


def _candidates(name: str, folder: Path, images: Path | None) -> Iterator[Path]:
    places = USUAL if images is None else (".",)
    names = (name, name.replace("\\", "/")) if "\\" in name else (name,)
    for spelling in names:
        for place in places:
            yield Path(os.path.normpath((images or folder) / place)) / spelling


def first_files(folder: Path, suffix: str, but: Collection[str] = ()) -> Iterator[Path]:
    """Yield the first `MOST_TRIED` files below a folder with this suffix, empty ones aside.

    They are the same each time. Unlike `fercli.common.files.find_files` this lists no folder before
    it is needed, in whatever size of tree.
    """
    return islice(_files(folder, suffix, but), MOST_TRIED)


def label_of_a_image(folder: Path) -> Path | None:
    """Return a file below a folder that seems to be the label of an image there, or None.

    It is a text or XML file, not empty, with the name of an image, beside it or in the folder
    of labels that belongs to it.

    Raises
    ------
    InputError
        A folder cannot be read.
    """
    files = find_files(folder, (*IMAGE_EXTENSIONS, *LABEL_SUFFIXES))
    labels = [file for file in files if file.suffix.lower() in LABEL_SUFFIXES]
    images = {_key(file, folder) for file in set(files).difference(labels)}
    return next((f for f in labels if _key(f, folder) in images and _has_content(f)), None)


def _files(folder: Path, suffix: str, but: Collection[str]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.lower().endswith(suffix) and name not in but and _has_content(path):
                yield path


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:  # a link that leads nowhere
        return False


def _key(file: Path, root: Path) -> tuple[tuple[str, ...], str]:
    folders = file.relative_to(root).parent.parts
    return tuple(folder for folder in folders if folder.lower() not in PARTED), file.stem
