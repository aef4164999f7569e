"""Plain text tables for the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

#: A cell of a column of numbers: a number with optional separators and percent sign, or "-".
NUMBER = re.compile(r"-|[+-]?[\d,]+(\.\d+)?(e[+-]\d+)?%?")


def format_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows below headers in aligned columns; columns of numbers are aligned right.

    Floats are shown with three decimals, NaN as "-"; give strings for anything else.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(headers, *cells, strict=True)]
    right = [bool(rows) and all(_is_number(row[at]) for row in rows) for at in range(len(headers))]
    return "\n".join(_line(row, widths, right) for row in [list(headers), *cells])


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: "1 image", "1,234 images", "2 boxes", "3 copies"."""
    plural = plural or f"{noun}{'es' if noun.endswith('x') else 's'}"
    return f"{number:,} {noun if number == 1 else plural}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first names and how many more there are: "a, b, c and 12 more"."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.3f}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or (
        isinstance(value, str) and bool(NUMBER.fullmatch(value))
    )


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip()
