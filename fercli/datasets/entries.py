"""What a format's reader yields: pictures with labels, not decoded yet, and what it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from fercli.common.errors import InputError, PictureError
from fercli.common.images import Picture, read_colour, read_grey
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


# Decoding: from an entry of a source to the picture that goes into the tree.


#: No face can be told in fewer pixels; data sets have such files by mistake.
LEAST_SIDE = 8

Channels = Literal["keep", "grey", "colour"]


def read_entry(entry: Entry, size_wh: tuple[int, int] | None, channels: Channels) -> Picture:
    """Return the picture of an entry, cut and scaled.

    Raises
    ------
    PictureError
        It cannot be decoded or is too small.
    InputError
        Its text in a table is not that of a picture.
    """
    if isinstance(entry.picture, bytes):
        picture = _from_text(entry)
    elif channels == "grey":
        picture = read_grey(entry.picture)
    else:
        picture = read_colour(entry.picture)
    height, width = picture.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise PictureError(
            f"wanted a side of at least {LEAST_SIDE} pixels, found {width} × {height}",
            path=entry.picture if isinstance(entry.picture, Path) else None,
        )
    if entry.box_xywh is not None:
        picture = cut(picture, entry.box_xywh)
    if size_wh is not None:
        picture = fit(picture, size_wh)
    return _to_channels(picture, channels)


def cut(picture: Picture, box_xywh: tuple[int, int, int, int]) -> Picture:
    """Return the part of a picture in a box; what lies outside of the picture is left off.

    Raises `PictureError` if next to nothing is left.
    """
    x, y, width, height = box_xywh
    part = picture[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    if min(part.shape[:2]) < LEAST_SIDE:
        raise PictureError(f"wanted a face in the picture, found the box {box_xywh} outside of it")
    return part


def fit(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    """Return a picture cut about its centre to the shape of `size_wh`, and scaled to it."""
    width, height = size_wh
    scale = min(picture.shape[1] / width, picture.shape[0] / height)
    inner_w, inner_h = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (picture.shape[1] - inner_w) // 2, (picture.shape[0] - inner_h) // 2
    inner = picture[top : top + inner_h, left : left + inner_w]
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(inner, size_wh, interpolation=how), np.uint8)


def grey_if_it_is(picture: Picture) -> Picture:
    """Return a picture as (height, width) if none of its pixels has a colour, else as it is."""
    if picture.ndim == 3 and (picture[:, :, :1] == picture).all():
        return np.ascontiguousarray(picture[:, :, 0])
    return picture


def _to_channels(picture: Picture, channels: Channels) -> Picture:
    if picture.ndim == 2:
        return np.repeat(picture[:, :, None], 3, axis=2) if channels == "colour" else picture
    return grey_if_it_is(picture) if channels == "keep" else picture


def _from_text(entry: Entry) -> Picture:
    assert isinstance(entry.picture, bytes)
    width, height = entry.size_wh
    try:
        levels = bytes(map(int, entry.picture.split()))
    except ValueError as error:
        raise InputError(
            f"wanted grey levels from 0 to 255: {error}", path=entry.source_file, line=entry.line
        ) from error
    if len(levels) != width * height:
        raise InputError(
            f"wanted {width * height} grey levels ({width} × {height}), found {len(levels)}",
            hint="download it again if it is truncated",
            path=entry.source_file,
            line=entry.line,
        )
    return np.frombuffer(levels, np.uint8).reshape(height, width)
