"""A table of boxes: ``path,x,y,w,h``, perhaps ``label``, ``ignored``, ``difficult``; a line a box.

With a line of column names the columns may stand in any order, others beside them, and boxes may
be given by their corners, their centers, or as one column ``bbox``; without one they stand in the
order above. A box whose field ``ignored`` (or ``ignore``, ``iscrowd``) or ``difficult`` is neither
empty nor ``0`` or ``false`` is not to be counted. Fields are parted by commas, semicolons or tabs.
An image without an object has one line with its path alone. Names are relative to the table's
folder. What was taken for what is noted, unless the columns are called as above.

See: for tables without a line of names that begin with TRAIN, TEST …: Google AutoML Vision,
"Formatting a training data CSV".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fercli.annotations.base import (
    NOTES,
    AnnotatedImage,
    LabeledBox,
    OnError,
    Reason,
    Record,
    are_fractions,
    is_set,
    raise_it,
)
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.opencv_lists import named_images
from fercli.annotations.text_files import size_of, text_of
from fercli.common.errors import AnnotationError, ImageError, InputError
from fercli.common.files import write_text

COLUMNS = ("path", "x", "y", "w", "h", "label", "ignored", "difficult")

#: What may part the fields.
DELIMITERS = ",;\t"

#: How four numbers give a box: corner and size, two corners, center and size.
BoxForm = Literal["xywh", "xyxy", "center"]

#: What the columns are called, the names that win first.
PATHS = (
    "path", "filename", "file_name", "file", "filepath", "image", "image_path", "imagepath",
    "image_name", "imagename", "img", "img_path", "image_id", "imageid", "name",
)  # fmt: skip
LABELS = (
    "label", "class", "class_name", "classname", "category", "labelname", "label_name", "object",
    "name",
)  # fmt: skip
IGNORED = ("ignored", "ignore", "iscrowd", "is_crowd", "isgroupof")
DIFFICULT = ("difficult", "is_difficult")
LEFT, TOP = (
    ("x", "left", "xmin", "x_min", "bbox_x", "x1", "x_1"),
    ("y", "top", "ymin", "y_min", "bbox_y", "y1", "y_1"),
)
WIDTHS, HEIGHTS = (
    ("w", "width", "bbox_width", "box_width"),
    ("h", "height", "bbox_height", "box_height"),
)
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"), ("x0", "y0", "x1", "y1"), ("left", "top", "right", "bottom"),
    ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"), ("xtl", "ytl", "xbr", "ybr"),
    ("roi.x1", "roi.y1", "roi.x2", "roi.y2"),
)  # fmt: skip
CENTERS = (("x_center", "y_center"), ("xcenter", "ycenter"), ("cx", "cy"), ("xc", "yc"))
ONE_COLUMN = ("bbox", "box", "bounding_box")
SIZES = (
    ("image_width", "image_height"), ("img_width", "img_height"), ("imagewidth", "imageheight"),
    ("img_w", "img_h"), ("image_w", "image_h"), ("width", "height"),
)  # fmt: skip

#: How AutoML's tables begin, which have no line of names.
AUTOML_SETS = ("TRAIN", "TRAINING", "TEST", "TESTING", "VALIDATE", "VALIDATION", "UNASSIGNED")

#: So many images are opened to see whether boxes leave them.
MOST_OPENED = 100


@dataclass(frozen=True)
class _Columns:
    """Where things stand in a line."""

    path: int
    box: tuple[int, ...]
    form: BoxForm = "xywh"
    label: int | None = None
    ignored: int | None = None
    difficult: int | None = None
    size: tuple[int, int] | None = None


def read(
    path: Path,
    images: Path | None = None,
    on_error: OnError = raise_it,
    *,
    box_format: Literal["xywh", "xyxy"] | None = None,
) -> list[Record]:
    """Return a record for each image of a table, in the order of their first lines.

    Parameters
    ----------
    path : Path
        The table, UTF-8; names in one that fer wrote may be of any bytes.
    images : Path, optional
        The folder that the names are relative to. Defaults to the table's, or one of the usual.
    on_error : callable
        Told of each malformed line, which is left out. Defaults to raising it.
    box_format : {"xywh", "xyxy"}, optional
        Whether a box is x, y, width, height or two corners. Defaults to what the names of the
        columns say, else to the former.

    Raises
    ------
    AnnotationError
        A column is missing, or a line is malformed.
    InputError
        The file cannot be read.
    """
    rows = _rows(path, _text(path), on_error)
    if rows and rows[0][1][0].strip().upper() in AUTOML_SETS and len(rows[0][1]) >= 9:
        return _records_of_automl(path, rows, images, on_error)
    columns, named = _Columns(0, (1, 2, 3, 4), label=5), False
    if rows and _has_names(rows[0][1]):
        columns, named = _columns(rows[0][1], path), True
        rows = rows[1:]
    if box_format:
        columns = replace(columns, form=box_format)
    records = _records(path, rows, columns, images, on_error)
    if box_format or columns.form != "xywh" or not _may_be_corners(records):
        return records
    said = named and len(columns.box) == 4
    return _as_xywh_or_corners(path, rows, columns, records, images, said=said)


def _records(
    path: Path,
    rows: Sequence[tuple[int, list[str]]],
    columns: _Columns,
    images: Path | None,
    on_error: OnError,
) -> list[Record]:
    locator = ImageLocator(path, images)
    found: dict[str, tuple[int, list[LabeledBox]]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for line, row in rows:
        try:
            name, box = _name_and_box(row, columns)
            size = size_of(*_fields(row, columns.size)) if columns.size else None
            if size and sizes.setdefault(name, size) != size:
                raise AnnotationError(f"Two sizes are stated for {name}")
        except AnnotationError as error:
            on_error(AnnotationError(error.message, path=path, line=line))
            continue
        found.setdefault(name, (line, []))[1].extend([box] if box else [])
    normalized = are_fractions(box for _, boxes in found.values() for box in boxes)
    return [
        Record(locator.find(name), tuple(boxes), path, line, normalized, sizes.get(name))
        for name, (line, boxes) in found.items()
    ]


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as a table that `read` reads.

    Labels, ``ignored`` and ``difficult`` have columns where there are any.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    labeled = any(image.labels or image.ignored_labels for image in images)
    reasons = {reason for image in images for reason in image.each_reason}
    columns = (labeled, *(any(one & each for each in reasons) for one in Reason))
    used = [*range(5), *(at for at, there in enumerate(columns, 5) if there)]
    table.writerow([COLUMNS[at] for at in used])
    for name, image in named_images(path, images):
        rows: list[tuple[object, ...]] = [
            (name, *box, label, "", "") for box, label in image.labeled("")
        ]
        for box, label, reason in image.ignored_labeled(""):
            rows.append((name, *box, label, *("1" if reason & one else "" for one in Reason)))
        for row in rows or [(name, *[""] * 7)]:
            table.writerow([row[at] for at in used])
    write_text(path, text.getvalue(), overwrite=overwrite)


def _text(path: Path) -> str:
    """Return a table's text, with the bytes of names only where the table is one of fer's."""
    try:
        return text_of(path)
    except InputError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            content = path.read_bytes()
            if content.startswith(",".join(COLUMNS[:5]).encode()):
                return content.decode("utf-8", "surrogateescape")
        raise


def _rows(path: Path, text: str, on_error: OnError) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, each with its line."""
    # An image without an object may stand alone on the first line.
    first = next(
        (line for line in text.split("\n") if any(mark in line for mark in DELIMITERS)), ""
    )
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = []
    try:
        for row in reader:
            if any(field.strip() for field in row):
                rows.append((reader.line_num, row))
    except csv.Error as error:
        on_error(
            AnnotationError(f"The file is not a table: {error}", path=path, line=reader.line_num)
        )
    return rows


def _names_in(row: Sequence[str]) -> list[str]:
    return [field.strip().lower().lstrip("#").replace(" ", "_").replace("-", "_") for field in row]


def _has_names(row: Sequence[str]) -> bool:
    """Whether a line has the names of columns rather than an image and its box."""
    names = set(_names_in(row))
    known = names.intersection(
        (*PATHS, *LABELS, *LEFT, *TOP, *WIDTHS, *HEIGHTS, *ONE_COLUMN, *sum(CORNERS, ()))
    )
    return names.intersection(COLUMNS[:1]) != set() or len(known) > 1


def _columns(row: Sequence[str], path: Path) -> _Columns:
    """Return where things stand by the names of the columns; exact names win over others."""
    names = _names_in(row)
    box, form = _box_columns(names)
    image = _first(names, PATHS)
    missing = [column for column, at in zip(COLUMNS, (image, *box), strict=False) if at is None]
    if missing:
        raise AnnotationError(
            f"Expected the columns {','.join(COLUMNS[:5])}, but {', '.join(missing)} is missing",
            path=path,
            line=1,
        )
    assert image is not None
    used = [image, *(at for at in box if at is not None)]
    label = _first(names, LABELS, used)
    size = next(
        (
            (names.index(wide), names.index(high))
            for wide, high in SIZES
            if wide in names and high in names and names.index(wide) not in used
        ),
        None,
    )
    ignored, difficult = (_first(names, wanted, used) for wanted in (IGNORED, DIFFICULT))
    columns = _Columns(image, tuple(used[1:]), form, label, ignored, difficult, size)
    _note_columns(columns, [field.strip() for field in row], path)
    return columns


def _box_columns(names: Sequence[str]) -> tuple[tuple[int | None, ...], BoxForm]:
    """Return the places of the numbers of a box, None for those that are missing, and its form."""
    if all(name in names for name in COLUMNS[1:5]):
        return tuple(names.index(name) for name in COLUMNS[1:5]), "xywh"
    for corners in CORNERS:
        if all(name in names for name in corners):
            return tuple(names.index(name) for name in corners), "xyxy"
    sides = (_first(names, WIDTHS), _first(names, HEIGHTS))
    for center in CENTERS:
        if all(name in names for name in center) and None not in sides:
            return (*(names.index(name) for name in center), *sides), "center"
    whole = _first(names, ONE_COLUMN)
    if whole is not None:
        return (whole,), "xywh"
    return (_first(names, LEFT), _first(names, TOP), *sides), "xywh"


def _first(names: Sequence[str], wanted: Sequence[str], used: Sequence[int] = ()) -> int | None:
    """Return the place of the first of the wanted names that is there and not used."""
    places = (names.index(name) for name in wanted if name in names)
    return next((at for at in places if at not in used), None)


def _note_columns(columns: _Columns, row: Sequence[str], path: Path) -> None:
    sides = ",".join(COLUMNS[1:5]) if len(columns.box) == 4 else "box"
    parts = ("path", sides, *COLUMNS[5:], "size of the image")
    forms = {"xyxy": "corners", "center": "center and sides"}
    places = (
        (columns.path,), columns.box, (columns.label,), (columns.ignored,), (columns.difficult,),
        columns.size or (None,),
    )  # fmt: skip
    taken = []
    for part, at in zip(parts, places, strict=True):
        names = ",".join(row[place] for place in at if place is not None)
        if names and names.lower() != part:
            taken.append(
                f"{names} as {forms.get(columns.form, part) if at == columns.box else part}"
            )
    used = {place for at in places for place in at if place is not None}
    unused = [name for at, name in enumerate(row) if at not in used and name]
    known = {*PATHS, *LABELS, *LEFT, *TOP, *WIDTHS, *HEIGHTS, *ONE_COLUMN, *sum(CORNERS, ())}
    if not taken and known.intersection(_names_in(unused)):
        taken = [f"{','.join(row[at] for at in sorted(used))} as they are called"]
    if taken:
        more = f"; not used: {','.join(unused)}" if unused else ""
        NOTES.add(path, f"columns taken: {'; '.join(taken)}{more}", count=0)


def _fields(row: Sequence[str], places: Sequence[int]) -> list[str]:
    return [row[at].strip() if at < len(row) else "" for at in places]


def _name_and_box(row: Sequence[str], columns: _Columns) -> tuple[str, LabeledBox | None]:
    name = row[columns.path] if columns.path < len(row) else ""
    if not name or "\0" in name:
        raise AnnotationError(f"Expected the path of an image, got {name!r}")
    numbers = _fields(row, columns.box)
    if not any(numbers):
        return name, None
    if len(columns.box) == 1:
        numbers = [word for word in re.split(r"[\s,;\[\]()]+", numbers[0]) if word]
    label = "" if columns.label is None else _fields(row, [columns.label])[0]
    box = _box(numbers, columns.form, label)
    for reason, at in zip(Reason, (columns.ignored, columns.difficult), strict=True):
        if at is not None and is_set(_fields(row, [at])[0]):
            box = replace(box, ignored=box.ignored | reason)
    return name, box


def _box(numbers: Sequence[str], form: BoxForm, label: str) -> LabeledBox:
    try:
        a, b, c, d = map(float, numbers)
    except ValueError:
        found = ",".join(numbers)
        raise AnnotationError(f"Expected x,y,w,h as numbers, got {found!r}") from None
    if form == "center":
        return LabeledBox(a - c / 2, b - d / 2, c, d, label)
    if form == "xyxy":
        if c < a or d < b:
            raise AnnotationError(
                f"Expected the left upper corner, then the right lower one, got {','.join(numbers)}"
            )
        return LabeledBox(a, b, c - a, d - b, label)
    return LabeledBox(a, b, c, d, label)


def _may_be_corners(records: Sequence[Record]) -> bool:
    boxes = [box for record in records for box in record.boxes]
    return bool(boxes) and all(box.width > box.x and box.height > box.y for box in boxes)


def _as_xywh_or_corners(
    path: Path,
    rows: Sequence[tuple[int, list[str]]],
    columns: _Columns,
    records: list[Record],
    images: Path | None,
    *,
    said: bool,
) -> list[Record]:
    """Return the records of a table whose numbers may be corners; how they are taken is told.

    They are taken for corners where boxes would else leave their images and corners do not, unless
    the names of the columns have `said` what they are.
    """
    corners = _records(path, rows, replace(columns, form="xyxy"), images, lambda error: None)
    if _leave_images(records) and not _leave_images(corners):
        kind = "boxes taken for corners x1,y1,x2,y2, since as x,y,w,h they leave their images"
        if said:
            kind = "boxes that leave their images, taken as x,y,w,h; as two corners all fit"
        records = records if said else corners
    elif said:
        return records
    else:
        kind = (
            "boxes taken for x,y,w,h, though in each line the third number exceeds the first and "
            "the fourth the second, as with corners (--box-format xyxy takes them for those)"
        )
    NOTES.add(path, kind, count=sum(len(record.boxes) for record in records))
    return records


def _leave_images(records: Sequence[Record]) -> bool:
    from fercli.annotations.image_paths import image_size

    for record in records[:MOST_OPENED]:
        try:
            width, height = (1, 1) if record.normalized else image_size(record.path)
        except ImageError:
            continue
        if any(
            box.x + box.width > width + 1 or box.y + box.height > height + 1 for box in record.boxes
        ):
            return True
    return False


def _records_of_automl(
    path: Path, rows: Sequence[tuple[int, list[str]]], images: Path | None, on_error: OnError
) -> list[Record]:
    """Return the records of AutoML's table: set, path, label, and up to 4 corners as fractions."""
    locator = ImageLocator(path, images)
    found: dict[str, tuple[int, list[LabeledBox]]] = {}
    for line, row in rows:
        try:
            across = [float(each) for each in row[3:11:2] if each.strip()]
            down = [float(each) for each in row[4:11:2] if each.strip()]
            box = (min(across), min(down), max(across), max(down)) if across and down else None
        except ValueError:
            reason = f"Expected corners as fractions, got {','.join(row[3:11])!r}"
            on_error(AnnotationError(reason, path=path, line=line))
            continue
        boxes = found.setdefault(row[1].strip(), (line, []))[1]
        if box:
            x, y, right, bottom = box
            boxes.append(LabeledBox(x, y, right - x, bottom - y, row[2].strip()))
    return [
        Record(locator.find(name), tuple(boxes), path, line, normalized=True)
        for name, (line, boxes) in found.items()
    ]
