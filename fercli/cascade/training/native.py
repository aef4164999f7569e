"""Train a cascade into a folder by fer's own engine: start, resume, finish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fercli.annotations.base import NOTES
from fercli.cascade.detection import scanner
from fercli.cascade.detection.scanner_kernels import pass_windows, scan
from fercli.cascade.features import haar_kernels, lbp
from fercli.cascade.features.haar import haar_features
from fercli.cascade.features.sample_matrix import to_sample_matrix
from fercli.cascade.model import Cascade, read_cascade, write_cascade
from fercli.cascade.training.backgrounds import BackgroundFiles, read_backgrounds
from fercli.cascade.training.boosting import train_stage
from fercli.cascade.training.checkpoint import (
    STATE,
    Checkpoint,
    first_stages,
    read_checkpoint,
    save_checkpoint,
)
from fercli.cascade.training.folder import CascadeFolder
from fercli.cascade.training.options import CascadeTrainingOptions, StageOptions
from fercli.cascade.training.positives import load_positives
from fercli.cascade.training.report import CascadeTrainingResult
from fercli.cascade.training.sample_digests import digest_file, digest_samples, note_of_changes
from fercli.cascade.training.split_search import HaarSearch
from fercli.cascade.training.trainer import StopReason, Training
from fercli.common.errors import FerError, InputError, OptionError, TrainingError
from fercli.common.kernels import compiled_beside, note_compilation, numba
from fercli.common.parallel import KernelPool, Workers
from fercli.common.processes import signals_as_interrupts
from fercli.common.progress import SILENT, Progress
from fercli.common.recipes import typed_options
from fercli.common.tables import counted

#: Incremented whenever the engine trains other stages of the same samples.
VERSION = 4

#: A kernel that every search among features of a type uses.
KERNELS = {"HAAR": haar_kernels.find_corners, "LBP": lbp.write_codes}
#: What compiles the scanner, and its kernels.
SCANNER = (scanner.__name__, "compile_kernels", scan, pass_windows)


def train(
    options: Mapping[str, Any],
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    scheduler: str | None = None,
    progress: Progress = SILENT,
) -> CascadeTrainingResult:
    """Train a cascade, or continue an interrupted training of the same options.

    Parameters and errors as `fercli.cascade.training.engines.Engine`.
    """
    wanted = CascadeTrainingOptions.from_options(options)
    _require_lasting(wanted.continue_from, out)
    where = Workers(wanted.workers, scheduler=scheduler)
    backgrounds = read_backgrounds(wanted.bg, wanted.info)
    given = read_cascade(wanted.continue_from) if wanted.continue_from else None
    start = _start(wanted, given)
    with (
        CascadeFolder.locked(out) as (folder, _),
        KernelPool(wanted.workers) as pool,
        compiled_beside(*SCANNER) as wait_for_scanner,
    ):
        recipe = {"engine": wanted.engine, **wanted.to_options()}
        continues = folder.may_continue(recipe, resume=resume, overwrite=overwrite)
        checkpoint = _where_to_start(folder, wanted, start, continues=continues)
        now = _trained_on(wanted, backgrounds, where, progress)
        changed = note_of_changes(
            checkpoint.origin, now, len(checkpoint.records), folder.path, resume=resume
        )
        checkpoint = replace(checkpoint, origin=now)
        positives = load_positives(wanted, workers=where, progress=progress)
        training = Training(
            wanted, positives, backgrounds, pool, where, progress, wait_for_scanner, given
        )
        note_compilation(progress, scan, KERNELS[wanted.feature_type])
        notes = (*changed, *positives.notes, *backgrounds.notes, *NOTES.take())
        for note in notes:
            progress.note(note)
        libraries = {"opencv": cv2.__version__, "numba": numba.__version__}
        folder.begin(recipe, libraries, continues=continues)
        if checkpoint.records:
            count = len(checkpoint.cascade.stages)
            progress.note(f"{counted(count, 'stage')} trained already")

        def save(reached: Checkpoint) -> None:
            save_checkpoint(folder.engine, reached)
            folder.write_stages(list(reached.records))

        with cleared_without_a_stage(folder), told_what_is_kept(folder, progress):
            outcome = training.run(checkpoint, save)
            if not outcome.checkpoint.records and not start.stages:
                ending = outcome.stop_reason or StopReason("")
                raise TrainingError(
                    f"no stage could be trained: {ending.why}", hint=ending.advice or None
                )
        notes = (*notes, *training.notes)
        return _conclude(folder, wanted, outcome.checkpoint, outcome.stop_reason, notes)


def compile_kernels() -> None:
    """Compile the kernels of trainings on Haar features and of detection for this machine.

    As a training does at first: those of the search here, those of the scanner beside it.
    """
    windows = np.random.default_rng(0).integers(0, 256, (2, 600, 12, 12), np.uint8)
    with KernelPool(1) as pool, compiled_beside(*SCANNER) as wait_for_scanner:
        search = HaarSearch(haar_features((12, 12), "ALL"), to_sample_matrix(*windows), pool)
        train_stage(search, 600, StageOptions(max_weak_count=1), seed=(0,), pool=pool)
        wait_for_scanner()
    scanner.compile_kernels()


def finish(
    out: Path,
    *,
    stages: int | None = None,
    tools: Path | None = None,
    progress: Progress = SILENT,
) -> CascadeTrainingResult:
    """Write the cascade of the stages trained so far.

    Parameters and errors as `fercli.cascade.training.engines.Engine`.
    """
    with CascadeFolder.locked(out) as (folder, _):
        there = options_there(out)
        checkpoint = read_checkpoint(folder.engine)
        if not there or checkpoint is None or not checkpoint.records:
            raise TrainingError(
                "The folder has no training with at least one finished stage", path=out
            )
        options = CascadeTrainingOptions.from_options(there)
        reached = checkpoint if stages is None else _cut(checkpoint, stages)
        reached = replace(reached, seconds=sum(record.seconds or 0 for record in reached.records))
        return _conclude(
            folder, options, reached, StopReason("written from the stages that there are")
        )


def _cut(checkpoint: Checkpoint, count: int) -> Checkpoint:
    """Return a checkpoint of the first stages, and of the records of those among them."""
    records = tuple(record for record in checkpoint.records if record.index < count)
    return replace(checkpoint, cascade=first_stages(checkpoint.cascade, count), records=records)


def options_there(out: Path) -> dict[str, Any]:
    """Return the options of the training that a folder holds; none if there is no training."""
    folder = CascadeFolder(out)
    there = typed_options(folder.read_recipe() or {}, CascadeTrainingOptions, folder.recipe)
    return {name: value for name, value in there.items() if name != "engine"}


def _require_lasting(continue_from: Path | None, out: Path) -> None:
    """Raise if a cascade to continue from is removed or written anew by a training in `out`."""
    if continue_from is None:
        return
    given, folder = continue_from.resolve(), CascadeFolder(out)
    if given == folder.cascade.resolve() or given.is_relative_to(folder.engine.resolve()):
        raise OptionError(
            f"`continue_from` is a file of the training in `out`, which would replace it: "
            f"{continue_from}",
            hint="use `resume` without it, or another `out`",
        )


def _start(options: CascadeTrainingOptions, given: Cascade | None) -> Cascade:
    """Return the cascade to begin with: without a stage, or one that was given."""
    stage = options.stage
    parameters: dict[str, object] = {
        "boostType": stage.method,
        "minHitRate": stage.hit_rate,
        "maxFalseAlarm": stage.false_alarm_rate,
        "weightTrimRate": stage.weight_trim_rate,
        "maxDepth": stage.max_depth,
        "maxWeakCount": stage.max_weak_count,
    }
    if options.feature_type == "HAAR":
        parameters["mode"] = options.haar_mode
    if given is None:
        return Cascade(options.feature_type, options.size_wh, (), (), parameters)
    stages = given.stages[: options.continue_stages]
    _require_alike(replace(given, stages=stages), options)
    if len(stages) < (options.continue_stages or 1):
        raise OptionError(
            f"`continue_stages` is {options.continue_stages}, but {options.continue_from} has "
            f"{counted(len(stages), 'stage')}",
        )
    return replace(given, stages=stages, parameters=parameters)


def _require_alike(given: Cascade, options: CascadeTrainingOptions) -> None:
    wanted, found = (
        f"{kind} with a window of {size_wh[0]}x{size_wh[1]}"
        for kind, size_wh in (
            (options.feature_type, options.size_wh),
            (given.feature_type, given.size_wh),
        )
    )
    if wanted != found:
        raise InputError(
            f"The cascade to continue from is of {found}, and the training of {wanted}",
            hint="set `feature_type` and `size_wh` as the cascade has them",
            path=options.continue_from,
        )
    if len(given.stages) >= options.stages:
        raise OptionError(
            f"There is no new stage to train: {options.continue_from} has {len(given.stages)} "
            f"stages, and `stages` is {options.stages}, which counts them too",
            hint=f"set `stages` to {len(given.stages) + 1} or more",
        )


def _where_to_start(
    folder: CascadeFolder, options: CascadeTrainingOptions, start: Cascade, *, continues: bool
) -> Checkpoint:
    checkpoint = read_checkpoint(folder.engine) if continues else None
    if checkpoint is None:
        return Checkpoint(start)
    there = len(checkpoint.cascade.stages)
    if there > options.stages:
        raise TrainingError(
            f"The training has {there} stages already, and `stages` is {options.stages}",
            hint=f"write the cascade of the first {options.stages} by `finish`",
            path=folder.path,
        )
    # A cascade's file has the parameters of its last training.
    cascade = replace(checkpoint.cascade, parameters=start.parameters)
    return replace(checkpoint, cascade=cascade)


def _trained_on(
    options: CascadeTrainingOptions, backgrounds: BackgroundFiles, workers: Workers,
    progress: Progress,
) -> dict[str, str | int]:  # fmt: skip
    """Return what two trainings must have in common, besides options, to train the same stages."""
    digests = digest_samples(
        backgrounds, vec=options.vec, info=options.info, label=options.label, workers=workers,
        progress=progress,
    )  # fmt: skip
    found: dict[str, str | int] = {"version of the engine": VERSION, **digests}
    if options.continue_from is not None:
        found["first stages"] = digest_file(options.continue_from)
    return found


def _conclude(
    folder: CascadeFolder,
    options: CascadeTrainingOptions,
    reached: Checkpoint,
    ending: StopReason | None,
    notes: tuple[str, ...] = (),
) -> CascadeTrainingResult:
    """Write the result and the cascade of a training."""
    ending = ending or StopReason("all stages are trained")
    after = f" (after {reached.given} that were given)" if reached.given else ""
    result = CascadeTrainingResult(
        cascade=folder.cascade,
        engine=options.engine,
        feature_type=options.feature_type,
        size_wh=options.size_wh,
        stages=reached.records,
        stages_wanted=options.stages - reached.given,
        seconds=round(reached.seconds, 2),
        stopped_because=f"{ending.why}{after}",
        advice=ending.advice,
        acceptance_ratio=ending.acceptance_ratio,
        notes=notes,
    )
    folder.write_stages(list(reached.records))
    folder.write_result(result)
    # Last, since where it is, the training has ended.
    write_cascade(folder.cascade, reached.cascade, overwrite=True)
    return result


# The folder of a training that fails or is interrupted.


@contextmanager
def cleared_without_a_stage(folder: CascadeFolder) -> Iterator[None]:
    """Empty the folder if the body fails before the first stage: there is nothing to continue."""
    try:
        yield
    except FerError:
        if not (folder.engine / STATE).exists():
            folder.clear()
        raise


@contextmanager
def told_what_is_kept(folder: CascadeFolder, progress: Progress) -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C; on an interruption, note which stages are kept."""
    try:
        with signals_as_interrupts():
            yield
    except KeyboardInterrupt:
        checkpoint = read_checkpoint(folder.engine)
        kept = len(checkpoint.cascade.stages) if checkpoint else 0
        progress.note(folder.what_is_kept(kept))
        raise
