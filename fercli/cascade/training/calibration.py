"""Calibration: the thresholds of all stages set together, on samples that were not trained on.

A training sets the threshold of each stage on its own, on samples that the stage has seen. Here the
objects that may be missed are distributed over the stages for the best hit rate at a false alarm
rate that was asked for, and stages that are not worth their time are left out.

Thresholds begin so low that next to no object is lost, and one of them is raised at a time: the one
that brings the cascade nearest to the rates wanted for each object that it costs. An object near
a threshold counts as lost in part, as another view of it might be. The false alarm rate is that of
windows that pass all of the low thresholds: few of the backgrounds, and nearly all that matter.

See: H. Luo, "Optimization design of cascaded classifiers", CVPR 2005; L. Bourdev and J. Brandt,
"Robust object detection via soft cascade", CVPR 2005.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.features.sample_matrix import to_sample_matrix
from fercli.cascade.model import Cascade, read_cascade, write_cascade
from fercli.cascade.training.backgrounds import read_backgrounds
from fercli.cascade.training.boosting import reaches
from fercli.cascade.training.negative_mining import NegativeMiner
from fercli.cascade.training.nested import leaves_reached, sums_of
from fercli.cascade.training.options import CalibrationOptions, CascadeTrainingOptions
from fercli.cascade.training.positives import load_positives
from fercli.common.errors import InputError
from fercli.common.files import require_absent
from fercli.common.options import check
from fercli.common.parallel import KernelPool
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted

#: Thresholds begin where this share of the positives fails the stage, or lower if they are lower,
#: and rise to where the other does, or to where they are, in so many steps.
LOWEST, HIGHEST, LEVELS = 0.002, 0.1, 48
#: Steps that a threshold may rise at once.
MOST_STEPS = 8
#: The scale of the logistic function by which a positive near a threshold passes: a share of the
#: standard deviation of the stage's sums.
SMOOTHING = 0.28
#: A step counts as if it cost so many positives at least.
LEAST_LOST = 0.05
#: More positives are not looked at: their memory grows with `LEVELS`.
MOST_POSITIVES = 20_000
#: Windows whose sums are computed at a time, and random windows that tell the cost.
PIECE, RANDOM_WINDOWS = 20_000, 20_000
#: Fewer positives, or fewer false alarms among the negatives, tell little.
FEW_POSITIVES, FEW_FALSE_ALARMS = 500, 50
#: What random numbers are drawn for: stages of a training have lower numbers.
_RANDOM, _NEAR, _HALVES = (1 << 20), (1 << 20) + 1, (1 << 20) + 2

Sums = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rates:
    """What a cascade does to samples.

    Parameters
    ----------
    hit_rate, false_alarm_rate : float
        The shares of positives and of background windows that pass all stages.
    weak_classifiers_a_window : float
        How many are evaluated for a background window in the mean.
    """

    hit_rate: float
    false_alarm_rate: float
    weak_classifiers_a_window: float

    def to_text(self) -> str:
        """Return the rates in a line."""
        return (
            f"hit rate {self.hit_rate:.4f}, false alarm rate {self.false_alarm_rate:.3g}, "
            f"{self.weak_classifiers_a_window:.1f} weak classifiers a window"
        )


@dataclass(frozen=True)
class CalibrationResult:
    """The result of a calibration.

    Parameters
    ----------
    path : Path
        The cascade that was written.
    positives, negatives : int
        How many samples there were; negatives are windows that pass lower thresholds.
    stages_before : int
    stages : tuple of int
        Numbers of the stages that are left, from 0.
    before, after : Rates
        On all samples, those that the thresholds were set on.
    held_out : Rates
        The mean of two calibrations, each on a half of the samples, on the other half.
    notes : tuple of str
    """

    path: Path
    positives: int
    negatives: int
    stages_before: int
    stages: tuple[int, ...]
    before: Rates
    after: Rates
    held_out: Rates
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-compatible values."""
        return {**asdict(self), "path": str(self.path)}

    def to_text(self) -> str:
        """Return what was done, in lines."""
        stages = counted(self.stages_before, "stage")
        left = f", {len(self.stages)} of {stages} left" if self.left_out else f", {stages}"
        return "\n".join((
            f"{self.path}: calibrated on {self.positives:,} positives and {self.negatives:,} "
            f"negatives{left}",
            f"before:      {self.before.to_text()}",
            f"after:       {self.after.to_text()}",
            f"on halves that were not calibrated on: {self.held_out.to_text()}",
            *(f"note: {note}" for note in self.notes),
        ))  # fmt: skip

    @property
    def left_out(self) -> int:
        """How many stages were left out."""
        return self.stages_before - len(self.stages)


@dataclass(frozen=True)
class StageSums:
    """The sums of all stages over samples, whether or not these come so far.

    Parameters
    ----------
    positives : ndarray of float32, shape (stages, n)
    negatives : ndarray of float32, shape (stages, m)
        Of background windows that reach all of the `lowest` thresholds.
    windows : ndarray of float32, shape (stages, k)
        Of random background windows.
    lowest, highest : ndarray of float32, shape (stages,)
        The thresholds that there may be.
    """

    positives: Sums
    negatives: Sums
    windows: Sums
    lowest: Sums
    highest: Sums

    def of_stages(self, stages: Sequence[int]) -> StageSums:
        """Return the sums of some of the stages."""
        at = np.array(stages)
        return StageSums(
            self.positives[at], self.negatives[at], self.windows[at], self.lowest[at],
            self.highest[at],
        )  # fmt: skip

    def of_samples(self, positives: Bools, negatives: Bools) -> StageSums:
        """Return the sums over some of the samples."""
        return replace(
            self, positives=self.positives[:, positives], negatives=self.negatives[:, negatives]
        )


@dataclass(frozen=True)
class Target:
    """What is wanted of a cascade.

    Parameters
    ----------
    passing : float
        The share of the negatives of `StageSums` that may pass.
    cost : float
        The number of weak classifiers that may be evaluated for a window.
    """

    passing: float
    cost: float


def calibrate_cascade(
    cascade: Path,
    samples: Mapping[str, Any],
    out: Path,
    *,
    options: CalibrationOptions | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> CalibrationResult:
    """Set the thresholds of all stages of a cascade anew, and write it.

    Parameters
    ----------
    cascade : Path
        Of any origin.
    samples : mapping
        The positives and backgrounds, as options of a training: `bg`, and `vec` or `info`, which
        should hold objects that the cascade was not trained on; and how they are varied.
    out : Path
    options : CalibrationOptions, optional
    overwrite : bool
        Whether `out` may be replaced. Defaults to False.
    progress : Progress

    Raises
    ------
    CascadeFileError
        The cascade cannot be read.
    OptionError
        Options are out of range or contradict each other.
    InputError
        The positives or the backgrounds cannot be used, or have too few false alarms.
    OutputExistsError
        `out` exists.
    """
    options = options or CalibrationOptions()
    check(options)
    require_absent(out, overwrite=overwrite)
    given = read_cascade(cascade)
    training = CascadeTrainingOptions.from_options({
        **samples, "size_wh": given.size_wh, "feature_type": given.feature_type, "validation": 0.0,
    })  # fmt: skip
    positives = load_positives(training, progress=progress)
    count = len(positives.training)
    chosen = np.arange(0, count, -(-count // MOST_POSITIVES))
    with KernelPool(training.workers) as pool:
        sums, ratio = _measure(
            given, positives.training[chosen], training, options.negatives, pool, progress
        )
    sizes = np.array([len(stage.weak_classifiers) for stage in given.stages])
    before = rates(sums, sizes, _thresholds(given), ratio)
    wanted = options.target_false_alarms or before.false_alarm_rate
    if not wanted:
        raise InputError(
            f"None of {sums.negatives.shape[1]:,} background windows passes the cascade, so that "
            "there is no false alarm rate to keep",
            hint="set `target_false_alarms`, or use more backgrounds",
            path=training.bg,
        )
    target = Target(wanted / ratio, options.max_cost * before.weak_classifiers_a_window)
    with progress.bar("Calibration", total=3, unit="fit") as bar:
        stages, thresholds = fit(sums, sizes, target)
        bar.advance()
        folds = []
        # Variants follow all originals; views of an object often follow each other.
        originals = count // training.jitter.copies
        first = np.less(chosen % originals, originals // 2)
        for fitted, kept in _halves(sums, first, training.seed):
            of_half, levels = fit(fitted, sizes, target)
            folds.append(rates(kept.of_stages(of_half), sizes[list(of_half)], levels, ratio))
            bar.advance()
    after, held_out = (
        rates(sums.of_stages(stages), sizes[list(stages)], thresholds, ratio),
        _mean(folds),
    )
    left = replace(given, stages=tuple(given.stages[number] for number in stages))
    write_cascade(out, _with_thresholds(left, thresholds), overwrite=overwrite)
    return CalibrationResult(
        out, sums.positives.shape[1], sums.negatives.shape[1], len(given.stages), stages,
        before, after, held_out,
        (*positives.notes, *_notes(sums, target, wanted, before, after, held_out)),
    )  # fmt: skip


def _notes(
    sums: StageSums, target: Target, wanted: float, before: Rates, after: Rates, held_out: Rates
) -> tuple[str, ...]:
    notes = []
    if wanted >= before.false_alarm_rate and held_out.hit_rate <= before.hit_rate:
        notes.append(
            "on samples that it was not calibrated on, the cascade finds no more than before: use "
            "more positives, or the cascade as it was"
        )
    if sums.positives.shape[1] < FEW_POSITIVES:
        notes.append("so few positives tell little of others: use hundreds, better thousands")
    passing = target.passing * sums.negatives.shape[1]
    if passing < FEW_FALSE_ALARMS:
        notes.append(
            f"{counted(round(passing), 'false alarm')} among the negatives: a larger number of "
            "`negatives` measures them better"
        )
    if after.false_alarm_rate < 0.9 * wanted:
        notes.append(
            f"a false alarm rate of {after.false_alarm_rate:.3g} is reached already where next to "
            "no object is lost"
        )
    elif after.false_alarm_rate > 1.1 * wanted:
        notes.append(
            f"a false alarm rate of {wanted:.3g} is not reached: thresholds would lose more than "
            f"{HIGHEST:.0%} of the objects in every stage"
        )
    return tuple(notes)


# Samples


def _measure(
    cascade: Cascade,
    positives: NDArray[np.uint8],
    samples: CascadeTrainingOptions,
    negatives: int,
    pool: KernelPool,
    progress: Progress,
) -> tuple[StageSums, float]:
    """Return the sums of all stages, and the share of windows that pass the lowest thresholds."""
    backgrounds = read_backgrounds(samples.bg, samples.info)
    of_positives = stage_sums(cascade, positives, pool)
    now = _thresholds(cascade)
    low, high = np.quantile(of_positives, (LOWEST, HIGHEST), axis=1).astype(np.float32)
    lowest = np.minimum(now, low)
    miner = NegativeMiner(
        backgrounds.paths,
        cascade.size_wh,
        seed=samples.seed,
        workers=samples.workers,
        objects=backgrounds.objects,
        refuse_flat=cascade.feature_type == "HAAR",
    )
    anything = miner.mine(None, RANDOM_WINDOWS, stage_index=_RANDOM, progress=progress)
    lowered = _with_thresholds(cascade, lowest)
    near = miner.mine(lowered, negatives, stage_index=_NEAR, progress=progress)
    if len(near.windows) < FEW_FALSE_ALARMS:
        raise InputError(
            f"Expected at least {FEW_FALSE_ALARMS} background windows that pass the cascade with "
            f"lower thresholds, got {len(near.windows)} of {near.windows_seen:,}",
            hint="use more backgrounds",
            path=samples.bg,
        )
    sums = StageSums(
        of_positives,
        stage_sums(cascade, near.windows, pool),
        stage_sums(cascade, anything.windows, pool),
        lowest,
        np.maximum(now, high),
    )
    return sums, near.acceptance_ratio


def stage_sums(cascade: Cascade, windows: NDArray[np.uint8], pool: KernelPool) -> Sums:
    """Return the sum of each stage over each window, shape (stages, n)."""
    sums = np.empty((len(cascade.stages), len(windows)), np.float32)
    for begin in range(0, len(windows), PIECE):
        piece = to_sample_matrix(windows[begin : begin + PIECE])
        for row, stage in zip(sums, cascade.stages, strict=True):
            trees = stage.weak_classifiers
            reached = leaves_reached(trees, cascade.features, piece, pool)
            row[begin : begin + PIECE] = sums_of(trees, reached)
    return sums


def _halves(sums: StageSums, first: Bools, seed: int) -> list[tuple[StageSums, StageSums]]:
    """Return two halves of the samples, each as the one to fit and as the one to measure.

    `first` are the positives of the first half.
    """
    chosen = np.random.default_rng([seed, _HALVES]).integers(0, 2, sums.negatives.shape[1]) == 1
    halves = sums.of_samples(first, chosen), sums.of_samples(~first, ~chosen)
    return [halves, halves[::-1]]


def _mean(folds: Sequence[Rates]) -> Rates:
    return Rates(*np.mean([list(asdict(fold).values()) for fold in folds], axis=0).tolist())


# Thresholds


def _thresholds(cascade: Cascade) -> Sums:
    return np.array([stage.threshold for stage in cascade.stages], np.float32)


def _with_thresholds(cascade: Cascade, thresholds: Sums) -> Cascade:
    stages = zip(cascade.stages, thresholds, strict=True)
    return replace(
        cascade, stages=tuple(replace(stage, threshold=float(level)) for stage, level in stages)
    )


def passes(sums: Sums, thresholds: Sums) -> Bools:
    """Return which samples reach the thresholds of all stages."""
    reached = [reaches(row, threshold) for row, threshold in zip(sums, thresholds, strict=True)]
    passing: Bools = np.logical_and.reduce(reached)
    return passing


def cost(sums: Sums, sizes: NDArray[np.intp], thresholds: Sums) -> float:
    """Return how many weak classifiers are evaluated for a window in the mean.

    `sizes` are the numbers of weak classifiers of the stages.
    """
    entering, total = np.ones(sums.shape[1], np.bool_), 0.0
    for row, size, threshold in zip(sums, sizes, thresholds, strict=True):
        total += float(size * entering.mean())
        entering &= reaches(row, threshold)
    return total


def rates(sums: StageSums, sizes: NDArray[np.intp], thresholds: Sums, ratio: float) -> Rates:
    """Return the rates of a cascade; `ratio` is the share of windows that negatives stand for."""
    return Rates(
        float(passes(sums.positives, thresholds).mean()),
        float(ratio * passes(sums.negatives, thresholds).mean()),
        cost(sums.windows, sizes, thresholds),
    )


def fit(sums: StageSums, sizes: NDArray[np.intp], target: Target) -> tuple[tuple[int, ...], Sums]:
    """Return the stages that are worth their time, and their thresholds.

    A stage is left out if the cascade without it lets no more negatives pass than wanted and takes
    no more time; one at a time, and the others are set anew.

    Parameters
    ----------
    sums : StageSums
    sizes : ndarray of intp, shape (stages,)
        How many weak classifiers each stage has.
    target : Target

    Returns
    -------
    stages : tuple of int
        Their numbers, from 0.
    thresholds : ndarray of float32
    """
    stages = tuple(range(len(sizes)))
    while True:
        here = sums.of_stages(stages)
        thresholds = fit_thresholds(here, sizes[list(stages)], target)
        fewer = _without_one(here, sizes[list(stages)], thresholds, target)
        if fewer is None:
            return stages, thresholds
        stages = tuple(stages[at] for at in fewer)


def _without_one(
    sums: StageSums, sizes: NDArray[np.intp], thresholds: Sums, target: Target
) -> list[int] | None:
    """Return all stages but the one whose loss saves most time; None if all are needed."""
    cheapest, best = cost(sums.windows, sizes, thresholds), None
    most = max(target.passing, float(passes(sums.negatives, thresholds).mean()))
    for left_out in range(len(sizes) if len(sizes) > 1 else 0):
        kept = [at for at in range(len(sizes)) if at != left_out]
        fewer = sums.of_stages(kept)
        now = cost(fewer.windows, sizes[kept], thresholds[kept])
        if now <= cheapest and passes(fewer.negatives, thresholds[kept]).mean() <= most:
            cheapest, best = now, kept
    return best


def fit_thresholds(sums: StageSums, sizes: NDArray[np.intp], target: Target) -> Sums:
    """Return the thresholds of all stages at which the target is met with few positives lost.

    If it cannot be met, they are as high as thresholds may be.
    """
    search = _ThresholdSearch(sums, sizes, target)
    while search.raise_one():
        pass
    return search.thresholds


class _ThresholdSearch:
    """Thresholds on their way up, each at one of `LEVELS` levels."""

    def __init__(self, sums: StageSums, sizes: NDArray[np.intp], target: Target) -> None:
        positives = sums.positives
        self._grid = np.linspace(sums.lowest, sums.highest, LEVELS, axis=1).astype(np.float32)
        scales = SMOOTHING * np.maximum(positives.std(axis=1), 1e-6)
        margins = (positives[:, np.newaxis] - self._grid[:, :, np.newaxis]) / scales[
            :, np.newaxis, np.newaxis
        ]
        #: The logarithm of how likely a positive passes a stage, by level: (stages, levels, n).
        self._log_hits = -np.logaddexp(np.float32(0), -margins)
        self._negatives = self._reached(sums.negatives)
        self._windows = self._reached(sums.windows)
        self._sizes, self._target = sizes, target
        self._levels = np.zeros(len(sizes), np.intp)
        self._log_hit = self._log_hits[:, 0].sum(axis=0)

    @property
    def thresholds(self) -> Sums:
        """The present thresholds."""
        return self._grid[np.arange(len(self._grid)), self._levels]

    def _reached(self, sums: Sums) -> NDArray[np.uint8]:
        """Return how many levels each sum reaches; it passes if that is more than the level's."""
        found = [
            np.searchsorted(levels - np.float32(1e-5), row, side="right")
            for levels, row in zip(self._grid, sums, strict=True)
        ]
        return np.array(found, np.uint8)

    def raise_one(self) -> bool:
        """Raise the threshold that is worth it most; False if the target is met, or none can be."""
        levels = self._levels[:, np.newaxis]
        near = self._negatives[:, (self._negatives > levels).all(axis=0)]
        most = max(self._target.passing * self._negatives.shape[1], 0.5)
        # Windows that enter each stage, and those that pass all.
        passing = np.logical_and.accumulate(self._windows > levels, axis=0)
        entering = np.concatenate([np.ones_like(passing[:1]), passing[:-1]])
        work = self._sizes[:, np.newaxis] * entering
        total, most_work = work.sum(), self._target.cost * work.shape[1]
        if near.shape[1] <= most and total <= most_work:
            return False
        later = work.sum(axis=0) - np.cumsum(work, axis=0)  # work after each stage
        hits, best = np.exp(self._log_hit), (0.0, 0, 0)
        for stage, level in enumerate(self._levels.tolist()):
            steps = np.arange(level + 1, min(level + 1 + MOST_STEPS, LEVELS))
            if not len(steps):
                continue
            rejected = _up_to(near[stage])[steps]
            here = passing[stage]
            saved = _up_to(self._windows[stage, here], later[stage, here])[steps]
            gains = _progress(near.shape[1], rejected, most) + _progress(total, saved, most_work)
            without = self._log_hit - self._log_hits[stage, level]
            lost = hits.sum() - np.exp(without + self._log_hits[stage, steps]).sum(axis=1)
            worth = gains / np.maximum(lost, LEAST_LOST)
            at = int(worth.argmax())
            best = max(best, (float(worth[at]), stage, int(steps[at])))
        worth_most, stage, level = best
        if not worth_most:
            return self._raise_all()
        self._log_hit += self._log_hits[stage, level] - self._log_hits[stage, self._levels[stage]]
        self._levels[stage] = level
        return True

    def _raise_all(self) -> bool:
        """Raise all thresholds by a step, where no single one brings anything; False at the top."""
        if (self._levels == LEVELS - 1).all():
            return False
        self._levels = np.minimum(self._levels + 1, LEVELS - 1)
        self._log_hit = self._log_hits[np.arange(len(self._levels)), self._levels].sum(axis=0)
        return True


def _up_to(reached: NDArray[np.uint8], weights: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return how many samples, or what weight of them, each level would reject."""
    return np.cumsum(np.bincount(reached, weights, minlength=LEVELS + 1))


def _progress(now: float, less: NDArray[Any], wanted: float) -> NDArray[np.float64]:
    """Return the share of the way, in logarithms, from a number to the one wanted; 0 if there."""
    if now <= wanted:
        return np.zeros(len(less))
    way = np.log(now / wanted)
    gone: NDArray[np.float64] = np.minimum(np.log(now / np.maximum(now - less, 0.5)) / way, 1)
    return gone
