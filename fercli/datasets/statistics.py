"""Statistics: what is in a tree, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fercli.common.parallel import Workers
from fercli.common.progress import SILENT, Progress
from fercli.datasets.duplicates import (
    Fingerprint,
    exact_pairs,
    fingerprints,
    groups,
    near_pairs,
)
from fercli.datasets.manifest import FileRecord
from fercli.datasets.tree import Tree, counts


@dataclass(frozen=True)
class Alike:
    """Pictures that are the same, exactly or nearly, in groups.

    Parameters
    ----------
    groups : int
        Groups of two or more.
    pictures : int
        Pictures in them.
    superfluous : int
        Pictures that could go if one of each group stayed.
    crossing : int
        Pictures of groups that are in more than one split: what a network is tested on, it has
        then seen in training.
    crossing_by_split : dict
        Of these, those in each split.
    conflicts : int
        Groups whose pictures have different classes.
    conflicting : list of list of str
        The files of those groups.
    """

    groups: int
    pictures: int
    superfluous: int
    crossing: int
    crossing_by_split: Mapping[str, int]
    conflicts: int
    conflicting: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Statistics:
    """What is in a tree.

    Parameters
    ----------
    classes : sequence of str
        Those of the manifest, and behind them those that it lacks.
    counts : dict
        Pictures by split and class.
    sizes : dict
        Pictures by ``"WxH"``, the most frequent first.
    colour : int
        Pictures that are not grey.
    grey_levels : dict
        For each class the mean grey level and the mean contrast (deviation within a picture).
    histograms : dict
        For each class the share of pixels in each of 32 ranges of grey levels.
    votes : int
        Pictures with people's votes.
    subjects : int
        Persons that are known.
    subjects_crossing : int
        Persons in more than one split.
    exact, near : Alike
        Duplicates; near ones include the exact ones.
    constant : list of str
        Files whose pixels are all the same.
    unreadable : dict
        Files that cannot be read, and why.
    """

    root: Path
    classes: Sequence[str]
    counts: Mapping[str, Mapping[str, int]]
    sizes: Mapping[str, int]
    colour: int
    grey_levels: Mapping[str, tuple[float, float]]
    histograms: Mapping[str, Sequence[float]]
    votes: int
    subjects: int
    subjects_crossing: int
    exact: Alike
    near: Alike
    constant: Sequence[str]
    unreadable: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self) | {"root": str(self.root)}


def describe_tree(
    tree: Tree, *, workers: int | Workers | None = None, progress: Progress = SILENT
) -> Statistics:
    """Return the statistics of a tree, for which each picture is read once."""
    classes = tree.all_classes
    paths = [tree.path(record) for record in tree.records]
    prints = fingerprints(paths, workers=workers, progress=progress)
    exact = list(exact_pairs([print_.pixels for print_ in prints]))
    near = exact + [(a, b) for a, b in near_pairs(prints).tolist()]
    usable = [
        (record, print_)
        for record, print_ in zip(tree.records, prints, strict=True)
        if not print_.error
    ]
    sizes = Counter(f"{print_.size_wh[0]}x{print_.size_wh[1]}" for _, print_ in usable)
    by_class = {name: [p for record, p in usable if record.label == name] for name in classes}
    return Statistics(
        root=tree.root,
        classes=classes,
        counts=counts(tree.records),
        sizes=dict(sizes.most_common()),
        colour=sum(print_.colour for _, print_ in usable),
        grey_levels={name: _levels(some) for name, some in by_class.items()},
        histograms={name: _histogram(some) for name, some in by_class.items()},
        votes=sum(bool(record.votes) for record in tree.records),
        subjects=len(_splits_of_subjects(tree.records)),
        subjects_crossing=sum(len(s) > 1 for s in _splits_of_subjects(tree.records).values()),
        exact=find_alike(tree.records, exact),
        near=find_alike(tree.records, near),
        constant=[record.file for record, print_ in usable if print_.constant],
        unreadable={
            record.file: print_.error
            for record, print_ in zip(tree.records, prints, strict=True)
            if print_.error
        },
    )


def find_alike(records: Sequence[FileRecord], pairs: Sequence[tuple[int, int]]) -> Alike:
    """Return what pairs of pictures that are alike mean for splits and classes."""
    members: dict[int, list[FileRecord]] = {}
    for record, group in zip(records, groups(len(records), pairs).tolist(), strict=True):
        members.setdefault(group, []).append(record)
    several = [group for group in members.values() if len(group) > 1]
    crossing = [group for group in several if len({record.split for record in group}) > 1]
    conflicting = [group for group in several if len({record.label for record in group}) > 1]
    by_split = Counter(record.split for group in crossing for record in group)
    pictures = sum(map(len, several))
    return Alike(
        groups=len(several),
        pictures=pictures,
        superfluous=pictures - len(several),
        crossing=sum(by_split.values()),
        crossing_by_split=dict(by_split),
        conflicts=len(conflicting),
        conflicting=[[record.file for record in group] for group in conflicting],
    )


def _splits_of_subjects(records: Sequence[FileRecord]) -> dict[str, set[str]]:
    splits: dict[str, set[str]] = {}
    for record in records:
        if record.subject:
            splits.setdefault(record.subject, set()).add(record.split)
    return splits


def _levels(prints: Sequence[Fingerprint]) -> tuple[float, float]:
    if not prints:
        return 0.0, 0.0
    mean = np.mean([(print_.mean, print_.deviation) for print_ in prints], axis=0)
    return float(mean[0]), float(mean[1])


def _histogram(prints: Sequence[Fingerprint]) -> list[float]:
    """Return the mean of the pictures' histograms: a large picture weighs as much as a small."""
    if not prints:
        return []
    rows = np.frombuffer(b"".join(print_.histogram for print_ in prints), np.uint32)
    rows = rows.reshape(len(prints), -1)
    shares = (rows / rows.sum(axis=1, keepdims=True)).mean(axis=0)
    return [float(share) for share in shares]
