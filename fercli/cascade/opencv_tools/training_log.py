"""What ``opencv_traincascade`` prints, read as it comes.

It prints a line for each sample that it finds, ended by a carriage return; a table with a row for
each weak classifier; and a few words when it stops, whatever the reason.

See: OpenCV 3.4, apps/traincascade/cascadeclassifier.cpp and boost.cpp.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from fercli.cascade.training.report import StageRecord

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
