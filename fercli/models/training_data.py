"""The pictures of a training, and whether they can be learned from."""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any

from fercli.common.errors import TrainingError
from fercli.common.progress import Progress
from fercli.datasets.tree import Tree
from fercli.models.labeled_faces import Faces, read_split
from fercli.models.training_options import TrainingOptions


def check_classes(tree: Tree) -> None:
    """Raise unless there is something to tell apart.

    Raises
    ------
    TrainingError
        The tree has one class only.
    """
    if len(tree.classes) < 2:
        raise TrainingError(
            f"wanted at least two classes, found {', '.join(tree.classes)} only in {tree.root}"
        )


def read_splits(
    tree: Tree, options: TrainingOptions, workers: int | None, progress: Progress
) -> tuple[Faces, Faces]:
    """Return the pictures that are learned from, and those that epochs are compared on.

    Parameters
    ----------
    tree : Tree
    options : TrainingOptions
        Which split is which, and how pictures are read.
    workers : int, optional
        Threads that read.
    progress : Progress
        A bar for each split.

    Raises
    ------
    TrainingError
        A class has no picture that is learned from.
    OptionError, PictureError
        A split is missing; a picture cannot be read.
    """
    read = partial(
        read_split,
        tree,
        size_wh=options.size_wh,
        channels=options.found.channels,
        streamed=True if options.stream else None,
        workers=workers,
        progress=progress,
    )
    training = read("train", soft_labels=options.soft_labels)
    _check_counts(training)
    return training, read(options.validation)


def identify(training: Faces, validation: Faces) -> dict[str, Any]:
    """Return the classes, and checksums (CRC-32) of the labels, of the pictures of a training.

    These stay the same when a tree is moved; that the pictures do, too, is not looked at.
    """
    return {
        "classes": list(training.classes),
        "labels to train on": zlib.crc32(training.targets.tobytes()),
        "labels to validate on": zlib.crc32(validation.labels.tobytes()),
    }


def _check_counts(training: Faces) -> None:
    empty = [
        name for name, count in zip(training.classes, training.counts(), strict=True) if not count
    ]
    if empty:
        raise TrainingError(
            f"wanted pictures of every class in the split train, found none of {', '.join(empty)}",
            hint="import the data set again with the --classes that it has",
        )
