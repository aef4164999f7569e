"""Weak classifiers: small trees, most often stumps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.features.sample_matrix import SampleMatrix, goes_left
from fercli.cascade.model import HaarFeature, LbpFeature, Node, WeakClassifier
from fercli.cascade.training.boosting.methods import Boosting
from fercli.cascade.training.split_search import Split, WeightedSamples
from fercli.common.parallel import KernelPool

#: A node of so few samples is not split.
FEWEST_SAMPLES = 10

Columns = NDArray[np.intp]


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
