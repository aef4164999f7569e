import cv2
import numpy as np
import pytest

from fercli.cascade.features.haar import haar_features
from fercli.cascade.features.lbp import lbp_features
from fercli.cascade.features.sample_matrix import (
    IntegralImages,
    goes_left,
    haar_values,
    integral_rows,
    lbp_codes,
    to_sample_matrix,
)
from fercli.cascade.model import HaarFeature, LbpFeature, Node, WeightedRectangle
from fercli.common.parallel import KernelPool


@pytest.fixture
def samples(rng):
    return rng.integers(0, 256, (6, 9, 8), np.uint8)


def naive_tilted_sum(sample, x, y, width, height):
    """The pixels of a rectangle on a corner, met by walking along its diagonals.

    From the top corner, steps down to the right and down to the left; between the diagonals that
    start at the corner lie those that start one pixel higher.
    """
    total = 0
    for right in range(width):
        for left in range(height):
            px, py = x + right - left - 1, y + right + left
            total += int(sample[py, px]) + int(sample[py + 1, px])
    return total


def naive_value(sample, feature):
    total = np.float32(0)
    for r in feature.rectangles:
        if feature.tilted:
            pixels = naive_tilted_sum(sample, r.x, r.y, r.width, r.height)
        else:
            pixels = int(sample[r.y : r.y + r.height, r.x : r.x + r.width].sum(dtype=int))
        total += np.float32(r.weight) * np.float32(pixels)
    inner = sample[1:-1, 1:-1].astype(int)
    norm = np.sqrt(float(inner.size * (inner**2).sum() - inner.sum() ** 2))
    return total * np.float32(1 / norm)


def test_values_of_all_kinds_of_features(rng, samples):
    windows, features = to_sample_matrix(samples), haar_features((8, 9), "ALL")
    for kind in range(14):
        of_kind = np.flatnonzero(features.parts[:, 0] == kind)
        for number in rng.choice(of_kind, 3):
            feature = features.feature(number)
            expected = [naive_value(sample, feature) for sample in samples]
            assert haar_values(windows, feature, KernelPool(1)).tolist() == expected


def test_value_by_hand():
    sample = np.zeros((4, 5), np.uint8)
    sample[:, 2:] = 10
    windows = to_sample_matrix(sample[None])
    # Within the border: 3 × 2 pixels, four of them 10: sqrt(6·400 − 40²) = sqrt(800).
    assert windows.norms[0] == np.float32(np.sqrt(800))
    feature = HaarFeature((WeightedRectangle(0, 0, 4, 4, -1.0), WeightedRectangle(2, 0, 2, 4, 2.0)))
    value = haar_values(windows, feature, KernelPool(1))[0]
    assert value == pytest.approx((-80 + 160) / np.sqrt(800), rel=1e-7)


def test_flat_window_has_the_value_0_and_no_contrast():
    flat = np.full((1, 8, 8), 77, np.uint8)
    windows = to_sample_matrix(flat)
    feature = haar_features((8, 8), "BASIC").feature(5)
    assert haar_values(windows, feature, KernelPool(1)).tolist() == [0.0]
    assert not windows.have_contrast().any()


@pytest.mark.parametrize(("deviation", "accepted"), [(9, False), (11, True)])
def test_contrast_that_the_detector_wants(deviation, accepted):
    sample = np.full((1, 10, 10), 100, np.uint8)
    sample[0, :, ::2] += 2 * deviation
    assert to_sample_matrix(sample).have_contrast().tolist() == [accepted]


def test_codes_of_patterns(rng, samples):
    windows, features = to_sample_matrix(samples), lbp_features((8, 9))
    for number in rng.choice(len(features), 10):
        f = features.feature(number)
        for sample, code in zip(samples, lbp_codes(windows, f, KernelPool(1)), strict=True):
            blocks = [
                [
                    int(sample[y : y + f.height, x : x + f.width].sum(dtype=int))
                    for x in range(f.x, f.x + 3 * f.width, f.width)
                ]
                for y in range(f.y, f.y + 3 * f.height, f.height)
            ]
            a, b, c = blocks
            ring = [a[0], a[1], a[2], b[2], c[2], c[1], c[0], b[0]]
            assert code == int("".join("01"[value >= b[1]] for value in ring), 2)


def test_code_of_a_flat_window_has_all_bits():
    windows = to_sample_matrix(np.full((1, 6, 6), 9, np.uint8))
    assert lbp_codes(windows, LbpFeature(0, 0, 2, 2), KernelPool(1)).tolist() == [255]


def test_code_whose_bit_is_set_goes_left(samples):
    windows, feature = to_sample_matrix(samples), LbpFeature(1, 1, 2, 2)
    codes = lbp_codes(windows, feature, KernelPool(1))
    bits = [0] * 256
    bits[codes[2]] = 1
    words = [sum(bit << i for i, bit in enumerate(bits[k : k + 32])) for k in range(0, 256, 32)]
    subset = tuple(word - (1 << 32) if word >= 1 << 31 else word for word in words)
    left = goes_left(windows, feature, Node(0, -1, 0, subset=subset), KernelPool(1))
    assert left.tolist() == (codes == codes[2]).tolist()


def test_value_at_the_threshold_goes_right(samples):
    windows, feature = to_sample_matrix(samples), haar_features((8, 9), "BASIC").feature(100)
    values = haar_values(windows, feature, KernelPool(1))
    node = Node(0, -1, 0, threshold=float(values[3]))
    assert (
        goes_left(windows, feature, node, KernelPool(1)).tolist() == (values < values[3]).tolist()
    )


def test_several_arrays_become_one(rng):
    first = rng.integers(0, 256, (3, 7, 5), np.uint8)
    second = rng.integers(0, 256, (5000, 7, 5), np.uint8)
    windows = to_sample_matrix(first, second)
    assert windows.size_wh == (5, 7)
    assert (windows.pixels.T.reshape(-1, 7, 5) == np.concatenate([first, second])).all()


def test_values_do_not_depend_on_the_number_of_threads(rng):
    windows = to_sample_matrix(rng.integers(0, 256, (9000, 8, 8), np.uint8))
    feature = haar_features((8, 8), "BASIC").feature(321)
    with KernelPool(3) as three:
        assert (
            haar_values(windows, feature, KernelPool(1)) == haar_values(windows, feature, three)
        ).all()


@pytest.mark.parametrize("size_wh", [(12, 12), (7, 10), (10, 7)])
def test_equal_to_cv2(rng, size_wh):
    width, height = size_wh
    samples = rng.integers(0, 256, (5, height, width), np.uint8)
    images = IntegralImages(to_sample_matrix(samples), tilted=True, pool=KernelPool(1)).of(
        np.arange(5)
    )
    rows = integral_rows(size_wh, tilted=False)
    for column, sample in enumerate(samples):
        upright, _, tilted = cv2.integral3(sample)
        assert (images[:rows, column].reshape(upright.shape) == upright).all()
        assert (images[rows:, column].reshape(tilted.shape) == tilted).all()


def test_columns_are_those_that_are_asked_for(rng):
    samples = rng.integers(0, 256, (4, 6, 5), np.uint8)
    images = IntegralImages(to_sample_matrix(samples), tilted=False, pool=KernelPool(2))
    chosen = images.of(np.array([3, 1, 1]), keep=True)
    assert (chosen[-1] == samples.sum(axis=(1, 2))[[3, 1, 1]]).all()
    assert images.of(np.array([3, 1, 1])) is chosen
    assert images.of(np.array([0, 2])).shape == (6 * 7, 2)


def test_brightest_possible_window_does_not_overflow():
    samples = np.full((1, 64, 64), 255, np.uint8)
    images = IntegralImages(to_sample_matrix(samples), tilted=True, pool=KernelPool(1)).of(
        np.array([0])
    )
    assert images[65 * 65 - 1, 0] == 64 * 64 * 255
    assert images.min() == 0
