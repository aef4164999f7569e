"""FER-2013: 35,887 faces of 48×48 gray levels, found by web search, seven expressions.

See: Goodfellow et al., "Challenges in representation learning: A report on three machine learning
contests", ICONIP 2013; card ``datasets/fer2013.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fercli.common.errors import InputError
from fercli.datasets.entries import Dropped, Entry, Format, ReadOptions, split_of
from fercli.datasets.formats.folder import read_folder
from fercli.datasets.formats.tables import Row, count_rows, first_line, read_rows

#: The expressions, in the order of the file's numbers.
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")
PUBLISHED = {
    split: dict(zip(LABELS, counts, strict=True))
    for split, counts in {
        "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
        "validation": (467, 56, 496, 895, 653, 415, 607),
        "test": (491, 55, 528, 879, 594, 416, 626),
    }.items()
}


def read_table(path: Path) -> Iterator[tuple[Row, Entry]]:
    """Yield the rows of Kaggle's CSV (``emotion,pixels,Usage``) and the images in them."""
    for row, (line, cells) in enumerate(read_rows(path, ("emotion", "pixels", "usage"))):
        yield (
            (line, cells),
            Entry(
                name=f"fer{row:07d}",
                image=cells["pixels"].encode(),
                origin=f"{path.name}:{line}",
                label=_label(cells["emotion"], path, line),
                split=usage_split(cells["usage"], path, line),
                source_file=path,
                line=line,
            ),
        )


def usage_split(usage: str, path: Path, line: int) -> str:
    """Return the split that a ``Usage`` names; raise `InputError` if it names none."""
    split = split_of(usage)
    if split is None:
        wanted = ", ".join(USAGES)
        raise InputError(f"Expected one of {wanted}, got {usage[:40]!r}", path=path, line=line)
    return split


def _label(text: str, path: Path, line: int) -> str:
    if text.strip() not in {str(number) for number in range(len(LABELS))}:
        raise InputError(
            f"Expected an emotion from 0 to {len(LABELS) - 1}, got {text[:40]!r}",
            path=path,
            line=line,
        )
    return LABELS[int(text)]


def _read(path: Path, options: ReadOptions) -> Iterator[Entry | Dropped]:
    if path.is_dir():
        return read_folder(path, options)
    return (entry for _, entry in read_table(path))


def _recognizes(path: Path) -> bool:
    if path.is_dir():
        return any((path / "train" / "angry").glob("Training_*"))
    line = first_line(path)
    return "emotion" in line and "pixels" in line


def _count(path: Path) -> int | None:
    return count_rows(path) if path.suffix.lower() == ".csv" else None


FORMAT = Format(
    name="fer2013",
    title="FER-2013: Kaggle's fer2013.csv (plain, .gz, .zip), or its folder form",
    read=_read,
    recognizes=_recognizes,
    published=PUBLISHED,
    count=_count,
)
