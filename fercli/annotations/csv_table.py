"""A table of boxes: ``path,x,y,w,h`` and perhaps ``label``, one box a line.

With a line of column names the columns may stand in any order, others beside them; without one
they stand in the order above. Fields are parted by commas, semicolons or tabs. An image without
an object has one line with its path alone. Names are relative to the table's folder.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from fercli.annotations.base import AnnotatedImage, LabeledBox, OnError, Record, raise_it
from fercli.annotations.image_paths import locate
from fercli.annotations.opencv_lists import names_from
from fercli.common.errors import AnnotationError, InputError
from fercli.common.files import read_text, write_text

COLUMNS = ("path", "x", "y", "w", "h", "label")

#: What may part the fields.
DELIMITERS = ",;\t"

#: What the columns are called elsewhere.
OTHER_NAMES = {
    "file": "path", "filename": "path", "file_name": "path", "image": "path", "name": "path",
    "left": "x", "top": "y", "width": "w", "height": "h", "class": "label", "object": "label",
}  # fmt: skip


def looks_like(path: Path) -> bool:
    """Whether a file is named as tables are."""
    return path.suffix.lower() in (".csv", ".tsv") and path.is_file()


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each image of a table, in the order of their first lines.

    Parameters
    ----------
    path : Path
        The table, UTF-8; names in one that fer wrote may be of any bytes.
    images : Path, optional
        The folder that the names are relative to. Defaults to the table's, or one of the usual.
    on_error : callable
        Told of each malformed line, which is left out. Defaults to raising it.

    Raises
    ------
    AnnotationError
        A column is missing, or a line is malformed.
    InputError
        The file cannot be read.
    """
    rows = _rows(path, _text(path), on_error)
    columns = {name: at for at, name in enumerate(COLUMNS)}
    if rows and (named := _columns(rows[0][1])):
        columns = _all_there(named, path)
        rows = rows[1:]
    found: dict[str, tuple[int, list[LabeledBox]]] = {}
    for line, row in rows:
        try:
            name, box = _name_and_box(row, columns)
        except AnnotationError as error:
            on_error(AnnotationError(error.message, path=path, line=line))
            continue
        found.setdefault(name, (line, []))[1].extend([box] if box else [])
    return [
        Record(locate(name, path.parent, images), tuple(boxes), path, line)
        for name, (line, boxes) in found.items()
    ]


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as a table that `read` reads; ignored boxes are left out."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS[:5])
    names = names_from(path.parent, [image.path for image in images])
    for name, image in zip(names, images, strict=True):
        table.writerows((name, *box) for box in image.boxes_xywh)
        if not image.boxes_xywh:
            table.writerow((name, "", "", "", ""))
    write_text(path, text.getvalue(), overwrite=overwrite)


def _text(path: Path) -> str:
    """Return a table's text, with the bytes of names only where the table is one of fer's."""
    try:
        return read_text(path)
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


def _columns(row: Sequence[str]) -> dict[str, int]:
    """Return the place of each known column if `row` has the columns' names, else nothing."""
    names = [field.strip().lower() for field in row]
    names = [OTHER_NAMES.get(name, name) for name in names]
    columns = {name: names.index(name) for name in COLUMNS if name in names}
    return columns if "path" in columns or len(columns) > 1 else {}


def _all_there(columns: dict[str, int], path: Path) -> dict[str, int]:
    missing = [name for name in COLUMNS[:5] if name not in columns]
    if missing:
        raise AnnotationError(
            f"Expected the columns {','.join(COLUMNS[:5])}, but {', '.join(missing)} is missing",
            path=path,
            line=1,
        )
    return columns


def _name_and_box(row: Sequence[str], columns: Mapping[str, int]) -> tuple[str, LabeledBox | None]:
    fields = {name: row[at].strip() for name, at in columns.items() if at < len(row)}
    name = row[columns["path"]] if columns["path"] < len(row) else ""
    if not name or "\0" in name:
        raise AnnotationError(f"Expected the path of an image, got {name!r}")
    numbers = [fields.get(column, "") for column in COLUMNS[1:5]]
    if not any(numbers):
        return name, None
    try:
        x, y, width, height = map(float, numbers)
    except ValueError:
        raise AnnotationError(f"Expected x,y,w,h as numbers, got {','.join(numbers)!r}") from None
    return name, LabeledBox(x, y, width, height, fields.get("label", ""))
