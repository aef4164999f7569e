import numpy as np
import pytest

from fercli.cascade.training.boosting.methods import METHODS, untrimmed

LABELS = np.array([1.0, 1.0, -1.0, -1.0])


@pytest.mark.parametrize("name", METHODS)
def test_weights_begin_equal_and_sum_to_one(name, rng):
    boosting = METHODS[name](LABELS)
    assert boosting.weights.tolist() == [0.25] * 4
    for _ in range(3):
        boosting.update(rng.uniform(-1, 1, 4))
        assert boosting.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_answered_wrongly_grows_heavier(name):
    boosting = METHODS[name](LABELS)
    boosting.update(np.array([0.7, -0.7, -0.7, -0.7]))
    if name == "LB":
        # Logit weighs what is undecided, and asks for more where it is wrong.
        assert np.abs(boosting.targets[1]) == max(np.abs(boosting.targets))
    else:
        assert boosting.weights[1] == max(boosting.weights)


def test_gentle_answers_the_mean_label():
    gentle = METHODS["GAB"](LABELS)
    assert gentle.leaf(np.array([1.0, 3.0]), np.array([1.0, -1.0])) == -0.5
    gentle.update(np.array([1.0, 1.0, 1.0, -1.0]))
    raw = np.exp([-1, -1, 1, -1])
    assert gentle.weights == pytest.approx(raw / raw.sum())


def test_real_answers_half_the_log_odds():
    real = METHODS["RAB"](LABELS)
    assert real.leaf(np.array([3.0, 1.0]), np.array([1.0, -1.0])) == pytest.approx(np.log(3) / 2)
    # Certainty is bounded.
    only_positives = real.leaf(np.array([1.0]), np.array([1.0]))
    assert only_positives == pytest.approx(np.log((1 - 1e-5) / 1e-5) / 2)


def test_discrete_weighs_errors_by_the_odds():
    discrete = METHODS["DAB"](LABELS)
    votes = np.array([1.0, -1.0, -1.0, -1.0])
    assert discrete.leaf(np.array([3.0, 1.0]), np.array([-1.0, 1.0])) == -1
    assert discrete.scale(votes) == pytest.approx(np.log(3))
    discrete.update(votes)
    assert discrete.weights == pytest.approx(np.array([1, 3, 1, 1]) / 6)


def test_discrete_turns_a_vote_that_is_mostly_wrong():
    discrete = METHODS["DAB"](LABELS)
    votes = -np.array([1.0, -1.0, -1.0, -1.0])
    scale = discrete.scale(votes)
    assert scale == pytest.approx(-np.log(3))
    discrete.update(votes * scale)
    assert discrete.weights == pytest.approx(np.array([1, 3, 1, 1]) / 6)


def test_logit_takes_newton_steps():
    logit = METHODS["LB"](LABELS)
    assert logit.targets.tolist() == [2, 2, -2, -2]
    logit.update(np.array([2.0, 0.0, -2.0, 0.0]))
    share = 1 / (1 + np.exp(-2))
    raw = np.array([share * (1 - share), 0.25] * 2)
    assert logit.weights == pytest.approx(raw / raw.sum())
    assert logit.targets == pytest.approx([1 / share, 2, -1 / share, -2])


def test_logit_targets_are_bounded():
    logit = METHODS["LB"](LABELS)
    for _ in range(3):
        logit.update(np.array([-1000.0, 1.0, 1.0, -1.0]))
    assert logit.targets[0] == 10
    assert np.isfinite(logit.weights).all()


def test_pure_nodes():
    for name in ("RAB", "DAB"):
        boosting = METHODS[name](LABELS)
        assert boosting.is_pure(np.ones(2), np.array([1.0, 1.0]))
        assert not boosting.is_pure(np.ones(2), np.array([1.0, -1.0]))
    gentle = METHODS["GAB"](LABELS)
    assert gentle.is_pure(np.array([0.5, 1e-6]), np.array([1.0, -1.0]))
    assert not gentle.is_pure(np.array([0.5, 0.1]), np.array([1.0, -1.0]))


@pytest.mark.parametrize(
    ("weights", "rate", "kept"),
    [
        ([0.1, 0.2, 0.3, 0.4], 1.0, [0, 1, 2, 3]),
        ([0.1, 0.2, 0.3, 0.4], 0.0, [0, 1, 2, 3]),
        # The lightest goes with 0.05 of its 0.1 still to be saved.
        ([0.1, 0.2, 0.3, 0.4], 0.95, [1, 2, 3]),
        ([0.4, 0.3, 0.2, 0.1], 0.75, [0, 1]),
        # Equals of the lightest that stays are kept.
        ([0.3, 0.1, 0.1, 0.1, 0.4], 0.95, [0, 1, 2, 3, 4]),
        ([1.0], 0.5, []),
    ],
)
def test_trimming(weights, rate, kept):
    assert untrimmed(np.array(weights), rate).tolist() == kept
