"""Temperatures of made answers, of which the right one is known."""

import numpy as np
import pytest

from fercli.common.errors import OptionError
from fercli.models.calibration import calibrate, find_temperature, first_half
from fercli.models.onnx_model import softmax


def answers(rng, count, temperature):
    """Return labels drawn from true probabilities, and these as a model that is too sure of them.

    A model whose logits are `temperature` times too large needs just that temperature.
    """
    logits = rng.normal(0, 1.5, (count, 4)).astype(np.float32)
    true = softmax(logits)
    labels = np.array([rng.choice(4, p=row / row.sum()) for row in true.astype(np.float64)])
    return softmax(logits * np.float32(temperature)), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(rng, temperature):
    probabilities, labels = answers(rng, 8000, temperature)
    assert find_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.06)


def test_two_faces_by_hand():
    """At odds of 9 to 1, right 3 times of 4: log 9 / T = log 3, so T = 2."""
    probabilities = np.tile(np.array([[0.9, 0.1]], np.float32), (4, 1))
    found = find_temperature(probabilities, np.array([0, 0, 0, 1]))
    assert found == pytest.approx(2.0, abs=1e-3)


def test_a_sure_model_is_calibrated_on_faces_that_it_was_not_found_on(rng):
    found = calibrate(*answers(rng, 4000, 3.0))
    assert found.faces == 2000
    assert found.error_after < 0.04 < found.error_before
    assert found.loss_after < found.loss_before
    assert "temperature 3." in found.to_text() or "temperature 2." in found.to_text()


def test_a_temperature_that_makes_it_worse_is_not_taken():
    """The half that it is found on is sure and right; the other half is wrong."""
    labels = np.zeros(40, np.int64)
    half = first_half(labels, 0)
    probabilities = np.where(half[:, None], [[0.7, 0.3]], [[0.3, 0.7]]).astype(np.float32)
    found = calibrate(probabilities, labels)
    assert found.temperature == 1
    assert found.loss_after == found.loss_before


def test_halves_have_each_class():
    labels = np.repeat([0, 1, 2], [20, 6, 4])
    half = first_half(labels, 3)
    assert np.bincount(labels[half]).tolist() == [10, 3, 2]


def test_few_faces_are_too_few():
    with pytest.raises(OptionError, match="needs at least 20 labeled faces, got 3"):
        calibrate(np.full((3, 2), 0.5, np.float32), np.zeros(3, np.int64))
