"""Haar features: all of a window's, in the order of ``opencv_traincascade``.

A feature is one of 14 kinds at a position (x, y) with a size (dx, dy). Its value is a weighted
sum of rectangles, hence a weighted sum of at most nine corners in the window's integral image
(upright kinds) or its tilted integral image (kinds that stand on a corner). Everything else here
follows from the one table of the kinds' rectangles.

See: P. Viola and M. Jones, "Rapid object detection using a boosted cascade of simple features",
CVPR 2001; R. Lienhart and J. Maydt, "An extended set of Haar-like features for rapid object
detection", ICIP 2002; OpenCV 3.4.18, ``apps/traincascade/haarfeatures.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fercli.cascade import HAAR_MODES, HaarMode
from fercli.cascade.model import HaarFeature, WeightedRectangle

#: The most corners that a feature has in an integral image.
MOST_CORNERS = 9


@dataclass(frozen=True)
class HaarKind:
    """One kind of feature.

    Parameters
    ----------
    name : str
    mode : {"BASIC", "CORE", "ALL"}
        The smallest set of features that has it.
    rectangles : tuple
        ``(x_dx, x_dy, y_dx, y_dy, width, height, weight)`` each: the rectangle begins at
        ``(x + x_dx·dx + x_dy·dy, y + y_dx·dx + y_dy·dy)`` and is ``width·dx`` wide and
        ``height·dy`` high.
    tilted : bool
        Whether it stands on a corner: (x, y) is then the top one, the width goes down to the
        right and the height down to the left.
    """

    name: str
    mode: HaarMode
    rectangles: tuple[tuple[int, int, int, int, int, int, int], ...]
    tilted: bool = False


# The three-part upright kinds weigh their middle with +2, not +3: that is OpenCV's way, and the
# detector takes the weights as they stand.
KINDS = (
    HaarKind("x2", "BASIC", ((0, 0, 0, 0, 2, 1, -1), (1, 0, 0, 0, 1, 1, 2))),
    HaarKind("y2", "BASIC", ((0, 0, 0, 0, 1, 2, -1), (0, 0, 0, 1, 1, 1, 2))),
    HaarKind("x3", "BASIC", ((0, 0, 0, 0, 3, 1, -1), (1, 0, 0, 0, 1, 1, 2))),
    HaarKind("y3", "BASIC", ((0, 0, 0, 0, 1, 3, -1), (0, 0, 0, 1, 1, 1, 2))),
    HaarKind("x4", "CORE", ((0, 0, 0, 0, 4, 1, -1), (1, 0, 0, 0, 2, 1, 2))),
    HaarKind("y4", "CORE", ((0, 0, 0, 0, 1, 4, -1), (0, 0, 0, 1, 1, 2, 2))),
    HaarKind(
        "x2y2",
        "BASIC",
        ((0, 0, 0, 0, 2, 2, -1), (0, 0, 0, 0, 1, 1, 2), (1, 0, 0, 1, 1, 1, 2)),
    ),
    HaarKind("point", "CORE", ((0, 0, 0, 0, 3, 3, -1), (1, 0, 0, 1, 1, 1, 9))),
    HaarKind("tilted x2", "ALL", ((0, 0, 0, 0, 2, 1, -1), (0, 0, 0, 0, 1, 1, 2)), True),
    HaarKind("tilted y2", "ALL", ((0, 0, 0, 0, 1, 2, -1), (0, 0, 0, 0, 1, 1, 2)), True),
    HaarKind("tilted x3", "ALL", ((0, 0, 0, 0, 3, 1, -1), (1, 0, 1, 0, 1, 1, 3)), True),
    HaarKind("tilted y3", "ALL", ((0, 0, 0, 0, 1, 3, -1), (0, -1, 0, 1, 1, 1, 3)), True),
    HaarKind("tilted x4", "ALL", ((0, 0, 0, 0, 4, 1, -1), (1, 0, 1, 0, 2, 1, 2)), True),
    HaarKind("tilted y4", "ALL", ((0, 0, 0, 0, 1, 4, -1), (0, -1, 0, 1, 1, 2, 2)), True),
)


@dataclass(frozen=True)
class HaarFeatures:
    """Features of one window size, numbered as ``opencv_traincascade`` numbers them.

    Parameters
    ----------
    size_wh : tuple of 2 int
        The window.
    mode : {"BASIC", "CORE", "ALL"}
    parts : ndarray of uint8, shape (n, 5)
        Kind (index in `KINDS`), x, y, dx, dy of each.
    """

    size_wh: tuple[int, int]
    mode: HaarMode
    parts: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.parts)

    @property
    def tilted(self) -> bool:
        """Whether some of them need the tilted integral image."""
        return any_tilted(self.mode)

    def feature(self, index: int) -> HaarFeature:
        """Return one as the rectangles that the cascade's file has."""
        return as_rectangles(self.parts[index])

    def neighbors(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the features of the same kind that differ by 1 or 2 pixels in x, y, dx or dy.

        Parameters
        ----------
        chosen : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of int64
            Ascending, each once; without those of `chosen` that are nobody's neighbor.
        """
        steps = np.zeros((16, 5), np.int64)
        for index, step in enumerate((-2, -1, 1, 2)):
            steps[4 * index : 4 * index + 4, 1:] = step * np.eye(4, dtype=np.int64)
        moved = self.parts[chosen][:, None, :].astype(np.int64) + steps
        moved = moved.reshape(-1, 5)
        sensible = ((moved >= 0) & (moved < 256)).all(axis=1)
        wanted = np.unique(_keys(moved[sensible]))
        indices = np.searchsorted(self._all_keys, wanted)
        indices[indices == len(self)] = 0
        found: NDArray[np.int64] = indices[self._all_keys[indices] == wanted].astype(np.int64)
        return found

    @cached_property
    def _all_keys(self) -> NDArray[np.int64]:
        return _keys(self.parts)


def haar_features(size_wh: tuple[int, int], mode: HaarMode) -> HaarFeatures:
    """Return all features of a window: x outermost, then y, dx, dy and the kinds.

    Parameters
    ----------
    size_wh : tuple of 2 int
        At most 255 each.
    mode : {"BASIC", "CORE", "ALL"}
        78,460, 101,329 and 125,199 features of a 20×20 window; 162,336, 210,400 and 261,600 of
        a 24×24 one.
    """
    kinds = _kinds_of(mode)
    columns = [_features_at(x, size_wh, kinds) for x in range(size_wh[0])]
    return HaarFeatures(size_wh, mode, np.concatenate(columns))


def any_tilted(mode: HaarMode) -> bool:
    """Return whether some features of a mode need the tilted integral image."""
    return any(KINDS[number].tilted for number in _kinds_of(mode))


def _kinds_of(mode: HaarMode) -> list[int]:
    """Return the kinds of a mode: its own and those of the modes before it."""
    wanted = HAAR_MODES[: HAAR_MODES.index(mode) + 1]
    return [number for number, kind in enumerate(KINDS) if kind.mode in wanted]


def _keys(parts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return a number for each feature that ascends in the order of the list."""
    keys = parts[:, 1].astype(np.int64)
    for column in (2, 3, 4, 0):
        keys <<= 8
        keys |= parts[:, column]
    return keys


def as_rectangles(part: NDArray[np.uint8]) -> HaarFeature:
    """Return the rectangles of one feature: a row of `HaarFeatures.parts`."""
    number, x, y, dx, dy = (int(value) for value in part)
    kind = KINDS[number]
    rectangles = tuple(
        WeightedRectangle(
            x + x_dx * dx + x_dy * dy, y + y_dx * dx + y_dy * dy, w * dx, h * dy, float(weight)
        )
        for x_dx, x_dy, y_dx, y_dy, w, h, weight in kind.rectangles
    )
    return HaarFeature(rectangles, kind.tilted)


def corner_table(size_wh: tuple[int, int]) -> NDArray[np.int32]:
    """Return where the corners of each kind are in the integral images of a window.

    Parameters
    ----------
    size_wh : tuple of 2 int
        The window; its integral images are laid out as in
        `fercli.cascade.features.sample_matrix`.

    Returns
    -------
    ndarray of int32, shape (kinds, 9, 4)
        ``start, by_dx, by_dy, weight`` each: the corner of a feature at (x, y) is row
        ``y · (width + 1) + x + start + dx · by_dx + dy · by_dy``. Corners that a kind does not
        have weigh 0 and are at (x, y).
    """
    line = size_wh[0] + 1
    tilted_rows = line * (size_wh[1] + 1)
    table = np.zeros((len(KINDS), MOST_CORNERS, 4), np.int32)
    for number, kind in enumerate(KINDS):
        start = tilted_rows if kind.tilted else 0
        for index, ((x_dx, x_dy, y_dx, y_dy), weight) in enumerate(_corners(kind).items()):
            table[number, index] = (start, y_dx * line + x_dx, y_dy * line + x_dy, weight)
    return table


def _corners(kind: HaarKind) -> dict[tuple[int, int, int, int], int]:
    """Return the weights by corner, equal corners of several rectangles as one."""
    weights: dict[tuple[int, int, int, int], int] = {}
    for x_dx, x_dy, y_dx, y_dy, width, height, weight in kind.rectangles:
        right = (width, 0, width, 0) if kind.tilted else (width, 0, 0, 0)
        down = (0, -height, 0, height) if kind.tilted else (0, 0, 0, height)
        for along_width, along_height in ((0, 0), (0, 1), (1, 0), (1, 1)):
            corner = tuple(
                start + along_width * a + along_height * b
                for start, a, b in zip((x_dx, x_dy, y_dx, y_dy), right, down, strict=True)
            )
            sign = 1 if along_width == along_height else -1
            weights[corner] = weights.get(corner, 0) + sign * weight  # type: ignore[index, arg-type]
    return {corner: weight for corner, weight in weights.items() if weight}


def _features_at(x: int, size_wh: tuple[int, int], kinds: list[int]) -> NDArray[np.uint8]:
    """Return the features of one x, in order."""
    width, height = size_wh
    y, dx, dy = np.ogrid[0:height, 1 : width + 1, 1 : height + 1]
    fits = np.stack([_fits(KINDS[kind], x, y, dx, dy, size_wh) for kind in kinds], axis=-1)
    found_y, found_dx, found_dy, found_kind = np.nonzero(fits)
    parts = np.empty((len(found_y), 5), np.uint8)
    parts[:, 0] = np.asarray(kinds)[found_kind]
    parts[:, 1] = x
    parts[:, 2] = found_y
    parts[:, 3] = found_dx + 1
    parts[:, 4] = found_dy + 1
    return parts


def _fits(
    kind: HaarKind,
    x: int,
    y: NDArray[np.int_],
    dx: NDArray[np.int_],
    dy: NDArray[np.int_],
    size_wh: tuple[int, int],
) -> NDArray[np.bool_]:
    """Return where all corners of the kind lie within the window."""
    width, height = size_wh
    fits = np.ones(np.broadcast_shapes(y.shape, dx.shape, dy.shape), np.bool_)
    for corner_x, corner_y in _corner_positions(kind, x, y, dx, dy):
        fits &= (corner_x >= 0) & (corner_x <= width) & (corner_y <= height)
    return fits


def _corner_positions(
    kind: HaarKind, x: int, y: NDArray[np.int_], dx: NDArray[np.int_], dy: NDArray[np.int_]
) -> Iterator[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    for x_dx, x_dy, y_dx, y_dy in _corners(kind):
        yield x + x_dx * dx + x_dy * dy, y + y_dx * dx + y_dy * dy
