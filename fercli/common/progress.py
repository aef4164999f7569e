"""Progress: what long-running library code tells whoever watches.

Library code never prints. It takes a `Progress`, which is silent by default; the command line
passes a `TerminalProgress`, which draws bars with rate and time left on stderr.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar

T = TypeVar("T")


class Bar(Protocol):
    """One bar: a count on its way to a total, with a few figures beside it."""

    def __enter__(self) -> Bar: ...

    def __exit__(self, *exc_info: object) -> None: ...

    def advance(self, count: int = 1) -> None:
        """Add `count` to what is done."""

    def figures(self, text: str) -> None:
        """Replace the figures that stand beside the bar."""


class SilentBar:
    """A bar that shows nothing; the base of those that do something else."""

    def __enter__(self) -> SilentBar:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        """Show nothing."""

    def figures(self, text: str) -> None:
        """Show nothing."""


class Progress:
    """Progress that nobody watches; the base of those that somebody does."""

    def bar(self, description: str, *, total: float | None = None, unit: str = "it") -> Bar:
        """Return a bar, to be used as a context manager."""
        return SilentBar()

    def note(self, text: str) -> None:
        """Tell one line of what is going on."""

    def track(
        self,
        items: Iterable[T],
        description: str,
        *,
        total: int | None = None,
        unit: str = "it",
    ) -> Iterator[T]:
        """Yield `items`, advancing a bar after each."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        with self.bar(description, total=total, unit=unit) as bar:
            for item in items:
                yield item
                bar.advance()


SILENT = Progress()


#: A bar is drawn after this many seconds, and then at most once in so many.
DELAY, INTERVAL = 0.3, 0.2


class _TerminalBar:
    def __init__(self, description: str, total: float | None, unit: str) -> None:
        from tqdm import tqdm

        # A bar that ends within a blink is noise, and so is one in a log file.
        self._bar = tqdm(
            desc=description,
            total=total,
            unit=f" {unit}",
            dynamic_ncols=True,
            delay=DELAY,
            disable=None,
            mininterval=INTERVAL,
        )
        self._next_drawing = time.monotonic() + DELAY

    def __enter__(self) -> _TerminalBar:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.close()

    def advance(self, count: int = 1) -> None:
        self._bar.update(count)

    def figures(self, text: str) -> None:
        self._bar.set_postfix_str(text, refresh=False)
        # Between two steps figures may change for minutes; tqdm draws at steps alone.
        now = time.monotonic()
        if now >= self._next_drawing:
            self._bar.refresh()
            self._next_drawing = now + INTERVAL


class TerminalProgress(Progress):
    """Bars and notes on stderr."""

    def bar(self, description: str, *, total: float | None = None, unit: str = "it") -> Bar:
        """Return a tqdm bar on stderr."""
        return _TerminalBar(description, total, unit)

    def note(self, text: str) -> None:
        """Write one line above the bars that are open."""
        import sys

        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)
