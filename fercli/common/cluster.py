"""A Dask cluster as a place for `fercli.common.parallel.parallel_map`.

Items go to the workers in batches, as many at a time as take about `BATCH_SECONDS`, and results
come back in the order of the items. What is sent: the function once to each worker, the items, and
the results; images stay on the disk that all machines share.

A result counts only if this machine would give the same. So whatever fails on a worker, or notes
an error about an image there, is done once more here: what is wrong with an image shows here as
well, and what is wrong with a worker does not. Such a worker gets no more work. Work of a worker
that dies goes to others, and that of a scheduler that comes back is submitted again.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from threading import Event
from typing import Any, ClassVar, Generic, TypeVar

from fercli.common.cluster_worker import (
    KEPT,
    BatchResult,
    Done,
    Requirements,
    run_batch,
    same,
    text_of,
)
from fercli.common.errors import DependencyError, errors_made
from fercli.common.parallel import Noted, until_failure, with_notes

T = TypeVar("T")
R = TypeVar("R")

#: How long to wait for a scheduler to answer at first, in seconds.
SCHEDULER_TIMEOUT = 10
#: How long to wait for a scheduler, or for all workers, that went away.
RECONNECT_TIMEOUT = 60
#: About how long a batch takes, and how many of them a second there are to be at most: each takes
#: the scheduler and this process some 2 ms.
BATCH_SECONDS, BATCHES_A_SECOND = 0.25, 100
#: Batches that are under way for each core, so that none waits for the next.
BATCHES_PER_CORE = 3
#: How often to look how many workers there are, in seconds.
CHECK_INTERVAL = 2.0
#: Failures at what works here, after which a worker is left out.
MAX_FAILURES = 3


class _SchedulerLostError(Exception):
    """Raised, for this module alone, when the connection to the scheduler is broken."""


class _StoppedError(Exception):
    """Raised, for this module alone, when results are no longer wanted."""


@dataclass
class _Batch(Generic[T]):
    items: list[T]
    future: Any = None
    result: BatchResult | None = None


def map_on_cluster(
    function: Callable[[T], R],
    items: Iterator[T],
    scheduler: str,
    *,
    total: int | None = None,
    note: Callable[[str], None] = lambda _: None,
    stop: Event | None = None,
) -> Iterator[Noted[R]]:
    """Yield the result of each item, in order, and what was assumed about it on a worker.

    Parameters
    ----------
    function : callable
        Picklable.
    items : iterator
        What comes before an error of theirs is done, then it is raised.
    scheduler : str
        The address.
    total : int, optional
        How many items there are, if it is known.
    note : callable
        Is told what the user should know of the cluster.
    stop : Event, optional
        Ends the iteration when it is set.

    Raises
    ------
    DependencyError
        The cluster cannot be used, or goes away and does not come back.
    Exception
        The first that `function` raises on this machine.
    """
    cluster = Cluster.at(scheduler, note)
    batches = _Batches(cluster, function, total, stop or Event())
    failed: list[Exception] = []
    try:
        for batch, found in batches.results(until_failure(items, failed)):
            for item, outcome in zip(batch.items, found.outcomes, strict=True):
                if isinstance(outcome, Done):
                    yield outcome.result, outcome.notes
                    continue
                before = errors_made()
                result = with_notes(function, item)
                if errors_made() == before:
                    cluster.count_failure(found.worker, outcome.reason)
                yield result
    finally:
        batches.release()
    if failed:
        raise failed[0]


class _Batches(Generic[T]):
    """The batches of one `map_on_cluster`."""

    def __init__(
        self, cluster: Cluster, function: Callable[[T], Any], total: int | None, stop: Event
    ) -> None:
        import cloudpickle

        self._stop = stop
        self._dumps = cloudpickle.dumps
        self._cluster = cluster
        self._function = cloudpickle.dumps(function)
        self._digest = hashlib.blake2b(self._function, digest_size=16).hexdigest()
        self._required = Requirements.here()
        self._left = total
        called = function.func if isinstance(function, partial) else function
        self._kind = getattr(called, "__qualname__", type(called).__qualname__)
        # Of an item; where it is unknown as yet, batches begin small.
        self._seconds = cluster.item_seconds.get(self._kind, BATCH_SECONDS)
        self._size = self._size_for(self._seconds)
        self._pending: deque[_Batch[T]] = deque()

    def results(self, items: Iterator[T]) -> Iterator[tuple[_Batch[T], BatchResult]]:
        """Yield batches with their results, in order."""
        while True:
            while len(self._pending) < BATCHES_PER_CORE * self._cluster.cores() + 2:
                some = list(islice(items, self._next_size()))
                if not some:
                    break
                self._pending.append(_Batch(some))
                self._submit(self._pending[-1])
            if not self._pending:
                return
            try:
                found = self._result()
            except _StoppedError:
                return
            yield self._pending.popleft(), found

    def release(self) -> None:
        """Give up what is not done."""
        for batch in self._pending:
            if batch.future is not None:
                batch.future.release()
        self._pending.clear()

    def _next_size(self) -> int:
        """Return how many items go into the next batch: work for all cores, but not for long."""
        size = self._size
        if self._left is not None:
            share = -(-self._left // (2 * self._cluster.cores()))
            size = max(min(size, share), 1)
            self._left -= size
        return size

    def _measure(self, batch: _Batch[T], seconds: float) -> None:
        each = seconds / len(batch.items)
        self._seconds += 0.2 * (each - self._seconds)
        self._cluster.item_seconds[self._kind] = self._seconds
        self._size = min(2 * len(batch.items), self._size_for(self._seconds))

    def _size_for(self, seconds: float) -> int:
        """Return how many items, of so many seconds each, go into a batch."""
        wanted = max(BATCH_SECONDS, self._cluster.cores() / BATCHES_A_SECOND)
        return max(1, int(wanted / max(seconds, 1e-6)))

    def _submit(self, batch: _Batch[T]) -> None:
        work = (self._digest, self._dumps(batch.items), self._required)
        batch.future = self._cluster.submit(self._function, *work)

    def _result(self) -> BatchResult:
        """Wait for the first batch, whatever happens to the cluster meanwhile."""
        while True:
            batch = self._pending[0]
            try:
                found = batch.result or self._gather()
            except _SchedulerLostError:
                self._cluster.wait_for_scheduler()
                for each in self._pending:
                    self._submit(each)
                continue
            if found is None:  # the workers that it was meant for are no more
                self._submit(batch)
            elif found.fault:
                self._cluster.exclude(found.worker, found.fault)
                batch.result = None
                self._submit(batch)
            else:
                self._measure(batch, found.seconds)
                return found

    def _gather(self) -> BatchResult | None:
        """Take the results of the first batches that are done; return the very first."""
        first = self._pending[0]
        if not self._cluster.wait(first.future, self._stop):
            return None
        done = [first]
        for batch in islice(self._pending, 1, None):
            if batch.result is not None or batch.future is None or not batch.future.done():
                break
            if batch.future.status != "finished":
                break
            done.append(batch)
        results = self._cluster.gather([batch.future for batch in done])
        for batch, result in zip(done, results, strict=True):
            batch.result, batch.future = result, None
        return first.result


class Cluster:
    """The connection of this process to a scheduler, which all its work shares.

    Parameters
    ----------
    scheduler : str
        The address.

    Raises
    ------
    DependencyError
        Nothing answers there, or there are no workers.
    """

    _known: ClassVar[dict[str, Cluster]] = {}

    def __init__(self, scheduler: str) -> None:
        self.scheduler = scheduler
        self.note: Callable[[str], None] = lambda _: None
        #: How long an item of a kind of work takes, as far as is known.
        self.item_seconds: dict[str, float] = {}
        self._excluded: dict[str, str] = {}
        self._failures: Counter[str] = Counter()
        self._connect()

    @classmethod
    def at(cls, scheduler: str, note: Callable[[str], None]) -> Cluster:
        """Return the connection to a scheduler, made if there is none."""
        known = cls._known.get(scheduler)
        if known is None or not known.is_connected:
            cls.close_all(scheduler)
            known = cls._known[scheduler] = cls(scheduler)
        known.note = note
        return known

    @classmethod
    def close_all(cls, *schedulers: str) -> None:
        """Close the connections to some schedulers; without any, to all."""
        for name in schedulers or tuple(cls._known):
            if name in cls._known:
                cls._known.pop(name)._close()

    @property
    def is_connected(self) -> bool:
        """Whether the scheduler is there."""
        return bool(self._client.status == "running")

    def cores(self) -> int:
        """Return how many threads the workers have, as of a moment ago."""
        if time.monotonic() >= self._next_check:
            self._check_workers()
        return max(sum(self._usable().values()), 1)

    def submit(self, function: bytes, digest: str, items: bytes, required: Requirements) -> Any:
        """Return the future of a batch; None if the scheduler is away."""
        only = {"workers": list(self._usable())} if self._excluded else {}
        try:
            held = self._hold(function, digest)
            return self._client.submit(run_batch, held, digest, items, required, pure=False, **only)
        except Exception:
            if self.is_connected:
                raise
            return None

    def wait(self, future: Any, stop: Event) -> bool:
        """Wait for a future; return False if its workers are no more, while there are others."""
        from distributed import wait
        from distributed.client import FuturesCancelledError

        while True:
            try:
                if future is None or future.cancelled():
                    raise _SchedulerLostError
                with self._client.as_current():
                    wait(future, timeout=CHECK_INTERVAL)
            except TimeoutError:
                if stop.is_set():
                    raise _StoppedError from None
                before = set(self._usable())
                self._check_workers()
                if self._excluded and before - set(self._usable()):
                    return False
            except FuturesCancelledError as error:
                raise _SchedulerLostError from error
            else:
                self._require_success(future)
                return True

    def gather(self, futures: list[Any]) -> list[BatchResult]:
        """Return the results of futures that are done."""
        try:
            return self._client.gather(futures)  # type: ignore[no-any-return]
        except Exception as error:
            if self.is_connected and not any(future.cancelled() for future in futures):
                raise
            raise _SchedulerLostError from error

    def count_failure(self, worker: str, reason: str) -> None:
        """Count a failure of a worker at what works here; leave it out after `MAX_FAILURES`."""
        self._failures[worker] += 1
        if self._failures[worker] == MAX_FAILURES:
            self.exclude(worker, reason)

    def exclude(self, worker: str, reason: str) -> None:
        """Give a worker no more work.

        Raises
        ------
        DependencyError
            No other worker is left.
        """
        if worker in self._excluded:
            return
        self._excluded[worker] = reason
        self.note(f"the worker {worker} is left out: {reason}")
        if not self._usable():
            raise DependencyError(
                f"No worker of the cluster at {self.scheduler} can do the work; {worker}: {reason}",
                hint="install the same versions on all of them, and let them see the same files",
            )

    def wait_for_scheduler(self) -> None:
        """Connect again to a scheduler that went away.

        Raises
        ------
        DependencyError
            It did not come back in `RECONNECT_TIMEOUT` seconds.
        """
        self.note(f"the Dask scheduler at {self.scheduler} went away; waiting for it")
        deadline = time.monotonic() + RECONNECT_TIMEOUT
        self._close()
        while True:
            try:
                self._connect()
                return
            except DependencyError as error:
                if time.monotonic() > deadline:
                    raise DependencyError(
                        f"The Dask scheduler at {self.scheduler} went away, and did not come back "
                        f"with workers in {RECONNECT_TIMEOUT:g} s",
                        hint="start it and its workers, and run the same command again",
                    ) from error
                time.sleep(0.5)

    def _connect(self) -> None:
        self._client = _connected(self.scheduler)
        self._held: OrderedDict[str, Any] = OrderedDict()
        self._workers: dict[str, int] = {}
        self._without_workers: float | None = None
        self._check_workers()
        if not self._workers:
            self._close()
            raise DependencyError(
                f"The Dask scheduler at {self.scheduler} has no workers",
                hint=f"start some by `dask worker {self.scheduler}`",
            )

    def _close(self) -> None:
        with suppress(Exception):
            self._client.close(timeout=2)

    def _check_workers(self) -> None:
        """Find out which workers there are; raise if there have been none for long."""
        self._next_check = time.monotonic() + CHECK_INTERVAL
        with suppress(OSError, ValueError, AttributeError):  # the scheduler is away
            self._workers = dict(self._client.nthreads())
        if self._workers or not self.is_connected:
            self._without_workers = None
        elif self._without_workers is None:
            self._without_workers = time.monotonic()
        elif time.monotonic() > self._without_workers + RECONNECT_TIMEOUT:
            raise DependencyError(
                f"The Dask scheduler at {self.scheduler} has had no workers for "
                f"{RECONNECT_TIMEOUT:g} s",
                hint="start some, and run the same command again",
            )

    def _usable(self) -> dict[str, int]:
        return {name: n for name, n in self._workers.items() if name not in self._excluded}

    def _hold(self, function: bytes, digest: str) -> Any:
        """Return the future of a function: a task of its own, so that no worker alone has it."""
        if digest not in self._held:
            self._held[digest] = self._client.submit(same, function, pure=False)
        self._held.move_to_end(digest)
        while len(self._held) > KEPT:
            self._held.popitem(last=False)
        return self._held[digest]

    def _require_success(self, future: Any) -> None:
        if future.status != "error":
            return
        from distributed.scheduler import KilledWorker

        error = future.exception()
        if isinstance(error, KilledWorker):
            raise DependencyError(
                f"The cluster at {self.scheduler} gave up: the same work killed several workers",
                hint="give workers more memory, and read their logs",
            ) from error
        raise DependencyError(
            f"The workers at {self.scheduler} cannot run fer: {text_of(error)}",
            hint="install the same version of fercli on all of them",
        ) from error


atexit.register(Cluster.close_all)


def _connected(scheduler: str) -> Any:
    """Return a client of a scheduler that answers."""
    try:
        from distributed import Client
    except ImportError as error:
        raise DependencyError(
            "Dask needs the library distributed, which is not installed",
            hint="pip install 'fercli[cluster]'",
        ) from error
    # What it says of lost connections is said here in other words.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        return Client(scheduler, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise DependencyError(
            f"No Dask scheduler answers at {scheduler}",
            hint="start one by `dask scheduler`, and give its address, such as tcp://node1:8786",
        ) from error
