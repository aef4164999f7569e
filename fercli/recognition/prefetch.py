"""Running ahead: each part of a pipeline in a thread of its own, a bounded number of items ahead.

A pipeline is a chain of generators; `prefetch` between two of them lets both work at the same
time. Decoding, detection, networks and encoding leave Python's lock to the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, TypeVar

T = TypeVar("T")

#: How a thread hands an item to a queue; it answers whether anybody wants more.
_HandOver = Callable[[Queue[Any], Any, threading.Event], bool]

#: How often a thread that waits looks whether it is still wanted, in seconds.
PATIENCE = 0.1


class _End:
    """The end of the items, or the exception that ended them."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Yield `items`, which a thread takes from their source up to `depth` ahead.

    What the source raises is raised here, after the items before it. When the generator is closed
    early, the source is closed too, in its own thread, before this returns.

    Parameters
    ----------
    items : iterable
        Used by the new thread alone.
    depth : int
        How many items wait at most.
    """
    return _taken(items, depth, _put)


def _taken(items: Iterable[T], depth: int, hand_over: _HandOver) -> Generator[T, None, None]:
    """Yield what a thread takes from the source of `items` and hands over."""
    queue: Queue[Any] = Queue(depth)
    unwanted = threading.Event()
    thread = threading.Thread(
        target=_produce, args=(items, queue, unwanted, hand_over), daemon=True
    )
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        unwanted.set()
        thread.join()


def _produce(
    items: Iterable[T], queue: Queue[Any], unwanted: threading.Event, hand_over: _HandOver
) -> None:
    end = _End()
    try:
        for item in items:
            if not hand_over(queue, item, unwanted):
                break
    except BaseException as error:  # whatever it is, it belongs to the one who asked
        end = _End(error)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
        _put(queue, end, unwanted)


def _put(queue: Queue[Any], item: Any, unwanted: threading.Event) -> bool:
    """Put an item when there is room; return False once nobody wants it any more."""
    while not unwanted.is_set():
        try:
            queue.put(item, timeout=PATIENCE)
        except Full:
            continue
        return True
    return False


class LatestOnly(Iterable[T]):
    """Yields the newest of the items that a thread takes from their source; older ones are lost.

    For a camera: whoever is slower than it sees what is, not what was.

    Parameters
    ----------
    items : iterable
        Used by a new thread alone.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[T]:
        return _taken(self._items, 1, _replace)


def _replace(queue: Queue[Any], item: Any, unwanted: threading.Event) -> bool:
    """Put an item in the place of the one that nobody has taken; as `_put` otherwise."""
    if unwanted.is_set():
        return False
    with suppress(Empty):
        queue.get_nowait()
    queue.put(item)  # this thread alone puts: there is room
    return True
