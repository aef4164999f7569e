import tracemalloc

import numpy as np
import pytest

from fercli.cascade.features.haar import haar_features
from fercli.cascade.features.lbp import lbp_features
from fercli.cascade.features.sample_matrix import (
    goes_left,
    haar_values,
    lbp_codes,
    to_sample_matrix,
)
from fercli.cascade.model import Node
from fercli.cascade.training import lbp_search
from fercli.cascade.training import split_search as haar_search
from fercli.cascade.training.lbp_search import KeptCodes, LbpSearch
from fercli.cascade.training.split_search import (
    HaarSearch,
    WeightedSamples,
    best_indices,
    draw_by_weight,
    pack,
    unpack,
)
from fercli.common.parallel import KernelPool

CRITERIA = ["least squares", "gini", "misclassification"]


@pytest.fixture
def windows(lfw):
    return to_sample_matrix(*lfw(8))


def weighted(rng, criterion="least squares", columns=None):
    columns = np.arange(200) if columns is None else columns
    targets = np.where(columns < 100, 1.0, -1.0)
    positives = int((columns < 100).sum())
    return WeightedSamples(columns, positives, rng.random(len(columns)), targets, criterion)


def gain(windows, search, split, samples):
    feature = search.features.feature(split.feature)
    node = Node(0, -1, 0, split.threshold, split.subset)
    left = goes_left(windows, feature, node, KernelPool(1))[samples.columns]
    return sum(
        (samples.weights[side] * samples.targets[side]).sum() ** 2 / samples.weights[side].sum()
        for side in (left, ~left)
    )


def exhaustive_gain(windows, features, samples):
    """The best gain of any feature at any threshold, with NumPy alone."""
    best = 0.0
    for number in range(len(features)):
        values = haar_values(windows, features.feature(number), KernelPool(1))[samples.columns]
        order = np.argsort(values)
        weights, responses = samples.weights[order], (samples.weights * samples.targets)[order]
        left, left_response = np.cumsum(weights)[:-1], np.cumsum(responses)[:-1]
        right, right_response = weights.sum() - left, responses.sum() - left_response
        gains = left_response**2 / left + right_response**2 / right
        distinct = np.diff(values[order]) > 2.4e-7
        best = max(best, gains[distinct].max(initial=0.0))
    return best


@pytest.mark.compiled
def test_exhaustive_search_finds_the_best_of_all(rng, windows):
    features = haar_features((8, 8), "BASIC")
    samples = weighted(rng, columns=np.arange(0, 200, 2))
    search = HaarSearch(features, windows, KernelPool(1), method="exhaustive")
    split = search.best_split(samples, rng)
    best = exhaustive_gain(windows, features, samples)
    assert gain(windows, search, split, samples) == pytest.approx(best, rel=1e-6)


def test_of_equal_features_the_first_is_taken(rng):
    # The right half is brighter, evenly: many features tell the classes apart.
    samples = np.full((40, 8, 8), 100, np.uint8)
    samples[:20, :, 4:] = 200
    samples += rng.integers(0, 3, samples.shape, np.uint8)
    search = HaarSearch(haar_features((8, 8), "BASIC"), to_sample_matrix(samples), KernelPool(1),
                        method="exhaustive")  # fmt: skip
    targets = np.where(np.arange(40) < 20, 1.0, -1.0)
    split = search.best_split(
        WeightedSamples(np.arange(40), 20, np.full(40, 1 / 40), targets, "least squares"), rng
    )
    perfect = []
    for number in range(split.feature + 1):
        values = haar_values(search.windows, search.features.feature(number), KernelPool(1))
        first, second = values[:20], values[20:]
        perfect.append(first.min() > second.max() or second.min() > first.max())
    assert perfect.index(True) == split.feature


@pytest.mark.compiled
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("kind", ["BASIC", "ALL", "LBP"])
def test_fast_search_comes_close(rng, monkeypatch, windows, kind, criterion):
    monkeypatch.setattr(haar_search, "SCREENED_SAMPLES", 64)
    monkeypatch.setattr(haar_search, "SECOND_SAMPLES", 150)
    monkeypatch.setattr(haar_search, "SCREENED_FEATURES", 400)
    monkeypatch.setattr(haar_search, "SECOND_FEATURES", 100)
    if kind == "LBP":
        fast, slow = (
            LbpSearch(lbp_features((8, 8)), windows, KernelPool(1), method=method)
            for method in ("fast", "exhaustive")
        )
    else:
        fast, slow = (
            HaarSearch(haar_features((8, 8), kind), windows, KernelPool(1), method=method)
            for method in ("fast", "exhaustive")
        )
    shares = []
    for _ in range(5):
        samples = weighted(rng, criterion)
        gains = [
            gain(windows, search, search.best_split(samples, rng), samples)
            for search in (fast, slow)
        ]
        shares.append(gains[0] / gains[1])
    assert np.mean(shares) > 0.9


@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["ALL", "LBP"])
def test_result_does_not_depend_on_the_number_of_threads(windows, kind):
    found = []
    for workers in (1, 3):
        with KernelPool(workers) as pool:
            if kind == "LBP":
                search = LbpSearch(lbp_features((8, 8)), windows, pool)
            else:
                search = HaarSearch(haar_features((8, 8), kind), windows, pool)
            rng = np.random.default_rng(5)
            found.append([search.best_split(weighted(rng), rng) for _ in range(4)])
    assert found[0] == found[1]


@pytest.mark.compiled
@pytest.mark.parametrize("method", ["fast", "exhaustive"])
def test_kept_codes_give_the_same_splits(rng, windows, monkeypatch, method):
    monkeypatch.setattr(lbp_search, "BLOCK", 90)  # several, and the last is not full
    features = lbp_features((8, 8))
    pool = KernelPool(2)
    codes = KeptCodes(features, pool).of(windows, np.arange(20))
    computed, kept = (
        LbpSearch(features, windows, pool, method=method, codes=known) for known in (None, codes)
    )
    for seed in range(4):
        samples = weighted(rng)
        splits = [
            search.best_split(samples, np.random.default_rng(seed)) for search in (computed, kept)
        ]
        assert splits[0] == splits[1]


@pytest.mark.compiled
@pytest.mark.parametrize(
    "stages",
    [
        ([0, 1, 2, 3, 4, 5], [0, 2, 3, 5]),
        ([0, 1, 2, 3], [0, 1, 3, 4, 5], [3, 4, 5, 7]),
        ([2, 3, 4], [1, 2, 4]),  # one that comes before others is new
        ([0, 1], [2, 3], []),
    ],
)
def test_codes_of_positives_are_kept_from_stage_to_stage(rng, stages):
    features, pool = lbp_features((8, 8)), KernelPool(1)
    positives = rng.integers(0, 256, (8, 8, 8), np.uint8)
    kept = KeptCodes(features, pool)
    for count, chosen in enumerate(stages, 3):
        negatives = rng.integers(0, 256, (count, 8, 8), np.uint8)
        windows = to_sample_matrix(positives[np.array(chosen, int)], negatives)
        codes = kept.of(windows, np.array(chosen, np.intp))[:, : len(windows)]
        expected = [lbp_codes(windows, features.feature(k), pool) for k in range(len(features))]
        assert (codes == expected).all()


@pytest.mark.compiled
def test_the_first_round_on_few_samples_finds_what_all_would(rng, windows, monkeypatch):
    monkeypatch.setattr(lbp_search, "SECOND_FEATURES", 40)
    monkeypatch.setattr(lbp_search, "FEWEST_SAMPLES", 100)
    features, pool = lbp_features((8, 8)), KernelPool(1)
    samples = weighted(rng)
    all_ = LbpSearch(features, windows, pool).best_split(samples, np.random.default_rng(0))
    monkeypatch.setattr(lbp_search, "FIRST_EVALUATIONS", 1)
    halved = LbpSearch(features, windows, pool).best_split(samples, np.random.default_rng(0))
    assert halved == all_


@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["BASIC", "LBP"])
def test_more_samples_than_memory_has_room_for(rng, windows, kind):
    if kind == "LBP":
        tight = LbpSearch(lbp_features((8, 8)), windows, KernelPool(1), most_samples=80)
        roomy = LbpSearch(lbp_features((8, 8)), windows, KernelPool(1))
    else:
        tight = HaarSearch(haar_features((8, 8), kind), windows, KernelPool(1), most_samples=80)
        roomy = HaarSearch(haar_features((8, 8), kind), windows, KernelPool(1))
    samples = weighted(rng)
    least = gain(windows, tight, tight.best_split(samples, rng), samples)
    assert least > 0.6 * gain(windows, roomy, roomy.best_split(samples, rng), samples)


@pytest.mark.compiled
def test_exhaustive_search_among_patterns_counts_a_piece_of_them_at_a_time(rng, monkeypatch):
    features = lbp_features((24, 24))
    windows = to_sample_matrix(rng.integers(0, 256, (40, 24, 24), np.uint8))
    samples = WeightedSamples(
        np.arange(40), 20, rng.random(40), np.repeat([1.0, -1.0], 20), "least squares"
    )
    search = LbpSearch(features, windows, KernelPool(1), method="exhaustive")
    with monkeypatch.context() as patched:
        patched.setattr(lbp_search, "PIECE", len(features))
        at_once = search.best_split(samples, rng)
    tracemalloc.start()
    assert search.best_split(samples, rng) == at_once
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The sums of all features at once would be 17 MB.
    assert most < 0.7 * len(features) * 256 * 8


@pytest.mark.compiled
def test_part_of_the_features_and_neighbors_of_the_best(rng, monkeypatch, windows):
    monkeypatch.setattr(haar_search, "MOST_SCREENED", 200)
    features = haar_features((8, 8), "BASIC")
    search = HaarSearch(features, windows, KernelPool(1))
    first = search._first_candidates(rng)
    assert 150 <= len(first) <= 200
    assert (np.diff(first) > 0).all()
    assert search._first_candidates(rng).tolist() != first.tolist()
    samples = weighted(rng)
    best = exhaustive_gain(windows, features, samples)
    assert gain(windows, search, search.best_split(samples, rng), samples) > 0.8 * best


def test_neighbors_are_those_within_two_pixels():
    features = haar_features((8, 8), "BASIC")
    chosen = np.array([1000])
    part = features.parts[1000].astype(int)
    expected = {
        number
        for number, other in enumerate(features.parts.astype(int))
        if other[0] == part[0]
        and np.count_nonzero(other != part) == 1
        and np.abs(other - part).max() <= 2
    }
    assert set(features.neighbors(chosen).tolist()) == expected


@pytest.mark.parametrize("method", ["fast", "exhaustive"])
def test_samples_that_no_feature_tells_apart(rng, method):
    windows = to_sample_matrix(np.full((40, 6, 6), 50, np.uint8))
    samples = WeightedSamples(
        np.arange(40), 20, np.full(40, 0.1), np.repeat([1.0, -1.0], 20), "least squares"
    )
    for search in (
        HaarSearch(haar_features((6, 6), "BASIC"), windows, KernelPool(1), method=method),
        LbpSearch(lbp_features((6, 6)), windows, KernelPool(1), method=method),
    ):
        assert search.best_split(samples, rng) is None


def test_drawn_as_often_as_the_weight_tells(rng):
    weights = rng.random(300) ** 3
    drawn, positives = draw_by_weight(weights, 100, 1000, rng)
    assert len(drawn) == 1000
    assert (np.diff(drawn) >= 0).all()
    assert positives == (drawn < 100).sum()
    expected = weights * 1000 / weights.sum()
    # One more or less by the random start, and one by rounding the share of the class.
    assert np.abs(np.bincount(drawn, minlength=300) - expected).max() < 2


def test_a_class_of_hardly_any_weight_is_drawn_once(rng):
    weights = np.array([1e-9, 1.0, 1.0])
    assert draw_by_weight(weights, 1, 10, rng) == (pytest.approx([0, *[1] * 5, *[2] * 4], abs=1), 1)


def test_samples_without_weight_are_not_drawn(rng):
    drawn, _ = draw_by_weight(np.array([0.0, 1.0, 0.0, 0.0, 2.0, 0.0]), 2, 50, rng)
    assert set(drawn.tolist()) == {1, 4}


def test_packed_sums_are_those_of_weights_and_products(rng):
    weights, targets = rng.random(1000), rng.uniform(-10, 10, 1000)
    packed = pack(weights, targets)
    assert packed.dtype == np.int64
    sums = unpack(np.array([packed[:300].sum(), packed.sum()]))
    unit = sums[0][1] / weights.sum()
    assert sums[0][0] / unit == pytest.approx(weights[:300].sum(), rel=1e-5)
    assert sums[1][0] / unit == pytest.approx((weights * targets)[:300].sum(), abs=1e-3)


def test_best_indices_takes_the_first_of_equals():
    assert best_indices(np.array([1.0, 3.0, 2.0, 3.0, 2.0]), 3).tolist() == [1, 3, 2]
    assert best_indices(np.array([1.0, 2.0]), 9).tolist() == [1, 0]
