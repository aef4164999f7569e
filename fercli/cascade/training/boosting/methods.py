"""The boosting methods of ``opencv_traincascade``: weights of samples and values of leaves.

See: J. Friedman, T. Hastie and R. Tibshirani, "Additive logistic regression: a statistical view
of boosting", Annals of Statistics 28 (2000), algorithms 1 to 4.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from fercli.cascade import MethodName
from fercli.cascade.training.split_search import Criterion

Doubles = NDArray[np.float64]

#: Probabilities and errors are kept this far from 0 and 1.
SMALLEST_SHARE = 1e-5
#: LogitBoost's smallest weight and largest target.
SMALLEST_WEIGHT = float(np.finfo(np.float32).eps)
LARGEST_TARGET = 10.0


class Boosting:
    """Weights of samples, which grow where the weak classifiers so far are wrong.

    Parameters
    ----------
    labels : ndarray of float64, shape (n,)
        1 for positives, −1 for negatives.

    Attributes
    ----------
    weights : ndarray of float64, shape (n,)
        They sum to 1.
    targets : ndarray of float64, shape (n,)
        What the next weak classifier should answer.
    """

    criterion: Criterion = "least squares"

    def __init__(self, labels: Doubles) -> None:
        self.labels = labels
        self.targets = labels
        self.weights = np.full(len(labels), 1 / len(labels))

    def leaf(self, weights: Doubles, targets: Doubles) -> float:
        """Return the value of a leaf, given the weights and targets of its samples."""
        raise NotImplementedError

    def scale(self, votes: Doubles) -> float:
        """Return the factor of a weak classifier, given its votes."""
        return 1.0

    def update(self, votes: Doubles) -> None:
        """Update the weights of the samples, given the votes of a new weak classifier."""
        raise NotImplementedError

    def is_pure(self, weights: Doubles, targets: Doubles) -> bool:
        """Return whether samples are so alike that a leaf should hold them."""
        raise NotImplementedError

    def _weigh(self, weights: Doubles) -> None:
        total = weights.sum()
        # As the program does: weights that have vanished altogether are left as they are.
        self.weights = weights / total if total > np.finfo(np.float32).eps else weights


class _Regression(Boosting):
    """Leaves answer the mean target."""

    def leaf(self, weights: Doubles, targets: Doubles) -> float:
        return float((weights * targets).sum() / weights.sum())

    def is_pure(self, weights: Doubles, targets: Doubles) -> bool:
        total, mean = weights.sum(), self.leaf(weights, targets)
        return bool(np.sqrt((weights * (targets - mean) ** 2).sum()) / total < 0.01)


class _Classification(Boosting):
    def is_pure(self, weights: Doubles, targets: Doubles) -> bool:
        return bool((targets > 0).all() or (targets < 0).all())


class GentleBoost(_Regression):
    """Gentle AdaBoost: answers are mean labels, so that no single one grows large."""

    def update(self, votes: Doubles) -> None:
        """Weigh by ``exp(−label · sum of votes)``."""
        self._weigh(self.weights * np.exp(-self.labels * votes))


class RealBoost(_Classification):
    """Real AdaBoost: answers are half the logarithm of the odds."""

    criterion: Criterion = "gini"

    def leaf(self, weights: Doubles, targets: Doubles) -> float:
        """Return half the logarithm of the positives' odds."""
        return 0.5 * _log_odds(float(weights[targets > 0].sum() / weights.sum()))

    def update(self, votes: Doubles) -> None:
        """Weigh by ``exp(−label · sum of votes)``."""
        self._weigh(self.weights * np.exp(-self.labels * votes))


class DiscreteBoost(_Classification):
    """Discrete AdaBoost: answers are 1 and −1, times the logarithm of the odds of being right."""

    criterion: Criterion = "misclassification"

    def leaf(self, weights: Doubles, targets: Doubles) -> float:
        """Return the class of the larger weight."""
        return 1.0 if (weights * targets).sum() > 0 else -1.0

    def scale(self, votes: Doubles) -> float:
        """Return the logarithm of the odds of being right."""
        return -_log_odds(self._error(votes))

    def update(self, votes: Doubles) -> None:
        """Multiply the weights of misclassified samples by the odds of being right."""
        factor = np.exp(-_log_odds(self._error(votes)))
        self._weigh(self.weights * np.where(votes * self.labels < 0, factor, 1.0))

    def _error(self, votes: Doubles) -> float:
        return float(self.weights[votes * self.labels < 0].sum() / self.weights.sum())


class LogitBoost(_Regression):
    """LogitBoost: answers are Newton steps of the log-likelihood."""

    def __init__(self, labels: Doubles) -> None:
        super().__init__(labels)
        self.targets = 2.0 * labels
        self._margins = np.zeros(len(labels))

    def update(self, votes: Doubles) -> None:
        """Set the weights and targets of the next Newton step."""
        self._margins = self._margins + 0.5 * votes
        # Overflow to infinity is the right answer: the share is then 0.
        with np.errstate(over="ignore"):
            share = 1 / (1 + np.exp(-2 * self._margins))
        of_label = np.where(self.labels > 0, share, 1 - share)
        with np.errstate(divide="ignore"):
            self.targets = self.labels * np.minimum(1 / of_label, LARGEST_TARGET)
        self._weigh(np.maximum(share * (1 - share), SMALLEST_WEIGHT))


def _log_odds(share: float) -> float:
    share = min(max(share, SMALLEST_SHARE), 1 - SMALLEST_SHARE)
    return float(np.log(share / (1 - share)))


METHODS: dict[MethodName, type[Boosting]] = dict(
    zip(get_args(MethodName), (DiscreteBoost, RealBoost, LogitBoost, GentleBoost), strict=True)
)


def untrimmed(weights: Doubles, rate: float) -> NDArray[np.intp]:
    """Return the samples that the next weak classifier is trained on.

    The lightest, whose weights sum to 1 − `rate`, sit out; equals of the lightest one that stays
    stay as well.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        They sum to 1.
    rate : float
        0 and below, or 1 and above, keep all.

    Returns
    -------
    ndarray of intp, ascending
    """
    if not 0 < rate < 1:
        return np.arange(len(weights))
    ascending = np.sort(weights)
    # The share is used up one weight at a time, and is a float32 in the program.
    share = 1 - float(np.float32(rate))
    left = np.subtract.accumulate(np.concatenate([[share], ascending]))[:-1]
    first = int(np.argmax(left <= 0)) if (left <= 0).any() else len(weights)
    if first == len(weights):
        return np.empty(0, np.intp)
    return np.flatnonzero(weights >= ascending[first])
