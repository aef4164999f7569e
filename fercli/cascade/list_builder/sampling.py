"""Deterministic sampling: which images are taken, which are for testing, and in which order.

Images are ordered by a keyed hash of their content, which depends on the seed alone: not on the
machine, the folder, or what other images there are. When images are added to a collection
most of the others stay on the side of a split where they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from fercli.cascade.list_builder.options import Amount
from fercli.common.errors import OptionError

T = TypeVar("T")


def in_drawn_order(
    items: Sequence[T], digest: Callable[[T], bytes], seed: int, purpose: str
) -> list[T]:
    """Return items in the order of their keyed hashes; equal digests stay together, in their order.

    Parameters
    ----------
    items : sequence
        What to order.
    digest : callable
        Gives the hash of an item's content.
    seed : int
        From 0.
    purpose : str
        Draws for different purposes are independent of each other.
    """
    key = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=16).digest()
    return sorted(
        items, key=lambda item: hashlib.blake2b(digest(item), key=key, digest_size=16).digest()
    )


def draw(
    items: Sequence[T],
    number: int,
    digest: Callable[[T], bytes],
    seed: int,
    purpose: str,
    *,
    together: bool = False,
) -> tuple[list[T], list[T]]:
    """Return the items that are drawn and the rest, both in their given order.

    Parameters
    ----------
    items, digest, seed, purpose
        As `in_drawn_order`.
    number : int
        How many to draw.
    together : bool
        Whether items of equal digest must not be parted; a few more may then be drawn.
    """
    places = in_drawn_order(range(len(items)), lambda at: digest(items[at]), seed, purpose)
    while together and 0 < number < len(items) and (
        digest(items[places[number]]) == digest(items[places[number - 1]])
    ):  # fmt: skip
        number += 1
    drawn = set(places[:number])
    return (
        [item for at, item in enumerate(items) if at in drawn],
        [item for at, item in enumerate(items) if at not in drawn],
    )


def number_of(amount: Amount, total: int, what: str) -> int:
    """Return how many of `total` an amount is.

    Raises
    ------
    OptionError
        There are not as many, or it is none at all.
    """
    wanted = round(amount * total) if isinstance(amount, float) else amount
    if wanted > total:
        raise OptionError(f"{wanted} {what} were asked for, but there are only {total}")
    if wanted < 1:
        raise OptionError(f"{amount} of {total} {what} is none; at least one is needed")
    return wanted
