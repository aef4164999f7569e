"""Anybody's own data: a folder a class, a CSV of paths and labels, a tree that fer made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import IMAGE_EXTENSIONS, MOST_NAMES, FolderFiles, is_there, list_folder
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
from fercli.datasets.expressions import expression_of
from fercli.datasets.formats.tables import Row, count_rows, header_of, read_rows
from fercli.datasets.manifest import MANIFEST, FileRecord, read_manifest
from fercli.datasets.tree import read_tree


def read_folder(
    path: Path,
    options: ReadOptions,
    *,
    subject_of: Callable[[str], str] = lambda name: "",
    known: bool = False,
) -> Iterator[Item]:
    """Yield the images of a folder a class.

    Parameters
    ----------
    path : Path
        The folder that holds a folder for each class, or for each split that holds those.
    options : ReadOptions
        `label_of` says what a folder's name means.
    subject_of : callable
        From a file's name to the person in it. Defaults to nobody.
    known : bool
        Whether the folders are those of a published set, so that synonyms of expressions are
        expressions whatever the classes are. Defaults to False.

    Raises
    ------
    InputError
        A folder's name means nothing, or no image lies in a folder.
    """
    files = list_folder(path)
    outside = [file for file in files.found if _label_and_split(_parts(file, path)) is None]
    if outside and len(outside) == len(files.found):
        raise InputError(
            f"Expected a folder for each class, got the image {_origin(outside[0], path)} outside "
            "one",
            hint="use <class>/*.png or <split>/<class>/*.png",
            path=path,
        )
    for file in files.found:
        yield _folder_entry(file, path, options, subject_of, known)
    yield from _others(files, path, options)


def _folder_entry(
    file: Path,
    path: Path,
    options: ReadOptions,
    subject_of: Callable[[str], str],
    known: bool,
) -> Item:
    parts, origin = _parts(file, path), _origin(file, path)
    found = _label_and_split(parts)
    if found is None:
        return Dropped(origin, "outside the folder of a class")
    folder, split = found
    expression = expression_of(folder) if known else None
    label = expression or options.label_of(folder)
    if label is None:
        around = _visible_folders(path)
        if len(around) == 1 and _visible_folders(around[0]):  # as archives are unpacked
            raise InputError(
                f"{folder!r} is not an expression",
                hint=f"use {around[0]}, what is in it",
                path=path,
            )
        raise unknown_label(folder, path)
    if not label:
        return Dropped(origin, f"labeled {folder}")
    name = _name_below(parts, folder)
    split, subject = _kaggle_split(name, split), subject_of(file.name)
    mapped = expression is None
    return Entry(name, file, origin, label, split, subject, mapped=mapped, word=folder)


def _others(files: FolderFiles, path: Path, options: ReadOptions) -> Iterator[Item]:
    """Yield what is no image of a class: other files, folders without images, tables of labels."""
    for file in files.skipped:
        yield Dropped(_origin(file, path), "not an image by its suffix")
        differing = _differing(file, path, options)
        if differing is not None:
            yield Note(
                f"{_origin(file, path)} lists labels, which were not read; {differing:,} of them "
                "differ from the folders'; import that file to use them"
            )
    holding = {parent for file in files.found for parent in file.parents}
    empty = [folder for folder in _class_folders(path) if folder not in holding]
    if empty:
        names = ", ".join(_origin(folder, path) for folder in empty[:MOST_NAMES])
        more = ", …" if len(empty) > MOST_NAMES else ""
        yield Note(f"folders without an image: {len(empty)} ({names}{more})")


def _class_folders(path: Path) -> list[Path]:
    """Return the folders that should hold a class: of each split, or of the whole."""
    folders = []
    for folder in _visible_folders(path):
        below = _visible_folders(folder) if split_of(folder.name) else []
        folders += below or [folder]
    return folders


def _visible_folders(path: Path) -> list[Path]:
    return sorted(
        child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")
    )


def _differing(table: Path, path: Path, options: ReadOptions) -> int | None:
    """Return how many labels of a table are others than the folders of its images; None if none."""
    if table.suffix.lower() != ".csv" or not CSV.recognizes(table):
        return None
    differing = 0
    try:
        for line, cells in read_rows(table, COLUMNS):
            found = _label_and_split(_parts(table.parent / cells["path"], path))
            if found is not None and line:
                label = options.label_of(cells["label"]) or cells["label"]
                differing += label != (options.label_of(found[0]) or found[0])
    except (InputError, ValueError):
        return None
    return differing


def unknown_label(word: str, path: Path, line: int | None = None) -> InputError:
    """Return the error for a word that names no expression and no class."""
    shown = word[:60]
    hint = (
        f"use --map {shown}=happy (or what it is), --map {shown}= to leave it out, "
        "or --classes with names of your own"
    )
    if word.strip().replace(",", "").replace(".", "").isdigit():  # each set numbers otherwise
        hint = (
            f"use --map {shown}=LABEL …, as the card of the data set says (FER-2013: 0 angry, "
            "1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral; RAF-DB: 1 surprise, 2 fear, "
            "3 disgust, 4 happy, 5 sad, 6 angry, 7 neutral)"
        )
        if line is None:  # a folder
            hint += f", or rafdb={path} if it is RAF-DB"
    return InputError(f"{shown!r} is not an expression", hint=hint, path=path, line=line)


def _parts(file: Path, path: Path) -> tuple[str, ...]:
    return file.relative_to(path).parts


def _origin(file: Path, path: Path) -> str:
    return file.relative_to(path).as_posix()


def _label_and_split(parts: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the folder of the class and the split; None for an image outside of one."""
    if len(parts) > 2 and split_of(parts[0]):
        return parts[1], split_of(parts[0]) or "all"
    if len(parts) > 1 and not (len(parts) == 2 and split_of(parts[0])):
        return parts[0], "all"
    return None


def _name_below(parts: tuple[str, ...], folder: str) -> str:
    """Return the path below the class's folder as one name."""
    below = parts[parts.index(folder) + 1 :]
    return "-".join([*below[:-1], Path(below[-1]).stem])


def _kaggle_split(name: str, split: str) -> str:
    """Return the split; Kaggle's folder form of FER-2013 has two of them in ``test/``."""
    return "validation" if split == "test" and name.startswith("PublicTest_") else split


def _recognizes_folder(path: Path) -> bool:
    return path.is_dir() and any(child.is_dir() for child in path.iterdir())


FOLDER = DatasetFormat(
    name="folder",
    title="a folder a class: <class>/* or <split>/<class>/*",
    read=read_folder,
    recognizes=_recognizes_folder,
)


# A CSV of paths and labels: a user's own list, or any set that is published with one.


#: The names of columns, the plainest first: that one is read if a table has several.
COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path", "pth", "img"),
    "label": ("label", "expression", "emotion", "class"),
}

READ = ("split", "usage", "subject", *COLUMNS["path"], *COLUMNS["label"])


def _read_csv(path: Path, options: ReadOptions) -> Iterator[Item]:
    yield from _assumptions(header_of(path))
    labels: dict[str, str] = {}
    differing = 0
    for row in read_rows(path, COLUMNS):
        item = _csv_entry(row, path, options)
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
    """Say which column is read where a table has several that could be meant, and which is not."""
    unread = [word for word in header if word and word not in READ]
    if unread:
        yield Note(f"columns not read: {', '.join(unread)}; the whole of each image is taken")
    for name, words in COLUMNS.items():
        possible = [word for word in words if word in header]
        if len(possible) > 1 or (possible and possible[0] != name):
            others = f", not {', '.join(possible[1:])}" if possible[1:] else ""
            yield Note(f"the column {possible[0]} is read as the {name}{others}")


def _csv_entry(row: Row, path: Path, options: ReadOptions) -> Entry | Dropped:
    line, cells = row
    found = numbered_label(cells["label"], (), options)
    origin = f"{path.name}:{line}"
    if found is None:
        raise unknown_label(cells["label"], path, line)
    label, word = found[0], cells["label"].strip()
    if not label:
        return Dropped(origin, f"labeled {word}")
    file = _listed_file(cells["path"].strip(), path.parent)
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


def _listed_file(name: str, folder: Path) -> Path:
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


def _recognizes_csv(path: Path) -> bool:
    found = header_of(path) if path.is_file() else []
    return all(any(word in found for word in words) for words in COLUMNS.values())


CSV = DatasetFormat(
    name="csv",
    title="a CSV with columns path and label, and if known split and subject",
    read=_read_csv,
    recognizes=_recognizes_csv,
    count=lambda path: count_rows(path) if path.suffix.lower() == ".csv" else None,
)


# A tree that fer made: ``dataset.json`` and ``files.csv`` beside ``<split>/<class>/*.png``.


def _read_tree(path: Path, options: ReadOptions) -> Iterator[Item]:
    """Yield the images with their persons and votes; classes keep their names unless mapped."""
    tree = read_tree(path)
    for record in tree.records:
        yield _tree_entry(record, tree.classes, path, options)
    for file in list_folder(path).skipped:
        if file.parent != path:
            yield Dropped(file.relative_to(path).as_posix(), "not an image by its suffix")


def _tree_entry(
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


TREE = DatasetFormat(
    name="tree",
    title="a tree that fer made, with dataset.json",
    read=_read_tree,
    recognizes=lambda path: path.is_dir() and (path / MANIFEST).is_file(),
)
