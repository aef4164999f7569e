"""Augment: a tree with changed copies of its pictures, so that each class has enough of them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from fercli.common.errors import OptionError, PictureError
from fercli.common.images import read_colour
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.datasets.augmentation import Policy
from fercli.datasets.decoding import grey_if_it_is
from fercli.datasets.journal import Journal, summarise
from fercli.datasets.manifest import FileRecord, Manifest, to_line
from fercli.datasets.sources import Skipped, write_skipped
from fercli.datasets.tree import (
    Placing,
    Tree,
    counts,
    finish_tree,
    place_file,
    require_apart,
    save_picture,
    with_checksum,
)

#: Pictures that go to a worker at once.
BATCH = 32

#: Splits that may be augmented; what a network is judged by must stay as it is.
ALLOWED = ("train", "validation", "all")


@dataclass(frozen=True)
class AugmentOptions:
    """How many changed copies there are, and of what.

    Parameters
    ----------
    policy : Policy
        How pictures are changed.
    copies : int, optional
        Changed copies of each picture.
    target : int, optional
        Pictures that each class of each split is brought to; larger classes stay as they are.
    balance : bool
        Bring each class to the size of the largest of its split.
    splits : sequence of str
        Which splits are augmented; the others are taken over. Defaults to train and validation.
    placing : {"link", "copy", "symlink"}
        How the originals come into the new tree.
    seed : int
        Start of the random numbers.
    """

    policy: Policy
    copies: int | None = None
    target: int | None = None
    balance: bool = False
    splits: Sequence[str] = ("train", "validation")
    placing: Placing = "link"
    seed: int = 0


@dataclass(frozen=True)
class AugmentResult:
    """What came of it.

    Parameters
    ----------
    manifest : Manifest
        The new tree's.
    before : mapping
        Pictures before, by split and class.
    skipped : int
        Originals that could not be read; ``skipped.csv`` lists them. They have no copies.
    """

    manifest: Manifest
    before: Mapping[str, Mapping[str, int]]
    skipped: int = 0


@dataclass(frozen=True)
class _Job:
    """A picture of the old tree and what it becomes; copy 0 is the original itself."""

    source: Path
    record: FileRecord
    copy: int


def augment_tree(
    tree: Tree,
    out: Path,
    options: AugmentOptions,
    *,
    overwrite: bool = False,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> AugmentResult:
    """Make a tree with the pictures of another and changed copies of them.

    A copy is named after its original: ``a.png`` gives ``a-aug1.png``, or ``a-aug2.png`` if there
    is such a picture already. Which numbers are drawn for it depends on the seed, that name and
    nothing else.

    Raises
    ------
    OptionError
        Not exactly one of `copies`, `target` and `balance` is given, or a split is absent or the
        test split.
    OutputError
        The new tree cannot be written.
    """
    _check(tree, options)
    require_apart(tree.root, out)
    jobs = _jobs(tree, options)
    pictures = summarise(to_line(job.record) for job in jobs)
    plan = {"augment": str(tree.root), "options": asdict(options), "pictures": pictures}
    with Journal(out, plan, overwrite=overwrite) as journal:
        waiting = [job for job in jobs if job.record.file not in journal.done]
        batches = [waiting[at : at + BATCH] for at in range(0, len(waiting), BATCH)]
        write = _Write(out, options)
        skipped: list[Skipped] = []
        with progress.bar("augment", total=len(waiting), unit="picture") as bar:
            for results in parallel_map(write, batches, workers=workers):
                journal.add([result for result in results if isinstance(result, FileRecord)])
                skipped += [result for result in results if isinstance(result, Skipped)]
                bar.advance(len(results))
        write_skipped(out, [("", item) for item in skipped])
        manifest = finish_tree(
            journal,
            tree.all_classes,
            sources=tree.manifest.sources if tree.manifest else (),
            made_by=[
                *(tree.manifest.made_by if tree.manifest else ()),
                {"command": "augment", "of": str(tree.root), "options": asdict(options)},
            ],
        )
    return AugmentResult(manifest, counts(tree.records), len({one.origin for one in skipped}))


def copies_of(count: int, largest: int, options: AugmentOptions) -> int:
    """Return how many changed copies a class of `count` pictures gets in all."""
    if options.copies is not None:
        return count * options.copies
    target = largest if options.balance else options.target or 0
    return max(target - count, 0) if count else 0


def generator_for(seed: int, name: str, copy: int) -> np.random.Generator:
    """Return the random numbers of a copy: the same whatever else is augmented, and where."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), copy])


def _check(tree: Tree, options: AugmentOptions) -> None:
    given = [options.copies is not None, options.target is not None, options.balance]
    if sum(given) != 1:
        raise OptionError("wanted one of --copies, --target and --balance", hint="--balance")
    for split in options.splits:
        if split not in ALLOWED:
            raise OptionError(
                f"wanted splits among {', '.join(ALLOWED)}, found {split!r}",
                hint="leave the test split as it is: changed pictures say nothing of real ones",
            )
    if not set(options.splits) & set(tree.splits):
        raise OptionError(
            f"wanted a split {' or '.join(options.splits)}, found {', '.join(tree.splits)}",
            hint="fer datasets split first, or --splits",
        )


def _jobs(tree: Tree, options: AugmentOptions) -> list[_Job]:
    originals = [_Job(tree.path(record), record, 0) for record in tree.records]
    members: dict[tuple[str, str], list[FileRecord]] = {}
    for record in tree.records:
        members.setdefault((record.split, record.label), []).append(record)
    largest = {split: max(row.values()) for split, row in counts(tree.records).items()}
    taken = {record.file.casefold() for record in tree.records}
    changed = [
        _copy(tree, record, number, taken)
        for (split, _), records in members.items()
        if split in options.splits
        for record, number in _chosen(records, largest[split], options)
    ]
    return originals + changed


def _chosen(
    records: Sequence[FileRecord], largest: int, options: AugmentOptions
) -> list[tuple[FileRecord, int]]:
    """Return the originals of the copies, each once before any of them is taken again."""
    rng = np.random.default_rng([options.seed, zlib.crc32(records[0].label.encode())])
    order = rng.permutation(len(records))
    wanted = copies_of(len(records), largest, options)
    return [(records[order[at % len(order)]], at // len(order) + 1) for at in range(wanted)]


def _copy(tree: Tree, record: FileRecord, number: int, taken: set[str]) -> _Job:
    """Return a copy's job under the first name from `number` on that is free, and take it."""
    stem = PurePosixPath(record.file).with_suffix("").as_posix()
    while (file := f"{stem}-aug{number}.png").casefold() in taken:
        number += 1
    taken.add(file.casefold())
    return _Job(tree.path(record), replace(record, file=file, sha256=""), number)


@dataclass(frozen=True)
class _Write:
    """Writes a batch of originals and copies; runs in the workers."""

    out: Path
    options: AugmentOptions

    def __call__(self, jobs: Sequence[_Job]) -> list[FileRecord | Skipped]:
        return [self._one(job) for job in jobs]

    def _one(self, job: _Job) -> FileRecord | Skipped:
        try:
            picture = grey_if_it_is(read_colour(job.source))
        except PictureError as error:
            return Skipped(str(job.source), error.message)
        if job.copy == 0:
            place_file(job.source, self.out / job.record.file, self.options.placing)
            return with_checksum(self.out, job.record)
        rng = generator_for(self.options.seed, Path(job.record.file).name, job.copy)
        return save_picture(self.out, job.record, self.options.policy.apply(picture, rng))
