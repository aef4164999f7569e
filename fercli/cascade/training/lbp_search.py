"""The search among local binary patterns.

``fast`` halves the candidates round by round, as the search among Haar features does: all
features on some thousand samples that are drawn by weight, the best 512 on all samples, and of the
best 16 the best subset of codes exactly. The codes of all features for all samples of a stage are
kept as bytes, where memory allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fercli.cascade import SearchName
from fercli.cascade.features import lbp as kernels
from fercli.cascade.features.lbp import CODES, LbpFeatures
from fercli.cascade.features.sample_matrix import IntegralImages, SampleMatrix, lbp_codes
from fercli.cascade.training.split_search import (
    Split,
    WeightedSamples,
    best_indices,
    draw_by_weight,
    pack,
    unpack,
)
from fercli.common.parallel import KernelPool

#: Features times samples of the first round, which are at least so many.
FIRST_EVALUATIONS, FEWEST_SAMPLES = 1 << 24, 2048
#: Features that the first round leaves where there are too many.
SECOND_FEATURES = 512
#: Features whose best subset is found exactly.
LAST_FEATURES = 16
#: Windows whose codes are computed at once, where they are kept.
BLOCK = 4096
#: Features whose weights by code are in memory at once.
PIECE = 2048

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
#: Sums packed weights by code for features ``chosen[begin:end]``, into the last argument.
Counter = Callable[[Longs, Longs, int, int, Longs], None]


class LbpSearch:
    """Finds splits of windows by local binary patterns.

    Parameters
    ----------
    features, windows, pool, method, most_samples
        As in `HaarSearch`.
    codes : ndarray of uint8, shape (features, windows or more), optional
        Those of all features, of `KeptCodes`. By default they are computed as they are needed; the
        splits are the same.
    """

    def __init__(
        self,
        features: LbpFeatures,
        windows: SampleMatrix,
        pool: KernelPool,
        *,
        method: SearchName = "fast",
        most_samples: int = 32_768,
        codes: Bytes | None = None,
    ) -> None:
        self.features = features
        self.windows = windows
        self.method = method
        self.most_samples = most_samples
        self._pool = pool
        self._images = IntegralImages(windows, tilted=False, pool=pool)
        self._codes = codes

    def best_split(self, samples: WeightedSamples, rng: np.random.Generator) -> Split | None:
        """Return the best split, or None if no feature tells the samples apart."""
        chosen = np.arange(len(self.features))
        if self.method == "fast":
            chosen = self._shortlist(samples, chosen, rng)
        best_quality, best_split = np.float32(-1.0), None
        for feature, histogram in zip(chosen, self._histograms(samples, chosen), strict=True):
            misclassification = samples.criterion == "misclassification"
            quality, subset = best_subset(*unpack(histogram), misclassification)
            # As the program does, which keeps qualities as float32 and the first of equals.
            if np.float32(quality) > best_quality:
                best_quality, best_split = np.float32(quality), Split(int(feature), subset=subset)
        return best_split

    def _shortlist(
        self, samples: WeightedSamples, chosen: Longs, rng: np.random.Generator
    ) -> Longs:
        """Return the features whose subsets are to be found exactly, ascending."""
        size = max(FIRST_EVALUATIONS // len(chosen), FEWEST_SAMPLES)
        if len(samples) > size and len(chosen) > SECOND_FEATURES:
            quality = self._group(samples, chosen, size, rng)
            chosen = np.sort(chosen[best_indices(quality, SECOND_FEATURES)])
        quality = self._group(samples, chosen, self.most_samples, rng)
        return np.sort(chosen[best_indices(quality, LAST_FEATURES)])

    def _group(
        self, samples: WeightedSamples, chosen: Longs, size: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return how well features split the samples, or `size` that are drawn of more."""
        columns, weights, targets = samples.columns, samples.weights, samples.targets
        if len(samples) > size:
            drawn, positives = draw_by_weight(samples.influence(), samples.positives, size, rng)
            columns, weights = columns[drawn], np.ones(len(drawn))
            targets = np.where(np.arange(len(drawn)) < positives, 1.0, -1.0)
        count, packed = self._counter(columns), pack(weights, targets)
        largest = float(np.abs(targets).max())
        misclassification = samples.criterion == "misclassification"
        quality = np.empty(len(chosen))

        def evaluate(begin: int, end: int) -> None:
            histograms = np.empty((end - begin, CODES), np.int64)
            count(packed, chosen, begin, end, histograms)
            kernels.split_by_groups(histograms, largest, misclassification, quality[begin:end])

        self._pool.share(evaluate, len(chosen), piece=32)
        return quality

    def _histograms(self, samples: WeightedSamples, chosen: Longs) -> Iterator[Longs]:
        """Yield the packed weights by code of all samples, shape (256,), feature by feature."""
        packed = pack(samples.weights, samples.targets)
        if len(samples) > self.most_samples and self.method == "fast":
            for feature in chosen:
                codes = lbp_codes(self.windows, self.features.feature(feature), self._pool)
                histogram = np.zeros(CODES, np.int64)
                np.add.at(histogram, codes[samples.columns], packed)
                yield histogram
            return
        count = self._counter(samples.columns)
        for start in range(0, len(chosen), PIECE):
            yield from self._count_all(count, packed, chosen[start : start + PIECE])

    def _count_all(self, count: Counter, packed: Longs, chosen: Longs) -> Longs:
        """Return the packed weights by code, shape (features, 256)."""
        histograms = np.empty((len(chosen), CODES), np.int64)
        self._pool.share(
            lambda begin, end: count(packed, chosen, begin, end, histograms[begin:end]),
            len(chosen), piece=32,
        )  # fmt: skip
        return histograms

    def _counter(self, columns: NDArray[np.intp]) -> Counter:
        """Return what sums the packed weights of some windows by code."""
        codes = self._codes
        if codes is not None:
            rows = columns.astype(np.uint32)
            return lambda packed, chosen, begin, end, histograms: kernels.count_kept_codes(
                codes, rows, packed, chosen, begin, end, histograms
            )
        integral = self._images.of(columns, keep=True)
        parts, width = self.features.parts, self.windows.size_wh[0]
        return lambda packed, chosen, begin, end, histograms: kernels.count_codes(
            integral, packed, parts, chosen, begin, end, width, histograms
        )


class KeptCodes:
    """The codes of all features for all windows of a stage: a byte each.

    Most positives of a stage are those of the one before, so that theirs are kept.

    Parameters
    ----------
    features : LbpFeatures
    pool : KernelPool
    """

    def __init__(self, features: LbpFeatures, pool: KernelPool) -> None:
        self._features = features
        self._pool = pool
        self._codes = np.empty((len(features), 0), np.uint8)
        self._positives = np.empty(0, np.intp)

    def of(self, windows: SampleMatrix, positives: NDArray[np.intp]) -> Bytes:
        """Return the codes, shape (features, windows or more), until the next call.

        Parameters
        ----------
        windows : SampleMatrix
            Positives, then negatives.
        positives : ndarray of intp, ascending
            The numbers of the positives: a number always stands for the same window.
        """
        kept = np.flatnonzero(np.isin(self._positives, positives))
        if len(windows) > self._codes.shape[1] or not np.array_equal(
            self._positives[kept], positives[: len(kept)]
        ):
            kept = kept[:0]
        if len(windows) > self._codes.shape[1]:
            self._codes = np.empty((0, 0), np.uint8)  # two would not fit into the memory
            self._codes = np.empty((len(self._features), len(windows)), np.uint8)
        self._move(kept)
        self._compute(windows, len(kept))
        self._positives = positives.copy()
        return self._codes

    def _move(self, kept: NDArray[np.intp]) -> None:
        """Move the codes of the windows that are kept to the front."""

        def move(begin: int, end: int) -> None:
            self._codes[begin:end, : len(kept)] = self._codes[begin:end].take(kept, axis=1)

        if len(kept) and kept[-1] >= len(kept):
            self._pool.share(move, len(self._features), piece=128)

    def _compute(self, windows: SampleMatrix, first: int) -> None:
        """Compute the codes of the windows from the `first` on."""
        images = IntegralImages(windows, tilted=False, pool=self._pool)
        parts, width = self._features.parts, windows.size_wh[0]
        for start in range(first, len(windows), BLOCK):
            block = np.arange(start, min(start + BLOCK, len(windows)))
            integral, out = images.of(block), self._codes[:, start : start + len(block)]
            self._pool.share(
                lambda begin, end, integral=integral, out=out: kernels.write_all_codes(  # type: ignore[misc]
                    integral, parts, begin, end, width, out
                ),
                len(parts), piece=128,
            )  # fmt: skip


def best_subset(
    weights: NDArray[np.float64], responses: NDArray[np.float64], misclassification: bool
) -> tuple[float, tuple[int, ...]]:
    """Return the quality of the best split of codes, and the codes of its left side.

    Parameters
    ----------
    weights, responses : ndarray of float64, shape (256,)
        Sums of weights, and of weights times targets, by code.
    misclassification : bool
        Whether the best split errs least, in place of having the least squares.

    Returns
    -------
    quality : float
        −1 if all samples have the same code.
    subset : tuple of 8 int
        The codes with the smaller mean targets; codes that did not occur count as 0.
    """
    occur = weights > 0
    means = np.where(occur, responses / np.where(occur, weights, 1.0), 0.0)
    order = np.argsort(means, kind="stable")
    left, left_response = np.cumsum(weights[order])[:-1], np.cumsum(responses[order])[:-1]
    right, right_response = weights.sum() - left, responses.sum() - left_response
    splits = occur[order][:-1] & (np.cumsum(occur[order][::-1])[::-1][1:] > 0)
    if not splits.any():
        return -1.0, (0,) * 8
    if misclassification:
        gains = 0.5 * (weights.sum() + np.abs(right_response - left_response))
    else:
        divisors = np.where(splits, left * right, 1.0)
        gains = (left_response**2 * right + right_response**2 * left) / divisors
    index = int(np.argmax(np.where(splits, gains, -1.0)))
    goes_left = np.zeros(CODES, np.bool_)
    goes_left[order[: index + 1]] = True
    subset = np.packbits(goes_left, bitorder="little").view("<i4")
    return float(gains[index]), tuple(int(word) for word in subset)
