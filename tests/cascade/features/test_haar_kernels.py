from itertools import pairwise

import numpy as np
import pytest

from fercli.cascade.features import haar_kernels as kernels
from fercli.cascade.features.haar import corner_table, haar_features
from fercli.cascade.features.sample_matrix import IntegralImages, haar_values, to_sample_matrix
from fercli.cascade.training.split_search import pack
from fercli.common.parallel import KernelPool

SIZE_WH, LINE = (9, 8), 10


@pytest.fixture
def windows(rng):
    return to_sample_matrix(rng.integers(0, 256, (60, 8, 9), np.uint8))


@pytest.fixture
def integral(windows):
    return IntegralImages(windows, tilted=True, pool=KernelPool(1)).of(np.arange(len(windows)))


@pytest.fixture
def chosen(rng):
    """Some features of every kind."""
    parts = haar_features(SIZE_WH, "ALL").parts
    some = [rng.choice(np.flatnonzero(parts[:, 0] == kind), 3) for kind in range(14)]
    return np.concatenate(some)


@pytest.fixture
def values(windows, chosen):
    features = haar_features(SIZE_WH, "ALL")
    return np.stack([haar_values(windows, features.feature(n), KernelPool(1)) for n in chosen])


def test_sums_of_corners_are_the_values_of_features(windows, integral, chosen, values):
    features, table = haar_features(SIZE_WH, "ALL"), corner_table(SIZE_WH)
    rows, weights = np.empty(9, np.uint32), np.empty(9, np.int32)
    sums = np.empty(len(windows), np.int32)
    for number, expected in zip(chosen, values, strict=True):
        kernels.find_corners(table, features.parts[number], LINE, rows, weights)
        kernels.sum_rows(integral, rows, weights, sums)
        assert (sums.astype(np.float32) * windows.inverse_norms == expected).all()


def naive_gain(left, right):
    """``S²/W`` of both sides; each is an array of (weight, target)."""
    return sum((w * t).sum() ** 2 / w.sum() for w, t in (left.T, right.T))


def naive_purity(left, right):
    return sum(sum(w[t == c].sum() ** 2 for c in (-1, 1)) / w.sum() for w, t in (left.T, right.T))


def naive_rightness(left, right):
    best = 0
    for sign in (-1, 1):
        best = max(best, left[left[:, 1] == sign, 0].sum() + right[right[:, 1] == -sign, 0].sum())
    return best


NAIVE = {
    kernels.LEAST_SQUARES: naive_gain,
    kernels.GINI: naive_purity,
    kernels.MISCLASSIFICATION: naive_rightness,
}


def naive_split(values, samples, measure):
    """Try all midpoints of different values; return the best quality and its threshold."""
    best = -1.0, 0.0
    distinct = np.unique(values)
    for low, high in pairwise(distinct):
        if high - low > 2.4e-7:
            left = values <= low
            found = measure(samples[left], samples[~left])
            best = max(best, (found, (low + high) / 2), key=lambda pair: pair[0])
    return best


@pytest.mark.parametrize("criterion", NAIVE)
def test_exact_split_is_the_naive_one(rng, windows, integral, chosen, values, criterion):
    samples = np.column_stack([rng.random(60), np.repeat([1.0, -1.0], 30)])
    quality, thresholds = np.empty(len(chosen), np.float32), np.empty(len(chosen), np.float32)
    kernels.split_exactly(
        integral, samples, windows.norms, corner_table(SIZE_WH),
        haar_features(SIZE_WH, "ALL").parts, chosen, 0, len(chosen), LINE, criterion,
        quality, thresholds,
    )  # fmt: skip
    for at, of_feature in enumerate(values):
        best, threshold = naive_split(of_feature, samples, NAIVE[criterion])
        assert quality[at] == pytest.approx(best, rel=1e-6)
        # Values are divided by the norm here and multiplied by its inverse there.
        assert thresholds[at] == pytest.approx(threshold, rel=1e-5, abs=1e-6)


def split_of(values, samples, criterion=kernels.LEAST_SQUARES):
    work = np.empty((3, len(values)), np.uint32)
    return kernels.split_values(
        np.array(values, np.float32), np.array(samples, np.float64), criterion, work
    )


def test_split_by_hand():
    # Left: one positive of weight 1. Right: a positive of 1 and two negatives of 2 and 4.
    samples = [(1, 1), (1, 1), (2, -1), (4, -1)]
    assert split_of([1, 4, 2, 3], samples) == (1 / 1 + 25 / 7, 1.5)
    assert split_of([1, 2, 3, 4], samples) == (4 / 2 + 36 / 6, 2.5)
    assert split_of([1, 2, 3, 4], samples, kernels.GINI) == (4 / 2 + 36 / 6, 2.5)
    assert split_of([1, 2, 3, 4], samples, kernels.MISCLASSIFICATION) == (8, 2.5)


def test_equal_values_are_not_split():
    assert split_of([2, 2, 2], [(1, 1), (1, -1), (1, 1)])[0] == -1
    # Closer than two steps of float32 at 1.
    assert split_of([1, 1 + 1.2e-7], [(1, 1), (1, -1)])[0] == -1


def test_threshold_lies_above_the_lower_of_two_close_values():
    low = np.float32(100)
    high = np.nextafter(low, np.float32(200))
    _, threshold = split_of([low, high], [(1, 1), (1, -1)])
    assert low < threshold <= high


@pytest.mark.parametrize("criterion", NAIVE)
def test_split_does_not_depend_on_the_order_of_samples(rng, criterion):
    values, samples = rng.integers(0, 9, 50), np.column_stack([rng.random(50), np.ones(50)])
    samples[::3, 1] = -1
    order = rng.permutation(50)
    first = split_of(values, samples, criterion)
    second = split_of(values[order], samples[order], criterion)
    assert first[0] == pytest.approx(second[0], rel=1e-12)
    assert first[1] == second[1]


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_sort_is_numpys_stable_one(rng, count):
    values = rng.normal(size=count).astype(np.float32) * 1e3
    values[::5] = values[0]
    values[1::7] = 0
    order, scratch, keys = np.empty((3, count), np.uint32)
    kernels.sort_order(values, order, scratch, keys)
    assert (order == np.argsort(values, kind="stable")).all()


def naive_codes(values, bins, deviations):
    mean, deviation = values.mean(), values.std()
    return np.clip(
        np.trunc((values - mean) / deviation * bins / (2 * deviations) + bins / 2), 0, bins - 1
    ).astype(int)


def naive_best_of_bins(codes, samples, measure):
    sides = [(codes <= code, codes > code) for code in np.unique(codes)[:-1]]
    return max((measure(samples[left], samples[right]) for left, right in sides), default=0.0)


def test_screening_is_a_split_between_bins(windows, integral, chosen, values):
    positives = 25
    samples = np.column_stack([np.ones(60), np.where(np.arange(60) < positives, 1.0, -1.0)])
    quality = np.empty(len(chosen), np.float32)
    kernels.screen_features(
        integral, positives, windows.inverse_norms, corner_table(SIZE_WH),
        haar_features(SIZE_WH, "ALL").parts, chosen, 0, len(chosen), LINE, quality,
    )  # fmt: skip
    codes = [naive_codes(of_feature, kernels.SCREEN_BINS, 2.5) for of_feature in values]
    expected = [naive_best_of_bins(c, samples, naive_gain) / 60 for c in codes]
    # Mean and deviation in float32 put a value in the neighboring bin now and then.
    assert np.median(np.abs(quality - expected)) < 1e-6
    assert np.abs(quality - expected).max() < 0.05


@pytest.mark.parametrize("criterion", [kernels.LEAST_SQUARES, kernels.MISCLASSIFICATION])
def test_histogram_is_a_split_between_bins(rng, windows, integral, chosen, values, criterion):
    samples = np.column_stack([rng.random(60), np.repeat([1.0, -1.0], 30)])
    quality = np.empty(len(chosen))
    kernels.split_by_histogram(
        integral, pack(*samples.T), windows.inverse_norms, corner_table(SIZE_WH),
        haar_features(SIZE_WH, "ALL").parts, chosen, 0, len(chosen), LINE, criterion, quality,
    )  # fmt: skip
    codes = [naive_codes(of_feature, kernels.SPLIT_BINS, 3.5) for of_feature in values]
    total = samples[:, 0].sum()
    expected = [naive_best_of_bins(c, samples, NAIVE[criterion]) / total for c in codes]
    assert np.median(np.abs(quality - expected)) < 1e-6
    assert np.abs(quality - expected).max() < 0.05


def test_values_that_hardly_vary_do_not_break_the_bins():
    values, codes = np.empty(4, np.float32), np.empty(4, np.uint8)
    sums = np.array([7, 7, 7, 7], np.int32)
    kernels.scale_to_bins(sums, np.ones(4, np.float32), 32, 2.5, values, codes)
    assert len(set(codes.tolist())) == 1
    kernels.scale_to_bins(np.zeros(4, np.int32), np.ones(4, np.float32), 32, 2.5, values, codes)
    assert codes.tolist() == [16] * 4
