"""The training of a cascade: stage by stage, on what the stages so far let pass.

Each stage is trained on the positives that pass the stages so far and on false alarms that are
mined from the backgrounds. All random numbers follow from the seed and the stage's number, so that
a training that was interrupted ends with the same bytes as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.features.lbp import LbpFeatures
from fercli.cascade.features.windows import as_windows
from fercli.cascade.model import Cascade
from fercli.cascade.training.backgrounds import BackgroundFiles
from fercli.cascade.training.boosting import TrainedStage, train_stage
from fercli.cascade.training.boosting.trees import Search
from fercli.cascade.training.checkpoint import Checkpoint, with_stage
from fercli.cascade.training.memory import (
    features_of,
    memory_of,
    most_integrals,
    negatives_to_hold_out,
    negatives_wanted,
)
from fercli.cascade.training.negative_mining import MiningResult, NegativeMiner
from fercli.cascade.training.options import FEWEST, CascadeTrainingOptions
from fercli.cascade.training.positives import Positives
from fercli.cascade.training.report import StageRecord
from fercli.cascade.training.split_search import HaarSearch, LbpSearch
from fercli.common.parallel import KernelPool
from fercli.common.progress import SILENT, Bar, Progress

#: A stage is not trained on less than this share of the negatives that were wanted.
LEAST_SHARE = 0.05

Samples = NDArray[np.uint8]


@dataclass(frozen=True)
class StopReason:
    """Why a training has ended before all stages were trained, and what to do about it."""

    why: str
    advice: str = ""


@dataclass(frozen=True)
class TrainingOutcome:
    """What a training has come to, and why it went no further: None if all stages are trained."""

    checkpoint: Checkpoint
    ending: StopReason | None


class Training:
    """A training at work.

    Parameters
    ----------
    options : CascadeTrainingOptions
    positives : Positives
    backgrounds : BackgroundFiles
    team : KernelPool
    progress : Progress

    Raises
    ------
    OptionError
        There is too little memory.
    """

    def __init__(
        self,
        options: CascadeTrainingOptions,
        positives: Positives,
        backgrounds: BackgroundFiles,
        team: KernelPool,
        progress: Progress = SILENT,
    ) -> None:
        self._options = options
        self._positives = positives.training
        self._held_out = positives.validation
        self._team = team
        self._progress = progress
        self._features = features_of(options)
        self._wanted = negatives_wanted(options, len(self._positives))
        self._wanted_to_hold_out = negatives_to_hold_out(options, self._wanted)
        memory = memory_of(options, len(self._positives), len(self._held_out))
        self._miner = NegativeMiner(
            backgrounds.paths,
            options.size_wh,
            seed=options.seed,
            workers=team.workers,
            memory_bytes=memory.backgrounds,
            objects=backgrounds.objects,
            refuse_flat=options.feature_type == "HAAR",
        )

    def run(self, checkpoint: Checkpoint, save: Callable[[Checkpoint], None]) -> TrainingOutcome:
        """Train the stages that are missing.

        Parameters
        ----------
        checkpoint : Checkpoint
            Where to start.
        save : callable
            Called with a new checkpoint after each stage.
        """
        began = time.monotonic() - checkpoint.seconds
        passing = self._accepts(checkpoint.cascade, self._positives)
        held_out = self._accepts(checkpoint.cascade, self._held_out)
        missing = self._options.stages - len(checkpoint.cascade.stages)
        with self._progress.bar("training", total=max(missing, 0), unit="stage") as bar:
            while len(checkpoint.cascade.stages) < self._options.stages:
                outcome = self._next_stage(checkpoint.cascade, passing, held_out, bar)
                if isinstance(outcome, StopReason):
                    return TrainingOutcome(checkpoint, outcome)
                cascade, record = outcome
                checkpoint = replace(
                    checkpoint,
                    cascade=cascade,
                    records=(*checkpoint.records, record),
                    seconds=time.monotonic() - began,
                )
                save(checkpoint)
                self._progress.note(str(record))
                bar.advance()
                last = replace(cascade, stages=cascade.stages[-1:])
                passing = passing[self._accepts(last, self._positives[passing])]
                held_out = held_out[self._accepts(last, self._held_out[held_out])]
        return TrainingOutcome(checkpoint, None)

    def _next_stage(
        self, cascade: Cascade, passing: NDArray[np.intp], held_out: NDArray[np.intp], bar: Bar
    ) -> tuple[Cascade, StageRecord] | StopReason:
        """Return the cascade with another stage and its record, or why there is none."""
        began, index = time.monotonic(), len(cascade.stages)
        chosen = passing[: self._options.positives]
        if len(chosen) < FEWEST:
            return StopReason(f"only {len(chosen)} positives pass the stages so far")
        bar.figures(f"stage {index}: mining negatives")
        mined = self._mine(cascade)
        ending = self._why_end(mined, index)
        if ending is not None:
            return ending
        negatives, to_measure = self._deal(mined.windows, index)
        ratio = mined.acceptance_ratio
        del mined  # with its windows, of which there are copies now
        trained = self._train(self._positives[chosen], negatives, index, bar)
        if trained is None:
            return StopReason(
                f"stage {index} cannot be trained: no feature tells its {len(chosen)} positives "
                f"from its {len(negatives)} negatives",
                "more samples, or more different ones, may help",
            )
        cascade = with_stage(cascade, trained.stage, self._features.feature)
        last = replace(cascade, stages=cascade.stages[-1:])
        return cascade, StageRecord(
            index=index,
            weak_classifiers=len(trained.stage.weak_classifiers),
            hit_rate=trained.hit_rate,
            false_alarm_rate=trained.false_alarm_rate,
            acceptance_ratio=ratio,
            positives=len(chosen),
            positives_consumed=int(chosen[-1]) + 1,
            negatives=len(negatives),
            seconds=round(time.monotonic() - began, 3),
            validation_hit_rate=self._share(last, self._held_out[held_out]),
            validation_false_alarm_rate=self._share(last, to_measure),
        )

    def _mine(self, cascade: Cascade) -> MiningResult:
        index = len(cascade.stages)
        return self._miner.mine(
            cascade if index else None,
            self._wanted + self._wanted_to_hold_out,
            stage_index=index,
            lowest_ratio=self._options.lowest_ratio if index else 0.0,
            progress=self._progress,
        )

    def _why_end(self, mined: MiningResult, index: int) -> StopReason | None:
        """Return why no further stage is to be trained; None if one is."""
        options, ratio = self._options, mined.acceptance_ratio
        if index and (mined.rare or ratio <= options.lowest_ratio):
            if options.wanted_ratio < options.lowest_ratio:
                return StopReason(
                    f"the acceptance ratio has come down to {ratio:.2g}, --acceptance-ratio-break"
                )
            return StopReason(
                f"the false alarm rate wanted of the whole cascade, {options.wanted_ratio:.2g}, "
                f"is reached: {ratio:.2g}",
                "for more stages: --resume with more --stages",
            )
        left = len(mined.windows) - self._number_to_hold_out(mined.windows)
        if left < max(FEWEST, LEAST_SHARE * self._wanted):
            return self._run_dry(mined, index)
        if mined.exhausted:
            self._progress.note(
                f"stage {index}: the backgrounds have no more than {len(mined.windows):,} windows "
                f"that {self._usable(index)}"
            )
        return None

    def _run_dry(self, mined: MiningResult, index: int) -> StopReason:
        advice = "more backgrounds, or fewer --negatives"
        return StopReason(
            f"the backgrounds have run dry: of their {mined.windows_seen:,} windows, "
            f"{len(mined.windows):,} {self._usable(index)}, {self._wanted:,} were wanted",
            f"for more stages: {advice}, and --resume" if index else advice,
        )

    def _usable(self, index: int) -> str:
        """Return what the windows do that a stage can be trained on."""
        if index:
            return "pass the stages so far"
        flat = self._options.feature_type == "HAAR"
        return "differ from each other" + (" and vary by more than 10 gray levels" if flat else "")

    def _train(
        self, positives: Samples, negatives: Samples, index: int, bar: Bar
    ) -> TrainedStage | None:
        def watch(count: int, hit_rate: float, false_alarm_rate: float) -> None:
            bar.figures(
                f"stage {index}: {count} weak, hit rate {hit_rate:.4f}, "
                f"false alarm rate {false_alarm_rate:.4f}"
            )

        return train_stage(
            self._search(positives, negatives),
            len(positives),
            self._options.stage,
            seed=(self._options.seed, index),
            team=self._team,
            watch=watch,
        )

    def _search(self, positives: Samples, negatives: Samples) -> Search:
        windows, method = as_windows(positives, negatives), self._options.search
        most = most_integrals(self._options)
        if isinstance(self._features, LbpFeatures):
            return LbpSearch(self._features, windows, self._team, method=method, most_samples=most)
        return HaarSearch(self._features, windows, self._team, method=method, most_samples=most)

    def _deal(self, windows: Samples, index: int) -> tuple[Samples, Samples]:
        """Return the windows to train on and those to measure with."""
        rng = np.random.default_rng([self._options.seed, index])
        held_out = np.zeros(len(windows), np.bool_)
        chosen = rng.permutation(len(windows))[: self._number_to_hold_out(windows)]
        held_out[chosen] = True
        return windows[~held_out], windows[held_out]

    def _number_to_hold_out(self, windows: Samples) -> int:
        return round(self._options.validation * len(windows))

    def _accepts(self, cascade: Cascade, samples: Samples) -> NDArray[np.intp]:
        """Return the numbers of the samples that pass all stages of a cascade."""
        if not cascade.stages:
            return np.arange(len(samples))
        return np.flatnonzero(Scanner(cascade).accepts(samples, workers=self._team.workers))

    def _share(self, cascade: Cascade, samples: Samples) -> float | None:
        return len(self._accepts(cascade, samples)) / len(samples) if len(samples) else None
