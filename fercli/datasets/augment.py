"""Augment: a tree with changed copies of its images, so that each class has enough of them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import ImageError, OptionError, image_errors
from fercli.common.images import ImageArray, read_color
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.recipes import find_recipe, read_recipe
from fercli.common.tables import counted
from fercli.datasets.entries import gray_if_it_is
from fercli.datasets.journal import Journal, summarize
from fercli.datasets.manifest import FileRecord, Manifest, to_line
from fercli.datasets.options import CopyOptions, PolicyOptions
from fercli.datasets.sources import SKIPPED, Skipped, write_skipped
from fercli.datasets.tree import (
    Tree,
    counts,
    counts_table,
    finish_tree,
    place_file,
    require_apart,
    save_image,
    with_checksum,
)

#: Images that go to a worker at once.
BATCH = 32

#: Splits that may be augmented; what a network is judged by must stay as it is.
ALLOWED = ("train", "validation", "all")


@dataclass(frozen=True)
class AugmentOptions(CopyOptions):
    """The options of an augmentation.

    Parameters
    ----------
    policy : Policy
        How images are changed.
    """

    policy: Policy


@dataclass(frozen=True)
class AugmentResult:
    """The result of an augmentation.

    Parameters
    ----------
    root : Path
        The new tree.
    manifest : Manifest
        Its own.
    before : mapping
        Images before, by split and class.
    skipped : int
        Originals that could not be read; ``skipped.csv`` lists them. They have no copies.
    notes : tuple of str
        As in `fercli.datasets.tree.Tree`.
    """

    root: Path
    manifest: Manifest
    before: Mapping[str, Mapping[str, int]]
    skipped: int = 0
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "before": self.before,
            "after": self.manifest.counts,
            "skipped": self.skipped,
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """Return the counts of the new tree, and what could not be read."""
        before, after = (
            sum(sum(row.values()) for row in counts.values())
            for counts in (self.before, self.manifest.counts)
        )
        copies = counted(after - before + self.skipped, "changed copy", "changed copies")
        lines = [counts_table(self.manifest.counts, self.manifest.classes), ""]
        lines.append(f"{counted(before - self.skipped, 'image')} and {copies}")
        if self.skipped:
            lines.append(f"could not be read: {self.skipped:,}, listed in {self.root / SKIPPED}")
        return "\n".join([*lines, *self.notes, f"wrote {self.root}/"])


@dataclass(frozen=True)
class _Job:
    """An image of the old tree and what it becomes; copy 0 is the original itself."""

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
    """Make a tree with the images of another and changed copies of them.

    A copy is named after its original: ``a.png`` gives ``a-aug1.png``, or ``a-aug2.png`` if there
    is such an image already. Which numbers are drawn for it depends on the seed, that name and
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
    images = summarize((job.source, to_line(job.record)) for job in jobs)
    plan = {"augment": str(tree.root), "options": asdict(options), "images": images}
    with Journal(out, plan, overwrite=overwrite) as journal:
        waiting = [job for job in jobs if job.record.file not in journal.done]
        batches = [waiting[at : at + BATCH] for at in range(0, len(waiting), BATCH)]
        write = _Write(out, options)
        skipped: list[Skipped] = []
        with progress.bar("augment", total=len(waiting), unit="image") as bar:
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
    unreadable = len({one.origin for one in skipped})
    return AugmentResult(out, manifest, counts(tree.records), unreadable, tree.notes)


def copies_of(count: int, largest: int, options: AugmentOptions) -> int:
    """Return how many changed copies a class of `count` images gets in all."""
    if options.copies is not None:
        return count * options.copies
    target = largest if options.balance else options.target or 0
    return max(target - count, 0) if count else 0


def generator_for(seed: int, name: str, copy: int) -> np.random.Generator:
    """Return the random generator of a copy, which depends on seed, name and number alone."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), copy])


def _check(tree: Tree, options: AugmentOptions) -> None:
    given = [options.copies is not None, options.target is not None, options.balance]
    if sum(given) != 1:
        raise OptionError("Expected one of `copies`, `target` and `balance`", hint="use `balance`")
    for split in options.splits:
        if split not in ALLOWED:
            raise OptionError(
                f"`splits`: expected some of {', '.join(ALLOWED)}, got {split!r}",
                hint="leave the test split as it is: changed images say nothing about real ones",
            )
    if not set(options.splits) & set(tree.splits):
        raise OptionError(
            f"No split {' or '.join(options.splits)}: the tree has {', '.join(tree.splits)}",
            hint="use fer datasets split first, or set `splits`",
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
    """Return the job of a copy, with the first free number from `number` on in its name."""
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
            with image_errors(job.source):
                changed = self._changed(job, gray_if_it_is(read_color(job.source)))
        except ImageError as error:
            return Skipped(str(job.source), error.message)
        if job.copy == 0:
            place_file(job.source, self.out / job.record.file, self.options.placing)
            return with_checksum(self.out, job.record)
        return save_image(self.out, job.record, changed)

    def _changed(self, job: _Job, image: ImageArray) -> ImageArray:
        if job.copy == 0:
            return image
        rng = generator_for(self.options.seed, Path(job.record.file).name, job.copy)
        return self.options.policy.apply(image, rng)


# The policy of augmentation: how images are changed without changing what they show.
#
# One definition serves ``fer datasets augment``, which writes changed images as files, and
# training, which changes images on the fly.


#: The share of the image that is erased, and the ratio of its sides. See: Zhong, Zheng, Kang, Li
#: and Yang, "Random erasing data augmentation", AAAI 2020 (who erase up to 0.4).
ERASED_AREA = (0.02, 0.2)
ERASED_RATIO = 3.0


@dataclass(frozen=True)
class Policy(PolicyOptions):
    """How far images may be changed. Each change is drawn anew for each image; 0 is none."""

    def apply(self, image: ImageArray, rng: np.random.Generator) -> ImageArray:
        """Return a changed copy of an image.

        The numbers drawn do not depend on the policy: with one change turned off, the others stay
        as they were.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width) or (height, width, channels)
        rng : numpy.random.Generator
            The same state gives the same image.
        """
        draw = _Draw.from_rng(rng)
        changed = self._move(image, draw)
        changed = self._blur(changed, draw)
        changed = self._relight(changed, draw)
        changed = self._erase(changed, draw)
        # cv2 drops the axis of a single channel.
        return np.asarray(changed.reshape(image.shape), np.uint8)

    def apply_batch(self, images: NDArray[np.uint8], rng: np.random.Generator) -> Any:
        """Return changed copies of images, shape (n, height, width[, channels]), as `apply`."""
        return np.stack([self.apply(image, rng) for image in images])

    def _move(self, image: ImageArray, draw: _Draw) -> ImageArray:
        """Rotate, zoom, shift and mirror in one resampling; edges are mirrored, not black."""
        height, width = image.shape[:2]
        mirrored = draw.flip < self.flip
        scale = (1 + self.zoom) ** draw.zoom
        matrix = cv2.getRotationMatrix2D(
            ((width - 1) / 2, (height - 1) / 2), self.rotation * draw.rotation, scale
        )
        matrix[:, 2] += self.shift * draw.shift_x * width, self.shift * draw.shift_y * height
        if not (self.rotation or self.zoom or self.shift):
            return np.ascontiguousarray(image[:, ::-1]) if mirrored else image
        if mirrored:
            matrix = matrix @ np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])
        moved = cv2.warpAffine(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )  # fmt: skip
        return np.asarray(moved, np.uint8)

    def _blur(self, image: ImageArray, draw: _Draw) -> ImageArray:
        sigma = self.blur * draw.blur * min(image.shape[:2]) / 100
        # A narrower Gaussian changes nothing but rounding.
        if sigma < 0.2:
            return image
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)

    def _relight(self, image: ImageArray, draw: _Draw) -> ImageArray:
        """Change contrast about the mean, brightness, and add noise, with one rounding."""
        if not (self.contrast or self.brightness or self.noise):
            return image
        gain = 1 + self.contrast * draw.contrast
        mean = float(image.mean())
        levels = image.astype(np.float32) * np.float32(gain)
        levels += np.float32(mean * (1 - gain) + 255 * self.brightness * draw.brightness)
        if self.noise:
            noise = draw.rng.standard_normal(image.shape, np.float32)
            levels += noise * np.float32(self.noise * draw.noise)
        return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)

    def _erase(self, image: ImageArray, draw: _Draw) -> ImageArray:
        if draw.erasing >= self.erasing:
            return image
        height, width = image.shape[:2]
        low, high = ERASED_AREA
        area = (low + (high - low) * draw.erased_area) * height * width
        ratio = ERASED_RATIO**draw.erased_ratio
        h = min(max(round((area * ratio) ** 0.5), 1), height)
        w = min(max(round((area / ratio) ** 0.5), 1), width)
        top, left = int(draw.erased_y * (height - h + 1)), int(draw.erased_x * (width - w + 1))
        erased = image.copy()
        hole = erased[top : top + h, left : left + w]
        hole[...] = draw.rng.integers(0, 256, hole.shape, np.uint8)
        return erased


@dataclass(frozen=True)
class _Draw:
    """The random numbers of one image: from 0 to 1, or from -1 to 1 for what goes both ways."""

    flip: float
    noise: float
    blur: float
    erasing: float
    erased_area: float
    erased_x: float
    erased_y: float
    rotation: float
    shift_x: float
    shift_y: float
    zoom: float
    brightness: float
    contrast: float
    erased_ratio: float
    rng: np.random.Generator

    @classmethod
    def from_rng(cls, rng: np.random.Generator) -> _Draw:
        """Draw all numbers, and a generator for what takes as many numbers as pixels."""
        numbers = rng.random(len(_NUMBERS))
        numbers[7:] = 2 * numbers[7:] - 1
        drawn = dict(zip(_NUMBERS, numbers.tolist(), strict=True))
        return cls(**drawn, rng=np.random.default_rng(rng.integers(2**63)))


_NUMBERS = tuple(field.name for field in fields(_Draw) if field.name != "rng")


def find_policy(text: str, changes: Mapping[str, float | None] | None = None) -> Policy:
    """Return the policy of a name or a TOML file, with some of its numbers changed.

    Parameters
    ----------
    text : str
        A policy that comes with fer, by name (``fercli/recipes/augmentation``), or the path of a
        TOML file whose keys are those of `Policy`; what it does not name is 0.
    changes : mapping, optional
        Numbers that win over the policy's; None: unchanged.

    Raises
    ------
    RecipeError
        There is neither a policy nor a file of this name; the file has an unknown key or is not
        TOML.
    OptionError
        A number is out of range.
    """
    wins = {name: value for name, value in (changes or {}).items() if value is not None}
    names = {field.name for field in fields(Policy)}
    values = dict.fromkeys(names, 0.0) | read_recipe(find_recipe(text, "augmentation"), names)
    return Policy(**values | wins)
