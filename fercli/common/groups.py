"""Groups of items that pairs join, and pairs of items with the same key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def groups(count: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.intp]:
    """Return for each of `count` items the first item of its group, shape (count,).

    Items are in one group if pairs join them, directly or over others (union-find).
    """
    root = list(range(count))

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    for a, b in pairs:
        a, b = find(a), find(b)
        root[max(a, b)] = min(a, b)
    return np.array([find(item) for item in range(count)], np.intp)


def exact_pairs(keys: Sequence[bytes | str]) -> Iterator[tuple[int, int]]:
    """Yield (first, item) for each item whose key is that of an earlier one; empty keys differ."""
    first: dict[bytes | str, int] = {}
    for item, key in enumerate(keys):
        if key and first.setdefault(key, item) != item:
            yield first[key], item
