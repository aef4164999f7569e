import numpy as np
import pytest

from fercli.cascade.features import lbp as kernels
from fercli.cascade.features.lbp import lbp_features
from fercli.cascade.features.sample_matrix import IntegralImages, lbp_codes, to_sample_matrix
from fercli.cascade.model import LbpFeature
from fercli.cascade.training.lbp_search import best_subset
from fercli.cascade.training.split_search import pack, unpack
from fercli.common.parallel import KernelPool


@pytest.mark.parametrize(("side", "count"), [(20, 3_969), (24, 8_464)])
def test_counts_are_those_of_opencv_traincascade(side, count):
    assert len(lbp_features((side, side))) == count


def test_order_is_that_of_opencv_traincascade():
    features = lbp_features((8, 7))
    expected = [
        LbpFeature(x, y, w, h)
        for x in range(8)
        for y in range(7)
        for w in range(1, 3)
        for h in range(1, 3)
        if x + 3 * w <= 8 and y + 3 * h <= 7
    ]
    assert [features.feature(n) for n in range(len(features))] == expected


@pytest.fixture
def windows(rng):
    return to_sample_matrix(rng.integers(0, 256, (77, 8, 9), np.uint8))


def test_histograms_of_codes(rng, windows):
    features = lbp_features((9, 8))
    integral = IntegralImages(windows, tilted=False, pool=KernelPool(1)).of(np.arange(77))
    weights, targets = rng.random(77), rng.choice([-1.0, 1.0], 77)
    chosen, histograms = np.array([5, 0, 30]), np.empty((2, 256), np.int64)
    kernels.count_codes(
        integral, pack(weights, targets), features.parts, chosen, 1, 3, 9, histograms
    )
    for number, histogram in zip(chosen[1:], histograms, strict=True):
        codes = lbp_codes(windows, features.feature(number), KernelPool(1))
        found_weights, found_responses = unpack(histogram)
        unit = weights.sum() / found_weights.sum()
        expected = np.bincount(codes, weights, 256)
        assert np.allclose(found_weights * unit, expected, atol=1e-6)
        expected = np.bincount(codes, weights * targets, 256)
        assert np.allclose(found_responses * unit, expected, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 76, 77])
def test_kept_codes_give_the_same_histograms(rng, windows, count):
    features, pool = lbp_features((9, 8)), KernelPool(1)
    images = IntegralImages(windows, tilted=False, pool=pool)
    codes = np.empty((len(features), 77), np.uint8)
    kernels.write_all_codes(images.of(np.arange(77)), features.parts, 0, len(features), 9, codes)
    for number in (0, 5, len(features) - 1):
        assert codes[number].tolist() == lbp_codes(windows, features.feature(number), pool).tolist()
    columns = np.sort(rng.choice(77, count, replace=False))
    packed = rng.integers(1, 1 << 40, count)
    chosen, kept, computed = np.array([5, 0, 30]), *np.full((2, 2, 256), 7, np.int64)
    kernels.count_kept_codes(codes, columns.astype(np.uint32), packed, chosen, 1, 3, kept)
    kernels.count_codes(images.of(columns), packed, features.parts, chosen, 1, 3, 9, computed)
    assert (kept == computed).all()
    # By hand: each sample adds its number to the bin of its code.
    expected = np.zeros(256, np.int64)
    for column, number in zip(columns, packed, strict=True):
        expected[codes[0, column]] += number
    assert kept[0].tolist() == expected.tolist()


def brute_force_subset(weights, responses):
    """Try every subset of the codes that occur."""
    codes = np.flatnonzero(weights)
    best = 0.0
    for bits in range(1, 2 ** len(codes) - 1):
        left = codes[[bits >> i & 1 == 1 for i in range(len(codes))]]
        right = np.setdiff1d(codes, left)
        gain = sum(responses[side].sum() ** 2 / weights[side].sum() for side in (left, right))
        best = max(best, gain)
    return best


@pytest.fixture
def sums(rng):
    """Weights and responses of a feature with nine codes."""
    codes = rng.choice(256, 9, replace=False)
    weights, responses = np.zeros(256), np.zeros(256)
    weights[codes] = rng.random(9) + 0.1
    responses[codes] = weights[codes] * rng.uniform(-1, 1, 9)
    return weights, responses


def bits_of(subset):
    words = np.array(subset, np.int64) & 0xFFFFFFFF
    return np.array([words[code // 32] >> (code % 32) & 1 for code in range(256)], bool)


def test_best_subset_is_the_best_of_all(sums):
    weights, responses = sums
    quality, subset = best_subset(weights, responses, False)
    assert quality == pytest.approx(brute_force_subset(weights, responses))
    left = bits_of(subset)
    gain = sum(responses[s].sum() ** 2 / weights[s].sum() for s in (left, ~left))
    assert quality == pytest.approx(gain)
    assert responses[left].sum() / weights[left].sum() < responses[~left].sum()


def test_one_code_cannot_be_split():
    weights = np.zeros(256)
    weights[3] = 1.0
    assert best_subset(weights, weights, False)[0] == -1


def test_groups_come_close_to_the_best_subset(sums):
    weights, responses = sums
    histogram = pack(np.where(weights > 0, weights, 0), responses / np.maximum(weights, 1e-9))
    quality = np.empty(1)
    kernels.split_by_groups(histogram[None], 1.0, False, quality)
    assert quality[0] == pytest.approx(best_subset(weights, responses, False)[0] / weights.sum(),
                                       rel=1e-3)  # fmt: skip
