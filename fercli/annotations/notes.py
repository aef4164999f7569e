"""Notes on annotations: what had to be assumed about them, counted, to be told in one line each."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path


class AnnotationNotes:
    """Counts what was assumed about annotations; used by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[str, dict[tuple[Path, Hashable], tuple[int, str]]] = {}
        self._told: set[tuple[str, Path, Hashable]] = set()
        self._muted = threading.local()

    def add(
        self, source: Path, kind: str, item: Hashable = None, detail: str = "", count: int = 1
    ) -> None:
        """Take in an assumption; one about the same item of the same file counts once.

        Parameters
        ----------
        source : Path
            The file of annotations.
        kind : str
            What was assumed, of which things, in the plural: "polygons, bounding boxes used".
        item : hashable
            What it was assumed of, such as the image.
        detail : str
            What was found there.
        count : int
            How many things the assumption is about. 0: it is about the whole file, and no number
            is told. Defaults to 1.
        """
        if getattr(self._muted, "now", False):
            return
        with self._lock:
            if (kind, source, item) not in self._told:
                self._notes.setdefault(kind, {})[source, item] = (count, detail)

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Take in nothing from this thread while the body runs, which only tries a reader."""
        before, self._muted.now = getattr(self._muted, "now", False), True
        try:
            yield
        finally:
            self._muted.now = before

    def take(self) -> list[str]:
        """Return a line for each kind of assumption; none is told again before `forget`."""
        with self._lock:
            notes, self._notes = self._notes, {}
            self._told.update((kind, *key) for kind, items in notes.items() for key in items)
        return [_line(kind, items) for kind, items in notes.items()]

    def lines(self) -> list[str]:
        """Return the lines of `take`, which are still to be told."""
        with self._lock:
            return [_line(kind, items) for kind, items in self._notes.items()]

    def forget(self) -> None:
        """Begin anew, as at the start of a command."""
        with self._lock:
            self._notes.clear()
            self._told.clear()


def _line(kind: str, items: dict[tuple[Path, Hashable], tuple[int, str]]) -> str:
    (source, _), (_, detail) = next(iter(items.items()))
    files = len({path for path, _ in items})
    total = sum(count for count, _ in items.values())
    number = f": {total}" if total else ""
    first = f"; the first: {detail}" if detail and total > 1 else f": {detail}" if detail else ""
    if files == 1:
        return f"{source}: {kind}{number}{first}"
    where = f"; the first: {source}" if not detail else f"; the first: {source}: {detail}"
    return f"{kind}{number or f': {files}'} in {files} files{where}"


#: The notes of this process.
NOTES = AnnotationNotes()


def input_notes() -> list[str]:
    """Return a line for each kind of assumption about annotations and images, for results."""
    from fercli.common.images import IMAGE_NOTES  # imports cv2, which not all readers need

    return NOTES.lines() + IMAGE_NOTES.lines()
