"""Runs cases in worker processes, and says what came of them.

A worker that hangs in C code, or dies, takes nothing along: the case that it was at is known, its
file is still there, and another worker goes on behind it.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fercli.common.progress import Bar
from scripts.fuzz.cases import CaseFiles, work

#: Seconds after which a worker that does not answer is killed, and that it may take to start.
DEAD, STARTS = 300, 900


@dataclass
class ReaderOutcome:
    """What came of the cases of a reader.

    Parameters
    ----------
    named, accepted : int
        Cases that ended in a named error, and in a result.
    failures : Counter of str
        The others, by what happened and where.
    seconds : float
        The time that they took.
    growth : int
        By how many bytes the worker was larger at its end than after its first cases.
    """

    named: int = 0
    accepted: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    growth: int = 0

    @property
    def cases(self) -> int:
        """How many there were."""
        return self.named + self.accepted + self.failures.total()


@dataclass
class _WorkerRun:
    """Cases of one reader that a worker is at."""

    files: CaseFiles
    end: int
    process: Any
    results: Connection
    heard: float = field(default_factory=lambda: time.monotonic() + STARTS - DEAD)
    silent: bool = False

    def reports(self) -> Iterator[tuple[Any, ...]]:
        """Yield what the worker has said since."""
        try:
            while self.results.poll():
                self.heard = time.monotonic()
                yield self.results.recv()
        except (EOFError, OSError):  # its end of the pipe is closed: it has ended
            self.silent = True

    def is_over(self) -> bool:
        """Whether nothing more will come of it; a worker that hangs is killed."""
        if self.process.is_alive() and time.monotonic() - self.heard > DEAD:
            self.process.kill()
            self.silent = True
            self.files.log.write_text(f"did not answer for {DEAD} s\n")
        if self.silent:
            self.process.join()
        return self.silent


class Fuzz:
    """Runs cases and gathers what came of them.

    Parameters
    ----------
    seed : int
        What the cases follow from.
    workers : int
        Processes at once.
    folder : Path
        For the files of the cases.
    failed : Path
        Where failing inputs are kept.
    bar : Bar
        Advanced with each case.
    """

    def __init__(self, seed: int, workers: int, folder: Path, failed: Path, bar: Bar) -> None:
        self.outcomes: dict[str, ReaderOutcome] = {}
        self._seed = seed
        self._workers = workers
        self._folder = folder
        self._failed = failed
        self._bar = bar

    def run(self, cases: dict[str, int]) -> dict[str, ReaderOutcome]:
        """Run so many cases of each reader, by its name."""
        self.outcomes = {name: ReaderOutcome() for name in cases}
        waiting = [(name, 0, count) for name, count in cases.items() if count]
        running: list[_WorkerRun] = []
        try:
            while waiting or running:
                while waiting and len(running) < self._workers:
                    running.append(self._start(*waiting.pop(0)))
                wait([part.results for part in running], timeout=1)
                waiting += [rest for part in list(running) for rest in self._listen(part, running)]
        finally:
            for part in running:
                part.process.kill()
        return self.outcomes

    def _start(self, reader: str, begin: int, end: int) -> _WorkerRun:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["scripts.fuzz.preload"])
        ours, theirs = context.Pipe(duplex=False)
        files = CaseFiles(reader, self._folder, self._failed)
        process = context.Process(target=work, args=(files, begin, end, self._seed, theirs))
        process.start()
        theirs.close()
        return _WorkerRun(files, end, process, ours)

    def _listen(self, part: _WorkerRun, running: list[_WorkerRun]) -> list[tuple[str, int, int]]:
        """Take what a worker said; return what is left to do if it died."""
        outcome = self.outcomes[part.files.reader]
        for kind, *about in part.reports():
            if kind == "done":
                named, accepted, outcome.growth = about
                outcome.named += named
                outcome.accepted += accepted
                self._bar.advance(named + accepted)
            elif kind == "failed":
                outcome.failures[about[0]] += 1
                self._bar.advance()
            else:
                outcome.seconds += about[0]
        if not part.is_over():
            return []
        running.remove(part)
        return self._conclude(part, outcome) if part.process.exitcode else []

    def _conclude(self, part: _WorkerRun, outcome: ReaderOutcome) -> list[tuple[str, int, int]]:
        """Note the case that a worker died of, and return those behind it."""
        number = part.files.number()
        code = part.process.exitcode
        why = f"dies of signal {-code}" if code < 0 else f"ends with {code}"
        said = part.files.log.read_text(errors="replace")[-4000:]
        if number is None:
            outcome.failures["does not take what is valid"] += 1
            part.files.keep(0, why, said)
            return []
        outcome.failures[why] += 1
        part.files.keep(number, why, said)
        self._bar.advance()
        return [(part.files.reader, number + 1, part.end)] if number + 1 < part.end else []
