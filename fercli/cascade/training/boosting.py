"""Boosting: from weighted samples, weak classifier by weak classifier, to a stage.

Weak classifiers are small trees, most often stumps; a stage takes on more of them until few
negatives pass. The methods are those of ``opencv_traincascade``.

See: J. Friedman, T. Hastie and R. Tibshirani, "Additive logistic regression: a statistical view
of boosting", Annals of Statistics 28 (2000), algorithms 1 to 4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from fercli.cascade import MethodName
from fercli.cascade.detection.scanner import EPSILON
from fercli.cascade.features.sample_matrix import SampleMatrix, goes_left
from fercli.cascade.model import HaarFeature, LbpFeature, Node, Stage, WeakClassifier
from fercli.cascade.training.options import StageOptions
from fercli.cascade.training.split_search import Criterion, Split, WeightedSamples
from fercli.common.parallel import KernelPool

#: A node of so few samples is not split.
FEWEST_SAMPLES = 10

Columns = NDArray[np.intp]


@dataclass(frozen=True)
class TrainedStage:
    """A stage, and how it does on the samples that it was trained on.

    Parameters
    ----------
    stage : Stage
        Features are numbers in the full list.
    hit_rate, false_alarm_rate : float
        The shares of positives and negatives that pass, by the detector's arithmetic.
    losses : tuple of float
        The mean of ``exp(−label · sum)`` after each weak classifier.
    """

    stage: Stage
    hit_rate: float
    false_alarm_rate: float
    losses: tuple[float, ...]


class _Features(Protocol):
    def feature(self, index: int) -> HaarFeature | LbpFeature: ...


class Search(Protocol):
    """A split search: `HaarSearch` or `LbpSearch`."""

    @property
    def features(self) -> _Features:
        """All features, by number."""

    @property
    def windows(self) -> SampleMatrix:
        """All windows; samples are some of them."""

    def best_split(self, samples: WeightedSamples, rng: np.random.Generator) -> Split | None:
        """Return the best split, or None if no feature tells the samples apart."""


#: Told the number of weak classifiers, the hit rate and the false alarm rate so far.
Watcher = Callable[[int, float, float], None]


def train_stage(
    search: Search,
    positives: int,
    options: StageOptions,
    *,
    seed: tuple[int, ...],
    pool: KernelPool,
    watch: Watcher = lambda count, hit_rate, false_alarm_rate: None,
    log_odds: NDArray[np.float64] | None = None,
) -> TrainedStage | None:
    """Train a stage on the windows of a search, of which the first are positives.

    Parameters
    ----------
    search : Search
    positives : int
        How many of the windows are positives.
    options : StageOptions
    seed : tuple of int
        Start of the stage's random numbers.
    pool : KernelPool
    watch : callable, optional
        Called after each weak classifier.
    log_odds : ndarray of float64, shape (n,), optional
        What earlier weak classifiers say of the windows, which the stage adds to: none of them
        may be missing. The rates are of all together, and the stage may be empty.

    Returns
    -------
    TrainedStage or None
        None if not even one weak classifier could be trained: too few samples, or no feature
        that tells them apart.
    """
    labels = np.where(np.arange(len(search.windows)) < positives, 1.0, -1.0)
    boosting = METHODS[options.method](labels)
    sums = np.zeros(len(labels)) if log_odds is None else boosting.begin(log_odds)
    weak_classifiers: list[WeakClassifier] = []
    losses: list[float] = []
    fit = (0.0, 0.0, 1.0) if log_odds is None else rates(sums, positives, options.hit_rate)
    columns = untrimmed(boosting.weights, options.weight_trim_rate)
    while (
        len(weak_classifiers) < options.max_weak_count
        and len(columns)
        and fit[2] > options.false_alarm_rate
    ):
        random = partial(_random, (*seed, len(weak_classifiers)))
        grown = grow_tree(search, boosting, columns, positives, options.max_depth, random, pool)
        if grown is None:
            break
        weak, votes = grown
        weak_classifiers.append(weak)
        sums += votes
        losses.append(float(np.exp(-labels * sums).mean()))
        boosting.update(votes)
        columns = untrimmed(boosting.weights, options.weight_trim_rate)
        fit = rates(sums, positives, options.hit_rate)
        watch(len(weak_classifiers), fit[1], fit[2])
    if not weak_classifiers and log_odds is None:
        return None
    stage = Stage(fit[0], tuple(weak_classifiers))
    return TrainedStage(stage, fit[1], fit[2], tuple(losses))


def _random(seed: tuple[int, ...], search: int) -> np.random.Generator:
    return np.random.default_rng([*seed, search])


def rates(
    sums: NDArray[np.float64],
    positives: int,
    hit_rate: float,
    held_out: NDArray[np.float64] | None = None,
) -> tuple[float, float, float]:
    """Return the threshold that keeps the hit rate, the hit rate and the false alarm rate.

    The threshold is set on the sums of positives that were held out, if there are any.
    """
    threshold = threshold_for(sums[:positives] if held_out is None else held_out, hit_rate)
    passes = reaches(sums, threshold)
    return threshold, float(passes[:positives].mean()), float(passes[positives:].mean())


def threshold_for(sums: NDArray[np.float64], hit_rate: float) -> float:
    """Return the highest threshold that so many of the positives with these sums reach."""
    ascending = np.sort(sums.astype(np.float32))
    # In float32, as opencv_traincascade computes it.
    missed = int((np.float32(1) - np.float32(hit_rate)) * np.float32(len(sums)))
    return float(ascending[min(missed, len(sums) - 1)])


def reaches(sums: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Return which sums reach a threshold by the detector's arithmetic."""
    reached: NDArray[np.bool_] = sums >= float(np.float32(threshold) - EPSILON)
    return reached


# Weak classifiers.


def grow_tree(
    search: Search,
    boosting: Boosting,
    columns: Columns,
    positives: int,
    max_depth: int,
    random: Callable[[int], np.random.Generator],
    pool: KernelPool,
) -> tuple[WeakClassifier, NDArray[np.float64]] | None:
    """Train a weak classifier.

    Parameters
    ----------
    search : Search
    boosting : Boosting
    columns : ndarray of intp
        The windows to train on, ascending.
    positives : int
        The first so many of all windows are positives.
    max_depth : int
        1 for a stump.
    random : callable
        Gives the random numbers of the n-th search in this tree.
    pool : KernelPool

    Returns
    -------
    weak : WeakClassifier
        Features are numbers in the search's full list. Nodes and leaves are numbered as
        ``opencv_traincascade`` does: level by level.
    votes : ndarray of float64
        The answers for all windows, those that were not trained on included.
    None
        Instead, if the windows cannot be split.
    """
    searches = 0

    def try_split(active: Columns, depth: int) -> Split | None:
        nonlocal searches
        samples = _weighted(boosting, active, positives)
        if depth >= max_depth or len(active) <= FEWEST_SAMPLES:
            return None
        if boosting.is_pure(samples.weights, samples.targets):
            return None
        searches += 1
        return search.best_split(samples, random(searches - 1))

    split = try_split(columns, 0)
    if split is None:
        return None
    everyone = np.arange(len(search.windows))
    waiting = deque([(split, columns, everyone, 1)])
    nodes: list[Node] = []
    leaves: list[float] = []
    votes = np.empty(len(everyone))
    while waiting:
        split, active, reached, depth = waiting.popleft()
        node = Node(0, 0, split.feature, split.threshold, split.subset)
        left = goes_left(search.windows, search.features.feature(split.feature), node, pool)
        children = []
        for side in (left, ~left):
            active_here, reached_here = active[side[active]], reached[side[reached]]
            split = try_split(active_here, depth)
            if split is None:
                children.append(-len(leaves))
                leaves.append(_leaf(boosting, active_here))
                votes[reached_here] = leaves[-1]
            else:
                waiting.append((split, active_here, reached_here, depth + 1))
                children.append(len(nodes) + len(waiting))
        nodes.append(replace(node, left=children[0], right=children[1]))
    scale = boosting.scale(votes)
    scaled = tuple(float(np.float32(leaf * scale)) for leaf in leaves)
    votes = _rounded(votes * scale)
    return WeakClassifier(tuple(nodes), scaled), votes


def _weighted(boosting: Boosting, columns: Columns, positives: int) -> WeightedSamples:
    return WeightedSamples(
        columns,
        int(np.searchsorted(columns, positives)),
        boosting.weights[columns],
        boosting.targets[columns],
        boosting.criterion,
    )


def _leaf(boosting: Boosting, columns: Columns) -> float:
    weights, targets = boosting.weights[columns], boosting.targets[columns]
    # A leaf that only samples without weight reach has nothing to say.
    if weights.sum() <= 0:
        return 0.0
    return float(np.float32(boosting.leaf(weights, targets)))


def _rounded(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to float32, in which the cascade's file and the detector keep leaves."""
    return votes.astype(np.float32).astype(np.float64)


# The boosting methods: weights of samples and values of leaves.


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
    #: What part of the logarithm of the odds the votes add up to.
    scale_of_sums = 0.5

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

    def begin(self, log_odds: Doubles) -> Doubles:
        """Weigh the samples as earlier weak classifiers leave them; return the sums so far."""
        self._weigh(self.weights * np.exp(-self.labels * log_odds / 2))
        return self.scale_of_sums * log_odds

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
    scale_of_sums = 1.0

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

    def begin(self, log_odds: Doubles) -> Doubles:
        """Set the weights and targets of the next Newton step; return the sums so far."""
        self.update(log_odds)
        return log_odds

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
