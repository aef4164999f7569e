"""Annotations in a folder of images, or beside it: files of one image each, or of several."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fercli.annotations.base import NOTES
from fercli.annotations.formats import FORMATS, Format, json_kind
from fercli.common.errors import AnnotationError, FerError
from fercli.common.files import list_folder

#: What files of annotations end in, lower case.
SUFFIXES = {s for each in FORMATS.values() if each.name != "images" for s in each.suffixes}

#: Of the files beside a folder of images so many, of so many bytes, are looked at.
MOST_NEIGHBORS, LARGEST_NEIGHBOR = 50, 1 << 24

#: Folders of annotations that lie beside a folder of images, lower case.
LABEL_FOLDERS = (
    "labels", "annotations", "annotation", "ann", "xml", "xmls", "bboxes", "labeltxt", "boxes",
)  # fmt: skip


@dataclass(frozen=True)
class AnnotationSource:
    """Annotations that were found.

    Parameters
    ----------
    format : Format
        Their format.
    paths : tuple of Path
        The files, or the folder.
    images : Path, optional
        The folder of the images, where that was given and the annotations lie elsewhere.
    folder : Path, optional
        The folder that was given where they are files in or beside it: only what they say of
        images below it is taken.
    """

    format: Format
    paths: tuple[Path, ...]
    images: Path | None = None
    folder: Path | None = None


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder by its name, links not followed."""
    return absolute(path).is_relative_to(absolute(folder))


def absolute(path: Path) -> Path:
    """Return an absolute path without "..", links not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def in_folder(folder: Path, format: str | None, ignored: Path | None) -> AnnotationSource | None:
    """Return the annotations in a folder; None if there are none."""
    others = list_folder(folder).skipped
    if ignored is not None and not is_below(folder, ignored):
        others = [file for file in others if not is_below(file, ignored)]
    suffixes = {file.suffix.lower() for file in others}
    found: dict[str, list[Path]] = {}
    for each in _of_one_image(format):
        if each.suffix in suffixes and each.looks_like(folder):
            found[each.name] = [folder]
    # The files of several images; what has the name of an image and lies beside it is of one.
    for file, name in _files_of_many(others, folder, format, set(found)):
        found.setdefault(name, []).append(file)
    if not found:
        return None
    name = _only_format(found, folder)
    inside = None if FORMATS[name].of_one_image else folder
    return AnnotationSource(FORMATS[name], tuple(found[name]), folder=inside)


def beside_folder(folder: Path, format: str | None) -> AnnotationSource | None:
    """Return the annotations beside a folder of images, in ``labels``, say; None for none."""
    whole = absolute(folder)
    around = [
        whole.parent / name for name in _names_in(whole.parent) if name.lower() in LABEL_FOLDERS
    ]
    if whole.parent.name.lower() == "images":  # images/train, labels/train
        above = whole.parent.parent
        names = [name for name in _names_in(above) if name.lower() in LABEL_FOLDERS]
        around += [above / name / whole.name for name in names]
    found: dict[str, list[Path]] = {}
    stems: set[str] | None = None
    for place in around:
        if place == whole or not place.is_dir():
            continue
        files = list_folder(place).skipped
        stems = {file.stem for file in list_folder(folder).found} if stems is None else stems
        if any(file.stem in stems or Path(file.stem).stem in stems for file in files):
            for each in _of_one_image(format):
                if each.looks_like(place):
                    found.setdefault(each.name, []).append(_as_given(place, folder))
        for file, name in _files_of_many(files, folder, format, set(found)):
            found.setdefault(name, []).append(_as_given(file, folder))
    if not found:
        return None
    name = _only_format(found, folder)
    images = folder if FORMATS[name].of_one_image else None
    return AnnotationSource(FORMATS[name], tuple(found[name]), images, folder)


def note_files_above(folder: Path, ignored: Path | None) -> None:
    """Note the files beside a folder of whole images that mark objects in them."""
    above = absolute(folder).parent
    files = [path for path in (above / name for name in _names_in(above)) if _is_small_file(path)]
    if ignored is not None:
        files = [path for path in files if not is_below(path, ignored)]
    found = [
        _as_given(path, folder)
        for path, _ in _files_of_many(files[:MOST_NEIGHBORS], folder, None, set())
    ]
    if found:
        listed = ", ".join(map(str, found))
        kind = (
            f"whole images are used, not the boxes of {listed}, which names images of this folder"
        )
        NOTES.add(folder, kind, count=0)


def _is_small_file(path: Path) -> bool:
    try:
        return path.suffix.lower() in SUFFIXES and path.is_file() and (
            0 < path.stat().st_size <= LARGEST_NEIGHBOR
        )  # fmt: skip
    except OSError:
        return False


def _files_of_many(
    files: Sequence[Path], folder: Path, format: str | None, taken: set[str]
) -> Iterator[tuple[Path, str]]:
    """Yield the files that annotate several images, among them some of a folder, and formats."""
    many = [f for f in FORMATS.values() if not f.of_one_image and f.name != "images"]
    of_one = {".txt"} if taken & {"yolo", "info-folder"} else set()
    for file in files:
        suffix = file.suffix.lower()
        if suffix not in SUFFIXES or suffix in of_one or file.name.endswith("_left_out.csv"):
            continue
        if suffix == ".json" and not json_kind(file):
            continue
        each = next((each for each in many if each.looks_like(file)), None)
        if each is not None and format in (None, each.name) and _names_images(each, file, folder):
            yield file, each.name


def _names_images(format: Format, file: Path, folder: Path) -> bool:
    """Whether a file of annotations names an image below a folder."""
    errors: list[FerError] = []
    try:
        with NOTES.muted():
            records = format.read(file, None, errors.append)
    except FerError:  # of another kind than its name says
        return False
    return any(is_below(record.path, folder) and record.path.exists() for record in records)


def _only_format(found: dict[str, list[Path]], folder: Path) -> str:
    """Return the format to read: files of one image each win over those of many, which is noted."""
    of_one = [name for name in found if FORMATS[name].of_one_image]
    if len(of_one) == 1 < len(found):
        others = [path for name, paths in found.items() if name not in of_one for path in paths]
        listed = ", ".join(map(str, others[:5]))
        NOTES.add(folder, f"read as {FORMATS[of_one[0]].title}; not used: {listed}", count=0)
        return of_one[0]
    if len(found) > 1:
        listed = ", ".join(f"{FORMATS[n].title} ({paths[0]})" for n, paths in found.items())
        raise AnnotationError(
            f"The folder holds annotations in several formats: {listed}",
            hint="use --format, or give the file",
            path=folder,
        )
    return next(iter(found))


def _of_one_image(format: str | None) -> Iterator[Format]:
    """Yield the formats of one file an image; of those named `format`, if that is given."""
    for each in FORMATS.values():
        if each.of_one_image and format in (None, each.name):
            yield each


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _as_given(path: Path, folder: Path) -> Path:
    """Return a path beside a folder as the folder was given, relative if it was."""
    return path if folder.is_absolute() else Path(os.path.relpath(path))
