"""A training by ``opencv_traincascade``: checked, watched, continued, and reported."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fercli.cascade.model import read_cascade
from fercli.cascade.opencv3 import ProgramSettings
from fercli.cascade.opencv3.preparation import (
    MIN_SAMPLES_TO_SPLIT,
    Buffers,
    check_backgrounds,
    check_positives,
    count_features,
    most_positives,
    note_plan,
    plan_buffers,
    prepare_backgrounds,
    resolve_counts,
)
from fercli.cascade.opencv3.programs import find_program, opencv_version, problem_of
from fercli.cascade.opencv3.traincascade import (
    ProgramRun,
    TrainCascade,
    TrainingLog,
    explain_failure,
    explain_stop,
)
from fercli.cascade.samples.vec import write_vec
from fercli.cascade.training.backgrounds import BackgroundFiles
from fercli.cascade.training.folder import (
    PARAMETERS,
    CascadeFolder,
    copy_stages,
    keep_whole_stages,
    read_parameters,
    stage_files,
    weak_classifiers,
)
from fercli.cascade.training.report import CascadeTrainingResult, StageRecord
from fercli.cascade.training.sample_digests import (
    digest_samples,
    note_of_changes,
    read_digests,
    write_digests,
)
from fercli.common.errors import CascadeFileError, DependencyError, TrainingError
from fercli.common.parallel import Workers, require_no_cluster
from fercli.common.progress import SILENT, Bar, Progress
from fercli.common.recipes import typed_options
from fercli.common.tables import counted
from fercli.run_folder import changes, other_training

BACKGROUNDS = "bg.txt"

#: How often a training continues with fewer positives before it gives up.
MOST_REDUCTIONS = 5

#: Below this share of the positives asked for, the samples are not what they should be.
LEAST_SHARE = 0.5


def train(
    options: Mapping[str, Any],
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    scheduler: str | None = None,
    progress: Progress = SILENT,
) -> CascadeTrainingResult:
    """Train a cascade, or continue a training of the same settings that was interrupted.

    Parameters and errors as `fercli.cascade.training.engines.Engine`.
    """
    require_no_cluster(Workers(scheduler=scheduler))
    settings = ProgramSettings.from_options(options)
    program = _program(settings.tools)
    settings = resolve_counts(settings, check_positives(settings, progress))
    with CascadeFolder.locked(out) as (folder, lock):
        recipe = {"engine": settings.engine, **settings.to_options()}
        continues = not overwrite and _require_same_training(folder, recipe, resume=resume)
        backgrounds = check_backgrounds(settings.bg, settings.size_wh, progress=progress)
        digests = digest_samples(
            BackgroundFiles(backgrounds.usable, {}), vec=settings.vec, progress=progress
        )
        before = read_digests(folder.engine) if continues else None
        there = len(stage_files(folder.engine))
        notes = note_of_changes(before or digests, digests, there, folder.path, resume=resume)
        for note in notes:
            progress.note(note)
        buffers = plan_buffers(settings, count_features(settings))
        note_plan(settings, backgrounds, buffers, progress)
        if continues:
            adopt_by_hand(folder)
        folder.begin(recipe, _libraries(program), continues=continues)
        write_digests(folder.engine, digests)
        bg = prepare_backgrounds(backgrounds, folder.engine / "backgrounds", progress)
        traincascade = TrainCascade(program, folder.engine, folder.log, lock)
        training = _Training(folder, settings, bg, buffers, traincascade, progress, notes)
        try:
            return training.run()
        except KeyboardInterrupt:
            progress.note(folder.what_is_kept(len(training.stages)))
            raise


def finish(
    out: Path,
    *,
    stages: int | None = None,
    tools: Path | None = None,
    progress: Progress = SILENT,
) -> CascadeTrainingResult:
    """Write the cascade of the stages that a training has come to.

    Parameters and errors as `fercli.cascade.training.engines.Engine`.
    """
    program = _program(tools)
    with CascadeFolder.locked(out) as (folder, lock):
        adopt_by_hand(folder)
        there = keep_whole_stages(folder.engine, progress)
        if there == 0:
            raise TrainingError(
                "The folder has no training with at least one finished stage", path=out
            )
        count = min(stages or there, there)
        with tempfile.TemporaryDirectory(prefix="fer-finish-") as name:
            settings = _stand_in(options_there(out), Path(name), count)
            traincascade = TrainCascade(program, folder.engine, folder.log, lock)
            run = traincascade.run(settings, Path(name, BACKGROUNDS), TrainingLog(), Buffers(0, 0))
        wanted = (folder.read_recipe() or {}).get("stages", there)
        known = known_stages(folder, count)
        seconds = sum(stage.seconds or 0 for stage in known)
        why = "written from the stages that there are", ""
        return _conclude(folder, replace(settings, stages=wanted), run, known, seconds, why)


def _stand_in(options: Mapping[str, Any], folder: Path, stages: int) -> ProgramSettings:
    """Return settings with which the program only writes: it opens samples, but takes none."""
    vec, bg = folder / "none.vec", folder / BACKGROUNDS
    bg.touch()
    given = {**options, "vec": vec, "bg": bg}
    settings = replace(ProgramSettings.from_options(given), stages=stages, positives=1, negatives=1)
    width, height = settings.size_wh
    write_vec(vec, np.zeros((1, height, width), np.uint8))
    return settings


def options_there(out: Path) -> dict[str, Any]:
    """Return the options of the training that a folder holds; none if there is no training."""
    folder = CascadeFolder(out)
    there = typed_options(folder.read_recipe() or {}, ProgramSettings, folder.recipe)
    there = there or read_parameters(folder.engine) or read_parameters(out) or {}
    return {name: value for name, value in there.items() if name != "engine"}


class _Training:
    """One training on its way."""

    def __init__(
        self,
        folder: CascadeFolder,
        settings: ProgramSettings,
        bg: Path,
        buffers: Buffers,
        traincascade: TrainCascade,
        progress: Progress,
        notes: tuple[str, ...],
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.asked = settings.positives or 0
        self.bg = bg
        self.buffers = buffers
        self.traincascade = traincascade
        self.progress = progress
        self.notes = notes
        self.stages = known_stages(folder, keep_whole_stages(folder.engine, progress))

    def run(self) -> CascadeTrainingResult:
        """Train the stages that are missing, with fewer positives if they run out."""
        begun = time.monotonic()
        earlier = sum(stage.seconds or 0 for stage in self.stages)
        missing = self.settings.stages - len(self.stages)
        if self.stages:
            self.progress.note(f"{counted(len(self.stages), 'stage')} there already")
        with self.progress.bar("training", total=max(missing, 0), unit="stage") as bar:
            run = self._attempt(bar)
            for _ in range(MOST_REDUCTIONS):
                if not run.ran_out_of_positives:
                    break
                self._take_fewer_positives(run)
                run = self._attempt(bar)
        seconds = earlier + time.monotonic() - begun
        stages = self.stages[: self.settings.stages]
        why = explain_stop(run, self.settings, len(stages))
        return _conclude(self.folder, self.settings, run, stages, seconds, why, self.notes)

    def _attempt(self, bar: Bar) -> ProgramRun:
        def on_stage(record: StageRecord) -> None:
            self.stages.append(record)
            self.folder.write_stages(self.stages)
            self.progress.note(str(record))
            bar.advance()

        listener = TrainingLog(on_stage=on_stage, on_figures=bar.figures)
        return self.traincascade.run(self.settings, self.bg, listener, self.buffers)

    def _take_fewer_positives(self, run: ProgramRun) -> None:
        """Reduce the positives to what passes the stages so far, less what further ones refuse."""
        wanted, done = self.settings.positives or 0, len(self.stages)
        passing = run.log.found.get("POS", 0)
        fewer = most_positives(passing, replace(self.settings, stages=self.settings.stages - done))
        found = f"{counted(passing, 'positive')} of {wanted} left after {counted(done, 'stage')}"
        if fewer < max(LEAST_SHARE * self.asked, MIN_SAMPLES_TO_SPLIT):
            raise TrainingError(
                f"stage {done}: {found}: many of them are not like the others",
                hint=f"look at them (fer cascade samples show {self.settings.vec}), or use "
                f"`finish` for a cascade of {counted(done, 'stage')}",
            )
        self.progress.note(f"stage {done}: {found}: continuing with {fewer}")
        self.settings = replace(self.settings, positives=fewer)


def known_stages(folder: CascadeFolder, count: int) -> list[StageRecord]:
    """Return a record for each of the first `count` stages on the disk, however little is known."""
    known = {stage.index: stage for stage in folder.read_stages(count)}
    return [
        known.get(index) or StageRecord(index, weak_classifiers(path) or 0)
        for index, path in enumerate(stage_files(folder.engine)[:count])
    ]


def _conclude(
    folder: CascadeFolder,
    settings: ProgramSettings,
    run: ProgramRun,
    stages: list[StageRecord],
    seconds: float,
    why: tuple[str, str],
    notes: tuple[str, ...] = (),
) -> CascadeTrainingResult:
    """Put the cascade of a run in its place, and write down what came of it."""
    if not run.cascade.exists():
        raise explain_failure(run, folder.log)
    try:
        read_cascade(run.cascade)
    except CascadeFileError as error:
        raise TrainingError(
            f"opencv_traincascade wrote a cascade that is not whole: {error.message}",
            hint="free some space on the disk; the stages are kept, and `finish` writes it again",
            path=run.cascade,
        ) from error
    result = CascadeTrainingResult(
        cascade=folder.cascade,
        engine=settings.engine,
        feature_type=settings.feature_type,
        size_wh=settings.size_wh,
        stages=tuple(stages),
        stages_wanted=settings.stages,
        seconds=round(seconds, 2),
        stopped_because=why[0],
        advice=why[1],
        notes=notes,
    )
    folder.write_result(result)
    # Last, since where it is, the training has ended.
    run.cascade.replace(folder.cascade)
    return result


def _program(tools: Path | None) -> Path:
    program = find_program("opencv_traincascade", tools)
    problem = problem_of(program)
    if problem is not None:
        raise DependencyError(problem, hint="fer cascade tools install --overwrite", path=program)
    return program


def _libraries(program: Path) -> dict[str, object]:
    return {
        "opencv_traincascade": opencv_version(program),
        "opencv_traincascade_sha256": hashlib.sha256(program.read_bytes()).hexdigest(),
    }


# Stages of a training for which the program was run by hand.


def _require_same_training(
    folder: CascadeFolder, options: Mapping[str, Any], *, resume: bool
) -> bool:
    """Return whether there is a training to continue, by the engine or by hand.

    Raises
    ------
    TrainingError
        It has other settings; or it was begun by hand, and `resume` is False.
    """
    by_hand = folder.read_recipe() is None
    there = read_parameters(folder.engine) or (read_parameters(folder.path) if by_hand else None)
    by_hand = by_hand and there is not None
    continues = by_hand or folder.may_continue(options, resume=resume)
    if there is not None:
        different = changes(there, {name: options[name] for name in there}).values()
        if different:
            raise other_training(folder.path, [*different], resumable=False)
    if by_hand and not resume:
        raise TrainingError(
            "The folder holds stages of a training that was begun by hand",
            hint="use `resume` to continue it, another `out`, or `overwrite` to start anew",
            path=folder.path,
        )
    return continues


def adopt_by_hand(folder: CascadeFolder) -> None:
    """Take over the stages of a training that the program was run for by hand in this folder."""
    by_hand = folder.read_recipe() is None and (folder.path / PARAMETERS).exists()
    if by_hand and not (folder.engine / PARAMETERS).exists():
        copy_stages(folder.path, folder.engine)
