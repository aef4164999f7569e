"""``opencv_traincascade``: run with settings, its end told from what it says and leaves.

Its exit status is 0 for most failures and 134 (an uncaught exception) for others.

See: apps/traincascade in OpenCV 3.4.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fercli.cascade.opencv3.settings import ProgramSettings
from fercli.cascade.opencv_tools.buffers import Buffers
from fercli.cascade.opencv_tools.training_log import (
    FLOOD,
    NO_POSITIVES,
    NO_SAMPLES,
    RATIO_BREAK,
    TARGET,
    TrainingLog,
)
from fercli.common.errors import FerError, OutputError, ProgramError, TrainingError
from fercli.common.subprocesses import running

#: The program's own name of its result.
PRODUCT = "cascade.xml"

#: How often a bar is drawn anew while the program is silent, in seconds.
TICK = 1.0

#: With fewer windows than these, a share of them says little.
CREDIBLE = 20

#: Words of its messages when it fails; what they mean; what to try.
KNOWN: tuple[tuple[str, type[FerError], str, str | None], ...] = (
    (
        "_img.rows * _img.cols == vecSize",
        TrainingError,
        "the samples of the .vec file are not of the window's size",
        "the --size that it was made with",
    ),
    (
        NO_POSITIVES,
        TrainingError,
        "too few positives pass the stages so far, again and again",
        "fewer --positives, or --finish for a cascade of those stages",
    ),
    (
        "Insufficient memory",
        TrainingError,
        "the memory does not suffice",
        "smaller --value-buffer and --index-buffer, or fewer samples (--positives, --negatives)",
    ),
    (
        "Failed to allocate",
        TrainingError,
        "the memory does not suffice",
        "smaller --value-buffer and --index-buffer, or fewer samples (--positives, --negatives)",
    ),
    (
        "exceeds integer fields limit",
        TrainingError,
        "its buffer of indices is too large for it",
        "a smaller --index-buffer, or fewer samples (--positives, --negatives)",
    ),
    (
        "can not be opened",
        OutputError,
        "it cannot write its stages",
        "is the disk full, or the folder gone?",
    ),
    ("Image reader can not be created", TrainingError, "it cannot open --vec or --bg", None),
    ("_step >= minstep", TrainingError, "all backgrounds are smaller than the window", None),
    (
        "Parsing error",
        TrainingError,
        "a file of an earlier stage is damaged",
        "--overwrite to start anew",
    ),
    (
        "can't be trained",
        TrainingError,
        "not even a first stage can be trained: the samples are too few, or all alike",
        "more and more different samples",
    ),
)


@dataclass(frozen=True)
class Run:
    """How a run of the program ended.

    Parameters
    ----------
    status : int
        Its exit status, which says little.
    log : TrainingLog
        What it said.
    product : Path
        Where it writes the cascade; there if it came to its end.
    """

    status: int
    log: TrainingLog
    product: Path

    @property
    def ran_out_of_positives(self) -> bool:
        """Whether it aborted because too few positives pass the stages so far."""
        return self.log.error is not None and NO_POSITIVES in self.log.error


@dataclass(frozen=True)
class TrainCascade:
    """The program, ready to run in a folder that holds its stages.

    Parameters
    ----------
    program : Path
        The program.
    folder : Path
        Where its stages are: what it calls ``-data``.
    log : Path
        The file that its output is added to.
    lock : int
        The descriptor of a lock that it holds as long as it runs.
    """

    program: Path
    folder: Path
    log: Path
    lock: int

    def run(
        self,
        settings: ProgramSettings,
        bg: Path,
        listener: TrainingLog,
        buffers: Buffers,
    ) -> Run:
        """Train until the program ends; what it prints goes to the log and to `listener`."""
        command = [
            str(self.program), *arguments(settings, bg), "-precalcValBufSize",
            str(buffers.value_mb), "-precalcIdxBufSize", str(buffers.index_mb),
            *(["-baseFormatSave"] if settings.old_format else []),
            *(["-numThreads", str(settings.workers)] if settings.workers else []),
        ]  # fmt: skip
        product = self.folder / PRODUCT
        product.unlink(missing_ok=True)
        with (
            # File names that are not UTF-8 are written as the bytes that they are.
            self.log.open("a", encoding="utf-8", errors="surrogateescape", buffering=1) as log,
            running(command, folder=self.folder, handed_on=[self.lock]) as child,
        ):
            log.write(f"# {datetime.now():%Y-%m-%d %H:%M:%S} {shlex.join(command)}\n")
            for line in child.lines(TICK):
                if line and not FLOOD.fullmatch(line):
                    log.write(line + "\n")
                listener.read(line)
            status = child.wait()
            log.write(f"# {datetime.now():%Y-%m-%d %H:%M:%S} ended with status {status}\n")
        return Run(status, listener, product)


def arguments(settings: ProgramSettings, bg: Path) -> list[str]:
    """Return what the program is told, but for its buffers.

    It runs in the folder of its stages: OpenCV's storages stumble over names with a ``?``.
    """
    width, height = settings.size_wh
    options: dict[str, object] = {
        "data": ".", "vec": settings.vec, "bg": bg, "numPos": settings.positives,
        "numNeg": settings.negatives, "numStages": settings.stages, "w": width, "h": height,
        "featureType": settings.feature_type, "bt": settings.boost_type,
        "minHitRate": settings.min_hit_rate, "maxFalseAlarmRate": settings.max_false_alarm_rate,
        "maxDepth": settings.max_depth,
        "maxWeakCount": settings.max_weak_count,
    }  # fmt: skip
    if settings.weight_trim_rate != ProgramSettings.weight_trim_rate:
        # Its default is 0.95; told so, it takes the nearest float32, and trees may differ.
        options["weightTrimRate"] = settings.weight_trim_rate
    if settings.feature_type == "HAAR":
        options["mode"] = settings.mode or "BASIC"
    if settings.acceptance_ratio_break is not None:
        options["acceptanceRatioBreakValue"] = settings.acceptance_ratio_break
    return [word for name, value in options.items() for word in (f"-{name}", str(value))]


def why_failed(run: Run, log: Path) -> FerError:
    """Return the error that a run without a cascade ended with."""
    said = "\n".join(run.log.last)
    if run.log.rule == NO_SAMPLES:
        what = "positive" if run.log.current and run.log.current.positives is None else "window"
        return TrainingError(f"no {what} passes: not even a first stage can be trained")
    for words, kind, meaning, hint in KNOWN:
        if words in said:
            return kind(f"opencv_traincascade stopped: {meaning}", hint=hint or f"its log, {log}")
    if run.status == 137:
        return TrainingError(
            "opencv_traincascade was killed; if nobody did, the system's memory ran out",
            hint="smaller --value-buffer and --index-buffer, or fewer samples; what was trained "
            "is kept, and the same command goes on",
        )
    reason = run.log.error or (run.log.last[-1] if run.log.last else "it said nothing")
    return ProgramError(
        f"opencv_traincascade ended with status {run.status} and no cascade: {reason}",
        hint=f"its log, {log}",
    )


def why_stopped(run: Run, settings: ProgramSettings, stages: int) -> tuple[str, str]:
    """Return why a run that left a cascade of `stages` stages ended, and what to do about it."""
    log = run.log
    if stages >= settings.stages:
        return "all stages are trained", ""
    if log.rule == TARGET:
        return _target(settings, run)
    if log.rule == RATIO_BREAK:
        ratio = log.current.acceptance_ratio if log.current else None
        return f"the acceptance ratio has come down to {ratio}, --acceptance-ratio-break", ""
    if log.rule == NO_SAMPLES:
        what = "positives" if log.current and log.current.positives is None else "windows"
        return f"no more {what} pass the stages so far", ""
    return (
        f"stage {stages} cannot be trained: no feature tells its samples apart",
        "more samples, or more different ones, may help",
    )


def _target(settings: ProgramSettings, run: Run) -> tuple[str, str]:
    """Explain the rule that stops at the rate of the whole cascade, or too early."""
    limit = settings.max_false_alarm_rate**settings.stages / settings.max_depth
    rate = f"{settings.max_false_alarm_rate:g}^{settings.stages}"
    if settings.max_depth > 1:
        rate += f" / {settings.max_depth}"
    found = run.log.found.get("NEG", 0)
    if found >= CREDIBLE:
        return (
            f"the false alarm rate wanted of the whole cascade, {rate} = {limit:.2g}, is reached",
            "for more stages: --resume with more --stages",
        )
    seen = "none" if found == 0 else f"only {found}"
    return (
        f"stopped early: {seen} of the first windows passed, which opencv_traincascade takes for "
        f"the false alarm rate wanted of the whole cascade, {rate} = {limit:.2g}, although a few "
        "windows of one picture say little",
        "to train on: --resume with more --stages (each makes that limit lower), or "
        "backgrounds in another order",
    )
