"""Staging: safe names for images whose own names a description file cannot hold.

A folder of links beside the list, with the mapping in its ``names.csv``. Images in formats that
OpenCV's programs may not read (GIF, WebP, TIFF, …) stand there as gray PNG files instead.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from fercli.annotations.opencv_lists import Names, name_from
from fercli.cascade.list_builder.image_audit import AuditedImage
from fercli.common.files import IMAGE_EXTENSIONS, atomic_folder
from fercli.common.images import read_gray, write_image

#: The file in a folder of links that says what each stands for.
MAPPING = "names.csv"

#: What the name of an image ends in that stands there converted.
CONVERTED = ".gray.png"


def plan_names(
    images: Iterable[AuditedImage], links: Path, names: Names, fits: Callable[[str], bool]
) -> dict[Path, Path]:
    """Return the path under which a list can name each image.

    Parameters
    ----------
    images : iterable of AuditedImage
        The images.
    links : Path
        The folder of links that there would be, beside the list.
    names : {"relative", "absolute"}
        How the list names images.
    fits : callable
        Whether a name can stand in the list.

    Returns
    -------
    dict of Path to Path
        For each image itself, or what stands for it in `links`.
    """
    return {
        image.path: image.path
        if image.plain and fits(name_from(links.parent, image.path, names))
        else links / safe_name(image.path, converted=not image.plain)
        for image in images
    }


def make_links(planned: Mapping[Path, Path], links: Path, *, overwrite: bool = False) -> int:
    """Make the folder of links that `plan_names` planned, whole or not at all.

    An image that lies in the folder already, as in a list that was written with it, stays what
    it is there: a link to the same image, or a copy.

    Parameters
    ----------
    planned : mapping of Path to Path
        What `plan_names` gave.
    links : Path
        The folder. If nothing is planned in it, it is not made, and an old one is removed.
    overwrite : bool
        Whether an existing folder may be replaced. Defaults to False.

    Returns
    -------
    int
        How many names there are in the folder.

    Raises
    ------
    OutputError
        The folder exists, or cannot be written.
    """
    resolve = cache(Path.resolve)
    here = resolve(links)  # a list may spell the folder in another way
    staged = {name.name: image for image, name in planned.items() if resolve(name.parent) == here}
    if not staged:
        if overwrite and links.is_dir():
            shutil.rmtree(links)
        return 0
    before = _read_mapping(links / MAPPING)
    with atomic_folder(links, overwrite=overwrite) as folder:
        originals: dict[str, str] = {}
        for name, image in staged.items():
            there = resolve(image.parent) == here
            _stage(image, folder / name, there_already=there)
            original = str(image.absolute())
            originals[name] = before.get(image.name, original) if there else original
        _write_mapping(folder / MAPPING, originals)
    return len(staged)


def safe_name(path: Path, *, converted: bool = False) -> str:
    """Return a name of letters, digits and ``._-`` that no other path has: readable, and stable."""
    digest = hashlib.blake2b(os.fsencode(path.absolute()), digest_size=6).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem)[:60].strip("_")
    suffix = path.suffix.lower() if path.suffix.lower() in IMAGE_EXTENSIONS else ""
    return f"{stem}-{digest}{CONVERTED if converted else suffix}".lstrip("-")


def _stage(image: Path, link: Path, *, there_already: bool) -> None:
    if link.name.endswith(CONVERTED):
        write_image(link, read_gray(image))
        return
    if there_already:  # a link to it would soon lead to itself
        shutil.copyfile(image, link, follow_symlinks=False)
        return
    try:
        link.symlink_to(image.absolute())
    except OSError:  # a file system without links
        shutil.copyfile(image, link)


def _read_mapping(path: Path) -> dict[str, str]:
    """Return what each name of an old folder stands for, as far as that can be read."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return {row[0]: row[1] for row in csv.reader(file) if len(row) == 2}
    except (OSError, csv.Error):
        return {}


def _write_mapping(path: Path, originals: Mapping[str, str]) -> None:
    # File names that are not UTF-8 are written as the bytes that they are.
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("name", "image"))
        table.writerows(originals.items())
