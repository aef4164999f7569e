"""Stages: weak classifiers are added until few enough negatives pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.scanner.tables import EPSILON
from fercli.cascade.model import Stage, WeakClassifier
from fercli.cascade.training.boosting.methods import METHODS, untrimmed
from fercli.cascade.training.boosting.trees import Search, grow_tree
from fercli.cascade.training.options import StageOptions
from fercli.common.parallel import KernelPool


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

    Returns
    -------
    TrainedStage or None
        None if not even one weak classifier could be trained: too few samples, or no feature
        that tells them apart.
    """
    labels = np.where(np.arange(len(search.windows)) < positives, 1.0, -1.0)
    boosting = METHODS[options.method](labels)
    sums = np.zeros(len(labels))
    weak_classifiers: list[WeakClassifier] = []
    losses: list[float] = []
    fit = 0.0, 0.0, 1.0
    columns = np.arange(len(labels))
    while len(weak_classifiers) < options.max_weak_count and len(columns):
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
        fit = _fit(sums, positives, options.hit_rate)
        watch(len(weak_classifiers), fit[1], fit[2])
        if fit[2] <= options.false_alarm_rate:
            break
    if not weak_classifiers:
        return None
    stage = Stage(fit[0], tuple(weak_classifiers))
    return TrainedStage(stage, fit[1], fit[2], tuple(losses))


def _random(seed: tuple[int, ...], search: int) -> np.random.Generator:
    return np.random.default_rng([*seed, search])


def _fit(sums: NDArray[np.float64], positives: int, hit_rate: float) -> tuple[float, float, float]:
    """Return the threshold that keeps the hit rate, the hit rate and the false alarm rate."""
    ascending = np.sort(sums[:positives].astype(np.float32))
    # In float32, as opencv_traincascade computes it.
    missed = int((np.float32(1) - np.float32(hit_rate)) * np.float32(positives))
    threshold = float(ascending[min(missed, positives - 1)])
    passes = sums >= float(np.float32(threshold) - EPSILON)
    return threshold, float(passes[:positives].mean()), float(passes[positives:].mean())
