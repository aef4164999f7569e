"""Train a cascade stage by stage, on the samples that the stages so far let pass.

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
from fercli.cascade.features.sample_matrix import to_sample_matrix
from fercli.cascade.model import Cascade
from fercli.cascade.model.export.c import most_nodes, table_bytes
from fercli.cascade.training.backgrounds import BackgroundFiles
from fercli.cascade.training.boosting import Search, TrainedStage, train_stage
from fercli.cascade.training.checkpoint import Checkpoint, with_stage
from fercli.cascade.training.lbp_search import KeptCodes, LbpSearch
from fercli.cascade.training.memory import (
    features_of,
    memory_of,
    most_integrals,
    negatives_to_hold_out,
    negatives_wanted,
)
from fercli.cascade.training.negative_mining import MiningResult, NegativeMiner
from fercli.cascade.training.nested import train_nested_stage
from fercli.cascade.training.options import FEWEST, CascadeTrainingOptions
from fercli.cascade.training.positives import Positives
from fercli.cascade.training.report import StageRecord
from fercli.cascade.training.split_search import HaarSearch
from fercli.common.parallel import KernelPool, Workers
from fercli.common.progress import SILENT, Bar, Progress
from fercli.common.tables import counted

#: A stage is not trained on less than this share of the negatives that were wanted.
LEAST_SHARE = 0.05

Samples = NDArray[np.uint8]


@dataclass(frozen=True)
class StopReason:
    """The reason why a training ended before all stages were trained, and what to do.

    `acceptance_ratio` is that of all stages that there are, where it was counted.
    """

    why: str
    advice: str = ""
    acceptance_ratio: float | None = None


@dataclass(frozen=True)
class TrainingOutcome:
    """The state at the end of a training; `stop_reason` is None if all stages are trained."""

    checkpoint: Checkpoint
    stop_reason: StopReason | None


class Training:
    """A training.

    Parameters
    ----------
    options : CascadeTrainingOptions
    positives : Positives
    backgrounds : BackgroundFiles
    pool : KernelPool
    workers : Workers
        What mines the negatives.
    progress : Progress
    wait_for_scanner : callable, optional
        Called before the scanner is used; see `compiled_beside`.
    given : Cascade, optional
        Nested stages begin with its weak classifiers too.

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
        pool: KernelPool,
        workers: Workers,
        progress: Progress = SILENT,
        wait_for_scanner: Callable[[], object] = lambda: None,
        given: Cascade | None = None,
    ) -> None:
        self._wait_for_scanner = wait_for_scanner
        self._options = options
        self._given = given
        self._positives = positives.training
        self._held_out = positives.validation
        self._pool = pool
        self._progress = progress
        self._features = features_of(options)
        self._wanted = negatives_wanted(options, len(self._positives))
        self._wanted_to_hold_out = negatives_to_hold_out(options, self._wanted)
        memory = memory_of(options, len(self._positives), len(self._held_out))
        self._codes: KeptCodes | None = None
        if isinstance(self._features, LbpFeatures) and memory.codes:
            self._codes = KeptCodes(self._features, pool)
        self._miner = NegativeMiner(
            backgrounds.paths,
            options.size_wh,
            seed=options.seed,
            workers=workers,
            memory_bytes=memory.backgrounds,
            objects=backgrounds.objects,
            refuse_flat=options.feature_type == "HAAR",
            turned=options.turn_backgrounds,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell of the backgrounds at the end."""
        left_out = len(self._miner.left_out)
        count = len(self._miner.backgrounds)
        return (f"{left_out} of {count} backgrounds are not used",) if left_out else ()

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
            return StopReason(
                f"only {counted(len(chosen), 'positive')} left after the stages so far"
            )
        most_weak = self._most_weak(cascade)
        if not most_weak:
            return self._budget_used(cascade)
        bar.figures(f"stage {index}: mining negatives")
        mined = self._mine(cascade)
        ratio = mined.acceptance_ratio
        stop_reason = self._stop_reason(mined, index)
        if stop_reason is not None:
            return replace(stop_reason, acceptance_ratio=ratio) if index else stop_reason
        negatives, held_out_negatives = self._split_negatives(mined.windows, index)
        del mined  # with its windows, of which there are copies now
        held_out_now = self._held_out[held_out]
        grown = self._train(cascade, chosen, negatives, held_out_now, most_weak, bar)
        if grown is None:
            return StopReason(
                f"stage {index} cannot be trained: no feature separates its "
                f"{len(chosen)} positives from its {len(negatives)} negatives",
                "use more samples, or more different ones",
                ratio if index else None,
            )
        cascade, trained = grown
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
            validation_false_alarm_rate=self._share(last, held_out_negatives),
        )

    def _most_weak(self, cascade: Cascade) -> int:
        """Return how many weak classifiers the next stage may have."""
        options, most = self._options, self._options.max_weak_count
        if options.budget_kb is None:
            return most
        nodes = most_nodes(
            cascade,
            int(1000 * options.budget_kb),
            trees=options.max_depth > 1,
            tilted=options.feature_type == "HAAR" and options.haar_mode == "ALL",
        )
        # A tree of this depth has so many nodes at most.
        return max(min(most, int(nodes // (2**options.max_depth - 1))), 0)

    def _budget_used(self, cascade: Cascade) -> StopReason:
        taken = table_bytes(cascade) if cascade.stages else 0
        return StopReason(
            f"the tables in C take {taken:,} bytes of the {self._options.budget_kb:g} kB that were "
            "asked for: no further stage fits",
            "for more stages, resume with a larger `budget_kb`" if taken else "use more",
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

    def _stop_reason(self, mined: MiningResult, index: int) -> StopReason | None:
        """Return why there is no further stage; None if there is one."""
        options, ratio = self._options, mined.acceptance_ratio
        if index and (mined.rare or ratio <= options.lowest_ratio):
            if options.wanted_ratio < options.lowest_ratio:
                return StopReason(f"the acceptance ratio of {ratio:.2g} is at the one to stop at")
            return StopReason(
                f"the false alarm rate of the cascade, {ratio:.2g}, has reached the "
                f"{options.wanted_ratio:.2g} that was asked for",
                "for more stages, resume with a larger number of stages",
            )
        left = len(mined.windows) - self._number_to_hold_out(mined.windows)
        if left < max(FEWEST, LEAST_SHARE * self._wanted):
            return self._exhausted(mined, index)
        if mined.exhausted:
            self._progress.note(
                f"stage {index}: the backgrounds have only {len(mined.windows):,} windows "
                f"that {self._usable(index)}"
            )
        return None

    def _exhausted(self, mined: MiningResult, index: int) -> StopReason:
        turned = "" if self._options.turn_backgrounds else " or `turn_backgrounds`,"
        advice = f"use more backgrounds,{turned} or fewer negatives a stage"
        return StopReason(
            f"the backgrounds are exhausted: of their {mined.windows_seen:,} windows, "
            f"{len(mined.windows):,} {self._usable(index)}, and {self._wanted:,} are needed",
            f"for more stages, {advice}, and resume" if index else advice,
        )

    def _usable(self, index: int) -> str:
        """Return the condition that windows meet on which a stage is trained, as a clause."""
        if index:
            return "pass the stages so far"
        if self._options.feature_type == "LBP":
            return "differ from each other"
        return "differ from each other and have a standard deviation of more than 10 gray levels"

    def _train(
        self,
        cascade: Cascade,
        positives: NDArray[np.intp],
        negatives: Samples,
        held_out: Samples,
        most_weak: int,
        bar: Bar,
    ) -> tuple[Cascade, TrainedStage] | None:
        """Return the cascade with another stage; None if there is nothing to learn."""
        index, nested_from = len(cascade.stages), self._options.nested_from

        def watch(count: int, hit_rate: float, false_alarm_rate: float) -> None:
            bar.figures(
                f"stage {index}: {count} weak, hit rate {hit_rate:.4f}, "
                f"false alarm rate {false_alarm_rate:.4f}"
            )

        search = self._search(positives, negatives)
        seed = (self._options.seed, index)
        options = replace(self._options.stage, max_weak_count=most_weak)
        if index and nested_from is not None and index >= nested_from:
            return train_nested_stage(
                cascade, search, len(positives), held_out, options,
                seed=seed, pool=self._pool, watch=watch, given=self._given,
            )  # fmt: skip
        trained = train_stage(
            search, len(positives), options, seed=seed, pool=self._pool, watch=watch
        )
        if trained is None:
            return None
        return with_stage(cascade, trained.stage, self._features.feature), trained

    def _search(self, positives: NDArray[np.intp], negatives: Samples) -> Search:
        windows = to_sample_matrix(self._positives[positives], negatives)
        method, most = self._options.search, most_integrals(self._options)
        if isinstance(self._features, LbpFeatures):
            codes = None if self._codes is None else self._codes.of(windows, positives)
            return LbpSearch(
                self._features, windows, self._pool, method=method, most_samples=most, codes=codes
            )
        return HaarSearch(self._features, windows, self._pool, method=method, most_samples=most)

    def _split_negatives(self, windows: Samples, index: int) -> tuple[Samples, Samples]:
        """Return the windows to train on and those to hold out."""
        rng = np.random.default_rng([self._options.seed, index])
        held_out = np.zeros(len(windows), np.bool_)
        chosen = rng.permutation(len(windows))[: self._number_to_hold_out(windows)]
        held_out[chosen] = True
        return windows[~held_out], windows[held_out]

    def _number_to_hold_out(self, windows: Samples) -> int:
        return round(self._options.validation * len(windows))

    def _accepts(self, cascade: Cascade, samples: Samples) -> NDArray[np.intp]:
        """Return the indices of the samples that pass all stages of a cascade."""
        if not cascade.stages:
            return np.arange(len(samples))
        self._wait_for_scanner()
        return np.flatnonzero(Scanner(cascade).accepts(samples, workers=self._pool.workers))

    def _share(self, cascade: Cascade, samples: Samples) -> float | None:
        return len(self._accepts(cascade, samples)) / len(samples) if len(samples) else None
