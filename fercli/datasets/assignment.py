"""Assignment: which part each picture goes to, so that every part gets its share of every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.intp]


def assign(
    labels: Integers, together: Integers, shares: Sequence[float], rng: np.random.Generator
) -> Integers:
    """Return the part of each picture, so that every part gets its share of every class.

    Groups of several pictures go first, the largest before the others, each to the part that
    lacks most of what it holds; then single pictures fill what is left, class by class.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        The class of each picture, from 0.
    together : ndarray of int, shape (n,)
        Pictures with the same number stay together.
    shares : sequence of float
        The share of each part; their sum is 1.
    rng : numpy.random.Generator
        Decides which pictures; the numbers a part do not depend on it much.

    Returns
    -------
    ndarray of int, shape (n,)
        From 0 to ``len(shares) - 1``.
    """
    wanted = np.outer(shares, np.bincount(labels))
    missing = wanted.copy()
    part = np.full(len(labels), -1, np.intp)
    for members in _shuffled_groups(together, rng):
        held = np.bincount(labels[members], minlength=wanted.shape[1])
        best = int(np.argmax((missing / np.maximum(wanted, 1e-9)) @ held))
        part[members] = best
        missing[best] -= held
    for label in range(wanted.shape[1]):
        single = rng.permutation(np.flatnonzero((labels == label) & (part < 0)))
        counts = _apportion(np.maximum(missing[:, label], 0), len(single))
        part[single] = np.repeat(np.arange(len(shares)), counts)
    return part


def _shuffled_groups(together: Integers, rng: np.random.Generator) -> list[Integers]:
    """Return the members of each group of several, largest group first, equals in random order."""
    order = np.argsort(together, kind="stable")
    starts = np.flatnonzero(np.diff(together[order])) + 1
    several: list[Integers] = [members for members in np.split(order, starts) if len(members) > 1]
    ranks = rng.permutation(len(several))
    at = sorted(range(len(several)), key=lambda i: (-len(several[i]), ranks[i]))
    return [several[i] for i in at]


def _apportion(weights: NDArray[np.float64], count: int) -> Integers:
    """Return whole numbers in proportion to weights whose sum is `count` (largest remainder)."""
    if not weights.sum():
        weights = np.ones_like(weights)
    exact = weights / weights.sum() * count
    whole = np.floor(exact).astype(np.intp)
    rest = count - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:rest]] += 1
    return np.asarray(whole, np.intp)
