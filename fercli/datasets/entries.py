"""What a format's reader yields: pictures with labels, not decoded yet, and what it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fercli.datasets.expressions import EXPRESSIONS

#: The splits a tree may have, in the order of tables; "all" is a set that was never split.
SPLITS = ("train", "validation", "test", "all")

_SPLIT_NAMES = {
    "train": ("train", "training", "train_set"),
    "validation": ("validation", "valid", "val", "val_set", "dev", "publictest"),
    "test": ("test", "testing", "test_set", "privatetest"),
    "all": ("all",),
}

#: What people may vote for: the expressions, and that there is none, or no face.
VOTED = (*EXPRESSIONS, "unknown", "not-a-face")


def split_of(word: str) -> str | None:
    """Return the split that `word` names (any case), or None."""
    word = word.strip().lower()
    return next((split for split, words in _SPLIT_NAMES.items() if word in words), None)


@dataclass(frozen=True)
class Entry:
    """One picture of a source.

    Parameters
    ----------
    name : str
        Its file name in the tree, without suffix; made unique by the importer.
    picture : Path or bytes
        The file that holds it, or its grey levels as text, ``"70 80 82 …"``.
    origin : str
        Where it is in the source, for people.
    label : str
        The expression (or another label that the user's classes name); ``""`` if `votes` decide.
    split : str
        One of `SPLITS`.
    subject : str
        The person, or ``""``.
    votes : tuple of int
        Votes for each of `VOTED`, or ``()``.
    box_xywh : tuple of int, optional
        The face in the picture file. Defaults to None: all of it.
    size_wh : tuple of int, optional
        Width and height of a picture given as text.
    source_file, line
        The file and line to name in errors.
    mapped : bool
        Whether `label` is what `ReadOptions.label_of` made of a word, which the user's ``--map``
        must then not change once more. Defaults to False.
    """

    name: str
    picture: Path | bytes
    origin: str
    label: str = ""
    split: str = "all"
    subject: str = ""
    votes: tuple[int, ...] = ()
    box_xywh: tuple[int, int, int, int] | None = None
    size_wh: tuple[int, int] = (48, 48)
    source_file: Path | None = None
    line: int | None = None
    mapped: bool = False


@dataclass(frozen=True)
class Dropped:
    """A picture of a source that the reader leaves out, and why."""

    origin: str
    reason: str


@dataclass(frozen=True)
class ReadOptions:
    """What readers of formats may be told; each looks at what concerns it.

    Parameters
    ----------
    votes : Path, optional
        FER+: the file of votes. Defaults to ``fer2013new.csv`` beside the pictures.
    all_angles : bool
        RaFD and KDEF: take faces seen from the side too. Defaults to False: frontal only.
    peak_frames : int
        CK+ sequences: how many of the last frames show the expression. Defaults to 3.
    label_of : callable
        From a word of the source to a label: an expression, another label of the user's, ``""``
        (to be left out) or None (unknown).
    """

    votes: Path | None = None
    all_angles: bool = False
    peak_frames: int = 3
    label_of: Callable[[str], str | None] = field(default=lambda word: word)


#: A reader: from a source to what is in it, in an order that is always the same.
Reader = Callable[[Path, ReadOptions], Iterator[Entry | Dropped]]

#: Published counts: pictures by split and expression.
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Format:
    """A published form of a data set.

    Parameters
    ----------
    name : str
        As on the command line.
    title : str
        What it is, in one line.
    read : Reader
        Reads a source.
    recognises : callable
        Whether a path looks like this format, without reading much of it.
    published : mapping
        The counts that its authors or card give; empty if there are none.
    count : callable
        How many records a source has, for the bar; None if that would take long.
    """

    name: str
    title: str
    read: Reader
    recognises: Callable[[Path], bool]
    published: Counts = field(default_factory=dict)
    count: Callable[[Path], int | None] = field(default=lambda path: None)
