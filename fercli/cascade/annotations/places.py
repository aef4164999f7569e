"""Where pictures lie that annotations name: beside them, or in the folders that are usual."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from fercli.files import is_there

#: Folders of pictures, seen from the folder of the annotations, in the order they are tried.
USUAL = (".", "images", "../images", "../JPEGImages", "..")


def locate(name: str, folder: Path, pictures: Path | None = None) -> Path:
    """Return the path of a picture that annotations in `folder` name.

    Parameters
    ----------
    name : str
        As it stands in the annotations; backslashes count as slashes if that finds the picture.
    folder : Path
        The folder of the annotations.
    pictures : Path, optional
        The folder that the user said the names are relative to; then nowhere else is looked.

    Returns
    -------
    Path
        The first that exists; if none does, the first that was tried.
    """
    tried = list(_candidates(name, folder, pictures))
    return next((path for path in tried if is_there(path)), tried[0])


def _candidates(name: str, folder: Path, pictures: Path | None) -> Iterator[Path]:
    places = USUAL if pictures is None else (".",)
    names = (name, name.replace("\\", "/")) if "\\" in name else (name,)
    for spelling in names:
        for place in places:
            yield Path(os.path.normpath((pictures or folder) / place)) / spelling


def first_file(folder: Path, suffix: str, but: Collection[str] = ()) -> Path | None:
    """Return one file below a folder with this suffix, empty ones aside, or None.

    It is the same each time. Unlike `fercli.files.find_files` this stops at the first, in
    whatever size of folder.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.lower().endswith(suffix) and name not in but and path.stat().st_size:
                return path
    return None
