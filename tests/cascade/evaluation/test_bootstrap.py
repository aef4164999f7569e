import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.evaluation.bootstrap import (
    Interval,
    curve_values,
    draw_images,
    draws_for,
    interval_of,
    share_values,
)
from fercli.cascade.evaluation.curves import average_precision, curve_of, rank, recall_at

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
