"""``opencv_traincascade``: run with settings, its end told from what it says and leaves.

Its exit status is 0 for most failures and 134 (an uncaught exception) for others.

See: apps/traincascade in OpenCV 3.4.
"""

from __future__ import annotations

import re
import shlex
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from fercli.cascade.opencv3.settings import Buffers, ProgramSettings
from fercli.cascade.training.report import StageRecord
from fercli.common.errors import FerError, OutputError, ProgramError, TrainingError
from fercli.common.subprocesses import running

#: Lines that would fill the log: one for each sample, and the rules of the table.
FLOOD = re.compile(r"(POS|NEG) current samples: (\d{1,18})|\+[-+]*\+")

_BEGIN = re.compile(r"===== TRAINING (\d{1,18})-stage =====")
_POSITIVES = re.compile(r"POS count : consumed\s+(\d+) : (\d+)")
_NEGATIVES = re.compile(r"NEG count : acceptanceRatio\s+(\d+) : (\S+)")
_ROW = re.compile(r"\|\s*(\d+)\|\s*([-+\w.]+)\|\s*([-+\w.]+)\|")
_ABORT = re.compile(r"error: \([^)]*\)\s*(.+)")

#: What the program says when it stops by one of its rules.
TARGET = "Required leaf false alarm rate achieved"
RATIO_BREAK = "The required acceptanceRatio for the model has been reached"
NO_SAMPLES = "Train dataset for temp stage can not be filled"
RULES = (TARGET, RATIO_BREAK, NO_SAMPLES)

#: What it says when positives run out; the last two for files that lie about their length.
NO_POSITIVES = "Can not get new positive sample"


@dataclass
class TrainingLog:
    """What is known so far of a running training.

    Parameters
    ----------
    on_stage : callable
        Called with each stage when it is done and written.
    on_figures : callable
        Called with a few words whenever there is something new within a stage.
    clock : callable
        Gives seconds.
    current : StageRecord or None
        What is known of the stage that is being trained.
    found : dict
        How many samples, "POS" and "NEG", this stage has found.
    rule : str or None
        One of `RULES`, by which the program has stopped.
    error : str or None
        What it aborted with.
    last : deque of str
        The last lines that are not for single samples.
    """

    on_stage: Callable[[StageRecord], None] = lambda record: None
    on_figures: Callable[[str], None] = lambda text: None
    clock: Callable[[], float] = time.monotonic
    current: StageRecord | None = None
    found: dict[str, int] = field(default_factory=dict)
    rule: str | None = None
    error: str | None = None
    last: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    _begun: float = 0.0
    _told: str = ""

    def read(self, line: str) -> None:
        """Take one line of the program's output; an empty one if it is silent."""
        if not line:
            self.on_figures(self._told)
            return
        if flood := FLOOD.fullmatch(line):
            if flood[1]:
                self._count(flood[1], int(flood[2]))
            return
        self.last.append(line)
        if begin := _BEGIN.match(line):
            self.current, self.found, self._begun = StageRecord(int(begin[1]), 0), {}, self.clock()
        elif self.current is not None and not self._end(line, self.current):
            with suppress(ValueError):  # figures that are none
                self._within(line, self.current)
        if abort := _ABORT.search(line):
            self.error = abort[1].strip()
        elif self.error is not None and line.startswith("> "):  # messages of several lines
            self.error = f"{line[2:]} {self.error}".strip()

    def _count(self, kind: str, number: int) -> None:
        self.found[kind] = number
        what = "positives" if kind == "POS" else "negatives"
        self._tell(f"{number} {what}")

    def _within(self, line: str, stage: StageRecord) -> None:
        if found := _POSITIVES.match(line):
            self.current = replace(stage, positives=int(found[1]), positives_consumed=int(found[2]))
        elif found := _NEGATIVES.match(line):
            self.current = replace(stage, negatives=int(found[1]), acceptance_ratio=float(found[2]))
            self._tell("computing features")
        elif found := _ROW.match(line):
            self.current = replace(
                stage,
                weak_classifiers=int(found[1]),
                hit_rate=float(found[2]),
                false_alarm_rate=float(found[3]),
            )
            self._tell(
                f"{found[1]} weak, hit rate {float(found[2]):.4f}, "
                f"false alarm rate {float(found[3]):.4f}"
            )

    def _end(self, line: str, stage: StageRecord) -> bool:
        """Take note of a stage's end; return whether the line tells one."""
        for rule in RULES:
            if line.startswith(rule):
                self.rule = rule
                return True
        if line.startswith("Training until now has taken"):
            self.on_stage(replace(stage, seconds=round(self.clock() - self._begun, 2)))
            self.current = None
            return True
        return False

    def _tell(self, text: str) -> None:
        assert self.current is not None
        self._told = f"stage {self.current.index}: {text}"
        self.on_figures(self._told)


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
        "windows of one image say little",
        "to train on: --resume with more --stages (each makes that limit lower), or "
        "backgrounds in another order",
    )
