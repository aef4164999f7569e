"""Cascades for programs and devices other than OpenCV: one file a format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fercli.cascade.detection.scanner_kernels import Tables


def identifier(text: str) -> str:
    """Return a text as a name that C and XML allow."""
    cleaned = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return cleaned if re.match(r"[A-Za-z]", cleaned) else f"cascade_{cleaned}"


def wrapped(values: Iterable[str], indent: str, before: str = "") -> str:
    """Return values with commas between them, and `before` in front of each, in lines."""
    lines, line = [], indent
    for value in values:
        if len(line) + len(before) + len(value) > 99:
            lines.append(line)
            line = indent
        line += f"{before}{value},"
    return "\n".join([*lines, line.rstrip(",")])


def following_trees(tables: Tables) -> NDArray[np.int64]:
    """Return the children of nodes, where a leaf is minus the first node of the next tree.

    Returns
    -------
    ndarray of int64, shape (nodes, 2)
    """
    roots = np.flatnonzero(tables.roots)
    following = np.append(roots, len(tables.roots))[np.cumsum(tables.roots)]
    return np.where(tables.children >= 0, tables.children, -following[:, np.newaxis])
