"""The one seam through which work is spread over cores: joblib.

Results come back in the order of the items, whatever the number of workers, so that everything
built on `parallel_map` is the same on one core and on many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar

from fercli.progress import SILENT, Progress

T = TypeVar("T")
R = TypeVar("R")

#: Fewer items than this are not worth starting workers for.
SMALL = 16


def available_workers() -> int:
    """Return the number of cores that this process may use (affinity and containers included)."""
    import joblib

    return int(joblib.cpu_count())


def parallel_map(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    workers: int | None = None,
    prefer: Literal["processes", "threads"] = "processes",
    progress: Progress = SILENT,
    description: str = "",
    unit: str = "picture",
) -> Iterator[R]:
    """Yield ``function(item)`` for each item, in order.

    Parameters
    ----------
    function : callable
        Picklable when `prefer` is ``"processes"``.
    items : sequence
        What to apply it to.
    workers : int, optional
        How many run at once. Defaults to `available_workers`.
    prefer : {"processes", "threads"}
        Threads start at once and suit functions that spend their time in cv2 or NumPy, which
        release the GIL; processes suit Python code.
    progress, description, unit
        The bar that advances with each result.

    Raises
    ------
    Exception
        The first that `function` raises, as it is; the workers are then stopped.
    """
    workers = min(workers or available_workers(), max(len(items), 1))
    results: Iterator[R]
    if workers == 1 or len(items) < SMALL:
        results = map(function, items)
    else:
        results = _spread(function, items, workers, prefer)
    yield from progress.track(results, description, total=len(items), unit=unit)


def _spread(
    function: Callable[[T], R], items: Sequence[T], workers: int, prefer: str
) -> Iterator[R]:
    import joblib

    pool = joblib.Parallel(n_jobs=workers, prefer=prefer, return_as="generator")
    yield from pool(joblib.delayed(function)(item) for item in items)
