"""Search for the best split of a weak classifier: a feature, and a threshold or subset.

``exhaustive`` evaluates every split of every feature over sorted values, as
``opencv_traincascade`` does. ``fast`` finds nearly the same split in a fraction of the time. Among
Haar features (here; among local binary patterns see `fercli.cascade.training.lbp_search`) it
halves the candidates round by round, each time on more samples:

1. all features on 512 samples of equal weight, drawn by weight, by a coarse histogram;
2. the best 8,192, and the best of the last search, on 2,048 such samples;
3. the best 512 on all samples, by a fine histogram;
4. the best 8 on all samples exactly, over sorted values.

Samples drawn by weight make the first rounds cheap (a feature costs half a microsecond) and put
the work where the weight is. Compared with shortlists by Fisher's criterion from means and
covariances of the integral images (Pham and Cham, ICCV 2007), which take as long, far less of
what the best split would have gained is lost: ``benchmarks/search_quality.py`` measures it.

Windows above about 28×28 have more features than `MOST_SCREENED`: the first round then looks at
a part of them, another part each time, and the second at the neighbors of the best as well.

See: K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", AISTATS 2016 (successive halving).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fercli.cascade import SearchName
from fercli.cascade.features import haar_kernels as kernels
from fercli.cascade.features.haar import HaarFeatures, corner_table
from fercli.cascade.features.sample_matrix import IntegralImages, SampleMatrix, haar_values
from fercli.common.parallel import KernelPool

#: How splits are compared: by squared error about the means (gentle AdaBoost, LogitBoost), by
#: Gini's impurity (real AdaBoost) or by the weight classified wrongly (discrete AdaBoost).
Criterion = Literal["least squares", "gini", "misclassification"]


@dataclass(frozen=True)
class WeightedSamples:
    """Samples that a node of a weak classifier is to split.

    Parameters
    ----------
    columns : ndarray of intp, shape (n,)
        Which of the windows, ascending: positives before negatives.
    positives : int
        The first so many are positives.
    weights : ndarray of float64, shape (n,)
    targets : ndarray of float64, shape (n,)
        What the leaves should answer: 1 and −1, or LogitBoost's responses.
    criterion : Criterion
    """

    columns: NDArray[np.intp]
    positives: int
    weights: NDArray[np.float64]
    targets: NDArray[np.float64]
    criterion: Criterion

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.columns)

    def influence(self) -> NDArray[np.float64]:
        """Return the influence of each sample on the value of its leaf: weight times |target|."""
        return self.weights * np.abs(self.targets)


@dataclass(frozen=True)
class Split:
    """The result of a search.

    Parameters
    ----------
    feature : int
        Its number in the full list.
    threshold : float, optional
        Haar features: smaller values go left.
    subset : tuple of 8 int, optional
        Local binary patterns: the codes that go left, as in `fercli.cascade.model.Node`.
    """

    feature: int
    threshold: float | None = None
    subset: tuple[int, ...] | None = None


# Small samples of equal weight that stand for all samples with their weights.


#: Sums of weights are kept below this, so that two of them fit into 64 bits.
LARGEST_SUM = 1 << 30


def draw_by_weight(
    weights: NDArray[np.float64], positives: int, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], int]:
    """Draw samples with a probability proportional to their weights.

    The drawing is systematic (one random start, equal steps along the cumulated weights), class
    by class, so that a sample is drawn as often as its share tells, give or take one.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        Positives first.
    positives : int
        How many of them are positives.
    size : int
        How many to draw.
    rng : Generator

    Returns
    -------
    drawn : ndarray of intp
        Indices, ascending; heavy samples several times.
    positives : int
        How many of the drawn are positives: at least one if any has weight, likewise negatives.
    """
    share = weights[:positives].sum() / weights.sum()
    wanted = round(size * share)
    wanted = min(max(wanted, int(share > 0)), size - int(share < 1))
    first = _draw(weights[:positives], wanted, rng)
    second = _draw(weights[positives:], size - wanted, rng) + positives
    return np.concatenate([first, second]), len(first)


def _draw(weights: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    start = rng.random()
    if size == 0 or not len(weights):
        return np.empty(0, np.intp)
    sums = np.cumsum(weights)
    indices = (np.arange(size) + start) * (sums[-1] / size)
    drawn: NDArray[np.intp] = np.searchsorted(sums, indices, side="right")
    return np.minimum(drawn, len(weights) - 1)


def pack(weights: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return weights and weights times targets as one integer each, so that one sum serves both.

    Returns
    -------
    ndarray of int64, shape (n,)
        ``(weight << 32) + weight · target``, in units of which all weights, and all their
        products with the targets, sum to less than 2³⁰.
    """
    products = weights * targets
    unit = max(weights.sum(), np.abs(products).sum()) / (LARGEST_SUM - 2 * len(weights))
    whole = np.rint(weights / unit).astype(np.int64)
    packed: NDArray[np.int64] = (whole << 32) + np.rint(products / unit).astype(np.int64)
    return packed


def unpack(packed: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights and the products of (sums of) packed samples."""
    low = ((packed + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    return ((packed - low) >> 32).astype(np.float64), low.astype(np.float64)


def best_indices(quality: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """Return the indices of the `count` largest values, best first; of equals, the first."""
    if count < len(quality):
        least = np.partition(quality, len(quality) - count)[len(quality) - count]
        indices = np.flatnonzero(quality >= least)
    else:
        indices = np.arange(len(quality))
    return indices[np.argsort(-quality[indices], kind="stable")][:count]


# The search among Haar features.


#: Samples and survivors of the rounds of the fast search.
SCREENED_SAMPLES, SCREENED_FEATURES = 512, 8192
SECOND_SAMPLES, SECOND_FEATURES = 2048, 512
LAST_FEATURES = 8
#: Features that the first round looks at, at most.
MOST_SCREENED = 400_000
#: Features whose neighbors the second round looks at, where the first could not see all.
VISITED = 256

_CRITERIA = {
    "least squares": kernels.LEAST_SQUARES,
    "gini": kernels.GINI,
    "misclassification": kernels.MISCLASSIFICATION,
}

Longs = NDArray[np.int64]


class HaarSearch:
    """Finds splits of windows by Haar features.

    Parameters
    ----------
    features : HaarFeatures
    windows : SampleMatrix
    pool : KernelPool
    method : {"fast", "exhaustive"}
    most_samples : int
        How many integral images may be in memory at once (`bytes_per_sample` each); more samples
        are represented by as many drawn by weight. Defaults to 32,768.
    """

    def __init__(
        self,
        features: HaarFeatures,
        windows: SampleMatrix,
        pool: KernelPool,
        *,
        method: SearchName = "fast",
        most_samples: int = 32_768,
    ) -> None:
        self.features = features
        self.windows = windows
        self.method = method
        self.most_samples = most_samples
        self._pool = pool
        self._table = corner_table(windows.size_wh)
        self._line = windows.size_wh[0] + 1
        self._recent: Longs = np.empty(0, np.int64)
        self._images = IntegralImages(windows, tilted=features.tilted, pool=pool)

    def best_split(self, samples: WeightedSamples, rng: np.random.Generator) -> Split | None:
        """Return the best split, or None if no feature tells the samples apart.

        Parameters
        ----------
        samples : WeightedSamples
            Of both classes.
        rng : Generator
            For the samples that are drawn; not used by the exhaustive search.
        """
        if self.method == "exhaustive":
            chosen = np.arange(len(self.features))
        else:
            chosen = self._shortlist(samples, rng)
        quality, thresholds = self._split_exactly(samples, chosen)
        best = int(np.argmax(quality))
        if quality[best] < 0:
            return None
        return Split(int(chosen[best]), float(thresholds[best]))

    def _shortlist(self, samples: WeightedSamples, rng: np.random.Generator) -> Longs:
        """Return the features whose splits are to be found exactly, ascending."""
        chosen = self._first_candidates(rng)
        if len(chosen) > SCREENED_FEATURES:
            quality = self._screen(samples, chosen, SCREENED_SAMPLES, rng)
            chosen = chosen[best_indices(quality, SCREENED_FEATURES)]
        if len(self.features) > MOST_SCREENED:
            chosen = np.union1d(chosen, self.features.neighbors(chosen[:VISITED]))
        if len(samples) > SECOND_SAMPLES and len(chosen) > SECOND_FEATURES:
            chosen = np.union1d(chosen, self._recent)
            quality = self._screen(samples, chosen, SECOND_SAMPLES, rng)
            chosen = chosen[best_indices(quality, SECOND_FEATURES)]
        chosen = np.sort(chosen)
        fine = self._split_by_histogram(samples, chosen, rng)
        self._recent = chosen[best_indices(fine, SECOND_FEATURES)]
        return np.sort(self._recent[:LAST_FEATURES])

    def _first_candidates(self, rng: np.random.Generator) -> Longs:
        """Return all features, or an even part of them that is another each time."""
        count = len(self.features)
        step = -(-count // MOST_SCREENED)
        if step == 1:
            return np.arange(count)
        starts = np.arange(0, count, step)
        part: Longs = np.minimum(starts + rng.integers(0, step, len(starts)), count - 1)
        return part

    def _screen(
        self, samples: WeightedSamples, chosen: Longs, size: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        drawn, positives = draw_by_weight(samples.influence(), samples.positives, size, rng)
        columns = samples.columns[drawn]
        integral = self._images.of(columns)
        norms = self.windows.inverse_norms[columns]
        quality = np.empty(len(chosen), np.float32)
        self._pool.share(
            lambda begin, end: kernels.screen_features(
                integral, positives, norms, self._table, self.features.parts, chosen,
                begin, end, self._line, quality,
            ),
            len(chosen), piece=1024,
        )  # fmt: skip
        return quality

    def _split_by_histogram(
        self, samples: WeightedSamples, chosen: Longs, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        columns, packed = samples.columns, pack(samples.weights, samples.targets)
        if len(samples) > self.most_samples:
            drawn, positives = draw_by_weight(
                samples.influence(), samples.positives, self.most_samples, rng
            )
            signs = np.where(np.arange(len(drawn)) < positives, 1.0, -1.0)
            columns, packed = columns[drawn], pack(np.ones(len(drawn)), signs)
        integral = self._images.of(columns, keep=True)
        norms = self.windows.inverse_norms[columns]
        criterion = _CRITERIA[samples.criterion]
        quality = np.empty(len(chosen))
        self._pool.share(
            lambda begin, end: kernels.split_by_histogram(
                integral, packed, norms, self._table, self.features.parts, chosen,
                begin, end, self._line, criterion, quality,
            ),
            len(chosen), piece=16,
        )  # fmt: skip
        return quality

    def _split_exactly(
        self, samples: WeightedSamples, chosen: Longs
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the quality and threshold of each feature's best split."""
        quality = np.empty(len(chosen), np.float32)
        thresholds = np.empty(len(chosen), np.float32)
        pairs = np.column_stack([samples.weights, samples.targets])
        criterion = _CRITERIA[samples.criterion]
        if len(samples) > self.most_samples and self.method == "fast":
            work = np.empty((3, len(samples)), np.uint32)
            for at, feature in enumerate(chosen):
                values = haar_values(self.windows, self.features.feature(feature), self._pool)
                quality[at], thresholds[at] = kernels.split_values(
                    values[samples.columns], pairs, criterion, work
                )
            return quality, thresholds
        integral = self._images.of(samples.columns, keep=True)
        norms = self.windows.norms[samples.columns]
        self._pool.share(
            lambda begin, end: kernels.split_exactly(
                integral, pairs, norms, self._table, self.features.parts, chosen,
                begin, end, self._line, criterion, quality, thresholds,
            ),
            len(chosen), piece=1 if len(chosen) < 64 else 64,
        )  # fmt: skip
        return quality, thresholds
