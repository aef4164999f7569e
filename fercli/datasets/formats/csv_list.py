"""A CSV of paths and labels: a user's own list, or any set that is published with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import IMAGE_EXTENSIONS, is_there
from fercli.datasets.entries import (
    DatasetFormat,
    Dropped,
    Entry,
    Item,
    Note,
    ReadOptions,
    numbered_label,
    split_of,
)
from fercli.datasets.formats.folder import unknown_label
from fercli.datasets.formats.tables import Row, count_rows, header_of, read_rows

#: The names of columns, the plainest first: that one is read if a table has several.
COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path", "pth", "img"),
    "label": ("label", "expression", "emotion", "class"),
}


def _read(path: Path, options: ReadOptions) -> Iterator[Item]:
    yield from _assumptions(header_of(path))
    labels: dict[str, str] = {}
    differing = 0
    for row in read_rows(path, COLUMNS):
        item = _entry(row, path, options)
        if isinstance(item, Entry) and item.origin in labels:
            if labels[item.origin] == item.label:
                item = Dropped(item.origin, "listed twice")
            else:
                differing += 1
        elif isinstance(item, Entry):
            labels[item.origin] = item.label
        yield item
    if differing:
        yield Note(f"images listed again with another label: {differing:,}")


def _assumptions(header: list[str]) -> Iterator[Note]:
    """Say which column is read where a table has several that could be meant."""
    for name, words in COLUMNS.items():
        possible = [word for word in words if word in header]
        if len(possible) > 1 or (possible and possible[0] != name):
            others = f", not {', '.join(possible[1:])}" if possible[1:] else ""
            yield Note(f"the column {possible[0]} is read as the {name}{others}")


def _entry(row: Row, path: Path, options: ReadOptions) -> Entry | Dropped:
    line, cells = row
    found = numbered_label(cells["label"], (), options)
    origin = f"{path.name}:{line}"
    if found is None:
        raise unknown_label(cells["label"], path, line)
    label, word = found[0], cells["label"].strip()
    if not label:
        return Dropped(origin, f"labeled {word}")
    file = _file(cells["path"].strip(), path.parent)
    return Entry(
        name=_flat_name(Path(cells["path"].strip().replace("\\", "/"))),
        image=file,
        origin=cells["path"],
        label=label,
        split=_split(cells.get("split") or cells.get("usage", ""), path, line),
        subject=cells.get("subject", "").strip(),
        source_file=path,
        line=line,
        mapped=True,
        word=word,
    )


def _file(name: str, folder: Path) -> Path:
    """Return the image that a table of this folder names, perhaps with Windows' separators."""
    file = folder / name
    return folder / name.replace("\\", "/") if "\\" in name and not is_there(file) else file


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
    found = header_of(path) if path.is_file() else []
    return all(any(word in found for word in words) for words in COLUMNS.values())


FORMAT = DatasetFormat(
    name="csv",
    title="a CSV with columns path and label, and if known split and subject",
    read=_read,
    recognizes=_recognizes,
    count=lambda path: count_rows(path) if path.suffix.lower() == ".csv" else None,
)
