"""Staging: safe names for pictures whose own names a description file cannot hold.

A folder of links beside the list, with the mapping in its ``names.csv``. Pictures in formats that
OpenCV's programs may not read (GIF, WebP, TIFF, …) stand there as grey PNG files instead.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from fercli.cascade.description import Names, name_from
from fercli.cascade.survey import Surveyed
from fercli.files import PICTURE_EXTENSIONS, folder_written_whole
from fercli.pictures import read_grey, write_picture

#: The file in a folder of links that says what each stands for.
MAPPING = "names.csv"

#: What the name of a picture ends in that stands there converted.
CONVERTED = ".grey.png"


def plan_names(
    pictures: Iterable[Surveyed], links: Path, names: Names, fits: Callable[[str], bool]
) -> dict[Path, Path]:
    """Return the path under which a list can name each picture.

    Parameters
    ----------
    pictures : iterable of Surveyed
        The pictures.
    links : Path
        The folder of links that there would be, beside the list.
    names : {"relative", "absolute"}
        How the list names pictures.
    fits : callable
        Whether a name can stand in the list.

    Returns
    -------
    dict of Path to Path
        For each picture itself, or what stands for it in `links`.
    """
    return {
        picture.path: picture.path
        if picture.plain and fits(name_from(links.parent, picture.path, names))
        else links / safe_name(picture.path, converted=not picture.plain)
        for picture in pictures
    }


def make_links(planned: Mapping[Path, Path], links: Path, *, overwrite: bool = False) -> int:
    """Make the folder of links that `plan_names` planned, whole or not at all.

    Parameters
    ----------
    planned : mapping of Path to Path
        What `plan_names` gave.
    links : Path
        The folder. If nothing needs it, it is not made, and an old one is removed.
    overwrite : bool
        Whether an existing folder may be replaced. Defaults to False.

    Returns
    -------
    int
        How many pictures needed another name.

    Raises
    ------
    OutputError
        The folder exists, or cannot be written.
    """
    staged = {picture: name for picture, name in planned.items() if name.parent == links}
    if not staged:
        if overwrite and links.is_dir():
            shutil.rmtree(links)
        return 0
    with folder_written_whole(links, overwrite=overwrite) as folder:
        for picture, name in staged.items():
            _stage(picture, folder / name.name)
        _write_mapping(folder / MAPPING, staged)
    return len(staged)


def safe_name(path: Path, *, converted: bool = False) -> str:
    """Return a name of letters, digits and ``._-`` that no other path has: readable, and stable."""
    digest = hashlib.blake2b(os.fsencode(path.absolute()), digest_size=6).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem)[:60].strip("_")
    suffix = path.suffix.lower() if path.suffix.lower() in PICTURE_EXTENSIONS else ""
    return f"{stem}-{digest}{CONVERTED if converted else suffix}".lstrip("-")


def _stage(picture: Path, link: Path) -> None:
    if link.name.endswith(CONVERTED):
        write_picture(link, read_grey(picture))
        return
    try:
        link.symlink_to(picture.absolute())
    except OSError:  # a file system without links
        shutil.copyfile(picture, link)


def _write_mapping(path: Path, staged: Mapping[Path, Path]) -> None:
    # File names that are not UTF-8 are written as the bytes that they are.
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("name", "picture"))
        table.writerows((name.name, picture.absolute()) for picture, name in staged.items())
