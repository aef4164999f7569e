"""FER-2013, and FER+: ten people's votes for each of its images, in place of its labels.

FER-2013: 35,887 faces of 48×48 gray levels, found by web search, seven expressions.

See: Goodfellow et al., "Challenges in representation learning: A report on three machine learning
contests", ICONIP 2013; Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial
expression recognition with crowd-sourced label distribution", ICMI 2016; cards
``datasets/fer2013.md`` and ``datasets/ferplus.md``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from fercli.common.errors import InputError
from fercli.datasets.entries import (
    LEAST_SIDE,
    DatasetFormat,
    Entry,
    Item,
    Note,
    ReadOptions,
    numbered_label,
    split_of,
)
from fercli.datasets.expressions import VOTED
from fercli.datasets.formats.generic import read_folder
from fercli.datasets.formats.tables import Row, count_rows, header_of, read_rows

#: The expressions, in the order of the file's numbers.
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
#: Rows by which the size of the images is told.
SAMPLE = 5
USAGES = ("Training", "PublicTest", "PrivateTest")
PUBLISHED = {
    split: dict(zip(LABELS, counts, strict=True))
    for split, counts in {
        "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
        "validation": (467, 56, 496, 895, 653, 415, 607),
        "test": (491, 55, 528, 879, 594, 416, 626),
    }.items()
}


def read_table(path: Path, options: ReadOptions) -> Iterator[tuple[Row, Entry | Note]]:
    """Yield the rows of Kaggle's CSV (``emotion,pixels,Usage``) and the images in them.

    In place of an image, a note may say what had to be assumed: the split of a table without
    ``Usage``, the size of images other than 48 × 48, the label 7 of CK+'s table of this form.
    """
    rows = read_rows(path, ("emotion", "pixels"))
    first = list(islice(rows, SAMPLE))
    size_wh = _size_of(first)
    split = split_of(path.name.partition(".")[0]) or "all"
    if first and "usage" not in first[0][1]:
        yield first[0], Note(f"no column usage: the images are in the split {split}")
    if first and size_wh != (48, 48):
        yield first[0], Note(f"the pixels are of images of {size_wh[0]} × {size_wh[1]}")
    contempt_noted = False
    for number, row in enumerate(chain(first, rows)):
        line, cells = row
        label, mapped = _label(cells["emotion"], options, path, line)
        if not mapped and label == "contempt" and not contempt_noted:
            contempt_noted = True
            yield row, Note("label 7 is taken for contempt, as in CK+'s table of this form")
        usage = cells.get("usage")
        yield (
            row,
            Entry(
                name=f"fer{number:07d}",
                image=cells["pixels"].encode(),
                origin=f"{path.name}:{line}",
                label=label,
                split=split if usage is None else usage_split(usage, path, line),
                size_wh=size_wh,
                source_file=path,
                line=line,
                mapped=mapped,
                word=cells["emotion"].strip() if mapped else "",
            ),
        )


def _size_of(rows: Sequence[Row]) -> tuple[int, int]:
    """Return the size of the images, which are square, by most of the first ones."""
    lengths = Counter(len(cells["pixels"].split()) for _, cells in rows)
    side = math.isqrt(lengths.most_common(1)[0][0]) if lengths else 0
    square = side >= LEAST_SIDE and lengths[side * side] > len(rows) / 2
    return (side, side) if square else (48, 48)


def usage_split(usage: str, path: Path, line: int) -> str:
    """Return the split that a ``Usage`` names; raise `InputError` if it names none."""
    split = split_of(usage)
    if split is None:
        wanted = ", ".join(USAGES)
        raise InputError(f"Expected one of {wanted}, got {usage[:40]!r}", path=path, line=line)
    return split


def _label(text: str, options: ReadOptions, path: Path, line: int) -> tuple[str, bool]:
    found = numbered_label(text, (*LABELS, "contempt"), options)
    if found is None:
        raise InputError(
            f"Expected an emotion from 0 to {len(LABELS) - 1} (7: contempt), got {text[:40]!r}",
            hint=f"use --map {text.strip()[:40]}=happy, or what it is",
            path=path,
            line=line,
        )
    return found


def _read_fer2013(path: Path, options: ReadOptions) -> Iterator[Item]:
    if path.is_dir():
        return read_folder(path, options, known=True)
    return (item for _, item in read_table(path, options))


def _recognizes_fer2013(path: Path) -> bool:
    if path.is_dir():
        return any((path / "train" / "angry").glob("Training_*"))
    return {"emotion", "pixels"} <= set(header_of(path))


FER2013 = DatasetFormat(
    name="fer2013",
    title="FER-2013: Kaggle's CSV (plain, .gz, .zip; CK+'s too), or its folder form",
    read=_read_fer2013,
    recognizes=_recognizes_fer2013,
    published=PUBLISHED,
    closed=True,
    count=lambda path: count_rows(path) if path.suffix.lower() == ".csv" else None,
)


# FER+: ten people's votes for each image of FER-2013, in place of its labels.
#
# See: Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial expression
# recognition with crowd-sourced label distribution", ICMI 2016; card ``datasets/ferplus.md``.


VOTES_FILE = "fer2013new.csv"

#: The name of an image there, with the number of its row in FER-2013 as published.
NUMBERED = re.compile(r"fer(\d{7})\.png")

#: The file's columns of votes, in the order of `VOTED`.
COLUMNS = (
    "anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise",
    "unknown", "nf",
)  # fmt: skip
assert len(COLUMNS) == len(VOTED)


def votes_file(path: Path, options: ReadOptions) -> Path:
    """Return the file of votes that goes with FER-2013's `path`."""
    return options.votes or path.parent / VOTES_FILE


def _read_ferplus(path: Path, options: ReadOptions) -> Iterator[Item]:
    votes = votes_file(path, options)
    if not votes.exists():
        raise InputError(
            "The votes of FER+ are missing", hint="name their file with `votes`", path=votes
        )
    _require_same_length(path, votes)
    rows = read_rows(votes, ("usage", *COLUMNS))
    with_usage, last, in_order = True, -1, True
    for _, item in read_table(path, replace(options, label_of=_nothing)):
        if isinstance(item, Note):
            with_usage = with_usage and "usage" not in item.text
            yield item
            continue
        vote_row = next(rows)
        number = NUMBERED.fullmatch(vote_row[1].get("image name", "").strip())
        if number and in_order:
            in_order, last = int(number[1]) > last, int(number[1])
            if not in_order:
                yield Note(
                    f"{votes.name}, line {vote_row[0]}: the image names do not ascend, as they do "
                    "where published; votes and images go together by their rows"
                )
        split = usage_split(vote_row[1]["usage"], votes, vote_row[0])
        entry = item if with_usage else replace(item, split=split)
        yield replace(entry, label="", votes=_votes(vote_row, entry, votes))


def _nothing(word: str) -> None:
    """Take no word for a label: the votes decide."""


def _require_same_length(path: Path, votes: Path) -> None:
    images, voted = count_rows(path), count_rows(votes)
    if images != voted:
        raise InputError(
            f"Expected a row of votes for each of the {images} images of {path}, got {voted}",
            hint="use the two files as they are published, both whole or both cut alike",
            path=votes,
        )


def _votes(row: Row, entry: Entry, path: Path) -> tuple[int, ...]:
    line, cells = row
    if usage_split(cells["usage"], path, line) != entry.split:
        raise InputError(
            f"Expected the usage of the image in {entry.origin}, got {cells['usage']}",
            hint="bring the rows of the two files into the same order",
            path=path,
            line=line,
        )
    for column in COLUMNS:
        if not cells[column].strip().isdecimal():
            raise InputError(
                f"Expected whole numbers of votes, got {cells[column][:20]!r}", path=path, line=line
            )
    return tuple(int(cells[column]) for column in COLUMNS)


def _recognizes_ferplus(path: Path) -> bool:
    with_votes = path.is_file() and (path.parent / VOTES_FILE).exists()
    return with_votes and "pixels" in header_of(path)


FERPLUS = DatasetFormat(
    name="ferplus",
    title=f"FER+: FER-2013's CSV with the votes of {VOTES_FILE} (--votes) as labels",
    read=_read_ferplus,
    recognizes=_recognizes_ferplus,
    count=lambda path: count_rows(path) if path.suffix.lower() == ".csv" else None,
)
