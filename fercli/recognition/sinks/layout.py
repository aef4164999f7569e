"""Layout: where labels and panels of bars go, so that they cover neither faces nor one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fercli.common.boxes import Box, intersections

Size = tuple[int, int]
Position = tuple[int, int]

#: Cells along the longer side of the grid in which free space is looked for.
CELLS = 160

#: A panel is at most so many sides of its face, and its own length, away from the face.
NEAR = 1.0


class Layout:
    """The space of one image: what is taken, and what is free.

    Parameters
    ----------
    size_wh : (int, int)
        Width and height of the image, in pixels.
    faces_xywh : sequence of Box
    """

    def __init__(self, size_wh: Size, faces_xywh: Sequence[Box]) -> None:
        self._size_wh = size_wh
        self._taken = np.array(faces_xywh, np.int32).reshape(-1, 4)

    def take(self, box_xywh: Box) -> None:
        """Take space for something that is drawn."""
        self._taken = np.concatenate([self._taken, np.array([box_xywh], np.int32)])

    def moved_inside(self, position: Position, size_wh: Size) -> Position:
        """Return a position at which something is inside the image, if it fits at all."""
        most = (max(whole - own, 0) for whole, own in zip(self._size_wh, size_wh, strict=True))
        x, y = (min(max(at, 0), limit) for at, limit in zip(position, most, strict=True))
        return x, y

    def fits(self, size_wh: Size) -> bool:
        """Whether the image is as large as something."""
        return size_wh[0] <= self._size_wh[0] and size_wh[1] <= self._size_wh[1]

    def hidden(self, positions: Sequence[Position], size_wh: Size) -> NDArray[np.float64]:
        """Return how many pixels of what is there are covered at each position."""
        boxes = np.array([(*position, *size_wh) for position in positions], np.int32)
        covered: NDArray[np.float64] = intersections(boxes, self._taken).sum(axis=1)
        return covered

    def first_free(self, positions: Sequence[Position], size_wh: Size) -> int | None:
        """Return which position is the first at which nothing is covered, or None."""
        inside = [self.moved_inside(position, size_wh) for position in positions]
        free = np.flatnonzero(self.hidden(inside, size_wh) == 0)
        return int(free[0]) if len(free) and self.fits(size_wh) else None

    def nearest_free(self, size_wh: Size, face_xywh: Box) -> Position | None:
        """Return the free position whose center is nearest to that of a face, or None."""
        if not self.fits(size_wh):
            return None
        cell = max(-(-max(self._size_wh) // CELLS), 1)
        corners = self._free_corners(size_wh, cell)
        if not len(corners):
            return None
        x, y, width, height = face_xywh
        wanted = (x + width / 2 - size_wh[0] / 2, y + height / 2 - size_wh[1] / 2)
        distances = np.hypot(*(corners * cell - wanted).T)
        at = int(distances.argmin())
        reach = NEAR * max(width, height) + max(size_wh)
        return tuple((corners[at] * cell).tolist()) if distances[at] <= reach else None

    def _free_corners(self, size_wh: Size, cell: int) -> NDArray[np.int64]:
        """Return the upper left corners, in cells, from which everything is free."""
        columns, rows = (side // cell for side in self._size_wh)
        taken = np.zeros((rows + 1, columns + 1), np.int32)
        for x, y, width, height in self._taken.tolist():
            left, top = max(x // cell, 0), max(y // cell, 0)
            right, bottom = max(-(-(x + width) // cell), 0), max(-(-(y + height) // cell), 0)
            taken[top + 1 : bottom + 1, left + 1 : right + 1] = 1
        sums = taken.cumsum(axis=0).cumsum(axis=1)
        across, down = (-(-side // cell) for side in size_wh)
        if across > columns or down > rows:
            return np.empty((0, 2), np.int64)
        inside = sums[down:, across:] - sums[:-down, across:] - sums[down:, :-across]
        inside += sums[:-down, :-across]
        return np.argwhere(inside == 0)[:, ::-1]


def label_positions(face_xywh: Box, size_wh: Size, gap: int) -> list[Position]:
    """Return where a label may be: above and below a face, from its left or to its right edge,
    then beside it.
    """
    x, y, width, height = face_xywh
    left, right = x - gap, x + width + gap - size_wh[0]
    above, below = y - size_wh[1], y + height + gap
    return [
        (left, above), (right, above), (left, below), (right, below),
        (x + width + gap, y), (x - gap - size_wh[0], y),
    ]  # fmt: skip


def panel_positions(face_xywh: Box, size_wh: Size, gap: int) -> list[Position]:
    """Return where a panel may be: right and left of a face, from its top or to its bottom, then
    below and above it.
    """
    x, y, width, height = face_xywh
    right, left = x + width + gap, x - size_wh[0] - gap
    low = y + height - size_wh[1]
    middle = x + (width - size_wh[0]) // 2
    return [
        (right, y), (left, y), (right, low), (left, low),
        (x, y + height + gap), (middle, y + height + gap), (x, y - size_wh[1] - gap),
        (middle, y - size_wh[1] - gap),
    ]  # fmt: skip


def in_rows_and_columns(
    count: int, cell_wh: Size, area_wh: Size, *, down_first: bool
) -> Iterator[Position]:
    """Yield the upper left corners of cells in an area, as many as fit, at most `count`."""
    columns, rows = (whole // own for whole, own in zip(area_wh, cell_wh, strict=True))
    for at in range(min(count, columns * rows)):
        column, row = (at // rows, at % rows) if down_first else (at % columns, at // columns)
        yield column * cell_wh[0], row * cell_wh[1]
