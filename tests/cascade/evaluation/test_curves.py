import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.evaluation.curves import (
    Interval,
    average_precision,
    curve_of,
    curve_values,
    draw_images,
    draws_for,
    interval_of,
    rank,
    recall_at,
    share_values,
)

detections = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=30)


def ap(scored, truths):
    return average_precision(curve_of([s for s, _ in scored], [hit for _, hit in scored], truths))


@pytest.mark.parametrize(
    ("scored", "truths", "expected"),
    [
        # All found first: 1.
        ([(9, True), (8, True)], 2, 1.0),
        # Recall 0.5 at precision 1, nothing more.
        ([(9, True)], 2, 0.5),
        # Recall 0.25 at 1, then 0.5 at 2/3: 0.25 + 0.25 * 2/3.
        ([(9, True), (8, False), (7, True), (6, False)], 4, 0.25 + 0.25 * 2 / 3),
        # A dip is lifted to what comes after it: 1/2 at recall 0.5, but 2/3 from there on.
        ([(9, False), (8, True), (7, True)], 2, 2 / 3),
        # The same score: they come together, at precision 1/2.
        ([(9, True), (9, False)], 1, 0.5),
        ([(9, False), (9, True)], 1, 0.5),
        ([(9, False)], 3, 0.0),
        ([], 3, 0.0),
        ([(9, False)], 0, None),
        ([], 0, None),
    ],
)
def test_average_precision_by_hand(scored, truths, expected):
    found = ap(scored, truths)
    assert found == (None if expected is None else pytest.approx(expected))


def naive_ap(scored, truths):
    """Precision at each recall that is reached, the best of it from there on, by loops."""
    points = []
    for threshold in sorted({score for score, _ in scored}, reverse=True):
        hits = sum(hit for score, hit in scored if score >= threshold)
        found = sum(score >= threshold for score, _ in scored)
        points.append((hits, hits / found))
    return sum(
        max((precision for hits, precision in points if hits >= wanted), default=0.0) / truths
        for wanted in range(1, truths + 1)
    )


@given(detections, st.integers(1, 10))
def test_average_precision_is_that_of_the_naive_twin(scored, more):
    truths = sum(hit for _, hit in scored) + more
    assert ap(scored, truths) == pytest.approx(naive_ap(scored, truths))


@given(detections, st.randoms(use_true_random=False))
def test_neither_order_nor_the_size_of_scores_matters(scored, random):
    truths = sum(hit for _, hit in scored) + 1
    shuffled = random.sample(scored, len(scored))
    assert ap([(np.exp(score), hit) for score, hit in shuffled], truths) == ap(scored, truths)


@given(detections)
def test_false_alarms_below_all_else_cost_nothing_and_above_all_else_something(scored):
    truths = sum(hit for _, hit in scored) + 1
    before = ap(scored, truths)
    assert ap([*scored, (-1, False)], truths) == pytest.approx(before)
    after = ap([*scored, (99, False)], truths)
    assert after < before or before == after == 0


@given(detections)
def test_twice_the_same_is_as_good(scored):
    truths = sum(hit for _, hit in scored) + 1
    assert ap(scored * 2, truths * 2) == pytest.approx(ap(scored, truths))


def test_a_curve_by_hand():
    curve = curve_of([5, 9, 7, 7, 1], [True, True, False, True, False], 4)
    assert curve.thresholds.tolist() == [9, 7, 5, 1]
    assert curve.hits.tolist() == [1, 2, 3, 3]
    assert curve.false_alarms.tolist() == [0, 1, 1, 2]
    assert curve.recall.tolist() == [0.25, 0.5, 0.75, 0.75]
    assert curve.precision.tolist() == [1, 2 / 3, 0.75, 0.6]
    assert curve.f1.tolist() == pytest.approx([2 / 5, 4 / 7, 3 / 4, 2 / 3])


@pytest.mark.parametrize(("false_alarms", "recall"), [(0, 0.25), (1, 0.75), (2, 0.75), (100, 0.75)])
def test_recall_at_false_alarms(false_alarms, recall):
    curve = curve_of([5, 9, 7, 7, 1], [True, True, False, True, False], 4)
    assert recall_at(curve, false_alarms) == recall


def test_recall_at_false_alarms_where_there_is_none():
    assert recall_at(curve_of([9], [False], 4), 0) == 0.0
    assert recall_at(curve_of([9], [False], 0), 0) is None


#: Two images. The first has 2 objects, a hit of score 9 and a false alarm of 7; the second one
#: object, a hit of 8.
RANKED = rank([[9, 7], [8]], [[True, False], [True]], [2, 1])


def figures(curve):
    return [average_precision(curve), recall_at(curve, 0), recall_at(curve, 0.1 * 2)]


@pytest.mark.parametrize(
    ("times", "precision", "recall"),
    [
        # Each once: recall 1/3 and 2/3 at precision 1.
        ([1, 1], 2 / 3, 2 / 3),
        # The first twice: 4 objects, both hits of score 9, then two false alarms.
        ([2, 0], 2 / 4, 2 / 4),
        # The second twice: 2 objects, both found.
        ([0, 2], 1.0, 1.0),
    ],
)
def test_a_draw_by_hand(times, precision, recall):
    (row,) = curve_values(RANKED, np.array([times]), figures)
    assert row.tolist() == pytest.approx([precision, recall, recall])


def test_a_draw_without_detections_finds_nothing():
    ranked = rank([[], [8]], [[], [True]], [1, 1])
    assert curve_values(ranked, np.array([[2, 0]]), figures).tolist() == [[0, 0, 0]]


def test_a_draw_without_objects_is_undefined():
    ranked = rank([[5], [8]], [[False], [True]], [0, 1])
    assert np.isnan(curve_values(ranked, np.array([[2, 0]]), figures)).all()


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=5), min_size=1, max_size=5
    ),
    st.data(),
)
def test_a_draw_is_the_curve_of_repeated_images(images, data):
    times = data.draw(
        st.lists(st.integers(0, 3), min_size=len(images), max_size=len(images)).filter(any)
    )
    truths = [sum(hit for _, hit in image) + 1 for image in images]
    ranked = rank(
        [[score for score, _ in image] for image in images],
        [[hit for _, hit in image] for image in images],
        truths,
    )
    repeated = [each for image, n in zip(images, times, strict=True) for each in image * n]
    naive = curve_of(
        [score for score, _ in repeated],
        [hit for _, hit in repeated],
        sum(n * truth for n, truth in zip(times, truths, strict=True)),
    )
    curve = ranked.curve(np.array(times))
    assert average_precision(curve) == pytest.approx(average_precision(naive))
    for allowed in range(4):
        assert recall_at(curve, allowed) == pytest.approx(recall_at(naive, allowed))


def test_draws_are_the_same_for_a_seed_and_fewer_are_the_first_of_more():
    times = draw_images(5, 100, seed=3)
    assert times.shape == (100, 5)
    assert (times.sum(axis=1) == 5).all()
    np.testing.assert_array_equal(draw_images(5, 40, seed=3), times[:40])
    assert (draw_images(5, 100, seed=4) != times).any()
    # Each image is drawn once in the mean: the binomial's error over 500 draws is about 0.05.
    assert times.mean(axis=0) == pytest.approx(np.ones(5), abs=0.25)


def test_shares_by_hand():
    times = np.array([[1, 1], [2, 0], [0, 2]])
    values = share_values(np.array([1, 0]), np.array([2, 0]), times)
    assert values[:2].tolist() == [0.5, 0.5]
    assert np.isnan(values[2])


def test_the_interval_is_the_middle():
    values = np.arange(1001) / 1000
    assert interval_of(values) == Interval(pytest.approx(0.025), pytest.approx(0.975))
    assert interval_of(values, 0.5) == Interval(pytest.approx(0.25), pytest.approx(0.75))
    assert interval_of(np.array([1.0, np.nan, np.nan])) is None
    assert interval_of(np.array([1.0, 1.0, np.nan])) == Interval(1.0, 1.0)


def test_the_interval_of_a_share_is_that_of_the_binomial():
    """Of 400 images with an object each half are found: 0.5 ± 1.96 × 0.025."""
    found = np.arange(400) % 2
    values = share_values(found, np.ones(400, int), draw_images(400))
    interval = interval_of(values)
    assert interval.low == pytest.approx(0.451, abs=0.006)
    assert interval.high == pytest.approx(0.549, abs=0.006)


@pytest.mark.parametrize(("low", "high", "noise"), [(-0.1, 0.2, True), (0.01, 0.2, False)])
def test_a_difference_around_0_is_noise(low, high, noise):
    assert Interval(low, high).includes_zero is noise


def test_many_detections_get_fewer_draws():
    assert [draws_for(count) for count in (0, 1000, 100_000, 10**9)] == [1000, 1000, 500, 200]
