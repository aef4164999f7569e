"""Metrics of a classification from probabilities and labels, and the temperature for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OptionError
from fercli.common.tables import counted
from fercli.models.onnx_model import to_probabilities

Probabilities = NDArray[np.float32]
Labels = NDArray[np.int64]

#: Bins of the calibration error.
BINS = 15


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall and F1 of one class.

    Parameters
    ----------
    name : str
        The class.
    support : int
        Images of it.
    precision, recall, f1 : float
        NaN where nothing is to be divided by: no image of the class, or none taken for it.
    """

    name: str
    support: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Metrics:
    """All metrics of a model on some images.

    Parameters
    ----------
    count : int
        Images.
    accuracy, balanced_accuracy : float
        Share of right answers; mean recall of the classes that occur.
    macro_f1 : float
        The mean of the F1 of the classes that occur.
    log_loss : float
        Mean of minus the natural logarithm of the right class's probability.
    calibration_error : float
        Expected calibration error, see `calibration_error`.
    classes : tuple of ClassFigures
        Class by class.
    confusion : ndarray of int64, shape (classes, classes)
        Images by true class (row) and class taken for (column).
    """

    count: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    calibration_error: float
    classes: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]


def measure(probabilities: Probabilities, labels: Labels, classes: Sequence[str]) -> Metrics:
    """Return all measures.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, classes)
    labels : ndarray of int64, shape (n,)
        The true classes.
    classes : sequence of str
        Their names.
    """
    table = confusion(probabilities.argmax(axis=1), labels, len(classes))
    figures = tuple(class_figures(table, at, name) for at, name in enumerate(classes))
    present = [figure for figure in figures if figure.support]
    return Metrics(
        count=len(labels),
        accuracy=accuracy(probabilities, labels),
        balanced_accuracy=float(np.mean([figure.recall for figure in present])),
        macro_f1=float(np.mean([figure.f1 for figure in present])),
        log_loss=log_loss(probabilities, labels),
        calibration_error=calibration_error(probabilities, labels),
        classes=figures,
        confusion=table,
    )


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Return the share of images whose most probable class is the true one."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Return the mean of minus the natural logarithm of the right class's probability."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def confusion(predicted: Labels, labels: Labels, classes: int) -> NDArray[np.int64]:
    """Return counts by true class (row) and predicted class (column)."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def class_figures(table: NDArray[np.int64], at: int, name: str) -> ClassFigures:
    """Return precision, recall and F1 of one class from the confusion table."""
    right, support, taken = (int(v) for v in (table[at, at], table[at].sum(), table[:, at].sum()))
    f1 = 2 * right / (support + taken) if support + taken else float("nan")
    return ClassFigures(name, support, _share(right, taken), _share(right, support), f1)


def calibration_error(probabilities: Probabilities, labels: Labels, bins: int = BINS) -> float:
    """Return the expected calibration error of the most probable class.

    The mean distance between confidence and accuracy over bins of equal width, weighted by the
    images in each. Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural
    networks", ICML 2017 (arXiv 1706.04599), equation 5.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(index, confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


# Calibration: a temperature that makes probabilities as often right as they say.
#
# Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017
# (arXiv 1706.04599), section 4.2: logits are divided by one number, found where the log loss on
# held out images is least. The most probable class stays the same.


#: Between these a temperature is looked for, and this close it is found, as logarithms.
LOWEST, HIGHEST, PRECISION = math.log(0.05), math.log(20.0), 1e-4

#: Faces from which a temperature can be found and checked.
LEAST = 20


@dataclass(frozen=True)
class Calibration:
    """A temperature, and what it does to faces that it was not found on.

    Parameters
    ----------
    temperature : float
        1 if the one that was found made the log loss of the other faces larger.
    faces : int
        Faces that it was checked on; about as many it was found on.
    error_before, error_after : float
        Expected calibration error, see `fercli.models.metrics.calibration_error`.
    loss_before, loss_after : float
        Log loss.
    """

    temperature: float
    faces: int
    error_before: float
    error_after: float
    loss_before: float
    loss_after: float

    def to_text(self) -> str:
        """Return a line for people."""
        return (
            f"temperature {self.temperature:.3f}: calibration error {self.error_before:.4f} → "
            f"{self.error_after:.4f}, log loss {self.loss_before:.4f} → {self.loss_after:.4f} on "
            f"{counted(self.faces, 'face')} that it was not found on"
        )


def calibrate(probabilities: Probabilities, labels: Labels, seed: int = 0) -> Calibration:
    """Find a temperature on half of the faces and measure it on the other half.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, classes)
        At temperature 1.
    labels : ndarray of int64, shape (n,)
    seed : int
        Decides on the halves, which have each class's share.

    Raises
    ------
    OptionError
        There are too few faces.
    """
    if len(labels) < LEAST:
        raise OptionError(
            f"Calibration needs at least {LEAST} labeled faces, got {len(labels)}",
            hint="give a larger split",
        )
    first = first_half(labels, seed)
    temperature = find_temperature(probabilities[first], labels[first])
    before, known = probabilities[~first], labels[~first]
    after = to_probabilities(before, False, temperature)
    if log_loss(after, known) > log_loss(before, known):
        temperature, after = 1.0, before
    return Calibration(
        temperature,
        len(known),
        calibration_error(before, known),
        calibration_error(after, known),
        log_loss(before, known),
        log_loss(after, known),
    )


def first_half(labels: Labels, seed: int) -> NDArray[np.bool_]:
    """Return which faces are of the first half; of each class, half of its faces."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    chosen = np.zeros(len(labels), bool)
    chosen[order[::2]] = True
    return chosen


def find_temperature(probabilities: Probabilities, labels: Labels) -> float:
    """Return the temperature of the least log loss, by golden section.

    The log loss has one minimum: it is convex in the reciprocal of the temperature.
    """
    ratio = (math.sqrt(5) - 1) / 2

    def loss(logarithm: float) -> float:
        return log_loss(to_probabilities(probabilities, False, math.exp(logarithm)), labels)

    low, high = LOWEST, HIGHEST
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    loss_a, loss_b = loss(a), loss(b)
    while high - low > PRECISION:
        if loss_a < loss_b:
            high, b, loss_b = b, a, loss_a
            a = high - ratio * (high - low)
            loss_a = loss(a)
        else:
            low, a, loss_a = a, b, loss_b
            b = low + ratio * (high - low)
            loss_b = loss(b)
    return math.exp((low + high) / 2)
