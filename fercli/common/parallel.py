"""Spread work over cores and machines, by threads, joblib and Dask.

Results come back in the order of the items, whatever the number of workers, and with each what was
noted about the input on its way, so that everything built on `parallel_map` is the same on one
core and on many, and on a cluster.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import chain, islice, takewhile
from threading import Event
from typing import Any, Literal, Protocol, TypeVar

from fercli.common.errors import FerError, OptionError
from fercli.common.progress import SILENT, Progress

T = TypeVar("T")
R = TypeVar("R")

#: Fewer items than this are not worth starting workers for.
SMALL = 16


@dataclass(frozen=True)
class Workers:
    """The number of workers, and where they run.

    Parameters
    ----------
    count : int, optional
        How many run at once. Defaults to `available_workers`; a cluster decides for itself.
    prefer : {"processes", "threads"}, optional
        Threads start at once and suit functions that spend their time in cv2 or NumPy, which
        release the GIL; processes suit Python code. Defaults to what suits the function.
    scheduler : str, optional
        The address of a Dask scheduler, such as ``"tcp://node1:8786"``. Its workers must see the
        same files under the same names (`fercli.common.cluster`). Defaults to None: this machine.
    """

    count: int | None = None
    prefer: Literal["processes", "threads"] | None = None
    scheduler: str | None = None

    @classmethod
    def of(cls, workers: int | Workers | None) -> Workers:
        """Return workers that may be given as their number alone."""
        return workers if isinstance(workers, Workers) else cls(workers)


def require_no_cluster(workers: int | Workers | None) -> None:
    """Raise `OptionError` if work is to go to a cluster that one of OpenCV's programs does."""
    if Workers.of(workers).scheduler is not None:
        raise OptionError("`scheduler` needs `engine` native: OpenCV's programs run on one machine")


def available_workers() -> int:
    """Return the number of cores that this process may use (affinity and containers included)."""
    import joblib

    return int(joblib.cpu_count())


def parallel_map(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int | Workers | None = None,
    prefer: Literal["processes", "threads"] = "processes",
    progress: Progress = SILENT,
    description: str = "",
    unit: str = "image",
    note: Callable[[str], None] | None = None,
    stop: Event | None = None,
) -> Iterator[R]:
    """Yield ``function(item)`` for each item, in order.

    Items are taken from an iterator only as workers become free, so that a stream longer than
    the memory can pass.

    Parameters
    ----------
    function : callable
        Picklable unless threads are asked for.
    items : iterable
        What to apply it to.
    workers : int or Workers, optional
        How many run at once, or where. Defaults to `available_workers`.
    prefer : {"processes", "threads"}
        What suits the function, unless `workers` says otherwise.
    progress, description, unit
        The bar that advances with each result.
    note : callable, optional
        Is told what the user should know of a cluster. Defaults to the note of `progress`.
    stop : Event, optional
        Ends the results of a cluster when it is set, without those that are not there yet.

    Raises
    ------
    DependencyError
        The scheduler does not answer, has no workers, or loses the same work again and again.
    Exception
        The first that `function` raises, as it is; the workers are then stopped.
    """
    where = Workers.of(workers)
    total = len(items) if isinstance(items, Sized) else None
    if where.scheduler is not None:
        from fercli.common.cluster import map_on_cluster

        told = note or progress.note
        results = map_on_cluster(
            function, iter(items), where.scheduler, total=total, note=told, stop=stop
        )
    else:
        results = _results(function, iter(items), where.count, where.prefer or prefer)
    yield from progress.track(_merged(results), description, total=total, unit=unit)


def _results(
    function: Callable[[T], R], items: Iterator[T], count: int | None, prefer: str
) -> Iterator[Noted[R]]:
    first = list(islice(items, SMALL))
    items = chain(first, items)
    count = count or available_workers()
    if count == 1 or len(first) < SMALL:
        return map(partial(with_notes, function), items)
    if prefer == "threads":
        return _spread_over_threads(partial(with_notes, function), items, count)
    return _spread(function, items, n_jobs=count, prefer=prefer)


# What was assumed about an item is told with its result.

#: A result, and the notes that were made on its way, by module.
Noted = tuple[R, dict[str, Any]]


class Notes(Protocol):
    """What was assumed about the input; made in `current_notes`, if there are such."""

    def merge(self, notes: Any) -> None:
        """Take in what was assumed on the way to a result."""


#: By the name of the module that, once imported, has them here.
_NOTES: dict[str, Notes] = {}
_CURRENT = threading.local()


def carry_notes(module: str, notes: Notes) -> None:
    """Let `parallel_map` bring such notes from workers, in the order of the items.

    Parameters
    ----------
    module : str
        The module that calls this when it is imported.
    notes : Notes
    """
    _NOTES[module] = notes


def current_notes(module: str) -> dict[Any, Any] | None:
    """Return the notes of a module on the item that this thread is at; None if it is at none."""
    by_module: dict[str, dict[Any, Any]] | None = getattr(_CURRENT, "notes", None)
    return None if by_module is None else by_module.setdefault(module, {})


def with_notes(function: Callable[[T], R], item: T) -> Noted[R]:
    """Call a function; return its result and the notes that it made, for `merge_notes`."""
    before, found = getattr(_CURRENT, "notes", None), dict[str, Any]()
    _CURRENT.notes = found
    try:
        return function(item), found
    finally:
        _CURRENT.notes = before


def merge_notes(found: Mapping[str, Any]) -> None:
    """Take in the notes that were made on the way to a result."""
    for module, notes in found.items():
        if module not in _NOTES:
            import_module(module)
        _NOTES[module].merge(notes)


def _merged(results: Iterator[Noted[R]]) -> Iterator[R]:
    for result, found in results:
        merge_notes(found)
        yield result


def _spread_over_threads(function: Callable[[T], R], items: Iterator[T], count: int) -> Iterator[R]:
    """Yield results from threads, with a few of them computed in advance.

    Not joblib's: its threads run on when the work is given up, and a process that ends while one
    is inside cv2 aborts.
    """
    failed: list[Exception] = []
    with ThreadPoolExecutor(count) as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in until_failure(items, failed):
                pending.append(pool.submit(function, item))
                if len(pending) > 4 * count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
    if failed:
        raise failed[0]


def _error_or_result(function: Callable[[T], R], item: T) -> Noted[R] | FerError:
    """Return an error, which joblib would raise as soon as it comes, whatever is before it."""
    try:
        return with_notes(function, item)
    except FerError as error:
        return error


def _spread(function: Callable[[T], R], items: Iterator[T], **settings: Any) -> Iterator[Noted[R]]:
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    _start_trackers()
    failed: list[Exception] = []
    pool = joblib.Parallel(return_as="generator", **settings)
    errors: list[FerError] = []
    call = joblib.delayed(_error_or_result)
    wanted = takewhile(lambda _: not errors, until_failure(items, failed))
    calls = (call(function, item) for item in wanted)
    try:
        with _interrupts_held():
            results = pool(calls)
        with closing(results):
            for result in results:
                if isinstance(result, FerError):
                    errors.append(result)  # and take what is under way, which joblib would warn of
                elif not errors:
                    yield result
    except TerminatedWorkerError as error:
        raise FerError(
            "A worker process was killed, probably because memory ran out",
            hint="use fewer `workers`, or smaller images",
        ) from error
    if errors or failed:
        raise (errors or failed)[0]


def _start_trackers() -> None:
    """Start the processes that clean up after workers: their start lets Ctrl-C through again."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as of_loky

    resource_tracker.ensure_running()
    of_loky.ensure_running()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Block Ctrl-C for a moment.

    Processes that are started meanwhile never get it. It goes to all processes of a terminal, and
    each worker would print a traceback; this process stops them instead.
    """
    if sys.platform == "win32":  # there a process that is started cannot be spared by its parent
        yield
    else:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def until_failure(items: Iterable[T], failed: list[Exception]) -> Generator[T, None, None]:
    """Yield items until their source fails; append its exception to `failed` instead of raising."""
    try:
        yield from items
    except Exception as error:
        failed.append(error)


class KernelPool:
    """Threads that share the loops of kernels, which run without the GIL.

    Work is cut into the same pieces whatever the number of threads, and each piece writes its
    own part of the result, so that the result is the same on one core and on many.

    Parameters
    ----------
    workers : int, optional
        Defaults to `available_workers`.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_workers()
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> KernelPool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None

    def share(self, work: Callable[[int, int], None], count: int, *, piece: int) -> None:
        """Call ``work(begin, end)`` for pieces of `piece` that cover the range of `count`."""
        begins = range(0, count, piece)

        def run(begin: int) -> None:
            work(begin, min(begin + piece, count))

        if self.workers == 1 or len(begins) < 2:
            for begin in begins:
                run(begin)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.workers)
        for _ in self._threads.map(run, begins):
            pass
