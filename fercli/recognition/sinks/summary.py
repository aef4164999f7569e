"""The summary file: each person's share of the time and of each expression, with thumbnails."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fercli.common.errors import OptionError
from fercli.common.files import atomic_write
from fercli.recognition.results import InputResult, to_dict
from fercli.recognition.sinks.outputs import cell_of, name_of

#: Columns before those of the classes.
COLUMNS = (
    "source", "person", "first_seconds", "last_seconds", "frames", "seconds", "share", "expression",
)  # fmt: skip


def require_summary_suffix(path: Path) -> None:
    """Raise `OptionError` unless a file's name ends in .json or .csv."""
    if path.suffix.lower() not in (".json", ".csv"):
        raise OptionError(
            f"`summary`: expected a name that ends in .json or .csv, got {path.name}",
            hint="use summary.json or summary.csv",
        )


def write_summary(
    path: Path, results: Sequence[InputResult], classes: Sequence[str], *, overwrite: bool = False
) -> None:
    """Write a summary of all inputs, as JSON or as CSV by the suffix of the name.

    The JSON has the results as ``fer classify --json`` prints them, with the thumbnails that were
    kept; the CSV a row a person, of which those of images have no times.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """
    as_json = path.suffix.lower() == ".json"
    with (
        atomic_write(path, overwrite=overwrite) as temporary,
        temporary.open(
            "w",
            encoding="utf-8",
            errors="backslashreplace" if as_json else "surrogateescape",
            newline="",
        ) as stream,
    ):
        if as_json:
            rows = to_dict(results, classes, thumbnails=True)
            json.dump({"classes": list(classes), "inputs": rows}, stream, indent=1)
            stream.write("\n")
        else:
            csv.writer(stream, lineterminator="\n").writerows(_table(results, classes))


def _table(results: Sequence[InputResult], classes: Sequence[str]) -> list[list[Any]]:
    """Return a row a person; shares of labels are of the time in which the person was seen."""
    people = [(one.source.shown, *row) for one in results for row in _people(one)]
    others = {label for *_, shares in people for label in shares} - set(classes)
    labels = [*classes, *sorted(others)]
    rows: list[list[Any]] = [[*COLUMNS, *map(cell_of, labels)]]
    for source, person, times, shares in people:
        most = max(shares, key=lambda label: shares[label])
        values = [f"{shares.get(label, 0.0):.4f}" for label in labels]
        rows.append([name_of(source), person, *times, cell_of(most), *values])
    return rows


def _people(result: InputResult) -> list[tuple[int, list[Any], dict[str, float]]]:
    """Return number, times and shares of the people of an input."""
    if result.summary is None:
        return [(face.person, ["", "", 1, "", ""], {face.label: 1.0}) for face in result.faces]
    rows = []
    for one in result.summary.people.values():
        share = result.summary.share_of_time(one)
        times = [
            *(f"{one.first:.3f}", f"{one.last:.3f}"),
            *(one.frames, f"{one.seconds:.3f}", f"{share:.4f}"),
        ]
        rows.append((one.number, times, one.shares()))
    return rows
