"""Local binary patterns of blocks: all of a window's, in the order of ``opencv_traincascade``.

A feature is 3×3 equal blocks. Its code has a bit for each outer block, set where the block's sum
is at least that of the middle one.

See: S. Liao et al., "Learning multi-scale block local binary patterns for face recognition",
ICB 2007; OpenCV 3.4.18, ``apps/traincascade/lbpfeatures.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.model import LbpFeature
from fercli.common.kernels import compiled

#: How many codes there are.
CODES = 256


@dataclass(frozen=True)
class LbpFeatures:
    """Features of one window size, numbered as ``opencv_traincascade`` numbers them.

    Parameters
    ----------
    size_wh : tuple of 2 int
        The window.
    parts : ndarray of uint8, shape (n, 4)
        x, y, width and height of the first block of each.
    """

    size_wh: tuple[int, int]
    parts: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.parts)

    def feature(self, index: int) -> LbpFeature:
        """Return one as the cascade's file has it."""
        x, y, width, height = (int(value) for value in self.parts[index])
        return LbpFeature(x, y, width, height)


def lbp_features(size_wh: tuple[int, int]) -> LbpFeatures:
    """Return all features of a window: x outermost, then y, width and height of a block.

    3,969 of a 20×20 window, 8,464 of a 24×24 one.
    """
    width, height = size_wh
    x, y, w, h = np.ogrid[0:width, 0:height, 1 : width // 3 + 1, 1 : height // 3 + 1]
    parts = np.argwhere((x + 3 * w <= width) & (y + 3 * h <= height))
    parts[:, 2:] += 1
    return LbpFeatures(size_wh, parts.astype(np.uint8))


# Kernels of the search for local binary patterns; the layout is that of `haar_kernels`.


Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]

#: Samples are worked on in blocks of this many, so that what is in use stays in the cache.
BLOCK = 2048
#: Codes of about the same mean target are taken together in this many groups.
GROUPS = 256


@compiled
def write_codes(
    integral: Ints, part: Bytes, width: int, begin: int, end: int, codes: Bytes
) -> None:
    """Write the codes of a feature for the samples from `begin` to `end`.

    Parameters
    ----------
    integral : ndarray of int32, shape (rows, n)
    part : ndarray of uint8, shape (4,)
        x, y, width and height of the first block.
    width : int
        Of the window.
    codes : ndarray of uint8, shape (at least end − begin,)
    """
    line = width + 1
    across, down = np.int64(part[2]), np.int64(part[3]) * line
    a = np.int64(part[1]) * line + np.int64(part[0])
    b, c, d = a + down, a + 2 * down, a + 3 * down
    a0, a1 = integral[a, begin:end], integral[a + across, begin:end]
    a2, a3 = integral[a + 2 * across, begin:end], integral[a + 3 * across, begin:end]
    b0, b1 = integral[b, begin:end], integral[b + across, begin:end]
    b2, b3 = integral[b + 2 * across, begin:end], integral[b + 3 * across, begin:end]
    c0, c1 = integral[c, begin:end], integral[c + across, begin:end]
    c2, c3 = integral[c + 2 * across, begin:end], integral[c + 3 * across, begin:end]
    d0, d1 = integral[d, begin:end], integral[d + across, begin:end]
    d2, d3 = integral[d + 2 * across, begin:end], integral[d + 3 * across, begin:end]
    for i in range(end - begin):
        # Differences along the four lines, then down: the sums of the nine blocks.
        p0, p1, p2 = a0[i] - a1[i], a1[i] - a2[i], a2[i] - a3[i]
        q0, q1, q2 = b0[i] - b1[i], b1[i] - b2[i], b2[i] - b3[i]
        r0, r1, r2 = c0[i] - c1[i], c1[i] - c2[i], c2[i] - c3[i]
        s0, s1, s2 = d0[i] - d1[i], d1[i] - d2[i], d2[i] - d3[i]
        # int32, where numba would widen: twice as many samples at once.
        center = np.int32(q1 - r1)
        code = np.int32(128) if np.int32(p0 - q0) >= center else np.int32(0)
        code |= np.int32(64) if np.int32(p1 - q1) >= center else np.int32(0)
        code |= np.int32(32) if np.int32(p2 - q2) >= center else np.int32(0)
        code |= np.int32(16) if np.int32(q2 - r2) >= center else np.int32(0)
        code |= np.int32(8) if np.int32(r2 - s2) >= center else np.int32(0)
        code |= np.int32(4) if np.int32(r1 - s1) >= center else np.int32(0)
        code |= np.int32(2) if np.int32(r0 - s0) >= center else np.int32(0)
        code |= np.int32(1) if np.int32(q0 - r0) >= center else np.int32(0)
        codes[i] = np.uint8(code)


@compiled
def count_codes(
    integral: Ints,
    packed: Longs,
    parts: Bytes,
    chosen: Longs,
    begin: int,
    end: int,
    width: int,
    histograms: Longs,
) -> None:
    """Sum the weights of the samples by code, for each feature from `begin` to `end`.

    Parameters
    ----------
    integral : ndarray of int32, shape (rows, n)
    packed : ndarray of int64, shape (n,)
        Weights and weights times targets: `fercli.cascade.training.split_search.pack`.
    parts : ndarray of uint8, shape (features, 4)
    chosen : ndarray of int64, shape (m,)
    width : int
        Of the window.
    histograms : ndarray of int64, shape (end − begin, 256)
        The result.
    """
    samples = integral.shape[1]
    codes = np.empty(BLOCK, np.uint8)
    # Few codes are frequent. Neighbors are added to different histograms, so that an addition
    # seldom waits for the one before it.
    odd = np.empty(256, np.int64)
    for at in range(begin, end):
        even = histograms[at - begin]
        even[:] = 0
        odd[:] = 0
        for start in range(0, samples, BLOCK):
            stop = min(start + BLOCK, samples)
            write_codes(integral, parts[chosen[at]], width, start, stop, codes)
            weights = packed[start:stop]
            for pair in range((stop - start) // 2):
                even[codes[2 * pair]] += weights[2 * pair]
                odd[codes[2 * pair + 1]] += weights[2 * pair + 1]
            if (stop - start) % 2:
                even[codes[stop - start - 1]] += weights[stop - start - 1]
        even += odd


@compiled
def write_all_codes(
    integral: Ints, parts: Bytes, begin: int, end: int, width: int, codes: Bytes
) -> None:
    """Write the codes of the features from `begin` to `end` for all samples.

    Parameters
    ----------
    integral : ndarray of int32, shape (rows, n)
    parts : ndarray of uint8, shape (features, 4)
    width : int
        Of the window.
    codes : ndarray of uint8, shape (features, n)
    """
    for feature in range(begin, end):
        write_codes(integral, parts[feature], width, 0, integral.shape[1], codes[feature])


@compiled
def count_kept_codes(
    codes: Bytes,
    columns: NDArray[np.uint32],
    packed: Longs,
    chosen: Longs,
    begin: int,
    end: int,
    histograms: Longs,
) -> None:
    """Sum the weights of samples by code, as `count_codes`, from codes that were kept.

    Parameters
    ----------
    codes : ndarray of uint8, shape (features, all samples)
        Of `write_all_codes`.
    columns : ndarray of uint32, shape (n,)
        Which samples.
    packed, chosen, begin, end, histograms
        As in `count_codes`.
    """
    odd = np.empty(256, np.int64)
    for at in range(begin, end):
        row = codes[chosen[at]]
        even = histograms[at - begin]
        even[:] = 0
        odd[:] = 0
        for pair in range(len(columns) // 2):
            even[row[columns[2 * pair]]] += packed[2 * pair]
            odd[row[columns[2 * pair + 1]]] += packed[2 * pair + 1]
        if len(columns) % 2:
            even[row[columns[-1]]] += packed[-1]
        even += odd


@compiled
def split_by_groups(
    histograms: Longs, largest_mean: float, misclassification: bool, quality: Doubles
) -> None:
    """Find how well each feature splits samples, to the resolution of some groups of codes.

    The best subset of codes is a prefix of their order by mean target (Breiman et al.,
    "Classification and regression trees", 1984, theorem 4.5). Instead of a sort, codes are
    gathered by their mean into groups.

    Parameters
    ----------
    histograms : ndarray of int64, shape (n, 256)
        Of `count_codes`.
    largest_mean : float
        No target is larger.
    quality : ndarray of float64, shape (n,)
        The result: as `fercli.cascade.features.haar_kernels.split_by_histogram`.
    """
    codes = histograms.shape[1]
    weights, responses = np.empty(codes, np.float64), np.empty(codes, np.float64)
    indices = np.empty(codes, np.int32)
    groups = np.empty((GROUPS, 2), np.float64)
    scale = 0.5 * GROUPS / largest_mean
    for feature in range(len(quality)):
        histogram = histograms[feature]
        for code in range(codes):
            # Weight and response are packed into one number: see `haar_kernels.unpack`.
            packed = histogram[code]
            low = ((packed + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            weights[code] = np.float64((packed - low) >> 32)
            responses[code] = np.float64(low)
            mean = responses[code] / max(weights[code], 1.0)
            indices[code] = np.int32(min(max(mean * scale + 0.5 * GROUPS, 0.0), GROUPS - 1.0))
        groups[:] = 0.0
        all_weight = all_response = 0.0
        for code in range(codes):
            index = indices[code]
            groups[index, 0] += weights[code]
            groups[index, 1] += responses[code]
            all_weight += weights[code]
            all_response += responses[code]
        left = left_response = best = 0.0
        for group in groups:
            left += group[0]
            left_response += group[1]
            right, right_response = all_weight - left, all_response - left_response
            if left > 0.0 and right > 0.0:
                if misclassification:
                    gain = 0.5 * (all_weight + abs(right_response - left_response))
                else:
                    gain = left_response**2 / left + right_response**2 / right
                best = max(best, gain)
        quality[feature] = best / all_weight
