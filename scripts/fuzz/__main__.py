"""``python -m scripts.fuzz --cases 100000 --seed 1 --readers "info;COCO"``."""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fercli.common.parallel import available_workers
from fercli.common.progress import TerminalProgress
from fercli.common.tables import format_table
from scripts.fuzz.reader import MB
from scripts.fuzz.runner import Fuzz, ReaderOutcome
from scripts.fuzz.targets import READERS

COLUMNS = ("reader", "cases", "named errors", "accepted", "failures", "cases/s", "growth MB")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as asked for; 1 if a case failed."""
    asked = _parser().parse_args(arguments)
    cases = share_out(asked.cases, asked.readers)
    with (
        tempfile.TemporaryDirectory(prefix="fer-fuzz-") as folder,
        TerminalProgress().bar("fuzz", total=sum(cases.values()), unit="case") as bar,
    ):
        fuzz = Fuzz(asked.seed, asked.workers, Path(folder), asked.out, bar)
        outcomes = fuzz.run(cases)
    print(summary(outcomes))
    return _tell_failures(outcomes, asked.out)


def share_out(count: int, names: Sequence[str]) -> dict[str, int]:
    """Return how many of `count` cases each reader gets, one at least."""
    total = sum(READERS[name].share for name in names)
    return {name: max(round(count * READERS[name].share / total), 1) for name in names}


def summary(outcomes: dict[str, ReaderOutcome]) -> str:
    """Return a table with a line for each reader."""
    rows = [_row(name, outcome) for name, outcome in outcomes.items()]
    total = ReaderOutcome(
        sum(o.named for o in outcomes.values()), sum(o.accepted for o in outcomes.values())
    )
    for outcome in outcomes.values():
        total.failures.update(outcome.failures)
        total.seconds += outcome.seconds
        total.growth = max(total.growth, outcome.growth)
    return format_table(COLUMNS, [*rows, _row("all", total)])


def _row(name: str, outcome: ReaderOutcome) -> list[object]:
    rate = round(outcome.cases / outcome.seconds) if outcome.seconds else 0
    failures = outcome.failures.total()
    growth = round(outcome.growth / MB)
    return [name, outcome.cases, outcome.named, outcome.accepted, failures, rate, growth]


def _tell_failures(outcomes: dict[str, ReaderOutcome], out: Path) -> int:
    found = [
        f"{name}: {why} ({count} times)"
        for name, outcome in outcomes.items()
        for why, count in outcome.failures.most_common()
    ]
    if found:
        print("", *found, f"\nThe inputs are in {out}", sep="\n", file=sys.stderr)
    return 1 if found else 0


def _chosen(patterns: str) -> list[str]:
    wanted = [pattern.strip() for pattern in patterns.split(";")]
    found = [name for name in READERS if any(fnmatch.fnmatch(name, each) for each in wanted)]
    if not found:
        raise argparse.ArgumentTypeError(f"{patterns} is none of {'; '.join(READERS)}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=120_000, help="of all readers together")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same cases")
    parser.add_argument(
        "--readers", type=_chosen, default="*", help="names or patterns, with ; between them"
    )
    parser.add_argument("--workers", type=int, default=available_workers())
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="for failing inputs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
