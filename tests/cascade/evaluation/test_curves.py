import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.evaluation.curves import average_precision, curve_of, recall_at

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
