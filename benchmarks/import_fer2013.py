"""Measure how the import of FER-2013 grows with the number of workers.

usage: python benchmarks/import_fer2013.py fer2013.csv [ROWS]

ROWS: how many rows of the table are taken (default 8000).
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from fercli.datasets.importing import import_sources
from fercli.datasets.labelling import ImportOptions
from fercli.datasets.sources import find_sources
from fercli.datasets.vocabulary import parse_classes
from fercli.parallel import Workers, available_workers
from fercli.tables import format_table


def main(table: Path, count: int) -> None:
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as name:
        part = Path(name, "fer2013.csv")
        with table.open() as whole, part.open("w") as stream:
            stream.writelines(islice(whole, count + 1))
        for workers in ways():
            started = time.perf_counter()
            source = find_sources([f"fer2013={part}"])
            options = ImportOptions(parse_classes(None))
            import_sources(source, Path(name, str(len(rows))), options, workers=workers)
            seconds = time.perf_counter() - started
            what = f"{workers.count} {workers.prefer}"
            rows.append([what, f"{seconds:.1f}", f"{count / seconds:.0f}"])
    print(format_table(["", "seconds", "pictures/s"], rows))


def ways() -> list[Workers]:
    """Return one worker, then processes and threads, doubled up to the number of cores."""
    counts = [count for count in (2, 4, 8, 16, 32, 64) if count <= available_workers()]
    return [Workers(1)] + [
        Workers(count, prefer)
        for count in counts
        for prefer in ("processes", "threads")
    ]  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8000)
