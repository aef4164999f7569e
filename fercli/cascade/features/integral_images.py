"""Integral images of windows, laid out for the search of features.

Windows are columns: the integral images of n windows are an array of int32 of shape (rows, n), a
row for each corner of the window's grid, ``y · (width + 1) + x``. The rows of the tilted integral
images, where wanted, follow those of the upright ones.

See: R. Lienhart and J. Maydt, "An extended set of Haar-like features for rapid object detection",
ICIP 2002; OpenCV's ``cv::integral``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.features.sample_matrix import SampleMatrix
from fercli.common.kernels import compiled
from fercli.common.parallel import KernelPool

#: Windows that a thread works on at once.
PIECE = 512


def integral_rows(size_wh: tuple[int, int], *, tilted: bool) -> int:
    """Return how many rows integral images have: four bytes each for a window."""
    return (size_wh[0] + 1) * (size_wh[1] + 1) * (2 if tilted else 1)


class IntegralImages:
    """Integral images of some of the windows at a time.

    Parameters
    ----------
    windows : SampleMatrix
    tilted : bool
        Whether the tilted ones are wanted as well.
    pool : KernelPool
    """

    def __init__(self, windows: SampleMatrix, *, tilted: bool, pool: KernelPool) -> None:
        self._windows = windows
        self._tilted = tilted
        self._pool = pool
        self._columns = np.empty(0, np.intp)
        self._kept = np.empty((0, 0), np.int32)

    def of(self, columns: NDArray[np.intp], *, keep: bool = False) -> NDArray[np.int32]:
        """Return the integral images of the windows in `columns`, shape (rows, n).

        Parameters
        ----------
        columns : ndarray of intp, shape (n,)
        keep : bool
            Whether they are likely to be asked for again. Defaults to False.
        """
        if np.array_equal(columns, self._columns):
            return self._kept
        if keep:
            # What is no longer wanted is given up first: two would not fit into the memory.
            self._columns, self._kept = np.empty(0, np.intp), np.empty((0, 0), np.int32)
            self._columns, self._kept = columns, self._compute(columns)
            return self._kept
        return self._compute(columns)

    def _compute(self, columns: NDArray[np.intp]) -> NDArray[np.int32]:
        pixels, size_wh = self._windows.pixels, self._windows.size_wh
        rows = integral_rows(size_wh, tilted=self._tilted)
        images = np.empty((rows, len(columns)), np.int32)
        chosen = columns.astype(np.uint32)

        def fill(begin: int, end: int) -> None:
            _integrate(pixels, chosen, size_wh, begin, end, images)
            if self._tilted:
                _integrate_tilted(pixels, chosen, size_wh, begin, end, images)

        self._pool.share(fill, len(columns), piece=PIECE)
        return images


@compiled
def _integrate(
    pixels: NDArray[np.uint8],
    columns: NDArray[np.uint32],
    size_wh: tuple[int, int],
    begin: int,
    end: int,
    out: NDArray[np.int32],
) -> None:
    """Fill the integral images of some windows.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (width · height, all samples)
    columns : ndarray of uint32, shape (n,)
        Which samples: column j of `out` is sample ``columns[j]``.
    size_wh : tuple of 2 int
    begin, end : int
        The columns of `out` to fill.
    out : ndarray of int32, shape ((width + 1) · (height + 1) or more, n)
    """
    width, height = size_wh
    line = width + 1
    chosen = columns[begin:end]
    along = np.empty(end - begin, np.int32)
    for x in range(line):
        out[x, begin:end] = 0
    for y in range(height):
        along[:] = 0
        out[(y + 1) * line, begin:end] = 0
        for x in range(width):
            source = pixels[y * width + x]
            above = out[y * line + x + 1, begin:end]
            below = out[(y + 1) * line + x + 1, begin:end]
            for j in range(len(chosen)):
                along[j] += source[chosen[j]]
            for j in range(len(chosen)):
                below[j] = above[j] + along[j]


@compiled
def _integrate_tilted(
    pixels: NDArray[np.uint8],
    columns: NDArray[np.uint32],
    size_wh: tuple[int, int],
    begin: int,
    end: int,
    out: NDArray[np.int32],
) -> None:
    """Fill the tilted integral images of some windows; arguments as `_integrate`.

    Row (x, y) is the sum of the triangle that has its tip in pixel (x − 1, y − 1) and widens
    upwards: the triangle of (x − 1, y − 1) and two diagonals that rise to the right, from the
    pixels (x − 1, y − 1) and (x − 1, y − 2). They follow those of the upright image in `out`.
    """
    width, height = size_wh
    line = width + 1
    tilted = out[line * (height + 1) :]
    chosen = columns[begin:end]
    # Diagonals of the last row and of the one before; column `width` is beyond the window.
    diagonals = np.zeros((2, width + 1, end - begin), np.int32)
    for x in range(line):
        tilted[x, begin:end] = 0
    for y in range(1, height + 1):
        lower, upper = diagonals[y % 2], diagonals[1 - y % 2]
        for x in range(width):
            source = pixels[(y - 1) * width + x]
            rising, start = upper[x + 1], lower[x]
            for j in range(len(chosen)):
                start[j] = rising[j] + source[chosen[j]]
        for x in range(line):
            # The tip (−1, y − 1) is outside: its triangle is that of (−1, y − 2) and a diagonal.
            before = tilted[(y - 1) * line + max(x - 1, 0), begin:end]
            here = tilted[y * line + x, begin:end]
            first, second = lower[max(x - 1, 0)], upper[max(x - 1, 0)]
            if x == 0:
                for j in range(len(chosen)):
                    here[j] = before[j] + second[j]
            else:
                for j in range(len(chosen)):
                    here[j] = before[j] + first[j] + second[j]
