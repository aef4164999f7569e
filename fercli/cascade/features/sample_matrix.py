"""The sample matrix: windows of one size as columns, and the values of features on them.

Windows are stored as columns, a row for each pixel, so that everything is vectorized over
windows. The arithmetic is the detector's (sums of rectangles in int32, values of features in
float32), so that a decision here is the decision there.

The integral images of n windows are an array of int32 of shape (rows, n), a row for each corner of
the window's grid, ``y · (width + 1) + x``. The rows of the tilted integral images, where wanted,
follow those of the upright ones.

See: OpenCV 4.14, ``modules/objdetect/src/cascadedetect.cpp`` (``HaarEvaluator::setWindow``) and
``cv::integral``; R. Lienhart and J. Maydt, "An extended set of Haar-like features for rapid object
detection", ICIP 2002.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.model import HaarFeature, LbpFeature, Node
from fercli.common.kernels import compiled
from fercli.common.parallel import KernelPool

Samples = NDArray[np.uint8]
Bools = NDArray[np.bool_]

#: Samples that are transposed at once, and that a thread works on at once.
PIECE = 4096
#: Integral images that a thread works on at once.
INTEGRAL_PIECE = 512


@dataclass(frozen=True)
class SampleMatrix:
    """Windows of one size.

    Parameters
    ----------
    size_wh : tuple of 2 int
    pixels : ndarray of uint8, shape (width · height, n)
        A row for each pixel, line by line.
    norms : ndarray of float32, shape (n,)
        ``sqrt(A·Σp² − (Σp)²)`` over the A pixels that do not touch the border: A times the
        standard deviation. What the values of Haar features are divided by.
    inverse_norms : ndarray of float32, shape (n,)
        One over the norm, as the detector multiplies by it; 0 where the norm is 0.
    """

    size_wh: tuple[int, int]
    pixels: Samples
    norms: NDArray[np.float32]
    inverse_norms: NDArray[np.float32]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.norms)

    def have_contrast(self) -> Bools:
        """Return which of them the detector looks at, if the features are Haar features.

        It refuses windows with a standard deviation of 10 gray levels or less unseen.
        """
        area = float((self.size_wh[0] - 2) * (self.size_wh[1] - 2))
        return (self.inverse_norms > 0) & (area * self.inverse_norms.astype(np.float64) < 0.1)


def to_sample_matrix(*samples: Samples) -> SampleMatrix:
    """Return samples, those of the first array first, as `SampleMatrix`.

    Parameters
    ----------
    *samples : ndarray of uint8, shape (n, height, width)
    """
    count = sum(map(len, samples))
    height, width = samples[0].shape[1:]
    pixels = np.empty((width * height, count), np.uint8)
    squared_norms = np.empty(count, np.float64)
    for begin, piece in _pieces(samples):
        end = begin + len(piece)
        pixels[:, begin:end] = piece.reshape(len(piece), -1).T
        squared_norms[begin:end] = _squared_norms(piece)
    norms = np.sqrt(squared_norms)
    with np.errstate(divide="ignore"):
        inverse_norms = np.where(norms > 0, 1 / norms, 0).astype(np.float32)
    return SampleMatrix((width, height), pixels, norms.astype(np.float32), inverse_norms)


def _pieces(samples: tuple[Samples, ...]) -> Iterator[tuple[int, Samples]]:
    before = 0
    for array in samples:
        for begin in range(0, len(array), PIECE):
            yield before + begin, array[begin : begin + PIECE]
        before += len(array)


def _squared_norms(samples: Samples) -> NDArray[np.float64]:
    inner = samples[:, 1:-1, 1:-1].reshape(len(samples), -1).astype(np.int32)
    sums = inner.sum(axis=1, dtype=np.int64)
    squares = np.einsum("ij,ij->i", inner, inner)
    squared: NDArray[np.int64] = inner.shape[1] * squares.astype(np.int64) - sums * sums
    return squared.astype(np.float64)


def goes_left(
    windows: SampleMatrix, feature: HaarFeature | LbpFeature, node: Node, pool: KernelPool
) -> Bools:
    """Return which windows a node sends to its left child, shape (n,)."""
    if isinstance(feature, HaarFeature):
        assert node.threshold is not None
        return haar_values(windows, feature, pool) < np.float32(node.threshold)
    assert node.subset is not None
    bits = np.unpackbits(np.array(node.subset, "<i4").view(np.uint8), bitorder="little")
    return bits.astype(np.bool_)[lbp_codes(windows, feature, pool)]


def haar_values(
    windows: SampleMatrix, feature: HaarFeature, pool: KernelPool
) -> NDArray[np.float32]:
    """Return the values of a Haar feature as the detector computes them, shape (n,)."""
    values = np.zeros(len(windows), np.float32)
    for rectangle in feature.rectangles:
        corner = rectangle.x, rectangle.y, rectangle.width, rectangle.height
        indices = _tilted_pixels if feature.tilted else _upright_pixels
        sums = _sums(windows, indices(corner, windows.size_wh), pool)
        values += np.float32(rectangle.weight) * sums.astype(np.float32)
    return values * windows.inverse_norms


def lbp_codes(windows: SampleMatrix, feature: LbpFeature, pool: KernelPool) -> NDArray[np.uint8]:
    """Return the codes of a local binary pattern, shape (n,)."""
    sums = [
        [_block_sums(windows, feature, column, row, pool) for column in range(3)]
        for row in range(3)
    ]
    ring = (sums[0][0], sums[0][1], sums[0][2], sums[1][2],
            sums[2][2], sums[2][1], sums[2][0], sums[1][0])  # fmt: skip
    codes = np.zeros(len(windows), np.uint8)
    for bit, neighbor in zip((128, 64, 32, 16, 8, 4, 2, 1), ring, strict=True):
        codes |= np.where(neighbor >= sums[1][1], np.uint8(bit), np.uint8(0))
    return codes


def _block_sums(
    windows: SampleMatrix, feature: LbpFeature, column: int, row: int, pool: KernelPool
) -> NDArray[np.int32]:
    x, y = feature.x + column * feature.width, feature.y + row * feature.height
    indices = _upright_pixels((x, y, feature.width, feature.height), windows.size_wh)
    return _sums(windows, indices, pool)


def _upright_pixels(
    rectangle: tuple[int, int, int, int], size_wh: tuple[int, int]
) -> NDArray[np.intp]:
    x, y, width, height = rectangle
    rows, columns = np.mgrid[y : y + height, x : x + width]
    indices: NDArray[np.intp] = (rows * size_wh[0] + columns).ravel()
    return indices


def _tilted_pixels(
    rectangle: tuple[int, int, int, int], size_wh: tuple[int, int]
) -> NDArray[np.intp]:
    """Return the pixels of a rectangle that stands on a corner.

    It is what four triangles, each with its tip in a pixel and widening upwards, leave of each
    other: see Lienhart and Maydt 2002, figure 3.
    """
    x, y, width, height = rectangle
    rows, columns = np.mgrid[0 : size_wh[1], 0 : size_wh[0]]

    def triangle(tip_x: int, tip_y: int) -> NDArray[np.int_]:
        inside: NDArray[np.bool_] = np.abs(columns - tip_x + 1) <= tip_y - 1 - rows
        return inside.astype(np.int_)

    inside = (
        triangle(x, y)
        - triangle(x - height, y + height)
        - triangle(x + width, y + width)
        + triangle(x + width - height, y + width + height)
    )
    return np.flatnonzero(inside)


def _sums(windows: SampleMatrix, indices: NDArray[np.intp], pool: KernelPool) -> NDArray[np.int32]:
    sums = np.zeros(len(windows), np.int32)
    rows = indices.astype(np.uint32)
    pool.share(lambda begin, end: _add_rows(windows.pixels, rows, begin, end, sums),
               len(windows), piece=PIECE)  # fmt: skip
    return sums


@compiled
def _add_rows(
    pixels: NDArray[np.uint8],
    rows: NDArray[np.uint32],
    begin: int,
    end: int,
    sums: NDArray[np.int32],
) -> None:
    """Add rows of `pixels`, from column `begin` to `end`, to `sums`."""
    target = sums[begin:end]
    for row in rows:
        source = pixels[row, begin:end]
        for i in range(len(target)):
            target[i] += source[i]


def integral_rows(size_wh: tuple[int, int], *, tilted: bool) -> int:
    """Return how many rows integral images have: four bytes each for a window."""
    return (size_wh[0] + 1) * (size_wh[1] + 1) * (2 if tilted else 1)


# Integral images of windows, laid out for the search of features.


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

        self._pool.share(fill, len(columns), piece=INTEGRAL_PIECE)
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
