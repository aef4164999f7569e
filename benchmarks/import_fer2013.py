"""Measure how the import of FER-2013 grows with the number of workers, here and on a cluster.

usage: python benchmarks/import_fer2013.py fer2013.csv [ROWS]

ROWS: how many rows of the table are taken (default 6000). Each way runs three times in turn;
medians. The cluster is a Dask scheduler on this machine with one process a worker, if the
library distributed is there; it is started before the clock.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median

from fercli.common.parallel import Workers, available_workers
from fercli.common.tables import format_table
from fercli.datasets.expressions import ImportOptions, parse_classes
from fercli.datasets.importing import import_sources
from fercli.datasets.sources import find_sources

TURNS = 3


def main(table: Path, count: int) -> None:
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        part = Path(name, "fer2013.csv")
        with table.open() as whole, part.open("w") as stream:
            stream.writelines(islice(whole, count + 1))
        for turn in range(TURNS):
            for title, number, kind in ways():
                with workers_of(number, kind) as workers:
                    took = timed_import(part, Path(name, f"{title} {turn}"), workers)
                seconds.setdefault(title, []).append(took)
    one = median(seconds["1 worker"])
    rows: list[list[object]] = [
        [title, f"{median(took):.1f}", f"{count / median(took):.0f}", f"{one / median(took):.2f}"]
        for title, took in seconds.items()
    ]
    print(format_table(["", "seconds", "images/s", "times one worker"], rows))


def ways() -> list[tuple[str, int, str]]:
    """Return (title, workers, kind): one worker, then each kind, doubled up to all cores."""
    counts = [count for count in (2, 4, 8, 16, 32, 64) if count <= available_workers()]
    found = [("1 worker", 1, "processes")]
    found += [(f"{n} {kind}", n, kind) for n in counts for kind in ("processes", "threads")]
    if find_spec("distributed"):
        found += [(f"Dask, {n} worker{'s' * (n > 1)}", n, "dask") for n in (1, *counts)]
    return found


@contextmanager
def workers_of(number: int, kind: str) -> Iterator[Workers]:
    """Give workers of a kind; those of a cluster are started and stopped."""
    if kind != "dask":
        yield Workers(number, "threads" if kind == "threads" else "processes")
        return
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=number, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield Workers(scheduler=cluster.scheduler_address)


def timed_import(table: Path, out: Path, workers: Workers) -> float:
    started = time.perf_counter()
    options = ImportOptions(parse_classes(None))
    import_sources(find_sources([f"fer2013={table}"]), out, options, workers=workers)
    return time.perf_counter() - started


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 6000)
