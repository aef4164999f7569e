"""Where images lie that annotations name: beside them, or in the folders that are usual."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath

from fercli.annotations.base import NOTES, LabeledBox, OnError, Record, raise_it
from fercli.common.errors import ImageError
from fercli.common.files import IMAGE_EXTENSIONS, find_files, is_there

#: Folders of images, seen from the folder of the annotations, in the order they are tried.
USUAL_FOLDERS = (".", "images", "../images", "../JPEGImages", "..")

#: What tells an image's folder from that of its label, lower case.
LAYOUT_FOLDERS = ("images", "labels", "jpegimages", "annotations")

#: Files of a folder that are looked at when names lead nowhere.
MOST_INDEXED = 200_000

#: Among so many files a folder's format is looked for: other texts may lie before the labels.
MOST_TRIED = 100


class ImageLocator:
    """Finds the images that a file of annotations names.

    A name is looked for as it stands (`locate`). If that leads nowhere, as on another machine or
    after a folder was renamed, its last parts are, below the folder of the images; then the file
    of that base name below it, if there is only one. What was found in such a way is noted.

    Parameters
    ----------
    source : Path
        The file of annotations.
    images : Path, optional
        The folder that the user said the names are relative to. Absolute names are redirected to
        it. Defaults to the file's folder, or one of the usual.
    """

    def __init__(self, source: Path, images: Path | None = None) -> None:
        self.source = source
        self.images = images
        self._index: dict[str, Path | None] | None = None
        self._bases: list[str] | None = None

    def find(self, name: str, extra: Sequence[Path] = ()) -> Path:
        """Return the path of an image; if there is none, where it was looked for first.

        Parameters
        ----------
        name : str
            As it stands in the annotations.
        extra : sequence of Path
            Folders to look in besides, when the name leads nowhere else.
        """
        folder = self.source.parent
        if self.images is None or not _is_absolute(name):
            path = locate(name, folder, self.images)
            if is_there(path):
                return path
        else:
            path = self.images / _parts(name)[-1]
        found = self._elsewhere(name, extra)
        if found is None:
            return path
        kind = "image names that lead nowhere, found by their last part in another folder"
        NOTES.add(self.source, kind, name, f"{name} is {found}")
        return found

    def _elsewhere(self, name: str, extra: Sequence[Path]) -> Path | None:
        parts = _parts(name)
        if not parts or parts[-1] in (".", ".."):
            return None
        if self._bases is None:
            folder = self.source.parent
            # COCO's own: annotations/instances_train2017.json is of train2017/.
            split = self.source.stem.rpartition("_")[2]
            of_split = [folder.parent / split, folder.parent / "images" / split]
            usual = [folder, *(folder / each for each in USUAL_FOLDERS[1:4]), *of_split, *extra]
            bases = [self.images, *extra] if self.images else usual
            self._bases = [str(base) for base in bases if base.is_dir()]
        for base in self._bases:
            for start in range(len(parts)):
                path = os.path.join(base, *parts[start:])  # noqa: PTH118  (names by thousands)
                if os.path.isfile(path):  # noqa: PTH113
                    return Path(path)
        return self._indexed(parts[-1])

    def _indexed(self, name: str) -> Path | None:
        """Return the only file of a base name, or without a suffix the only image of a stem."""
        if self._index is None:
            folder = self.source.parent
            above = folder.parent if folder.name.lower() in LAYOUT_FOLDERS else folder
            self._index = _index_of(self.images or above)
        found = self._index.get(name) or self._index.get(f"{name}.*")
        if found is None and name in self._index:
            NOTES.add(self.source, "image names that several files have, not used", name, name)
        return found


def paired_image(
    locator: ImageLocator, names: Sequence[str], stated_wh: tuple[int, int] | None = None
) -> Path:
    """Return the image of a file of annotations of one image.

    It is the image that the file names; but where an image has the name of the file itself, and
    the file names another, the name in the file is taken for stale: files and images were
    renumbered together. If the stated size fits the other alone, that one is the image. The
    contradiction is noted.

    Parameters
    ----------
    locator : ImageLocator
        Of the file.
    names : sequence of str
        The names of the image in the file, the most trusted first.
    stated_wh : (int, int), optional
        The size of the image that the file states.
    """
    stem = locator.source.stem
    named = next(_existing(locator, names), None)
    if named is not None and named.stem == stem:
        return named
    if named is not None:
        own = _beside(named, stem)
    else:
        own = next(_existing(locator, (stem + suffix for suffix in IMAGE_EXTENSIONS)), None)
    if own is None:
        return named or locator.find(names[0] if names else stem + IMAGE_EXTENSIONS[0])
    if named is None:
        return own
    kind = "files that name another image than the one called like them, which is used"
    used = own
    if _fits_alone(named, own, stated_wh):
        kind = "files that name another image than the one called like them, used for its size"
        used = named
    NOTES.add(locator.source, kind, None, f"names {named.name}, {used.name} is used")
    return used


def _existing(locator: ImageLocator, names: Iterable[str]) -> Iterator[Path]:
    """Yield the images of these names that are there as they are named."""
    for name in names:
        path = locate(name, locator.source.parent, locator.images)
        if is_there(path):
            yield path


def _beside(image: Path, stem: str) -> Path | None:
    """Return the image of another stem in the folder of an image; None if there is none."""
    try:
        changed = image.parent.stat().st_mtime_ns
    except OSError:
        return None
    name = _stems_in(image.parent, changed).get(stem)
    return None if name is None else image.with_name(name)


@lru_cache(maxsize=4)
def _stems_in(folder: Path, changed: int) -> dict[str, str]:
    names = sorted(path.name for path in folder.iterdir())
    return {Path(name).stem: name for name in names if name.lower().endswith(IMAGE_EXTENSIONS)}


def _fits_alone(named: Path, own: Path, stated_wh: tuple[int, int] | None) -> bool:
    try:
        return stated_wh is not None and image_size(named) == stated_wh != image_size(own)
    except ImageError:
        return False


def _is_absolute(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute() or "://" in name


def _parts(name: str) -> list[str]:
    """Return the parts of a name of any system, without a drive, a root or a protocol."""
    name = name.rpartition("://")[2].replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return (parts[1:] if len(parts) > 1 and parts[0].endswith(":") else parts) or [name]


def _index_of(folder: Path) -> dict[str, Path | None]:
    """Return the files below a folder by base name, images by stem (``a.*``); None for several."""
    index: dict[str, Path | None] = {}
    seen = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            seen += 1
            stem, _, suffix = name.rpartition(".")
            keys = [name]
            if f".{suffix.lower()}" in IMAGE_EXTENSIONS:
                keys.append(f"{stem}.*")
            for key in keys:
                index[key] = None if key in index else Path(parent, name)
        if seen > MOST_INDEXED:
            break
    return index


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
    first = None
    for spelling in (name, name.replace("\\", "/")) if "\\" in name else (name,):
        for place in _places(str(images or folder), images is None):
            path = os.path.join(place, spelling)  # noqa: PTH118  (names by thousands)
            exists = os.path.exists if spelling == name else os.path.isfile
            if exists(path):
                return Path(path)
            first = first or path
    assert first is not None
    return Path(first)


@lru_cache(maxsize=64)
def _places(folder: str, usual: bool) -> tuple[str, ...]:
    return tuple(
        os.path.normpath(Path(folder, place)) for place in (USUAL_FOLDERS if usual else (".",))
    )


def first_files(folder: Path, suffix: str, but: Collection[str] = ()) -> Iterator[Path]:
    """Yield the first `MOST_TRIED` files below a folder with this suffix, empty ones aside.

    They are the same each time. Unlike `fercli.common.files.find_files` this lists no folder before
    it is needed, in whatever size of tree.
    """
    return islice(_files(folder, suffix, but), MOST_TRIED)


def label_of_an_image(folder: Path, suffixes: Collection[str]) -> Path | None:
    """Return a file below a folder that seems to be the label of an image there, or None.

    It is a file with one of these suffixes, not empty, with the name of an image, beside it or in
    the folder of labels that belongs to it.

    Raises
    ------
    InputError
        A folder cannot be read.
    """
    files = find_files(folder, (*IMAGE_EXTENSIONS, *suffixes))
    labels = [file for file in files if file.suffix.lower() in suffixes]
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
    return tuple(folder for folder in folders if folder.lower() not in LAYOUT_FOLDERS), file.stem


# Sizes of images as fer decodes them, upright; from their headers where that is certain.


#: EXIF's tag of the orientation.
ORIENTATION = 0x0112


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image, upright.

    Raises
    ------
    ImageError
        The image cannot be read.
    """
    found = _from_header(path) if path.suffix.lower() in (".jpg", ".jpeg", ".png") else None
    if found is not None:
        return found
    from fercli.common.images import read_gray  # imports cv2, which not all readers need

    height, width = read_gray(path).shape
    return width, height


def has_exif(path: Path) -> bool:
    """Whether a file begins as a JPEG with EXIF, as cameras write it; quick."""
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        return False
    try:
        with path.open("rb") as file:
            return b"Exif" in file.read(64)
    except OSError:
        return False


def exif_orientation(path: Path) -> int:
    """Return the EXIF orientation of an image, 1 to 8; 1 if there is none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                value = image.getexif().get(ORIENTATION)
    except Exception:  # Pillow's plug-ins raise what they like
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _from_header(path: Path) -> tuple[int, int] | None:
    """Return the size that the header of a JPEG or PNG tells; None if it takes the pixels."""
    from PIL import Image

    try:
        with path.open("rb") as file:
            begin = file.read(1 << 16)
        if b"eXIf" in begin and begin.startswith(b"\x89PNG"):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.format not in ("JPEG", "PNG"):
                    return None
                width, height = image.size
                turned = image.format == "JPEG" and image.getexif().get(ORIENTATION, 1) >= 5
    except Exception:  # Pillow's plug-ins raise what they like; reading the image names it
        return None
    return (height, width) if turned else (width, height)


#: All of the image, whatever its size.
WHOLE = LabeledBox(0.0, 0.0, 1.0, 1.0)


def read_whole_images(
    path: Path,
    images: Path | None = None,
    on_error: OnError = raise_it,
    *,
    extensions: Sequence[str] = IMAGE_EXTENSIONS,
    recursive: bool = True,
) -> list[Record]:
    """Return a record for each image in a folder, or for one image.

    Raises
    ------
    InputError
        The folder is missing or cannot be read.
    """
    found = find_files(path, extensions, recursive=recursive) if path.is_dir() else [path]
    return [Record(name, (WHOLE,), path, normalized=True) for name in found]
