"""The cases of one reader, one after the other, in a process of their own."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from types import FrameType

from scripts.fuzz.mutations import mutate
from scripts.fuzz.reader import MB, Reader
from scripts.fuzz.targets import READERS

#: Seconds of work that a case may take, however busy the machine is.
SLOWEST = 10
#: What a worker may allocate beyond what it has after its imports.
MOST_MEMORY = 6 << 30
#: Cases, or seconds, between two reports.
REPORTED_AT_ONCE, REPORTED_AFTER = 50, 5
#: Failing inputs kept of each kind of failure.
KEPT = 3


class SlowError(BaseException):
    """Raised in a case that takes longer than `SLOWEST`; nothing in fer catches it."""


@dataclass(frozen=True)
class CaseFiles:
    """Where the cases of a reader are, and where those that fail are kept."""

    reader: str
    folder: Path
    failed: Path

    @property
    def home(self) -> Path:
        """The folder of the cases."""
        return self.folder / re.sub(r"[^\w.]+", "-", self.reader)

    @property
    def case(self) -> Path:
        """The file that each case is written to."""
        return self.home / READERS[self.reader].file

    @property
    def log(self) -> Path:
        """What is written to the standard outputs."""
        return self.folder / f"{self.home.name}.log"

    def note(self, number: int) -> None:
        """Note which case is begun."""
        self._number.write_bytes(b"%d" % number)

    def number(self) -> int | None:
        """Return the case that was begun last."""
        return int(self._number.read_bytes() or 0) if self._number.exists() else None

    def keep(self, number: int, why: str, details: str) -> None:
        """Keep the case at hand, and what became of it."""
        self.failed.mkdir(parents=True, exist_ok=True)
        name = f"{self.home.name}-{number}"
        (self.failed / f"{name}.txt").write_text(f"{why}\n\n{details}", errors="replace")
        with contextlib.suppress(OSError):
            shutil.copyfile(self.case, self.failed / f"{name}-{self.case.name}")

    @property
    def _number(self) -> Path:
        return self.folder / f"{self.home.name}.number"


def content_of(reader: Reader, valid: Sequence[bytes], seed: int, number: int) -> bytes:
    """Return the content of a case; the same for the same seed and number."""
    return mutate(valid, Random(f"{seed}:{reader.name}:{number}"))


def work(files: CaseFiles, begin: int, end: int, seed: int, results: Connection) -> None:
    """Run cases of a reader and tell of them; the process is this function's."""
    _prepare(files)
    reader = READERS[files.reader]
    reader.beside(files.home)
    valid = list(reader.valid())
    files.case.parent.mkdir(parents=True, exist_ok=True)
    for content in valid:  # imports and caches are no growth
        files.case.write_bytes(content)
        with contextlib.suppress(*reader.refusals):
            reader.read(files.home)
    _bound_memory()
    cases = _Cases(reader, files, results)
    started = time.monotonic()
    for number in range(begin, end):
        files.note(number)
        files.case.write_bytes(content_of(reader, valid, seed, number))
        cases.run(number)
    cases.report()
    results.send(("seconds", time.monotonic() - started))


def _prepare(files: CaseFiles) -> None:
    shutil.rmtree(files.home, ignore_errors=True)
    files.home.mkdir(parents=True)
    log = files.log.open("w")
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log.fileno(), stream.fileno())
    faulthandler.enable(log)
    signal.signal(signal.SIGPROF, _too_slow)


def _bound_memory() -> None:
    used = _memory("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, resource.RLIM_INFINITY))


@dataclass
class _Cases:
    reader: Reader
    files: CaseFiles
    results: Connection
    named: int = 0
    accepted: int = 0
    early: int = 0
    reported: float = field(default_factory=time.monotonic)
    failures: Counter[str] = field(default_factory=Counter)

    def run(self, number: int) -> None:
        """Run one case, and tell of it sooner or later."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _memory("VmRSS")
        failure = self._read()
        taken = _memory("VmHWM") - before
        if failure is None and taken > self.reader.memory:
            failure = ("takes much memory", f"{taken / MB:.0f} MB")
        if failure is not None:
            self._fail(number, *failure)
        elif self.named + self.accepted >= REPORTED_AT_ONCE or self.is_due():
            self.report()

    def is_due(self) -> bool:
        """Whether the last report was long ago."""
        return time.monotonic() - self.reported > REPORTED_AFTER

    def report(self) -> None:
        """Tell what came of the cases since the last time."""
        now = _memory("VmRSS")
        self.early = self.early or now
        self.results.send(("done", self.named, self.accepted, now - self.early))
        self.reported = time.monotonic()
        self.named = self.accepted = 0

    def _read(self) -> tuple[str, str] | None:
        """Return where and how it failed; None if it did not."""
        signal.setitimer(signal.ITIMER_PROF, SLOWEST)
        try:
            self.reader.read(self.files.home)
        except self.reader.refusals:
            self.named += 1
        except (Exception, SlowError) as error:
            return _location_of(error), traceback.format_exc()
        else:
            self.accepted += 1
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return None

    def _fail(self, number: int, why: str, details: str) -> None:
        self.failures[why] += 1
        if self.failures[why] <= KEPT:
            self.files.keep(number, why, details)
        self.results.send(("failed", why))


def _location_of(error: BaseException) -> str:
    """Return the kind of an error and the last line of fer that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/fercli/" in frame.filename] or frames
    file = ours[-1].filename.rpartition("/fercli/")[2]
    return f"{type(error).__name__} in {file}:{ours[-1].lineno}"


def _memory(what: str) -> int:
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123  # many times a second
        text = status.read()
    return int(text.split(what.encode() + b":")[1].split(None, 1)[0]) << 10


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise SlowError(f"more than {SLOWEST} s of work")
