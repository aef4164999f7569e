"""FER+: ten people's votes for each image of FER-2013, in place of its labels.

See: Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial expression
recognition with crowd-sourced label distribution", ICMI 2016; card ``datasets/ferplus.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fercli.common.errors import InputError
from fercli.datasets.entries import VOTED, DatasetFormat, Entry, Item, Note, ReadOptions
from fercli.datasets.formats.fer2013 import read_table, usage_split
from fercli.datasets.formats.tables import Row, count_rows, header_of, read_rows

VOTES_FILE = "fer2013new.csv"

#: The file's columns of votes, in the order of `VOTED`.
COLUMNS = (
    "anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise",
    "unknown", "nf",
)  # fmt: skip
assert len(COLUMNS) == len(VOTED)


def votes_file(path: Path, options: ReadOptions) -> Path:
    """Return the file of votes that goes with FER-2013's `path`."""
    return options.votes or path.parent / VOTES_FILE


def _read(path: Path, options: ReadOptions) -> Iterator[Item]:
    votes = votes_file(path, options)
    if not votes.exists():
        raise InputError(
            "The votes of FER+ are missing", hint="name their file with `votes`", path=votes
        )
    _require_same_length(path, votes)
    rows = read_rows(votes, ("usage", *COLUMNS))
    with_usage = True
    for _, item in read_table(path, replace(options, label_of=_nothing)):
        if isinstance(item, Note):
            with_usage = with_usage and "usage" not in item.text
            yield item
            continue
        vote_row = next(rows)
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
    try:
        counts = tuple(int(cells[column]) for column in COLUMNS)
    except ValueError as error:
        message = f"Expected whole numbers of votes: {error}"
        raise InputError(message, path=path, line=line) from error
    if min(counts) < 0:
        raise InputError(f"Expected counts of votes, got {min(counts)}", path=path, line=line)
    return counts


def _recognizes(path: Path) -> bool:
    with_votes = path.is_file() and (path.parent / VOTES_FILE).exists()
    return with_votes and "pixels" in header_of(path)


FORMAT = DatasetFormat(
    name="ferplus",
    title=f"FER+: FER-2013's CSV with the votes of {VOTES_FILE} (--votes) as labels",
    read=_read,
    recognizes=_recognizes,
    count=lambda path: count_rows(path) if path.suffix.lower() == ".csv" else None,
)
