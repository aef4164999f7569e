"""Run ``opencv_traincascade``, and explain its end from its output and files.

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

from fercli.cascade.opencv3 import ProgramSettings
from fercli.cascade.opencv3.preparation import Buffers
from fercli.cascade.training.report import StageRecord
from fercli.common.errors import FerError, OutputError, ProgramError, TrainingError
from fercli.common.processes import running

#: Lines left out of the log: one for each sample, and the rules of the table.
VERBOSE_LINES = re.compile(r"(POS|NEG) current samples: (\d{1,18})|\+[-+]*\+")

_BEGIN = re.compile(r"===== TRAINING (\d{1,18})-stage =====")
_POSITIVES = re.compile(r"POS count : consumed\s+(\d+) : (\d+)")
_NEGATIVES = re.compile(r"NEG count : acceptanceRatio\s+(\d+) : (\S+)")
_ROW = re.compile(r"\|\s*(\d+)\|\s*([-+\w.]+)\|\s*([-+\w.]+)\|")
_ABORT = re.compile(r"error: \([^)]*\)\s*(.+)")

#: The program's messages when it stops by one of its rules.
TARGET = "Required leaf false alarm rate achieved"
RATIO_BREAK = "The required acceptanceRatio for the model has been reached"
NO_SAMPLES = "Train dataset for temp stage can not be filled"
RULES = (TARGET, RATIO_BREAK, NO_SAMPLES)

#: The message when positives run out.
NO_POSITIVES = "Can not get new positive sample"


@dataclass
class TrainingLog:
    """The state of a running training, read from the program's output.

    Parameters
    ----------
    on_stage : callable
        Called with each stage when it is trained and written.
    on_figures : callable
        Called with a short text on each progress within a stage.
    clock : callable
        Returns seconds.
    current : StageRecord or None
        The stage being trained.
    found : dict
        Samples, "POS" and "NEG", found for this stage.
    rule : str or None
        The rule, one of `RULES`, by which the program stopped.
    error : str or None
        The message it aborted with.
    last : deque of str
        The last lines, without those of single samples.
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
    _shown: str = ""

    def read(self, line: str) -> None:
        """Process one line of the program's output; an empty one if there is none."""
        if not line:
            self.on_figures(self._shown)
            return
        if verbose := VERBOSE_LINES.fullmatch(line):
            if verbose[1]:
                self._count(verbose[1], int(verbose[2]))
            return
        self.last.append(line)
        if begin := _BEGIN.match(line):
            self.current, self.found, self._begun = StageRecord(int(begin[1]), 0), {}, self.clock()
        elif self.current is not None and not self._end(line, self.current):
            with suppress(ValueError):  # values that are not numbers
                self._within(line, self.current)
        if abort := _ABORT.search(line):
            self.error = abort[1].strip()
        elif self.error is not None and line.startswith("> "):  # messages of several lines
            self.error = f"{line[2:]} {self.error}".strip()

    def _count(self, kind: str, number: int) -> None:
        self.found[kind] = number
        what = "positives" if kind == "POS" else "negatives"
        self._show(f"{number} {what}")

    def _within(self, line: str, stage: StageRecord) -> None:
        if found := _POSITIVES.match(line):
            self.current = replace(stage, positives=int(found[1]), positives_consumed=int(found[2]))
        elif found := _NEGATIVES.match(line):
            self.current = replace(stage, negatives=int(found[1]), acceptance_ratio=float(found[2]))
            self._show("computing features")
        elif found := _ROW.match(line):
            self.current = replace(
                stage,
                weak_classifiers=int(found[1]),
                hit_rate=float(found[2]),
                false_alarm_rate=float(found[3]),
            )
            self._show(
                f"{found[1]} weak, hit rate {float(found[2]):.4f}, "
                f"false alarm rate {float(found[3]):.4f}"
            )

    def _end(self, line: str, stage: StageRecord) -> bool:
        """Process the end of a stage; return whether the line is one."""
        for rule in RULES:
            if line.startswith(rule):
                self.rule = rule
                return True
        if line.startswith("Training until now has taken"):
            self.on_stage(replace(stage, seconds=round(self.clock() - self._begun, 2)))
            self.current = None
            return True
        return False

    def _show(self, text: str) -> None:
        assert self.current is not None
        self._shown = f"stage {self.current.index}: {text}"
        self.on_figures(self._shown)


#: The program's name of its result.
CASCADE_NAME = "cascade.xml"

#: Interval of redrawing a bar while the program prints nothing, in seconds.
TICK_SECONDS = 1.0

#: Fewest windows for a meaningful false alarm rate.
MIN_WINDOWS_FOR_RATE = 20

#: Text in its messages when it fails, the error, its meaning, and a hint.
KNOWN_FAILURES: tuple[tuple[str, type[FerError], str, str | None], ...] = (
    (
        "_img.rows * _img.cols == vecSize",
        TrainingError,
        "the samples of the .vec file do not have the window's size",
        "set `size` to the one it was made with",
    ),
    (
        NO_POSITIVES,
        TrainingError,
        "too few positives pass the stages so far",
        "use fewer `positives`, or `finish` for a cascade of those stages",
    ),
    (
        "Insufficient memory",
        TrainingError,
        "it ran out of memory",
        "use a smaller `value_buffer` and `index_buffer`, or fewer `positives` and `negatives`",
    ),
    (
        "Failed to allocate",
        TrainingError,
        "it ran out of memory",
        "use a smaller `value_buffer` and `index_buffer`, or fewer `positives` and `negatives`",
    ),
    (
        "exceeds integer fields limit",
        TrainingError,
        "its buffer of indices is too large for it",
        "use a smaller `index_buffer`, or fewer `positives` and `negatives`",
    ),
    (
        "can not be opened",
        OutputError,
        "it cannot write its stages",
        "check that the folder exists and the disk has space",
    ),
    ("Image reader can not be created", TrainingError, "it cannot open `vec` or `bg`", None),
    ("_step >= minstep", TrainingError, "all backgrounds are smaller than the window", None),
    (
        "Parsing error",
        TrainingError,
        "a file of an earlier stage is damaged",
        "use `overwrite` to start again",
    ),
    (
        "can't be trained",
        TrainingError,
        "the first stage cannot be trained: there are too few samples, or they are all alike",
        "use more, and more varied, samples",
    ),
)


@dataclass(frozen=True)
class ProgramRun:
    """The end of a run of the program.

    Parameters
    ----------
    status : int
        Its exit status, which is not reliable.
    log : TrainingLog
        Its output.
    cascade : Path
        The cascade that it writes at its end.
    """

    status: int
    log: TrainingLog
    cascade: Path

    @property
    def ran_out_of_positives(self) -> bool:
        """Whether it aborted because too few positives pass the stages so far."""
        return self.log.error is not None and NO_POSITIVES in self.log.error


@dataclass(frozen=True)
class TrainCascade:
    """A runner of the program in a folder of its stages.

    Parameters
    ----------
    program : Path
        The program.
    folder : Path
        The folder of its stages, its option ``-data``.
    log : Path
        The file that its output is appended to.
    lock : int
        The descriptor of a lock that it holds while it runs.
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
    ) -> ProgramRun:
        """Train until the program ends; its output goes to the log and to `listener`."""
        command = [
            str(self.program), *arguments(settings, bg), "-precalcValBufSize",
            str(buffers.value_mb), "-precalcIdxBufSize", str(buffers.index_mb),
            *(["-baseFormatSave"] if settings.old_format else []),
            *(["-numThreads", str(settings.workers)] if settings.workers else []),
        ]  # fmt: skip
        cascade = self.folder / CASCADE_NAME
        cascade.unlink(missing_ok=True)
        with (
            # File names that are not UTF-8 are written as the bytes that they are.
            self.log.open("a", encoding="utf-8", errors="surrogateescape", buffering=1) as log,
            running(command, folder=self.folder, handed_on=[self.lock]) as child,
        ):
            log.write(f"# {datetime.now():%Y-%m-%d %H:%M:%S} {shlex.join(command)}\n")
            for line in child.lines(TICK_SECONDS):
                if line and not VERBOSE_LINES.fullmatch(line):
                    log.write(line + "\n")
                listener.read(line)
            status = child.wait()
            log.write(f"# {datetime.now():%Y-%m-%d %H:%M:%S} ended with status {status}\n")
        return ProgramRun(status, listener, cascade)


def arguments(settings: ProgramSettings, bg: Path) -> list[str]:
    """Return the program's arguments, without its buffers.

    It runs in the folder of its stages, because OpenCV's storages misread names with a ``?``.
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
        # Its default is 0.95 as a double; a given value becomes a float32, and trees may differ.
        options["weightTrimRate"] = settings.weight_trim_rate
    if settings.feature_type == "HAAR":
        options["mode"] = settings.mode or "BASIC"
    if settings.acceptance_ratio_break is not None:
        options["acceptanceRatioBreakValue"] = settings.acceptance_ratio_break
    return [word for name, value in options.items() for word in (f"-{name}", str(value))]


def explain_failure(run: ProgramRun, log: Path) -> FerError:
    """Return the error of a run that wrote no cascade."""
    said = "\n".join(run.log.last)
    if run.log.rule == NO_SAMPLES:
        what = "positive" if run.log.current and run.log.current.positives is None else "window"
        return TrainingError(
            f"The first stage cannot be trained: no {what} passes the stages before"
        )
    for words, kind, meaning, hint in KNOWN_FAILURES:
        if words in said:
            return kind(
                f"opencv_traincascade stopped: {meaning}", hint=hint or f"see its log, {log}"
            )
    if run.status == 137:
        return TrainingError(
            "opencv_traincascade was killed, possibly because the system ran out of memory",
            hint="use a smaller `value_buffer` and `index_buffer`, or fewer samples; the same "
            "command continues from the stages trained so far",
        )
    reason = run.log.error or (run.log.last[-1] if run.log.last else "it printed nothing")
    return ProgramError(
        f"opencv_traincascade ended with status {run.status} and no cascade: {reason}",
        hint=f"see its log, {log}",
    )


def explain_stop(run: ProgramRun, settings: ProgramSettings, stages: int) -> tuple[str, str]:
    """Return why a run that wrote a cascade of `stages` stages ended, and a hint."""
    log = run.log
    if stages >= settings.stages:
        return "all stages are trained", ""
    if log.rule == TARGET:
        return _target(settings, run)
    if log.rule == RATIO_BREAK:
        ratio = log.current.acceptance_ratio if log.current else None
        return (
            f"the acceptance ratio has reached {ratio}, the limit of `acceptance_ratio_break`",
            "",
        )
    if log.rule == NO_SAMPLES:
        what = "positives" if log.current and log.current.positives is None else "windows"
        return f"no more {what} pass the stages so far", ""
    return (
        f"stage {stages} cannot be trained: no feature separates its samples",
        "use more, or more varied, samples",
    )


def _target(settings: ProgramSettings, run: ProgramRun) -> tuple[str, str]:
    """Explain a stop at the false alarm rate of the whole cascade, which may be premature."""
    limit = settings.max_false_alarm_rate**settings.stages / settings.max_depth
    rate = f"{settings.max_false_alarm_rate:g}^{settings.stages}"
    if settings.max_depth > 1:
        rate += f" / {settings.max_depth}"
    found = run.log.found.get("NEG", 0)
    if found >= MIN_WINDOWS_FOR_RATE:
        return (
            f"the target false alarm rate of the whole cascade, {rate} = {limit:.2g}, is reached",
            "for more stages, continue with `resume` and more `stages`",
        )
    seen = "none" if found == 0 else f"only {found}"
    return (
        f"stopped early: {seen} of the first windows passed, from which opencv_traincascade "
        f"concludes that the target false alarm rate of the whole cascade, {rate} = {limit:.2g}, "
        "is reached, although a few windows of one image are no reliable estimate",
        "for more stages, continue with `resume` and more `stages` (each lowers that limit), or "
        "with backgrounds in another order",
    )
