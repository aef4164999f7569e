"""Nested stages: all weak classifiers so far, their votes fitted together to the present samples.

A stage of its own forgets how clearly a window passed those before. A nested stage begins with
their weak classifiers, adds some for the errors that are left, and fits all votes by logistic
regression, so that it tells more faces from more of the rest; few windows come so far, so that the
detector hardly notices its size.

See: C. Huang, H. Ai, B. Wu and S. Lao, "Boosting nested cascade detector for multi-view face
detection", ICPR 2004; M. Pham, V. Hoang and T. Cham, "Detection with multi-exit asymmetric
boosting", CVPR 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.features.sample_matrix import SampleMatrix, goes_left, to_sample_matrix
from fercli.cascade.model import Cascade, HaarFeature, LbpFeature, Stage, WeakClassifier
from fercli.cascade.training.boosting import (
    Search,
    TrainedStage,
    Watcher,
    rates,
    train_stage,
)
from fercli.cascade.training.checkpoint import with_stage
from fercli.cascade.training.options import StageOptions
from fercli.common.kernels import compiled
from fercli.common.parallel import KernelPool

#: Times the mean squared vote: how strongly votes are drawn towards 0.
PENALTY = 1e-3
#: Rounds over all weak classifiers, which end when no vote changes by more than `SMALL_STEP`.
ROUNDS, SMALL_STEP = 25, 2e-3
#: A vote changes by at most so much at a time, as long as many samples are far off.
LARGEST_STEP = 2.0

#: Weak classifiers that are added before all votes are fitted: one to so many that there are.
GROWTH = 8
#: The threshold is set on positives that were kept out if they are so many.
FEWEST_JUDGES = 500

Doubles = NDArray[np.float64]
Leaves = NDArray[np.uint8] | NDArray[np.uint16]
Features = Sequence[HaarFeature | LbpFeature]


def train_nested_stage(
    cascade: Cascade,
    search: Search,
    positives: int,
    held_out: NDArray[np.uint8],
    options: StageOptions,
    *,
    seed: tuple[int, ...],
    pool: KernelPool,
    watch: Watcher = lambda count, hit_rate, false_alarm_rate: None,
    given: Cascade | None = None,
) -> tuple[Cascade, TrainedStage]:
    """Train a stage that begins with all weak classifiers of a cascade.

    Weak classifiers are added some at a time, and all votes fitted, until few negatives pass.

    Parameters
    ----------
    cascade : Cascade
        The stages so far.
    search : Search
    positives : int
        How many of the windows are positives.
    held_out : ndarray of uint8, shape (n, height, width)
        Positives that are not trained on. If they are enough, the threshold is set on them: those
        that the votes were fitted to pass more easily.
    options : StageOptions
        `max_weak_count` is of the new weak classifiers.
    seed : tuple of int
        Start of the stage's random numbers.
    pool : KernelPool
    watch : callable, optional
        Called after each fit of all votes.
    given : Cascade, optional
        The stage begins with its weak classifiers too.

    Returns
    -------
    cascade : Cascade
        With the new stage, whose weak classifiers may all be earlier ones.
    trained : TrainedStage
        Its features are those of the cascade.
    """
    whole = cascade
    if given is not None:
        others = Stage(0.0, earlier_trees(given))
        whole = with_stage(cascade, others, given.features.__getitem__)
    earlier = earlier_trees(whole)
    trees, losses = earlier, tuple[float, ...]()
    samples = [search.windows]
    if len(held_out) >= FEWEST_JUDGES:
        samples.append(to_sample_matrix(held_out))
    reached = [leaves_reached(trees, whole.features, windows, pool) for windows in samples]
    while True:
        trees, sums = fit_votes(trees, reached[0], positives)
        judged = sums_of(trees, reached[1]) if len(reached) > 1 else None
        threshold, hit_rate, false_alarm_rate = rates(sums, positives, options.hit_rate, judged)
        new = len(trees) - len(earlier)
        watch(len(trees), hit_rate, false_alarm_rate)
        step = min(max(len(trees) // GROWTH, 1), options.max_weak_count - new)
        if false_alarm_rate <= options.false_alarm_rate or step == 0:
            break
        added = train_stage(
            search,
            positives,
            replace(options, max_weak_count=step, false_alarm_rate=0.0),
            seed=(*seed, new),
            pool=pool,
            log_odds=sums,
        )
        if added is None or not added.stage.weak_classifiers:
            break
        whole = with_stage(
            replace(cascade, features=whole.features), added.stage, search.features.feature
        )
        new_trees = whole.stages[-1].weak_classifiers
        for number, windows in enumerate(samples):
            more = leaves_reached(new_trees, whole.features, windows, pool)
            reached[number] = np.concatenate([reached[number], more])
        trees += new_trees
        losses += added.losses
    stage = Stage(threshold, trees)
    whole = replace(cascade, stages=(*cascade.stages, stage), features=whole.features)
    return whole, TrainedStage(stage, hit_rate, false_alarm_rate, losses)


def earlier_trees(cascade: Cascade) -> tuple[WeakClassifier, ...]:
    """Return the different weak classifiers of all stages: those of equal nodes count once."""
    trees = {weak.nodes: weak for stage in cascade.stages for weak in stage.weak_classifiers}
    return tuple(trees.values())


def leaves_reached(
    trees: Sequence[WeakClassifier], features: Features, windows: SampleMatrix, pool: KernelPool
) -> Leaves:
    """Return the number of the leaf that each window reaches, shape (trees, windows)."""
    most = max(len(tree.leaves) for tree in trees)
    reached = np.zeros((len(trees), len(windows)), np.uint8 if most <= 256 else np.uint16)
    for tree, row in zip(trees, reached, strict=True):
        at_node = {0: np.ones(len(windows), np.bool_)}
        for number in tree.from_the_root():
            node = tree.nodes[number]
            left = goes_left(windows, features[node.feature], node, pool)
            for side, child in ((left, node.left), (~left, node.right)):
                here = at_node[number] & side
                if child > 0:
                    at_node[child] = here
                else:
                    row[here] = -child
    return reached


def fit_votes(
    trees: Sequence[WeakClassifier], reached: Leaves, positives: int
) -> tuple[tuple[WeakClassifier, ...], Doubles]:
    """Fit the leaves of all weak classifiers by penalized logistic regression.

    Positives and negatives weigh the same in sum.

    Parameters
    ----------
    trees : sequence of WeakClassifier
        Their present leaves are where the fit starts.
    reached : ndarray of uint8 or uint16, shape (trees, windows)
        As `leaves_reached`.
    positives : int
        How many of the windows, the first ones, are positives.

    Returns
    -------
    trees : tuple of WeakClassifier
        With float32 leaves, which add up to the logarithm of the odds.
    sums : ndarray of float64, shape (windows,)
        The sum of the leaves that each window reaches.
    """
    count = reached.shape[1]
    labels = np.where(np.arange(count) < positives, 1.0, -1.0)
    negatives = max(count - positives, 1)
    weights = np.where(labels > 0, 0.5 / max(positives, 1), 0.5 / negatives)
    first = np.cumsum([0, *(len(tree.leaves) for tree in trees)])
    leaves = np.array([leaf for tree in trees for leaf in tree.leaves], np.float64)
    _descend(reached, first, labels, weights, leaves)
    fitted = tuple(
        replace(tree, leaves=tuple(leaves[start:end].astype(np.float32).tolist()))
        for tree, start, end in zip(trees, first, first[1:], strict=False)
    )
    return fitted, sums_of(fitted, reached)


def sums_of(trees: Sequence[WeakClassifier], reached: Leaves) -> Doubles:
    """Return the sum of the leaves that each window reaches, shape (windows,)."""
    sums = np.zeros(reached.shape[1])
    for tree, row in zip(trees, reached, strict=True):
        sums += np.array(tree.leaves)[row]
    return sums


@compiled
def _descend(reached: Any, first: Any, labels: Doubles, weights: Doubles, leaves: Doubles) -> None:
    """Change `leaves`, by Newton steps of one weak classifier after the other."""
    trees, count = reached.shape
    sums = np.zeros(count)
    for tree in range(trees):
        for i in range(count):
            sums[i] += leaves[first[tree] + reached[tree, i]]
    for _ in range(ROUNDS):
        largest = 0.0
        for tree in range(trees):
            start, size = first[tree], first[tree + 1] - first[tree]
            slopes = np.zeros(size)
            curvatures = np.zeros(size)
            for i in range(count):
                error = 1 / (1 + np.exp(labels[i] * sums[i]))
                slopes[reached[tree, i]] += weights[i] * labels[i] * error
                curvatures[reached[tree, i]] += weights[i] * error * (1 - error)
            steps = np.zeros(size)
            for leaf in range(size):
                slope = slopes[leaf] - PENALTY * leaves[start + leaf]
                step = slope / (curvatures[leaf] + PENALTY)
                steps[leaf] = min(max(step, -LARGEST_STEP), LARGEST_STEP)
                leaves[start + leaf] += steps[leaf]
                largest = max(largest, abs(steps[leaf]))
            for i in range(count):
                sums[i] += steps[reached[tree, i]]
        if largest < SMALL_STEP:
            break
