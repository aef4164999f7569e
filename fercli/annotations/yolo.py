"""YOLO's text files, one an image: ``class x-center y-center width height`` a line.

The numbers are fractions of the image's width and height. The text file has the image's name
and lies beside it, or in ``labels`` where the image lies in ``images``. An image without a
text file has no object. ``classes.txt``, where there is one, names the classes.

See: https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fercli.annotations.base import (
    AnnotatedImage,
    Box,
    LabeledBox,
    OnError,
    Record,
    raise_it,
)
from fercli.annotations.image_paths import first_files
from fercli.common.errors import AnnotationError, FerError
from fercli.common.files import find_files, read_text, write_text

#: A center or side beyond this is in pixels or noise; rounding leaves true ones just above 1.
LARGEST_FRACTION = 1.01

#: Text files that lie beside labels and are none.
NO_LABELS = ("classes.txt",)

#: Where an image or its label lies below the root, and its name without the suffix.
Key = tuple[tuple[str, ...], str]


def looks_like(path: Path) -> bool:
    """Whether this is such a file, or a folder with one among its first text files."""
    files = first_files(path, ".txt", NO_LABELS) if path.is_dir() else [path]
    return any(file.suffix.lower() == ".txt" and _is_label(file) for file in files)


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each image, sorted by path.

    Parameters
    ----------
    path : Path
        The folder that holds the labels, or one label file.
    images : Path, optional
        The folder of the images. Defaults to `path`, or to ``images`` beside it if `path` is
        called ``labels``.
    on_error : callable
        Told of each malformed label, and of each label without an image. Defaults to raising it.

    Raises
    ------
    AnnotationError
        A label is malformed, or its image is not to be found.
    InputError
        A file or folder cannot be read.
    """
    root = path if path.is_dir() else path.parent
    labels = dict(_labels(path, root))
    names = class_names(root)
    folder = _images(root, images)
    # Several images of one name, such as a.jpg and a.png, share a label.
    found = [(_key(file, folder), file) for file in find_files(folder)]
    if not path.is_dir():
        found = [(key, file) for key, file in found if key in labels]
    imaged = {key for key, _ in found}
    for key, label in labels.items():
        if key not in imaged and _is_label(label):
            on_error(AnnotationError("There is no image of the same name", path=label))
    records = []
    for key, image in found:
        try:
            records.append(_record(image, labels.get(key), names))
        except FerError as error:
            on_error(error)
    return records


def write_each(folder: Path, name: Path, image: AnnotatedImage, label: str) -> None:
    """Write the label file of one image, and ``classes.txt`` where the label needs it.

    Parameters
    ----------
    folder : Path
        The folder of the label files.
    name : Path
        The image, seen from the folder of images; the label file is called after it.
    image : AnnotatedImage
        The image, whose size is known, and its boxes, which are clipped to it; ignored ones
        are left out.
    label : str
        The class of all objects: its name, or its number where no file names it.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    names = class_names(folder)
    if label not in names and not label.isdigit():
        names = [*filter(None, names), label]
        write_text(folder / "classes.txt", "\n".join(names) + "\n", overwrite=True)
    category = names.index(label) if label in names else int(label)
    lines = (f"{category} {_fractions(box, image)}\n" for box in image.boxes_xywh)
    write_text(folder / name.with_suffix(".txt"), "".join(lines), overwrite=True)


def class_names(root: Path) -> list[str]:
    """Return the names of the classes by their numbers, some perhaps empty.

    Parameters
    ----------
    root : Path
        The folder of the labels; ``classes.txt`` lies in it, in its ``labels`` or beside it.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    for folder in (root, root / "labels", root.parent):
        if (folder / "classes.txt").is_file():
            return read_text(folder / "classes.txt").split("\n")
    return []


def _fractions(box: Box, image: AnnotatedImage) -> str:
    """Return center and sides of what of a box is in the image, no whole pixel lost to digits."""
    assert image.size_wh is not None
    (x, y, width, height), (wide, high) = box, image.size_wh
    left, right = (min(max(edge, 0), wide) / wide for edge in (x, x + width))
    top, bottom = (min(max(edge, 0), high) / high for edge in (y, y + height))
    numbers = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
    return " ".join(f"{number:.9f}" for number in numbers)


def _labels(path: Path, root: Path) -> Iterator[tuple[Key, Path]]:
    for file in find_files(path, (".txt",)) if path.is_dir() else [path]:
        if file.name not in NO_LABELS:
            yield _key(file, root), file


def _images(root: Path, images: Path | None) -> Path:
    if images is not None:
        return images
    beside = root.parent / "images"
    return beside if root.name.lower() == "labels" and beside.is_dir() else root


def _key(file: Path, root: Path) -> Key:
    folders = file.relative_to(root).parent.parts
    return tuple(f for f in folders if f.lower() not in ("images", "labels")), file.stem


def _record(image: Path, label: Path | None, names: list[str]) -> Record:
    boxes = () if label is None else tuple(_boxes(label, names))
    return Record(image, boxes, label or image, normalized=True)


def _boxes(label: Path, names: list[str]) -> Iterator[LabeledBox]:
    for number, line in enumerate(read_text(label).splitlines(), 1):
        if line.strip():
            try:
                yield _box(line, names)
            except AnnotationError as error:
                raise AnnotationError(error.message, path=label, line=number) from None


def _box(line: str, names: list[str]) -> LabeledBox:
    words = line.split()
    try:
        category, (x, y, width, height) = int(words[0]), map(float, words[1:5])
    except (ValueError, IndexError):
        raise AnnotationError(f"Expected a class and 4 numbers, got {line[:60]!r}") from None
    if len(words) > 6:
        raise AnnotationError(f"Expected a class and 4 numbers, got {len(words) - 1}: polygons?")
    if not all(0 <= value <= LARGEST_FRACTION for value in (x, y, width, height)):
        raise AnnotationError(f"Expected fractions from 0 to 1, got {line[:60]!r}")
    name = names[category] if 0 <= category < len(names) else str(category)
    return LabeledBox(x - width / 2, y - height / 2, width, height, name)


def _is_label(path: Path) -> bool:
    """Whether a text file begins with a line of YOLO's, blank ones aside."""
    try:
        with path.open("rb") as file:
            text = file.read(4096).decode("utf-8-sig", "replace")
        return bool(_box(next(filter(str.strip, text.splitlines()), ""), []))
    except (OSError, AnnotationError):
        return False
