"""Read the positives of a training, check and vary them, and hold some of them out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fercli.annotations.base import Record, label_counts, labels_text
from fercli.annotations.reading import read_records
from fercli.cascade.features.sample_matrix import to_sample_matrix
from fercli.cascade.samples.from_annotations import crop_record
from fercli.cascade.samples.vec import read_vec
from fercli.cascade.training.augmentation import ImageArray, vary
from fercli.cascade.training.memory import memory_of
from fercli.cascade.training.options import FEWEST, CascadeTrainingOptions, Jitter
from fercli.common.errors import InputError
from fercli.common.images import read_gray
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted

Samples = NDArray[np.uint8]

#: Purposes of random numbers; the numbers of stages, from 0, are others.
_HOLD_OUT, _JITTER = (1 << 20), (1 << 20) + 1
#: Positives are held out in runs of neighbors, of so many that there are.
RUNS = 200
#: Samples that are looked at, or varied, at once.
_PIECE = 4096


@dataclass(frozen=True)
class Positives:
    """The positives of a training.

    Parameters
    ----------
    training : ndarray of uint8, shape (n, height, width)
        Originals first, then the variants.
    validation : ndarray of uint8, shape (m, height, width)
        Originals that are held out, and no variant of theirs.
    notes : tuple of str
        What to tell the user about them.
    """

    training: Samples
    validation: Samples
    notes: tuple[str, ...]


def load_positives(
    options: CascadeTrainingOptions,
    *,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> Positives:
    """Read the positives of a training.

    Parameters
    ----------
    options : CascadeTrainingOptions
    workers : int or Workers, optional
        What cuts them out of annotated images. Defaults to the options' workers.
    progress : Progress

    Raises
    ------
    OptionError
        They and their variants need more memory than there is.
    InputError
        There are too few, or too few different ones, or none with enough contrast.
    VecError, AnnotationError, ImageError
        The file, or an image, cannot be used.
    """
    source: _VecPositives | _AnnotatedPositives
    if options.vec is not None:
        source = _VecPositives(options.vec, options.size_wh, progress)
    else:
        source = _AnnotatedPositives(options, workers or options.workers, progress)
    originals, notes = _usable(source, options)
    notes = [*source.notes, *notes]
    held_out = _held_out(len(originals), options)
    kept = np.setdiff1d(np.arange(len(originals)), held_out)
    _require_enough(len(kept), source.path, "left for the training")
    samples = source.samples[originals[kept]]
    if options.jitter.copies > 1:
        # Before the work of making them.
        memory_of(options, len(kept) * options.jitter.copies, len(held_out))
        samples, flat = _with_variants(source, originals[kept], options, progress)
        if flat:
            notes.append(
                f"{flat} variants have so little contrast that the detector would not look at "
                "them: their originals are used in place of them"
            )
    if (options.positives or 0) > len(samples):
        notes.append(
            f"{options.positives} positives a stage were asked for, there are {len(samples)}"
        )
    validation = np.ascontiguousarray(source.samples[originals[held_out]])
    return Positives(np.ascontiguousarray(samples), validation, tuple(notes))


class _VecPositives:
    """Positives of a ``.vec`` file."""

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, size_wh: tuple[int, int], progress: Progress) -> None:
        self.path = path
        self.samples = read_vec(path, size_wh, progress=progress)

    def vary(self, number: int, jitter: Jitter, rng: np.random.Generator) -> ImageArray:
        """Return a variant of a sample, whose border is continued."""
        sample = np.ascontiguousarray(self.samples[number])
        height, width = sample.shape
        return vary(sample, (0, 0, width, height), (width, height), jitter, rng)


class _AnnotatedPositives:
    """Positives cut out of annotated images."""

    def __init__(
        self, options: CascadeTrainingOptions, workers: int | Workers | None, progress: Progress
    ) -> None:
        assert options.info is not None
        self.path = options.info
        size_wh = self._size_wh = options.size_wh
        records = read_records(self.path, labels=options.label, note_labels=False)
        self.notes = _label_notes(label_counts(records), options)
        crops = list(
            parallel_map(
                partial(crop_record, size_wh=size_wh), records, workers=workers,
                prefer="threads", progress=progress, description="Positives",
            )
        )  # fmt: skip
        for crop in crops:
            if crop.errors:
                raise crop.errors[0]
        width, height = size_wh
        found = [sample for crop in crops for sample in crop.samples]
        self.samples = np.array(found, np.uint8).reshape(-1, height, width)
        self._boxes: list[tuple[Record, tuple[int, int, int, int]]] = [
            (crop.record, box) for crop in crops for box in crop.boxes_xywh
        ]
        self._last: tuple[Path, ImageArray] | None = None

    def vary(self, number: int, jitter: Jitter, rng: np.random.Generator) -> ImageArray:
        """Return a variant of a sample, cut anew out of its image."""
        record, box = self._boxes[number]
        if self._last is None or self._last[0] != record.path:
            self._last = record.path, read_gray(record.path)
        return vary(self._last[1], box, self._size_wh, jitter, rng)


def _label_notes(counts: dict[str, int], options: CascadeTrainingOptions) -> tuple[str, ...]:
    if len(counts) < 2 or options.label:
        return ()
    return (
        f"boxes of {len(counts)} labels are trained as one object: {labels_text(counts)}; the "
        "option label chooses among them",
    )


def _usable(
    source: _VecPositives | _AnnotatedPositives, options: CascadeTrainingOptions
) -> tuple[NDArray[np.intp], list[str]]:
    """Return the indices of the usable positives, and notes on the others."""
    count = len(source.samples)
    _require_enough(count, source.path, "in all")
    notes = []
    usable = np.arange(count)
    if options.feature_type == "HAAR":
        usable = usable[_have_contrast(source.samples)]
        if len(usable) < count:
            notes.append(
                f"not used: {counted(count - len(usable), 'positive')} of {count}; the standard "
                "deviation of gray levels is 10 or less, and the detector rejects such windows at "
                "once"
            )
        _require_enough(
            len(usable), source.path, "with enough contrast (standard deviation above 10)"
        )
    different = _count_different(source.samples[usable])
    _require_enough(different, source.path, "that differ from each other")
    if different < len(usable):
        repeated = len(usable) - different
        notes.append(f"exact copies of others: {counted(repeated, 'positive')} of {count}")
    return usable, notes


def _have_contrast(samples: Samples) -> NDArray[np.bool_]:
    pieces = [samples[start : start + _PIECE] for start in range(0, len(samples), _PIECE)]
    return np.concatenate([to_sample_matrix(piece).have_contrast() for piece in pieces])


def _count_different(samples: Samples) -> int:
    return len({hashlib.blake2b(s.tobytes(), digest_size=16).digest() for s in samples})


def _require_enough(count: int, path: Path, words: str) -> None:
    if count < FEWEST:
        raise InputError(
            f"Expected at least {FEWEST} positives {words}, got {count}",
            hint="provide hundreds, better thousands",
            path=path,
        )


def _held_out(count: int, options: CascadeTrainingOptions) -> NDArray[np.intp]:
    """Return the positives that are held out for validation: runs of neighbors, drawn at random.

    Files of samples often hold several views of an object one after the other: all of them are
    held out, or none.
    """
    rng = np.random.default_rng([options.seed, _HOLD_OUT])
    runs = np.array_split(np.arange(count), min(count, RUNS))
    chosen = rng.permutation(len(runs))[: round(options.validation * len(runs))]
    return np.concatenate([np.empty(0, np.intp), *(runs[number] for number in np.sort(chosen))])


def _with_variants(
    source: _VecPositives | _AnnotatedPositives,
    originals: NDArray[np.intp],
    options: CascadeTrainingOptions,
    progress: Progress,
) -> tuple[Samples, int]:
    """Return the originals, their mirror images, and as many rounds of variants as wanted.

    And how many variants had no contrast for Haar features, and are their originals.
    """
    jitter = options.jitter
    samples, flat = [source.samples[originals]], np.empty(0, np.intp)
    if jitter.variants:
        variants = _variants(source, originals, options, progress)
        if options.feature_type == "HAAR":
            flat = np.flatnonzero(~_have_contrast(variants))
            variants[flat] = source.samples[originals[flat % len(originals)]]
        samples.append(variants)
    if jitter.mirror:
        samples = [part for array in samples for part in (array, array[:, :, ::-1])]
    return np.concatenate(samples), len(flat)


def _variants(
    source: _VecPositives | _AnnotatedPositives,
    originals: NDArray[np.intp],
    options: CascadeTrainingOptions,
    progress: Progress,
) -> Samples:
    """Return the variants, round by round: the first of each positive, then the second."""
    width, height = options.size_wh
    rounds = options.jitter.variants
    samples = np.empty((rounds, len(originals), height, width), np.uint8)
    with progress.bar("Variants", total=rounds * len(originals), unit="sample") as bar:
        # All of a positive at a time: its image is read once.
        for index, number in enumerate(originals):
            for at in range(rounds):
                rng = np.random.default_rng([options.seed, _JITTER, int(number), at])
                samples[at, index] = source.vary(int(number), options.jitter, rng)
            bar.advance(rounds)
    return samples.reshape(-1, height, width)
