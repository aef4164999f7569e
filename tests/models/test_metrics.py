import math

import numpy as np
import pytest

from fercli.common.errors import OptionError
from fercli.models.metrics import (
    calibrate,
    calibration_error,
    confusion,
    find_temperature,
    first_half,
    measure,
)
from fercli.models.onnx_model import softmax


def test_by_hand():
    # Truth a a a b b; answers a a b b a.
    probabilities = np.array(
        [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.6, 0.4]], np.float32
    )
    labels = np.array([0, 0, 0, 1, 1])
    found = measure(probabilities, labels, ("a", "b"))
    assert found.confusion.tolist() == [[2, 1], [1, 1]]
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    a, b = found.classes
    assert (a.precision, a.recall, a.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (b.precision, b.recall, b.f1) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    expected = -np.log([0.9, 0.8, 0.3, 0.6, 0.4]).mean()
    assert found.log_loss == pytest.approx(expected, rel=1e-5)


def test_a_class_without_images_counts_in_no_mean():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], np.float32)
    found = measure(probabilities, np.array([0, 1]), ("a", "b", "never"))
    assert found.balanced_accuracy == found.macro_f1 == 1
    assert math.isnan(found.classes[2].recall)


def test_confusion_agrees_with_a_plain_loop(rng):
    labels, predicted = rng.integers(0, 5, (2, 300))
    slow = np.zeros((5, 5), int)
    for truth, taken in zip(labels, predicted, strict=True):
        slow[truth, taken] += 1
    assert (confusion(predicted, labels, 5) == slow).all()


def test_calibration_error_by_hand():
    # Two faces at confidence 0.75, of which one is right; two at 1.0, both right.
    probabilities = np.array([[0.75, 0.25], [0.75, 0.25], [1, 0], [0, 1]], np.float32)
    labels = np.array([0, 1, 0, 1])
    assert calibration_error(probabilities, labels, 10) == pytest.approx(0.25 * 2 / 4)


def test_a_sure_and_right_model_is_calibrated():
    assert calibration_error(np.eye(3, dtype=np.float32), np.arange(3)) == 0


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
