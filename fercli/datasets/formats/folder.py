"""A folder a class: ``<class>/*`` or ``<split>/<class>/*``, a user's own or a published set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import LISTED, FolderFiles, list_folder
from fercli.datasets.entries import DatasetFormat, Dropped, Entry, Item, Note, ReadOptions, split_of
from fercli.datasets.expressions import expression_of
from fercli.datasets.formats.tables import read_rows


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
        yield _entry(file, path, options, subject_of, known)
    yield from _others(files, path, options)


def _entry(
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
        raise unknown_label(folder, path)
    if not label:
        return Dropped(origin, f"labeled {folder}")
    name = _flat_name(parts, folder)
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
        names = ", ".join(_origin(folder, path) for folder in empty[:LISTED])
        more = ", …" if len(empty) > LISTED else ""
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
    from fercli.datasets.formats import csv_list

    if table.suffix.lower() != ".csv" or not csv_list.FORMAT.recognizes(table):
        return None
    differing = 0
    try:
        for line, cells in read_rows(table, csv_list.COLUMNS):
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
            f"use --map {shown}=LABEL as the card of the data set says, or rafdb={path} if it is "
            "RAF-DB (1 surprise, 2 fear, 3 disgust, 4 happy, 5 sad, 6 angry, 7 neutral)"
        )
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


def _flat_name(parts: tuple[str, ...], folder: str) -> str:
    """Return the path below the class's folder as one name."""
    below = parts[parts.index(folder) + 1 :]
    return "-".join([*below[:-1], Path(below[-1]).stem])


def _kaggle_split(name: str, split: str) -> str:
    """Return the split; Kaggle's folder form of FER-2013 has two of them in ``test/``."""
    return "validation" if split == "test" and name.startswith("PublicTest_") else split


def _recognizes(path: Path) -> bool:
    return path.is_dir() and any(child.is_dir() for child in path.iterdir())


FORMAT = DatasetFormat(
    name="folder",
    title="a folder a class: <class>/* or <split>/<class>/*",
    read=read_folder,
    recognizes=_recognizes,
)
