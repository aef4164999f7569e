"""A folder a class: ``<class>/*`` or ``<split>/<class>/*``, a user's own or a published set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import find_files
from fercli.datasets.entries import Dropped, Entry, Format, ReadOptions, split_of


def read_folder(
    path: Path,
    options: ReadOptions,
    *,
    subject_of: Callable[[str], str] = lambda name: "",
) -> Iterator[Entry | Dropped]:
    """Yield the images of a folder a class.

    Parameters
    ----------
    path : Path
        The folder that holds a folder for each class, or for each split that holds those.
    options : ReadOptions
        `label_of` says what a folder's name means.
    subject_of : callable
        From a file's name to the person in it. Defaults to nobody.
    """
    for file in find_files(path):
        parts = file.relative_to(path).parts
        folder, split = _label_and_split(parts, path)
        label = options.label_of(folder)
        origin = "/".join(parts)
        if label is None:
            raise unknown_label(folder, path)
        if not label:
            yield Dropped(origin, f"labeled {folder}")
            continue
        name = _flat_name(parts, folder)
        split = _kaggle_split(name, split)
        yield Entry(name, file, origin, label, split, subject_of(file.name), mapped=True)


def unknown_label(word: str, path: Path, line: int | None = None) -> InputError:
    """Return the error for a word that names no expression and no class."""
    return InputError(
        f"{word[:60]!r} is not an expression",
        hint=f"use --map {word[:60]}=happy (or what it is), --map {word[:60]}= to leave it out, "
        "or --classes with names of your own",
        path=path,
        line=line,
    )


def _label_and_split(parts: tuple[str, ...], path: Path) -> tuple[str, str]:
    if len(parts) > 2 and split_of(parts[0]):
        return parts[1], split_of(parts[0]) or "all"
    if len(parts) > 1 and not (len(parts) == 2 and split_of(parts[0])):
        return parts[0], "all"
    raise InputError(
        f"Expected a folder for each class, got the image {'/'.join(parts)} outside one",
        hint="use <class>/*.png or <split>/<class>/*.png",
        path=path,
    )


def _flat_name(parts: tuple[str, ...], folder: str) -> str:
    """Return the path below the class's folder as one name."""
    below = parts[parts.index(folder) + 1 :]
    return "-".join([*below[:-1], Path(below[-1]).stem])


def _kaggle_split(name: str, split: str) -> str:
    """Return the split; Kaggle's folder form of FER-2013 has two of them in ``test/``."""
    return "validation" if split == "test" and name.startswith("PublicTest_") else split


def _recognizes(path: Path) -> bool:
    return path.is_dir() and any(child.is_dir() for child in path.iterdir())


FORMAT = Format(
    name="folder",
    title="a folder a class: <class>/* or <split>/<class>/*",
    read=read_folder,
    recognizes=_recognizes,
)
