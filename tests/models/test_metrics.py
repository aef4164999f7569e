import math

import numpy as np
import pytest

from fercli.models.metrics import calibration_error, confusion, measure


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
