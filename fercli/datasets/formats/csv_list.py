"""A CSV of paths and labels: a user's own list, or any set that is published with one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import IMAGE_EXTENSIONS
from fercli.datasets.entries import Dropped, Entry, Format, ReadOptions, split_of
from fercli.datasets.formats.folder import unknown_label
from fercli.datasets.formats.tables import Row, count_rows, first_line, read_rows

COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path", "image"),
    "label": ("label", "expression", "emotion", "class"),
}


def _read(path: Path, options: ReadOptions) -> Iterator[Entry | Dropped]:
    for row in read_rows(path, COLUMNS):
        yield _entry(row, path, options)


def _entry(row: Row, path: Path, options: ReadOptions) -> Entry | Dropped:
    line, cells = row
    label = options.label_of(cells["label"])
    origin = f"{path.name}:{line}"
    if label is None:
        raise unknown_label(cells["label"], path, line)
    if not label:
        return Dropped(origin, f"labeled {cells['label']}")
    file = Path(cells["path"])
    return Entry(
        name=_flat_name(file),
        image=path.parent / file,
        origin=cells["path"],
        label=label,
        split=_split(cells.get("split", ""), path, line),
        subject=cells.get("subject", ""),
        source_file=path,
        line=line,
        mapped=True,
    )


def _flat_name(file: Path) -> str:
    """Return the path as one name; what follows a dot is kept unless it is an image's suffix."""
    known = file.suffix.lower() in IMAGE_EXTENSIONS
    parts = (file.with_suffix("") if known else file).parts
    return "-".join(part for part in parts if part not in ("/", "..", "."))


def _split(word: str, path: Path, line: int) -> str:
    split = split_of(word) if word.strip() else "all"
    if split is None:
        raise InputError(
            f"Expected a split train, validation or test, got {word[:40]!r}", path=path, line=line
        )
    return split


def _recognizes(path: Path) -> bool:
    line = first_line(path) if path.is_file() else ""
    found = [cell.strip() for cell in next(csv.reader([line]), [])]
    return all(any(word in found for word in words) for words in COLUMNS.values())


FORMAT = Format(
    name="csv",
    title="a CSV with columns path and label, and if known split and subject",
    read=_read,
    recognizes=_recognizes,
    count=lambda path: count_rows(path) if path.suffix.lower() == ".csv" else None,
)
