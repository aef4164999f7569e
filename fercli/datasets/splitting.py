"""Split a tree into training, validation and test images without leaks between them.

Images that belong together (duplicates, near duplicates, one person's) form a group, and a group
goes into one split as a whole. Within that bound every split gets its share of every class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OptionError
from fercli.common.files import free_name
from fercli.common.groups import exact_pairs, groups
from fercli.common.parallel import Workers
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted
from fercli.datasets.duplicates import fingerprints, near_pairs
from fercli.datasets.journal import JOURNAL, Journal, require_only_ours, summarize
from fercli.datasets.manifest import FileRecord, Manifest, read_manifest, to_line
from fercli.datasets.options import SplitOptions
from fercli.datasets.tree import (
    Tree,
    counts_table,
    finish_tree,
    place_file,
    require_apart,
    with_checksum,
)

#: Which images that look alike stay together; "apart": none, they may fall into several splits.

#: Images between two notes in the journal.
NOTED_AT_ONCE = 500


@dataclass(frozen=True)
class SplitResult:
    """The result of a split.

    Parameters
    ----------
    trees : dict
        The manifest of each tree by its folder.
    alike : int
        Groups of images that look alike and were kept together.
    alike_images : int
        Images in them.
    subjects : int
        Persons that were kept together; 0 if that was not asked for.
    notes : tuple of str
        As in `fercli.datasets.tree.Tree`.
    """

    trees: Mapping[Path, Manifest]
    alike: int
    alike_images: int
    subjects: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "trees": {str(root): manifest.counts for root, manifest in self.trees.items()},
            "groups_alike": self.alike,
            "images_alike": self.alike_images,
            "subjects": self.subjects,
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """Return the counts of each tree, and what was kept together."""
        lines = []
        for root, manifest in self.trees.items():
            lines += [f"{root}:"] if len(self.trees) > 1 else []
            lines += [counts_table(manifest.counts, manifest.classes), ""]
        if self.alike:
            lines.append(
                f"kept together: {counted(self.alike_images, 'image')} in "
                f"{counted(self.alike, 'group')} that look alike"
            )
        if self.subjects:
            lines.append(f"kept together: the images of each of {counted(self.subjects, 'person')}")
        return "\n".join([*lines, *self.notes, *(f"wrote {root}/" for root in self.trees)])


def parse_ratios(text: str) -> dict[str, float]:
    """Return the shares of ``80,10,10`` (train, validation, test) or ``80,20`` (without test).

    Raises
    ------
    OptionError
        It is not two or three positive numbers.
    """
    names = ("train", "validation", "test")
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(0 < number < 1e6 for number in numbers):
        raise OptionError(
            f"`ratios`: expected two or three positive numbers, got {text}", hint="use 80,10,10"
        )
    return {name: number / sum(numbers) for name, number in zip(names, numbers, strict=False)}


def split_tree(
    tree: Tree,
    out: Path,
    options: SplitOptions,
    *,
    overwrite: bool = False,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> SplitResult:
    """Make a tree of the images of another, split anew; whatever splits it has are pooled.

    Raises
    ------
    OptionError
        Persons are to be kept together and some image's is unknown, or there are too few groups
        for a split to get one.
    OutputExistsError
        There is something else in `out`, or something that fer did not write.
    OutputError
        The new tree cannot be written.
    """
    require_apart(tree.root, out)
    records = tree.records
    subjects, alike, part = _assigned(tree, options, workers, progress)
    layout = list(_layout(out, part, options))
    if overwrite and len(layout) > 1:  # none is removed where one has to stay
        for root, _ in layout:
            require_only_ours(root)
    trees = {
        root: _write(tree, root, names, options, overwrite, progress) for root, names in layout
    }
    sizes = np.unique(groups(len(records), alike), return_counts=True)[1]
    return SplitResult(
        trees,
        int((sizes > 1).sum()),
        int(sizes[sizes > 1].sum()),
        len(set(subjects)) if any(subjects) else 0,
        tree.notes,
    )


def _assigned(
    tree: Tree, options: SplitOptions, workers: int | Workers | None, progress: Progress
) -> tuple[list[str], list[tuple[int, int]], Integers]:
    """Return the person of each image, the pairs that look alike, and the part of each image."""
    records = tree.records
    subjects = _subjects(records, options)
    alike = _alike(tree, options, workers, progress)
    together = groups(len(records), chain(exact_pairs(subjects), alike))
    shares = [1 / options.folds] * options.folds if options.folds else list(options.ratios.values())
    _require_enough(together, len(shares))
    labels = np.unique([record.label for record in records], return_inverse=True)[1]
    part = assign(labels, together, shares, np.random.default_rng(options.seed))
    require_filled(part, _names(options))
    return subjects, alike, part


def _subjects(records: Sequence[FileRecord], options: SplitOptions) -> list[str]:
    """Return the person of each image; ``""`` for each if persons may be split."""
    if not options.by_subject and options.subject_pattern is None:
        return [""] * len(records)
    pattern = _compile(options.subject_pattern) if options.subject_pattern else None
    subjects = [_subject(record, pattern) for record in records]
    if "" in subjects:
        raise OptionError(
            f"The person is unknown in {counted(subjects.count(''), 'image')}, "
            f"such as {records[subjects.index('')].file}",
            hint=r"use `subject_pattern` with a regular expression for names, such as '(S\d+)_'",
        )
    return subjects


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise OptionError(f"`subject_pattern` {pattern}: {error}") from error


def _subject(record: FileRecord, pattern: re.Pattern[str] | None) -> str:
    if pattern is None:
        return record.subject
    match = pattern.search(Path(record.file).name)
    return match[match.re.groups and 1] or "" if match else ""


def _alike(
    tree: Tree, options: SplitOptions, workers: int | Workers | None, progress: Progress
) -> list[tuple[int, int]]:
    if options.duplicates == "apart":
        return []
    prints = fingerprints(
        [tree.path(record) for record in tree.records], workers=workers, progress=progress
    )
    pairs = list(exact_pairs([print_.pixels for print_ in prints]))
    if options.duplicates == "near":
        pairs += map(tuple, near_pairs(prints).tolist())
    return pairs


def _require_enough(together: Integers, parts: int) -> None:
    count = len(np.unique(together))
    if count < parts:
        raise OptionError(
            f"Expected at least {parts} persons or groups of images that look alike, one for each "
            f"part, got {count}",
            hint="use fewer parts, or set `duplicates` to apart",
        )


def _names(options: SplitOptions) -> list[str]:
    """Return the names of the parts."""
    if options.folds is None:
        return list(options.ratios)
    return [f"fold{number}" for number in range(1, options.folds + 1)]


def _layout(out: Path, part: Integers, options: SplitOptions) -> Iterator[tuple[Path, list[str]]]:
    """Yield each tree that is to be made, with the split of each image."""
    names = _names(options)
    if options.folds is None:
        yield out, [names[number] for number in part]
        return
    for fold, name in enumerate(names):
        yield out / name, ["validation" if number == fold else "train" for number in part]


def _write(
    tree: Tree,
    out: Path,
    names: Sequence[str],
    options: SplitOptions,
    overwrite: bool,
    progress: Progress,
) -> Manifest:
    moved = _moved(tree.records, names)
    images = summarize((tree.path(old), f"{to_line(old)}{new.file}\n") for old, new in moved)
    of_what = {"options": asdict(options), "images": images}
    made = {"command": "split", "of": str(tree.root), **of_what}
    if options.folds and not overwrite and (finished := _finished(out, made)):
        return finished
    with Journal(out, {"split": str(tree.root), **of_what}, overwrite=overwrite) as journal:
        waiting = [pair for pair in moved if pair[1].file not in journal.done]
        noted: list[FileRecord] = []
        for old, new in progress.track(waiting, f"write {out.name}", unit="image"):
            place_file(tree.path(old), out / new.file, options.placing)
            noted.append(with_checksum(out, new))
            if len(noted) == NOTED_AT_ONCE:
                journal.add(noted)
                noted = []
        journal.add(noted)
        return finish_tree(
            journal,
            tree.all_classes,
            sources=tree.manifest.sources if tree.manifest else (),
            made_by=[*(tree.manifest.made_by if tree.manifest else ()), made],
        )


def _finished(out: Path, made: dict[str, Any]) -> Manifest | None:
    """Return the manifest of a fold that the same command finished, of the same images."""
    if (out / JOURNAL).exists():  # stopped between the manifest and its end
        return None
    manifest = read_manifest(out)
    same = manifest is not None and manifest.made_by[-1:] == [json.loads(json.dumps(made))]
    return manifest if same else None


def _moved(
    records: Sequence[FileRecord], names: Sequence[str]
) -> list[tuple[FileRecord, FileRecord]]:
    """Return each image's old and new record; equal names of several splits get numbers."""
    moved, taken = [], dict[str, int]()
    for record, split in zip(records, names, strict=True):
        path = Path(record.file)
        name = free_name(f"{split}/{record.label}/{path.stem}", taken, fold=True)
        moved.append((record, replace(record, file=name + path.suffix)))
    return moved


# Assignment: which part each image goes to, so that every part gets its share of every class.


Integers = NDArray[np.intp]
Floats = NDArray[np.float64]


def assign(
    labels: Integers, together: Integers, shares: Sequence[float], rng: np.random.Generator
) -> Integers:
    """Return the part of each image, so that every part gets its share of every class.

    Groups of several images go first, the largest before the others, each to the part that
    lacks most of what it holds; then single images fill what is left, class by class. Where
    parts lack the same of a class, the one that lacks most images in all goes first.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        The class of each image, from 0.
    together : ndarray of int, shape (n,)
        Images with the same number stay together.
    shares : sequence of float
        The share of each part; their sum is 1.
    rng : numpy.random.Generator
        Decides which images; the numbers a part do not depend on it much.

    Returns
    -------
    ndarray of int, shape (n,)
        From 0 to ``len(shares) - 1``.
    """
    wanted = np.outer(shares, np.bincount(labels))
    missing = wanted.copy()
    part = np.full(len(labels), -1, np.intp)
    for members in _shuffled_groups(together, rng):
        held = np.bincount(labels[members], minlength=wanted.shape[1])
        best = _first_of((missing / np.maximum(wanted, 1e-9)) @ held, _lacking(missing, shares))[0]
        part[members] = best
        missing[best] -= held
    for label in range(wanted.shape[1]):
        single = rng.permutation(np.flatnonzero((labels == label) & (part < 0)))
        weights = np.maximum(missing[:, label], 0)
        counts = _apportion(weights, len(single), _lacking(missing, shares))
        part[single] = np.repeat(np.arange(len(shares)), counts)
        missing[:, label] -= counts
    return part


def require_filled(part: Integers, names: Sequence[str]) -> None:
    """Raise `OptionError` if one of the parts, which are called `names`, got no image."""
    empty = [name for number, name in enumerate(names) if number not in part]
    if empty:
        raise OptionError(
            f"No image is left for {', '.join(empty)}",
            hint="use fewer or larger parts, or set `duplicates` to apart",
        )


def _shuffled_groups(together: Integers, rng: np.random.Generator) -> list[Integers]:
    """Return the members of each group of several, largest group first, equals in random order."""
    order = np.argsort(together, kind="stable")
    starts = np.flatnonzero(np.diff(together[order])) + 1
    several: list[Integers] = [members for members in np.split(order, starts) if len(members) > 1]
    ranks = rng.permutation(len(several))
    at = sorted(range(len(several)), key=lambda i: (-len(several[i]), ranks[i]))
    return [several[i] for i in at]


def _lacking(missing: Floats, shares: Sequence[float]) -> Floats:
    """Return how many images each part lacks in all, in proportion to its share."""
    return np.asarray(missing.sum(axis=1) / shares, np.float64)


def _first_of(scores: Floats, lacking: Floats) -> Integers:
    """Return the parts, highest score first; of equal ones, the one that lacks most in all.

    Rounded, for sums that are equal but for their last digits are to be equal.
    """
    return np.lexsort((-lacking.round(6), -scores.round(9)))


def _apportion(weights: Floats, count: int, lacking: Floats) -> Integers:
    """Return whole numbers in proportion to weights whose sum is `count` (largest remainder)."""
    if not weights.sum():
        weights = np.ones_like(weights)
    exact = weights / weights.sum() * count
    whole = np.floor(exact).astype(np.intp)
    rest = count - int(whole.sum())
    whole[_first_of(exact - whole, lacking)[:rest]] += 1
    return np.asarray(whole, np.intp)
