"""RAF-DB: 15,339 faces from the web with one of seven basic expressions.

See: Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression
recognition in the wild", CVPR 2017; card ``datasets/rafdb.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import read_text
from fercli.datasets.entries import (
    DatasetFormat,
    Dropped,
    Entry,
    Item,
    Note,
    ReadOptions,
    numbered_label,
)
from fercli.datasets.formats.generic import read_folder

#: As it is published, misspelling included.
LIST = Path("EmoLabel", "list_patition_label.txt")

#: The expressions, in the order of the list's numbers, which start from 1.
LABELS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
_NAME = re.compile(r"(train|test)_\d+(_aligned)?\.", re.IGNORECASE)
PUBLISHED = {
    "train": dict(zip(LABELS, (1290, 281, 717, 4772, 1982, 705, 2524), strict=True)),
    "test": dict(zip(LABELS, (329, 74, 160, 1185, 478, 162, 680), strict=True)),
}


def _read(path: Path, options: ReadOptions) -> Iterator[Item]:
    folders = _folder_form(path)
    if folders is not None and not _listed(path):
        return _read_folders(folders, options)
    return _read_list(_root(path), options)


def _read_list(root: Path, options: ReadOptions) -> Iterator[Item]:
    listed = root / LIST
    aligned = root / "Image" / "aligned"
    images = aligned if aligned.is_dir() else root / "Image" / "original"
    for line, text in enumerate(read_text(listed).splitlines(), start=1):
        if text.strip():
            yield _entry(text, line, listed, images, options)


def _read_folders(root: Path, options: ReadOptions) -> Iterator[Item]:
    """Yield the images of Kaggle's form: ``train/1/train_00001_aligned.jpg``."""
    names = ", ".join(f"{number} {label}" for number, label in enumerate(LABELS, 1))
    yield Note(f"the folders 1 to 7 are those of RAF-DB: {names}")

    def label_of(word: str) -> str | None:
        found = numbered_label(word, LABELS, options, first=1)
        return found and found[0]

    yield from read_folder(root, replace(options, label_of=label_of))


def _folder_form(path: Path) -> Path | None:
    """Return the folder that has images named as RAF-DB's in folders of numbers."""
    if not path.is_dir():
        return None
    for root in (path, path / "DATASET"):
        for folder in ("train/[1-7]", "test/[1-7]", "[1-7]"):
            if any(_NAME.match(file.name) for file in root.glob(f"{folder}/*")):
                return root
    return None


def _listed(path: Path) -> bool:
    return any((root / LIST).is_file() for root in (path, path / "basic"))


def _root(path: Path) -> Path:
    root = next((root for root in (path, path / "basic") if (root / LIST).is_file()), None)
    if root is None:
        raise InputError(
            f"{LIST.as_posix()} is missing", hint="name the folder basic of RAF-DB", path=path
        )
    return root


def _entry(text: str, line: int, listed: Path, images: Path, options: ReadOptions) -> Item:
    words = text.split()
    split = words[0].partition("_")[0]
    found = numbered_label(words[-1], LABELS, options, first=1)
    if len(words) != 2 or split not in ("train", "test") or found is None:
        raise InputError(
            f"Expected a line such as 'train_00001.jpg 5' with a label from 1 to {len(LABELS)}, "
            f"got {text[:60]!r}",
            path=listed,
            line=line,
        )
    stem, suffix = Path(words[0]).stem, Path(words[0]).suffix
    file = images / (f"{stem}_aligned{suffix}" if images.name == "aligned" else words[0])
    origin = file.relative_to(images.parent.parent).as_posix()
    if not found[0]:
        return Dropped(origin, f"labeled {words[1]}")
    return Entry(
        stem, file, origin, found[0], split, source_file=listed, line=line, mapped=found[1]
    )


FORMAT = DatasetFormat(
    name="rafdb",
    title=f"RAF-DB: the folder basic with {LIST.as_posix()} and Image/aligned, or folders 1 to 7",
    read=_read,
    recognizes=lambda path: _listed(path) or _folder_form(path) is not None,
    published=PUBLISHED,
)
