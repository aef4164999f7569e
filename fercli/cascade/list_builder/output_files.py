"""The files of a description: their names in the folder, and how they are written."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from fercli.annotations.base import AnnotatedImage
from fercli.annotations.formats import FORMATS
from fercli.annotations.opencv_lists import (
    Names,
    fits_background_list,
    fits_info,
    name_from,
    write_background_list,
    write_info,
)
from fercli.cascade.list_builder.image_audit import AuditedImage, LeftOut
from fercli.cascade.list_builder.options import FileOptions
from fercli.cascade.list_builder.report import CollectedImages, count_boxes
from fercli.common.drawing import require_suffix
from fercli.common.errors import OutputError
from fercli.common.files import IMAGE_EXTENSIONS, atomic_folder, require_absent, write_text
from fercli.common.images import read_gray, write_image
from fercli.common.tables import counted

INFO, TEST_INFO = "info.dat", "test_info.dat"
BACKGROUNDS, TEST_BACKGROUNDS = "bg.txt", "test_bg.txt"
POSITIVE_LINKS, NEGATIVE_LINKS = "positive_links", "negative_links"
INFO_LEFT_OUT, BACKGROUNDS_LEFT_OUT = "info_left_out.csv", "bg_left_out.csv"

#: The files of all formats that can be written beside the info file.
OTHER_FORMATS = {"csv": "annotations.csv", "coco": "annotations.json", "dlib": "annotations.xml"}

POSITIVE_FILES = (INFO, TEST_INFO, POSITIVE_LINKS, INFO_LEFT_OUT)
NEGATIVE_FILES = (BACKGROUNDS, TEST_BACKGROUNDS, NEGATIVE_LINKS, BACKGROUNDS_LEFT_OUT)


def require_room(out: Path, options: FileOptions, *, positives: bool, negatives: bool) -> None:
    """Raise the error that writing would meet at its end: before hours of detection.

    Raises
    ------
    OutputError
        `out` is a file, or the plot's name no plot's.
    OutputExistsError
        A file of a description is there and may not be replaced.
    """
    if out.exists() and not out.is_dir():
        raise OutputError("Expected a folder to write to, got a file", path=out)
    if options.plot:
        require_suffix(options.plot)
    names = (POSITIVE_FILES if positives else ()) + (NEGATIVE_FILES if negatives else ())
    also = [out / OTHER_FORMATS[options.also]] if options.also else []
    plot = [options.plot] if options.plot else []
    for path in [*(out / name for name in names), *also, *plot]:
        require_absent(path, overwrite=options.overwrite)


def write_positives(
    part: CollectedImages, out: Path, options: FileOptions
) -> Iterator[tuple[Path, str]]:
    """Write the files of the positives; yield each one's path and what is in it."""
    links = out / POSITIVE_LINKS
    names = plan_names(part.used, links, options.info_names, fits_info)
    yield from _make_links(names, links, options)
    for name, images in ((INFO, part.training), (TEST_INFO, part.test)):
        yield from _written_info(out / name, images, names, options)
    yield from _written_left_out(out / INFO_LEFT_OUT, part.left_out, options)
    if options.also:
        path = out / OTHER_FORMATS[options.also]
        write = FORMATS[options.also].write
        assert write is not None
        write(path, [_annotated(p, p.path) for p in part.used], overwrite=options.overwrite)
        yield path, _boxes_text(part.used)


def write_negatives(
    part: CollectedImages, out: Path, options: FileOptions
) -> Iterator[tuple[Path, str]]:
    """Write the files of the negatives; yield each one's path and what is in it."""
    links = out / NEGATIVE_LINKS
    names = plan_names(part.used, links, options.background_names, fits_background_list)
    yield from _make_links(names, links, options)
    for name, images in ((BACKGROUNDS, part.training), (TEST_BACKGROUNDS, part.test)):
        path = out / name
        if not images:
            _remove_old(path, options)
            continue
        write_background_list(
            path,
            [names[image.path] for image in images],
            names=options.background_names,
            overwrite=options.overwrite,
        )
        yield path, counted(len(images), "image")
    yield from _written_left_out(out / BACKGROUNDS_LEFT_OUT, part.left_out, options)


def _make_links(
    names: dict[Path, Path], links: Path, options: FileOptions
) -> Iterator[tuple[Path, str]]:
    count = make_links(names, links, overwrite=options.overwrite)
    if count:
        yield (
            links,
            f"other names for {counted(count, 'image')} that a list cannot hold; see {MAPPING}",
        )


def _written_info(
    path: Path, images: Sequence[AuditedImage], names: dict[Path, Path], options: FileOptions
) -> Iterator[tuple[Path, str]]:
    if not images:
        _remove_old(path, options)
        return
    write_info(
        path,
        [_annotated(image, names[image.path]) for image in images],
        separator=options.separator,
        names=options.info_names,
        overwrite=options.overwrite,
    )
    yield path, _boxes_text(images)


def _written_left_out(
    path: Path, left_out: Sequence[LeftOut], options: FileOptions
) -> Iterator[tuple[Path, str]]:
    if not left_out:
        _remove_old(path, options)
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", "x", "y", "w", "h", "reason", "detail"))
    for each in left_out:
        box = each.box_xywh or ("", "", "", "")
        table.writerow((each.path, *box, each.reason, each.detail))
    write_text(path, text.getvalue(), overwrite=options.overwrite)
    yield path, f"{len(left_out)} left out, and why"


def _remove_old(path: Path, options: FileOptions) -> None:
    """Remove a file of an earlier description, which would contradict this one."""
    if options.overwrite:
        path.unlink(missing_ok=True)


def _annotated(image: AuditedImage, name: Path) -> AnnotatedImage:
    boxes = tuple(sample.box_xywh for sample in image.samples)
    return AnnotatedImage(name, boxes, size_wh=image.size_wh)


def _boxes_text(images: Sequence[AuditedImage]) -> str:
    return f"{counted(count_boxes(images), 'box')} in {counted(len(images), 'image')}"


# Staging: safe names for images whose own names a description file cannot hold.


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
