"""Assignment: which part each picture goes to, so that every part gets its share of every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OptionError

Integers = NDArray[np.intp]
Floats = NDArray[np.float64]


def assign(
    labels: Integers, together: Integers, shares: Sequence[float], rng: np.random.Generator
) -> Integers:
    """Return the part of each picture, so that every part gets its share of every class.

    Groups of several pictures go first, the largest before the others, each to the part that
    lacks most of what it holds; then single pictures fill what is left, class by class. Where
    parts lack the same of a class, the one that lacks most pictures in all goes first.

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
        best = _first_of((missing / np.maximum(wanted, 1e-9)) @ held, _lacking(missing, shares))[0]
        part[members] = best
        missing[best] -= held
    for label in range(wanted.shape[1]):
        single = rng.permutation(np.flatnonzero((labels == label) & (part < 0)))
        weights = np.maximum(missing[:, label], 0)
        counts = _apportion(weights, len(single), _lacking(missing, shares))
        part[single] = np.repeat(np.arange(len(shares)), counts)
        missing[:, label] -= counts
    return part


def require_filled(part: Integers, names: Sequence[str]) -> None:
    """Raise `OptionError` if one of the parts, which are called `names`, got no picture."""
    empty = [name for number, name in enumerate(names) if number not in part]
    if empty:
        raise OptionError(
            f"wanted pictures in every part, found none for {', '.join(empty)}",
            hint="fewer or larger parts, or --duplicates apart",
        )


def _shuffled_groups(together: Integers, rng: np.random.Generator) -> list[Integers]:
    """Return the members of each group of several, largest group first, equals in random order."""
    order = np.argsort(together, kind="stable")
    starts = np.flatnonzero(np.diff(together[order])) + 1
    several: list[Integers] = [members for members in np.split(order, starts) if len(members) > 1]
    ranks = rng.permutation(len(several))
    at = sorted(range(len(several)), key=lambda i: (-len(several[i]), ranks[i]))
    return [several[i] for i in at]


def _lacking(missing: Floats, shares: Sequence[float]) -> Floats:
    """Return how many pictures each part lacks in all, in proportion to its share."""
    return np.asarray(missing.sum(axis=1) / shares, np.float64)


def _first_of(scores: Floats, lacking: Floats) -> Integers:
    """Return the parts, highest score first; of equal ones, the one that lacks most in all.

    Rounded, for sums that are equal but for their last digits are to be equal.
    """
    return np.lexsort((-lacking.round(6), -scores.round(9)))


def _apportion(weights: Floats, count: int, lacking: Floats) -> Integers:
    """Return whole numbers in proportion to weights whose sum is `count` (largest remainder)."""
    if not weights.sum():
        weights = np.ones_like(weights)
    exact = weights / weights.sum() * count
    whole = np.floor(exact).astype(np.intp)
    rest = count - int(whole.sum())
    whole[_first_of(exact - whole, lacking)[:rest]] += 1
    return np.asarray(whole, np.intp)
