"""YOLO's text files, one an image: ``class x-center y-center width height`` a line.

The numbers are fractions of the image's width and height. The text file has the image's name
and lies beside it, or in ``labels`` where the image lies in ``images``. An image without a
text file has no object. ``classes.txt``, ``obj.names`` or ``data.yaml``, where there is one, names
the classes. Of polygons (class x y x y …) the bounding box is taken, of poses the box.

See: https://docs.ultralytics.com/datasets/detect/, …/segment/, …/pose/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fercli.annotations.base import (
    NOTES,
    AnnotatedImage,
    LabeledBox,
    OnError,
    Record,
    raise_it,
)
from fercli.annotations.text_files import text_of
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError, FerError
from fercli.common.files import find_files, write_text

#: A center or side beyond this is in pixels or noise; rounding leaves true ones just above 1.
LARGEST_FRACTION = 1.01

#: Text files that lie beside labels and are none.
NO_LABELS = ("classes.txt",)

#: Files that name the classes.
NAMES = ("classes.txt", "obj.names", "data.yaml", "data.yml", "dataset.yaml")

#: Where an image or its label lies below the root, and its name without the suffix.
Key = tuple[tuple[str, ...], str]


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each image, sorted by path.

    Parameters and errors as `fercli.annotations.formats.Reader`.
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
        if key not in imaged and is_label(label):
            on_error(AnnotationError("There is no image of the same name", path=label))
    records = []
    for key, image in found:
        try:
            records.append(_record(image, labels.get(key), names))
        except FerError as error:
            on_error(error)
    _note_corners(records, path)
    return records


def _note_corners(records: Sequence[Record], path: Path) -> None:
    """Note boxes that seem to be two corners: some leave the images, as corners all would fit."""
    boxes = [box for record in records for box in record.boxes]
    if any(box.x > box.width / 2 or box.y > box.height / 2 for box in boxes):
        return
    # Beyond the six digits of the files.
    outside = sum(
        min(b.x, b.y) < -1e-5 or max(b.x + b.width, b.y + b.height) > 1 + 1e-5 for b in boxes
    )
    if outside:
        kind = "boxes that leave their images, taken as center and sides; as two corners all fit"
        NOTES.add(path, kind, count=outside)


def write_each(folder: Path, name: Path, image: AnnotatedImage, label: str) -> None:
    """Write the label file of one image, and ``classes.txt`` where the label needs it.

    The size of the image is known, and boxes are clipped to it; ignored ones are left out. A label
    may be the number of a class where no file names it. Parameters as
    `fercli.annotations.formats.EachWriter`.
    """
    names = class_names(folder)
    known = [*filter(None, names)]
    labels = dict.fromkeys((label, *image.labels) if not image.labels else image.labels)
    new = [one for one in labels if one not in names and not one.isdigit()]
    if new:
        names = [*known, *new]
        write_text(folder / "classes.txt", "\n".join(names) + "\n", overwrite=True)
    numbers = {one: names.index(one) if one in names else int(one) for one in labels}
    lines = (f"{numbers[one]} {_fractions(box, image)}\n" for box, one in image.labeled(label))
    write_text(folder / name.with_suffix(".txt"), "".join(lines), overwrite=True)


def class_names(root: Path) -> list[str]:
    """Return the names of the classes by their numbers, some perhaps empty.

    Parameters
    ----------
    root : Path
        The folder of the labels. A file of `NAMES` is looked for in it, in its ``labels``, and in
        the two folders that it lies in.

    Raises
    ------
    AnnotationError
        The names in a YAML file cannot be made out.
    InputError
        The file cannot be read.
    """
    above = root.absolute().parents
    for folder in (root, root / "labels", *above[:2]):
        for name in NAMES:
            if (folder / name).is_file():
                text = text_of(folder / name)
                if name.endswith((".yaml", ".yml")):
                    return _yaml_names(text, folder / name)
                return [line.strip() for line in text.split("\n")]
    return []


def _yaml_names(text: str, path: Path) -> list[str]:
    """Return the names of Ultralytics' YAML: a list or numbers with names, on one line or many."""
    found = re.search(r"^names\s*:[ \t]*(.*(?:\n(?:[ \t]+\S.*|-.*|[\]}].*|[ \t]*))*)", text, re.M)
    if found is None:
        return []
    body = re.sub(r"(^|\s)#.*", "", found.group(1)).strip()
    if body[:1] in ("[", "{"):
        items = re.findall(r"""\s*((?:"[^"]*"|'[^']*'|[^,\]}"'])+)[,\]}]""", body[1:])
    else:
        items = [re.sub(r"^\s*-\s*", "", line) for line in body.splitlines() if line.strip()]
    names: dict[int, str] = {}
    for at, item in enumerate(items):
        numbered = re.fullmatch(r"""["']?(\d+)["']?\s*:\s*(.*)""", item.strip())
        number, name = (int(numbered[1]), numbered[2]) if numbered else (at, item)
        names[number] = name.strip().strip("\"'")
    if not names or max(names) > 10 * len(names) + 1000:
        raise AnnotationError("Expected a list of names under `names`", path=path)
    return [names.get(number, "") for number in range(max(names) + 1)]


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
    for number, line in enumerate(text_of(label).splitlines(), 1):
        if line.strip():
            try:
                box, kind = _box(line, names)
            except AnnotationError as error:
                raise AnnotationError(error.message, path=label, line=number) from None
            if kind:
                NOTES.add(label, kind, number)
            yield box


def _box(line: str, names: list[str]) -> tuple[LabeledBox, str]:
    """Return the box of a line, and what it was taken from if it is more than a box."""
    words = line.split()
    try:
        number, *values = map(float, words)
        category = int(number)
    except (ValueError, OverflowError):
        category, number, values = 0, 0.5, []
    if len(values) < 4 or category != number:
        raise AnnotationError(f"Expected a class and 4 numbers, got {line[:60]!r}")
    kind = ""
    if len(values) < 6:  # perhaps a confidence
        x, y, width, height = values[:4]
    elif _are_keypoints(values):
        x, y, width, height = values[:4]
        kind = "boxes with keypoints, which are not considered"
    elif len(values) % 2 == 0:
        across, down = values[0::2], values[1::2]
        _require_fractions(values, line)
        width, height = max(across) - min(across), max(down) - min(down)
        x, y = min(across) + width / 2, min(down) + height / 2
        kind = "polygons, their bounding boxes used"
    else:
        raise AnnotationError(f"Expected a class and 4 numbers, or a polygon, got {len(words) - 1}")
    _require_fractions((x, y, width, height), line)
    name = names[category] if 0 <= category < len(names) and names[category] else str(category)
    return LabeledBox(x - width / 2, y - height / 2, width, height, name), kind


def _are_keypoints(values: Sequence[float]) -> bool:
    """Whether what follows 4 numbers of a box are points x, y, visibility."""
    return len(values) % 3 == 1 and all(value in (0, 1, 2) for value in values[6::3])


def _require_fractions(values: Sequence[float], line: str) -> None:
    if not all(0 <= value <= LARGEST_FRACTION for value in values):
        raise AnnotationError(f"Expected fractions from 0 to 1, got {line[:60]!r}")


def is_label(path: Path) -> bool:
    """Whether a text file begins with a line of YOLO's, blank ones aside."""
    try:
        with path.open("rb") as file:
            text = file.read(1 << 16).decode("utf-8-sig", "replace")
        return bool(_box(next(filter(str.strip, text.splitlines()), ""), []))
    except (OSError, AnnotationError):
        return False
