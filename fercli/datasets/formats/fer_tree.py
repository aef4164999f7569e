"""A tree that fer made: ``dataset.json`` and ``files.csv`` beside ``<split>/<class>/*.png``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fercli.common.files import list_folder
from fercli.datasets.entries import DatasetFormat, Dropped, Entry, Item, ReadOptions, split_of
from fercli.datasets.manifest import MANIFEST, FileRecord, read_manifest
from fercli.datasets.tree import read_tree


def _read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """Yield the images with their persons and votes; classes keep their names unless mapped."""
    tree = read_tree(path)
    for record in tree.records:
        yield _entry(record, tree.classes, path, options)
    for file in list_folder(path).skipped:
        if file.parent != path:
            yield Dropped(file.relative_to(path).as_posix(), "not an image by its suffix")


def _entry(
    record: FileRecord, classes: tuple[str, ...], path: Path, options: ReadOptions
) -> Entry | Dropped:
    label = options.label_of(record.label)
    if label == "":
        return Dropped(record.file, f"labeled {record.label}")
    votes = record.votes if len(record.votes) == len(classes) else ()
    return Entry(
        name=Path(record.file).stem,
        image=path / record.file,
        origin=record.file,
        label=label or record.label,
        split=split_of(record.split) or record.split,
        subject=record.subject,
        mapped=True,
        word=record.label,
        votes_of=dict(zip(classes, votes, strict=False)),
    )


def classes_of(path: Path) -> list[str]:
    """Return the classes of a tree; none if it is no tree that fer made."""
    manifest = read_manifest(path) if path.is_dir() else None
    return list(manifest.classes) if manifest else []


FORMAT = DatasetFormat(
    name="tree",
    title="a tree that fer made, with dataset.json",
    read=_read,
    recognizes=lambda path: path.is_dir() and (path / MANIFEST).is_file(),
)
