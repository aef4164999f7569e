"""Entries: images with labels that format readers yield, and their decoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from fercli.common.errors import ImageError, InputError
from fercli.common.images import ImageArray, read_color, read_gray
from fercli.datasets.options import Channels

#: The splits a tree may have, in the order of tables; "all" is a set that was never split.
SPLITS = ("train", "validation", "test", "all")

_SPLIT_NAMES = {
    "train": ("train", "training", "train_set"),
    "validation": ("validation", "valid", "val", "val_set", "dev", "publictest"),
    "test": ("test", "testing", "test_set", "privatetest"),
    "all": ("all",),
}


def split_of(word: str) -> str | None:
    """Return the split that `word` names (any case), or None."""
    word = word.strip().lower()
    return next((split for split, words in _SPLIT_NAMES.items() if word in words), None)


@dataclass(frozen=True)
class Entry:
    """One image of a source.

    Parameters
    ----------
    name : str
        Its file name in the tree, without suffix; made unique by the importer.
    image : Path or bytes
        The file that holds it, or its gray levels as text, ``"70 80 82 …"``.
    origin : str
        Where it is in the source, for people.
    label : str
        The expression (or another label that the user's classes name); ``""`` if `votes` decide.
    split : str
        One of `SPLITS`.
    subject : str
        The person, or ``""``.
    votes : tuple of int
        Votes for each of `fercli.datasets.expressions.VOTED`, or ``()``.
    box_xywh : tuple of int, optional
        The face in the image file. Defaults to None: all of it.
    size_wh : tuple of int, optional
        Width and height of an image given as text.
    source_file, line
        The file and line to name in errors.
    mapped : bool
        Whether `label` is what `ReadOptions.label_of` made of a word, which the user's ``--map``
        must then not change once more. Defaults to False.
    word : str
        The source's own word for `label`; where they differ, the renaming is told.
    votes_of : mapping
        Votes for labels of the source, of a tree that fer made. Defaults to none.
    """

    name: str
    image: Path | bytes
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
    word: str = ""
    votes_of: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dropped:
    """An image of a source that the reader leaves out, and why."""

    origin: str
    reason: str


@dataclass(frozen=True)
class Note:
    """An assumption or observation of a reader: one line of text."""

    text: str


#: What a reader yields.
Item = Entry | Dropped | Note


@dataclass(frozen=True)
class ReadOptions:
    """The options of format readers; each uses those that concern it.

    Parameters
    ----------
    votes : Path, optional
        FER+: the file of votes. Defaults to ``fer2013new.csv`` beside the images.
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
Reader = Callable[[Path, ReadOptions], Iterator[Item]]

#: Published counts: images by split and expression.
Counts = Mapping[str, Mapping[str, int]]


def numbered_label(
    text: str, names: Sequence[str], options: ReadOptions, *, first: int = 0
) -> tuple[str, bool] | None:
    """Return the label that a number in a source means, and whether ``--map`` says so.

    Parameters
    ----------
    text : str
        The number, such as ``3``, ``3.0`` or, of a table of Excel, ``3,0``; or a word.
    names : sequence of str
        The labels in the order of the source's numbers.
    options : ReadOptions
        What words mean, numbers included.
    first : int
        The number of the first label. Defaults to 0.

    Returns
    -------
    (label, mapped), or None if it means nothing
        As in `Entry`.
    """
    word = text.strip()
    try:
        number = float(word.replace(",", "."))
        whole = str(int(number)) if number == int(number) else word
    except (ValueError, OverflowError):
        whole = word
    given = options.label_of(word)
    given = options.label_of(whole) if given is None else given
    if given is not None:
        return given, True
    known = {str(first + at): name for at, name in enumerate(names)}
    return (known[whole], False) if whole in known else None


@dataclass(frozen=True)
class DatasetFormat:
    """A published form of a data set.

    Parameters
    ----------
    name : str
        As on the command line.
    title : str
        What it is, in one line.
    read : Reader
        Reads a source.
    recognizes : callable
        Whether a path looks like this format, without reading much of it.
    published : mapping
        The counts that its authors or card give; empty if there are none.
    closed : bool
        Whether a source with other labels than the published ones is another data set, whose
        counts are not compared. Defaults to False.
    count : callable
        How many records a source has, for the bar; None if that would take long.
    """

    name: str
    title: str
    read: Reader
    recognizes: Callable[[Path], bool]
    published: Counts = field(default_factory=dict)
    closed: bool = False
    count: Callable[[Path], int | None] = field(default=lambda path: None)


# Decoding: from an entry of a source to the image that goes into the tree.


#: No face can be told in fewer pixels; data sets have such files by mistake.
LEAST_SIDE = 8


def read_entry(entry: Entry, size_wh: tuple[int, int] | None, channels: Channels) -> ImageArray:
    """Return the image of an entry, cut and scaled.

    Raises
    ------
    ImageError
        It cannot be decoded or is too small.
    InputError
        Its text in a table is not that of an image.
    """
    if isinstance(entry.image, bytes):
        image = _from_text(entry)
    elif channels == "gray":
        image = read_gray(entry.image)
    else:
        image = read_color(entry.image)
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise ImageError(
            f"Expected sides of at least {LEAST_SIDE} pixels, got {width} × {height}",
            path=entry.image if isinstance(entry.image, Path) else None,
        )
    if entry.box_xywh is not None:
        image = cut(image, entry.box_xywh)
    if size_wh is not None:
        image = fit(image, size_wh)
    return _to_channels(image, channels)


def cut(image: ImageArray, box_xywh: tuple[int, int, int, int]) -> ImageArray:
    """Return the part of an image in a box; what lies outside of the image is left off.

    Raises `ImageError` if next to nothing is left.
    """
    x, y, width, height = box_xywh
    part = image[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    if min(part.shape[:2]) < LEAST_SIDE:
        raise ImageError(f"The box {box_xywh} is outside the image")
    return part


def fit(image: ImageArray, size_wh: tuple[int, int]) -> ImageArray:
    """Return an image cut about its center to the shape of `size_wh`, and scaled to it."""
    width, height = size_wh
    scale = min(image.shape[1] / width, image.shape[0] / height)
    inner_w, inner_h = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (image.shape[1] - inner_w) // 2, (image.shape[0] - inner_h) // 2
    inner = image[top : top + inner_h, left : left + inner_w]
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(inner, size_wh, interpolation=how), np.uint8)


def gray_if_it_is(image: ImageArray) -> ImageArray:
    """Return an image as (height, width) if none of its pixels has a color, else as it is."""
    if image.ndim == 3 and (image[:, :, :1] == image).all():
        return np.ascontiguousarray(image[:, :, 0])
    return image


def _to_channels(image: ImageArray, channels: Channels) -> ImageArray:
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2) if channels == "color" else image
    return gray_if_it_is(image) if channels == "keep" else image


def _from_text(entry: Entry) -> ImageArray:
    assert isinstance(entry.image, bytes)
    width, height = entry.size_wh
    words = entry.image.split()
    try:
        levels = bytes(map(int, words))
    except ValueError as error:
        wrong = next(w for w in words if not w.isdigit() or len(w) > 3 or int(w) > 255)
        raise InputError(
            "Expected gray levels from 0 to 255, whole numbers with spaces between, got "
            f"{wrong[:20].decode('utf-8', 'replace')!r}",
            path=entry.source_file,
            line=entry.line,
        ) from error
    if len(levels) != width * height:
        raise InputError(
            f"Expected {width * height} gray levels ({width} × {height}), got {len(levels)}",
            hint="download the file again if it is truncated",
            path=entry.source_file,
            line=entry.line,
        )
    return np.frombuffer(levels, np.uint8).reshape(height, width)
