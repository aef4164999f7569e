"""Labeled faces of a tree ``ROOT/<split>/<class>/*.png``, as arrays for a model."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import (
    FerError,
    ImageError,
    InputError,
    OptionError,
    TrainingError,
    image_errors,
)
from fercli.common.groups import exact_pairs, groups
from fercli.common.images import ImageArray, read_color, read_gray, resize
from fercli.common.parallel import parallel_map
from fercli.common.processes import available_memory
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted
from fercli.datasets.duplicates import fingerprints, near_pairs
from fercli.datasets.entries import split_of
from fercli.datasets.manifest import FILES, FileRecord
from fercli.datasets.splitting import assign, require_filled
from fercli.datasets.tree import Tree, unreadable_lines
from fercli.models.model_card import ModelCard
from fercli.models.training_options import ModelTrainingOptions

Labels = NDArray[np.int64]
Targets = NDArray[np.float32]

#: Share of the memory that is free now that images kept decoded may take.
MEMORY_SHARE = 0.5

#: The most votes for one class of one image; FER+ has ten annotators.
MOST_VOTES = 1_000_000


@dataclass(frozen=True)
class Faces:
    """Labeled images of one size.

    Parameters
    ----------
    paths : tuple of Path
        Their files.
    labels : ndarray of int64, shape (n,)
        The class of each, as an index of `classes`.
    targets : ndarray of float32, shape (n, number of classes)
        One-hot labels, or the distribution of annotators' votes.
    classes : tuple of str
        The classes.
    size_wh : (int, int)
        The size that all are resized to, in pixels.
    channels : {1, 3}
        Gray, or red, green and blue.
    pixels : ndarray of uint8, shape (n, height, width, channels), optional
        All images, if they fit into memory; None: they are read on use.
    unreadable : mapping of str to str
        Images that were left out, and why.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    targets: NDArray[np.float32]
    classes: tuple[str, ...]
    size_wh: tuple[int, int]
    channels: int = 1
    pixels: NDArray[np.uint8] | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return images, shape (n, height, width, channels), from memory or from their files."""
        if self.pixels is not None:
            return np.asarray(self.pixels[indices])
        read = partial(read_face, size_wh=self.size_wh, channels=self.channels)
        return np.stack([read(self.paths[index]) for index in indices])

    def counts(self) -> NDArray[np.int64]:
        """Return the number of images of each class."""
        return np.bincount(self.labels, minlength=len(self.classes))


def choose_split(tree: Tree, split: str | None, progress: Progress = SILENT) -> str:
    """Return the split that was asked for, else "validation", or the only one that there is."""
    if split is not None:
        return split
    known = {split_of(name) or name for name in tree.splits}
    if "validation" in known or len(tree.splits) != 1:
        return "validation"
    progress.note(f"The tree has no split validation: its only one, {tree.splits[0]}, is used")
    return tree.splits[0]


def read_split(
    tree: Tree,
    split: str,
    size_wh: tuple[int, int],
    *,
    channels: int = 1,
    classes: Sequence[str] | None = None,
    soft_labels: bool = False,
    streamed: bool | None = None,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Faces:
    """Return the images of one split; those that cannot be read are left out and noted.

    Parameters
    ----------
    tree : Tree
        Where from.
    split : str
        "train", "validation", "test", …
    size_wh : (int, int)
        Images of other sizes are resized to this.
    channels : {1, 3}
        Gray or color.
    classes : sequence of str, optional
        Those of a model; images of other classes are an error. Defaults to the tree's.
    soft_labels : bool
        Whether targets are people's votes rather than one class. Defaults to False.
    streamed : bool, optional
        Whether images are read again each time rather than kept. Defaults to None: kept if
        they take no more than half of the memory that is free.
    workers : int, optional
        Threads that read. Defaults to all cores.

    Raises
    ------
    InputError, OptionError
        No such split, no images, an unknown class, votes missing or not one count a class.
    ImageError
        None of the images can be read.
    """
    records = _records(tree, split)
    return _read_records(
        tree, records, size_wh, channels=channels, classes=classes, soft_labels=soft_labels,
        streamed=streamed, workers=workers, progress=progress,
    )  # fmt: skip


def _read_records(
    tree: Tree,
    records: Sequence[FileRecord],
    size_wh: tuple[int, int],
    *,
    channels: int,
    classes: Sequence[str] | None = None,
    soft_labels: bool = False,
    streamed: bool | None = None,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Faces:
    classes = tuple(classes or tree.classes)
    labels = _labels(records, tree, classes)
    one_hot = np.eye(len(classes), dtype=np.float32)[labels]
    targets = _votes(records, tree, classes) if soft_labels else one_hot
    paths = [tree.path(record) for record in records]
    if streamed is None:
        needed = len(paths) * size_wh[0] * size_wh[1] * channels
        streamed = needed > available_memory() * MEMORY_SHARE
    pixels, errors = _read_faces(
        paths, size_wh, channels, kept=not streamed, workers=workers, progress=progress,
        name=f"read {records[0].split}",
    )  # fmt: skip
    _require_some(errors, paths)
    unreadable = {records[at].file: error.message for at, error in errors.items()}
    for line in unreadable_lines(unreadable):
        progress.note(line)
    used = np.array([at not in errors for at in range(len(paths))])
    kept = tuple(path for at, path in enumerate(paths) if used[at])
    return Faces(kept, labels[used], targets[used], classes, size_wh, channels, pixels, unreadable)


def _read_faces(
    paths: Sequence[Path],
    size_wh: tuple[int, int],
    channels: int,
    *,
    kept: bool,
    workers: int | None,
    progress: Progress,
    name: str,
) -> tuple[NDArray[np.uint8] | None, dict[int, ImageError]]:
    """Return the images that can be read, if they are to be kept, and the errors of the others."""
    shape = (len(paths) if kept else 0, size_wh[1], size_wh[0], channels)
    pixels, errors = np.empty(shape, np.uint8), dict[int, ImageError]()
    read = partial(read_face_or_error, size_wh=size_wh, channels=channels)
    images = parallel_map(
        read, paths, workers=workers, prefer="threads", progress=progress, description=name
    )
    for at, image in enumerate(images):
        if isinstance(image, ImageError):
            errors[at] = image
        elif kept:
            pixels[at - len(errors)] = image
    return (pixels[: len(paths) - len(errors)] if kept else None), errors


def _require_some(errors: Mapping[int, ImageError], paths: Sequence[Path]) -> None:
    """Raise `ImageError` if there is an error of each image."""
    if len(errors) == len(paths):
        message = errors[0].message
        if len(paths) > 1:
            message = f"None of {len(paths):,} images can be read; the first: {message}"
        raise ImageError(message, hint="`fer datasets stats` lists all of them", path=paths[0])


def read_face(path: Path, size_wh: tuple[int, int], channels: int = 1) -> ImageArray:
    """Return one image at a size, shape (height, width, channels), channels in RGB order."""
    image = read_gray(path) if channels == 1 else read_color(path)[:, :, ::-1]
    return resize(image, size_wh).reshape(size_wh[1], size_wh[0], channels)


def _records(tree: Tree, split: str) -> list[FileRecord]:
    wanted = split_of(split) or split
    records = [r for r in tree.records if (split_of(r.split) or r.split) == wanted]
    if not records:
        raise OptionError(
            f"There is no split {split!r}: the tree has {', '.join(tree.splits)}",
            hint="name one of them, or divide the tree with `fer datasets split`",
            path=tree.root,
        )
    return records


def _labels(records: Sequence[FileRecord], tree: Tree, classes: Sequence[str]) -> Labels:
    unknown = sorted({record.label for record in records} - set(classes))
    if unknown:
        raise InputError(
            f"Expected images of the classes {', '.join(classes)}, got {', '.join(unknown)} too",
            path=tree.root,
        )
    index = {name: at for at, name in enumerate(classes)}
    return np.array([index[record.label] for record in records], np.int64)


def _votes(records: Sequence[FileRecord], tree: Tree, classes: Sequence[str]) -> Targets:
    if tuple(classes) != tree.classes:
        raise OptionError("`soft_labels` needs the classes of the tree, in its order")
    for record in records:
        _check_votes(record, tree)
    missing = [record for record in records if not any(record.votes)]
    if missing:
        raise InputError(
            f"`soft_labels` needs the votes of annotators, which {len(missing)} of {len(records)} "
            "images do not have",
            hint="import FER+ with its votes, or remove `soft_labels`",
            path=tree.path(missing[0]),
        )
    counts = np.array([record.votes for record in records], np.float32)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _check_votes(record: FileRecord, tree: Tree) -> None:
    """Raise unless an image has a count for each class, or no votes at all."""
    votes, wanted = record.votes, len(tree.classes)
    if votes and (len(votes) != wanted or not all(0 <= count <= MOST_VOTES for count in votes)):
        raise InputError(
            f"Expected votes as {wanted} numbers from 0 to {MOST_VOTES:,}, one for each class, got "
            f"{' '.join(map(str, votes))[:60]!r} for {record.file}",
            hint="correct the line, or remove `soft_labels`",
            path=tree.root / FILES,
        )


def read_face_or_error(
    path: Path, size_wh: tuple[int, int], channels: int = 1
) -> ImageArray | ImageError:
    """Return one image, as `read_face`, or why it cannot be read."""
    try:
        with image_errors(path):
            return read_face(path, size_wh, channels)
    except ImageError as error:
        return error


# The images of a training.


def check_classes(tree: Tree) -> None:
    """Raise unless the tree has at least two classes.

    Raises
    ------
    TrainingError
        The tree has one class only.
    """
    if len(tree.classes) < 2:
        raise TrainingError(
            f"Training needs at least two classes, and the tree has only {', '.join(tree.classes)}",
            path=tree.root,
        )


#: The share of an unsplit tree that epochs are compared on.
HELD_OUT = 0.2


def read_splits(
    tree: Tree, options: ModelTrainingOptions, workers: int | None, progress: Progress
) -> tuple[Faces, Faces]:
    """Return the images of training and of validation.

    A tree with one split is divided; see `divide`.

    Parameters
    ----------
    tree : Tree
    options : ModelTrainingOptions
        Which split is which, and how images are read.
    workers : int, optional
        Threads that read.
    progress : Progress
        A bar for each split.

    Raises
    ------
    TrainingError
        A class has no image that is learned from.
    OptionError, ImageError
        A split is missing; none of its images can be read.
    """
    read = partial(
        _read_records,
        tree,
        size_wh=options.size_wh,
        channels=options.found.channels,
        streamed=True if options.stream else None,
        workers=workers,
        progress=progress,
    )
    unreadable: Mapping[str, str] = {}
    if is_unsplit(tree, options.validation):
        learned, held_out, unreadable = divide(tree, options.seed, workers, progress)
    else:
        learned, held_out = _records(tree, "train"), _records(tree, options.validation)
    training = read(learned, soft_labels=options.soft_labels)
    training = replace(training, unreadable={**unreadable, **training.unreadable})
    _check_counts(training)
    return training, read(held_out)


def is_unsplit(tree: Tree, validation: str = "validation") -> bool:
    """Return whether a training divides a tree itself, if it validates on this split."""
    return len(tree.splits) == 1 and validation == "validation"


def divide(
    tree: Tree, seed: int, workers: int | None, progress: Progress
) -> tuple[list[FileRecord], list[FileRecord], dict[str, str]]:
    """Return the images of an unsplit tree to learn from, and a fifth of each class held out.

    Images that look alike stay together. The same images and seed give the same division. Images
    that cannot be read are in neither part; they are returned by file, with the reason.

    Raises
    ------
    OptionError
        There are too few different images.
    ImageError
        None of the images can be read.
    """
    paths = [tree.path(record) for record in tree.records]
    found = fingerprints(paths, workers=workers, progress=progress)
    _require_some({at: ImageError(o.error) for at, o in enumerate(found) if o.error}, paths)
    pairs = list(zip(tree.records, found, strict=True))
    unreadable = {record.file: one.error for record, one in pairs if one.error}
    for line in unreadable_lines(unreadable):
        progress.note(line)
    records = [record for record, one in pairs if not one.error]
    prints = [one for one in found if not one.error]
    alike = [*exact_pairs([one.pixels for one in prints]), *map(tuple, near_pairs(prints).tolist())]
    together = groups(len(prints), alike)
    labels = np.unique([record.label for record in records], return_inverse=True)[1]
    part = assign(labels, together, (1 - HELD_OUT, HELD_OUT), np.random.default_rng(seed))
    require_filled(part, ("train", "validation"))
    learned, held_out = (
        [record for record, its in zip(records, part, strict=True) if its == number]
        for number in (0, 1)
    )
    kept = int((np.bincount(together) > 1).sum())
    progress.note(
        f"{tree.root} is not split: {counted(len(learned), 'image')} to learn from, "
        f"{len(held_out)} to compare epochs; {counted(kept, 'group')} of images "
        "that look alike kept together"
    )
    return learned, held_out, unreadable


def read_measured(
    tree: Tree,
    split: str | None,
    card: ModelCard,
    *,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Faces:
    """Return the images that a model is measured on, at its size and with its classes.

    Those of the split, see `choose_split`; of an unsplit tree that the model was trained on, those
    that were held out.
    """
    records = None
    if split is None:
        records = _held_out(tree, card.training, workers, progress)
    return _read_records(
        tree,
        _records(tree, choose_split(tree, split, progress)) if records is None else records,
        card.size_wh,
        channels=card.channels,
        classes=card.classes,
        workers=workers,
        progress=progress,
    )


def _held_out(
    tree: Tree, training: Mapping[str, Any], workers: int | None, progress: Progress
) -> list[FileRecord] | None:
    """Return the images of an unsplit tree that a training held out; None if it was another tree.

    The same images and seed give the same division, whose labels have the checksum that the card
    has.
    """
    if not is_unsplit(tree) or not {"held_out", "seed"} <= set(training):
        return None
    try:
        _, records, _ = divide(tree, int(training["seed"]), workers, SILENT)
    except (FerError, TypeError, ValueError):
        return None
    if zlib.crc32(_labels(records, tree, tree.classes).tobytes()) != training["held_out"]:
        return None
    progress.note(
        f"{tree.root} is not split: {counted(len(records), 'image')} that the training "
        "held out in use"
    )
    return records


def identify(training: Faces, validation: Faces) -> dict[str, Any]:
    """Return the classes, and checksums (CRC-32) of the labels and of the files, of a training.

    These stay the same when a tree is moved.
    """
    return {
        "classes": list(training.classes),
        "labels to train on": zlib.crc32(training.targets.tobytes()),
        "labels to validate on": zlib.crc32(validation.labels.tobytes()),
        "images to train on": _checksum(training.paths),
        "images to validate on": _checksum(validation.paths),
    }


def _checksum(paths: Sequence[Path]) -> int:
    """Return the checksum of the content of files, in their order."""
    checksum = 0
    for path in paths:
        checksum = zlib.crc32(path.read_bytes(), checksum)
    return checksum


def _check_counts(training: Faces) -> None:
    empty = [
        name for name, count in zip(training.classes, training.counts(), strict=True) if not count
    ]
    if empty:
        raise TrainingError(
            f"The images to learn from have none of {', '.join(empty)}",
            hint="import the data set again with the classes that it has",
        )
