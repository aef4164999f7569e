"""The kernels against cv2's integral images and their own plain Python."""

import cv2
import numpy as np
import pytest

from fercli.cascade.detection import scanner_kernels as kernels
from fercli.cascade.detection.scanner import compile_cascade
from fercli.cascade.detection.scanner_kernels import (
    LANES,
    Grid,
    haar_mask,
    integrate,
    lbp_mask,
)
from fercli.common.kernels import compiled


@compiled
def compiled_haar_mask(*args):
    return haar_mask(*args)


@compiled
def compiled_lbp_mask(*args):
    return lbp_mask(*args)


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("size_wh", [(1, 1), (2, 3), (7, 5), (64, 33), (33, 64)])
def test_integral_images_are_those_of_cv2(size_wh, step, rng):
    width, height = size_wh
    pixels = rng.integers(0, 256, (height, width), np.uint8)
    plane = width // step + 1
    stride = plane * step
    size = (height + 1) * stride
    grid = Grid(step, 0, 0, 1, 1, False, plane, stride, size)
    sums, squares = np.full(2 * size, -1, np.int32), np.full(size, -1, np.int32)
    lines = np.full((5, width + 3), -1, np.int32)
    middle = height // 2
    for first, last in ((0, middle), (middle, height)):
        integrate(pixels, first, last, grid, True, sums, squares, lines)
    wanted = cv2.integral3(pixels, sdepth=cv2.CV_32S, sqdepth=cv2.CV_32S)
    for found, image in zip((sums[:size], squares, sums[size:]), wanted, strict=True):
        planes = found.reshape(height + 1, step, plane)
        columns = [planes[:, x % step, x // step] for x in range(width + 1)]
        # Only the columns that there are: the last of the odd plane may be none.
        assert (image == np.array(columns).T).all()


def test_a_tilted_sum_by_hand():
    """Three pixels hang below the top corner (2, 0) of a tilted rectangle of 1 × 1 and 2 × 1."""
    pixels = np.arange(1, 26, dtype=np.uint8).reshape(5, 5)
    grid = Grid(1, 0, 0, 1, 1, False, 6, 6, 36)
    sums, lines = np.zeros(72, np.int32), np.zeros((5, 8), np.int32)
    integrate(pixels, 0, 5, grid, False, sums, np.zeros(1, np.int32), lines)
    tilted = sums[36:].reshape(6, 6)
    # The cone above (2, 2): pixel (1, 1), and (0, 0), (1, 0), (2, 0) above it.
    assert tilted[2, 2] == 7 + 1 + 2 + 3
    # A rectangle of one step each way has two pixels, one above the other.
    assert tilted[0, 2] - tilted[1, 1] - tilted[1, 3] + tilted[2, 2] == 2 + 7


@pytest.mark.parametrize("options", [{}, {"tilted": True}, {"nodes": 3}])
def test_haar_vectors_are_their_plain_python(options, random_cascade, rng):
    tables = compile_cascade(random_cascade(**options))
    nodes = len(tables.thresholds)
    sums = rng.integers(-(2**31), 2**31, 5000).astype(np.int32)
    places = rng.integers(0, 4000, (nodes, 12)).astype(np.uint32)
    norms = rng.uniform(1e-10, 2e-9, 200).astype(np.float32)
    masks = set()
    for at in range(40):
        first, last = tables.stage_first[at % 4 : at % 4 + 2]
        args = (
            sums, at, places, tables.weights, tables.thresholds, tables.roots, tables.children,
            tables.leaves, first, last, norms, 3 * at, tables.stage_thresholds[at % 4],
        )  # fmt: skip
        masks.add(haar_mask(*args))
        assert compiled_haar_mask(*args) == haar_mask(*args)
    assert len(masks) > 10


@pytest.mark.parametrize("options", [{}, {"nodes": 3}])
def test_lbp_vectors_are_their_plain_python(options, random_cascade, rng):
    tables = compile_cascade(random_cascade(feature_type="LBP", **options))
    nodes = len(tables.thresholds)
    sums = rng.integers(-(2**31), 2**31, 5000).astype(np.int32)
    places = rng.integers(0, 4000, (nodes, 16)).astype(np.uint32)
    masks = set()
    for at in range(40):
        first, last = tables.stage_first[at % 4 : at % 4 + 2]
        args = (
            sums, at, places, tables.subsets, tables.roots, tables.children, tables.leaves,
            first, last, tables.stage_thresholds[at % 4],
        )  # fmt: skip
        masks.add(lbp_mask(*args))
        assert compiled_lbp_mask(*args) == lbp_mask(*args)
    assert len(masks) > 10


def test_codes_by_hand():
    """One bit for each neighbor, clockwise from the top left, high to low."""
    for bit, (row, column) in enumerate(
        [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    ):
        pixels = np.zeros((3, 3), np.uint8)
        pixels[1, 1], pixels[row, column] = 5, 5
        corners = cv2.integral(pixels).ravel().tolist()
        assert kernels._code(corners) == 128 >> bit


def test_lanes_fit_their_mask():
    assert len(kernels.BITS) >= 1 << LANES
