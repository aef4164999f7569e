"""Calibration: a temperature that makes probabilities as often right as they say.

Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017
(arXiv 1706.04599), section 4.2: logits are divided by one number, found where the log loss on held
out images is least. The most probable class stays the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OptionError
from fercli.models.metrics import Labels, Probabilities, calibration_error, log_loss
from fercli.models.onnx_model import to_probabilities

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
            f"{self.faces} faces that it was not found on"
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
