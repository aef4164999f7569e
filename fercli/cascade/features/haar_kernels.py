"""Kernels of the search for Haar features.

Samples are columns of an array of integral images (see `fercli.cascade.features.sample_matrix`).
The value of a feature for all samples is then a sum of at most nine contiguous rows, exact in
int32, and vectorized.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.kernels import compiled, compiled_fast

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]
Uints = NDArray[np.uint32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Bins of the histogram that screens features, over ± 2.5 standard deviations.
SCREEN_BINS = 32
#: Bins of the histogram that finds splits, over ± 3.5 standard deviations.
SPLIT_BINS = 128

#: Values that differ by no more are not split, as in ``opencv_traincascade``.
CLOSE = np.float32(2 * np.finfo(np.float32).eps)

LEAST_SQUARES, GINI, MISCLASSIFICATION = 0, 1, 2


@compiled
def find_corners(table: Ints, part: Bytes, line: int, rows: Uints, weights: Ints) -> None:
    """Write the rows and weights of a feature's corners.

    Parameters
    ----------
    table : ndarray of int32, shape (kinds, 9, 4)
        `fercli.cascade.features.haar.corner_table` of the window.
    part : ndarray of uint8, shape (5,)
        Kind, x, y, dx, dy.
    line : int
        Corners of a line: the window's width and one.
    rows : ndarray of uint32, shape (9,)
    weights : ndarray of int32, shape (9,)
    """
    kind, dx, dy = np.uint32(part[0]), np.int64(part[3]), np.int64(part[4])
    first = np.int64(part[2]) * line + np.int64(part[1])
    for index in range(9):
        start, by_dx, by_dy = table[kind, index, 0], table[kind, index, 1], table[kind, index, 2]
        rows[index] = np.uint32(first + start + dx * by_dx + dy * by_dy)
        weights[index] = table[kind, index, 3]


@compiled
def sum_rows(integral: Ints, rows: Uints, weights: Ints, out: Ints) -> None:
    """Write the unnormalized values of a feature for all samples."""
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    r0, r1, r2 = integral[rows[0]], integral[rows[1]], integral[rows[2]]
    r3, r4, r5 = integral[rows[3]], integral[rows[4]], integral[rows[5]]
    if weights[6] == 0:
        for i in range(len(out)):
            out[i] = w0 * r0[i] + w1 * r1[i] + w2 * r2[i] + w3 * r3[i] + w4 * r4[i] + w5 * r5[i]
    else:
        w6, w7, w8 = weights[6], weights[7], weights[8]
        r6, r7, r8 = integral[rows[6]], integral[rows[7]], integral[rows[8]]
        for i in range(len(out)):
            six = w0 * r0[i] + w1 * r1[i] + w2 * r2[i] + w3 * r3[i] + w4 * r4[i] + w5 * r5[i]
            out[i] = six + w6 * r6[i] + w7 * r7[i] + w8 * r8[i]


@compiled_fast
def scale_to_bins(
    sums: Ints, inverse_norms: Floats, bins: int, deviations: float, values: Floats, codes: Bytes
) -> None:
    """Write the bin of each value, of bins that span some standard deviations about the mean."""
    total = total_of_squares = np.float32(0.0)
    for i in range(len(values)):
        value = np.float32(sums[i]) * inverse_norms[i]
        values[i] = value
        total += value
        total_of_squares += value * value
    mean = total / np.float32(len(values))
    variance = total_of_squares / np.float32(len(values)) - mean * mean
    # Where the values hardly vary, the bins are as wide as float32 lets them differ.
    deviation = np.sqrt(max(variance, np.float32(1e-6) * mean * mean + np.float32(1e-12)))
    scale = np.float32(bins / (2.0 * deviations)) / deviation
    offset = np.float32(bins / 2.0) - mean * scale
    for i in range(len(values)):
        code = np.int32(values[i] * scale + offset)
        codes[i] = np.uint8(min(max(code, np.int32(0)), np.int32(bins - 1)))


@compiled
def screen_features(
    integral: Ints,
    positives: int,
    inverse_norms: Floats,
    table: Ints,
    parts: Bytes,
    chosen: Longs,
    begin: int,
    end: int,
    line: int,
    quality: Floats,
) -> None:
    """Estimate how well each feature splits samples of equal weight, positives first.

    Parameters
    ----------
    integral : ndarray of int32, shape (rows, n), n < 32768
    positives : int
        The first so many samples are positives.
    inverse_norms : ndarray of float32, shape (n,)
    table, parts, line
        As `find_corners`.
    chosen : ndarray of int64, shape (m,)
        The features, as indices in `parts`; those from `begin` to `end` are evaluated.
    quality : ndarray of float32, shape (m,)
        The result: the largest ``(SL²/WL + SR²/WR) / W`` of a split, where W is the number of
        samples, L and R its sides, and S positives less negatives. 0 is no better than
        guessing, 1 is perfect.
    """
    count = integral.shape[1]
    rows, weights = np.empty(9, np.uint32), np.empty(9, np.int32)
    sums, values = np.empty(count, np.int32), np.empty(count, np.float32)
    codes, histogram = np.empty(count, np.uint8), np.empty(SCREEN_BINS, np.int32)
    gains = np.empty(SCREEN_BINS, np.float32)
    whole, surplus = np.float32(count), np.float32(2 * positives - count)
    for at in range(begin, end):
        find_corners(table, parts[chosen[at]], line, rows, weights)
        sum_rows(integral, rows, weights, sums)
        scale_to_bins(sums, inverse_norms, SCREEN_BINS, 2.5, values, codes)
        histogram[:] = 0
        # Both classes are counted in one number: positives in the upper half of its bits.
        for code in codes[:positives]:
            histogram[code] += np.int32(1 << 16)
        for code in codes[positives:]:
            histogram[code] += np.int32(1)
        quality[at] = best_gain(histogram, whole, surplus, gains) / whole


@compiled_fast
def best_gain(histogram: Ints, whole: Any, surplus: Any, gains: Floats) -> Any:
    """Return the largest ``SL²/WL + SR²/WR`` between two bins of the counts of `screen_features`.

    Parameters
    ----------
    histogram : ndarray of int32, shape (bins,)
        Overwritten.
    whole, surplus : float32
        The number of samples, and of positives less negatives.
    gains : ndarray of float32, shape (bins,)
        Overwritten.
    """
    below = np.int32(0)
    for code in range(len(histogram)):
        below += histogram[code]
        histogram[code] = below
    for code in range(len(histogram)):
        first = np.float32(histogram[code] >> 16)
        second = np.float32(histogram[code] & np.int32(0xFFFF))
        left, right = first + second, whole - first - second
        left_surplus, right_surplus = first - second, surplus - first + second
        gain = left_surplus * left_surplus * right + right_surplus * right_surplus * left
        # With a side empty, the gain is 0, whatever it is divided by.
        gains[code] = gain / max(left * right, np.float32(1.0))
    best = np.float32(0.0)
    for gain in gains:
        best = max(best, gain)
    return best


@compiled
def split_by_histogram(
    integral: Ints,
    packed: Longs,
    inverse_norms: Floats,
    table: Ints,
    parts: Bytes,
    chosen: Longs,
    begin: int,
    end: int,
    line: int,
    criterion: int,
    quality: Doubles,
) -> None:
    """Find how well each feature splits weighted samples, to the resolution of a histogram.

    Parameters
    ----------
    integral, inverse_norms, table, parts, chosen, begin, end, line
        As `screen_features`.
    packed : ndarray of int64, shape (n,)
        ``(weight << 32) + weight · target``, both rounded to integers, such that neither sum
        exceeds 2³¹: one addition serves both, exactly and in any order.
    criterion : int
        LEAST_SQUARES (and GINI, which orders splits alike) or MISCLASSIFICATION.
    quality : ndarray of float64, shape (m,)
        The result: for least squares as `screen_features`, else the share of the weight that is
        classified rightly.
    """
    count = integral.shape[1]
    rows, weights = np.empty(9, np.uint32), np.empty(9, np.int32)
    sums, values = np.empty(count, np.int32), np.empty(count, np.float32)
    codes, histogram = np.empty(count, np.uint8), np.empty(SPLIT_BINS, np.int64)
    for at in range(begin, end):
        find_corners(table, parts[chosen[at]], line, rows, weights)
        sum_rows(integral, rows, weights, sums)
        scale_to_bins(sums, inverse_norms, SPLIT_BINS, 3.5, values, codes)
        histogram[:] = 0
        for i in range(count):
            histogram[codes[i]] += packed[i]
        quality[at] = best_of_histogram(histogram, criterion)


@compiled
def unpack(packed: np.int64) -> tuple[float, float]:
    """Return weight and response of a sum of packed samples.

    The lower 32 bits are a signed number, whose sign reaches into the upper half.
    """
    low = ((packed + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    return float((packed - low) >> 32), float(low)


@compiled
def best_of_histogram(histogram: Longs, criterion: int) -> float:
    """Return the quality of the best split between two bins; see `split_by_histogram`."""
    total = np.int64(0)
    for bin_ in histogram:
        total += bin_
    all_weight, all_response = unpack(total)
    below = np.int64(0)
    best = 0.0
    for bin_ in histogram:
        below += bin_
        left, left_response = unpack(below)
        right, right_response = all_weight - left, all_response - left_response
        if left > 0 and right > 0:
            if criterion == MISCLASSIFICATION:
                gain = 0.5 * (all_weight + abs(right_response - left_response))
            else:
                gain = left_response**2 / left + right_response**2 / right
            best = max(best, gain)
    return best / all_weight


@compiled
def sort_order(values: Floats, order: Uints, scratch: Uints, keys: Uints) -> None:
    """Write the stable order of values: a radix sort, 11 bits at a time.

    Parameters
    ----------
    values : ndarray of float32, shape (n,)
    order : ndarray of uint32, shape (n,)
        The result.
    scratch : ndarray of uint32, shape (n,)
    keys : ndarray of uint32, shape (n,)
    """
    count = len(values)
    bits = values.view(np.uint32)
    starts = np.zeros((3, 2048), np.int64)
    for i in range(count):
        # Bits that compare as the numbers do: negative ones reversed, the others above them.
        key = bits[i] ^ (np.uint32(0xFFFFFFFF) if bits[i] >> 31 else np.uint32(0x80000000))
        keys[i] = key
        starts[0, key & 2047] += 1
        starts[1, (key >> 11) & 2047] += 1
        starts[2, key >> 22] += 1
    for digit in range(3):
        total = np.int64(0)
        for k in range(2048):
            here = starts[digit, k]
            starts[digit, k] = total
            total += here
    for i in range(count):
        digit = keys[i] & 2047
        order[starts[0, digit]] = i
        starts[0, digit] += 1
    for i in range(count):
        digit = (keys[order[i]] >> 11) & 2047
        scratch[starts[1, digit]] = order[i]
        starts[1, digit] += 1
    for i in range(count):
        digit = keys[scratch[i]] >> 22
        order[starts[2, digit]] = scratch[i]
        starts[2, digit] += 1


@compiled
def split_exactly(
    integral: Ints,
    samples: Doubles,
    norms: Floats,
    table: Ints,
    parts: Bytes,
    chosen: Longs,
    begin: int,
    end: int,
    line: int,
    criterion: int,
    quality: Floats,
    thresholds: Floats,
) -> None:
    """Find the best split of each feature over sorted values, as ``opencv_traincascade`` does.

    Parameters
    ----------
    integral, table, parts, chosen, begin, end, line
        As `screen_features`.
    samples : ndarray of float64, shape (n, 2)
        Weight and target of each.
    norms : ndarray of float32, shape (n,)
        What values are divided by; 0 makes a value 0.
    criterion : int
        LEAST_SQUARES, GINI or MISCLASSIFICATION.
    quality : ndarray of float32, shape (m,)
        The result, −1 where all values are equal: the criterion's own measure, not divided by
        the weight. float32, since so the program compares features.
    thresholds : ndarray of float32, shape (m,)
        The result: the midpoint of the two values that the split falls between.
    """
    count = integral.shape[1]
    rows, weights = np.empty(9, np.uint32), np.empty(9, np.int32)
    sums, values = np.empty(count, np.int32), np.empty(count, np.float32)
    work = np.empty((3, count), np.uint32)
    for at in range(begin, end):
        find_corners(table, parts[chosen[at]], line, rows, weights)
        sum_rows(integral, rows, weights, sums)
        for i in range(count):
            norm = norms[i]
            values[i] = np.float32(sums[i]) / norm if norm != 0 else np.float32(0.0)
        quality[at], thresholds[at] = split_values(values, samples, criterion, work)


@compiled
def split_values(
    values: Floats, samples: Doubles, criterion: int, work: Uints
) -> tuple[float, Any]:
    """Return quality and threshold of the best split of some values; see `split_exactly`.

    Parameters
    ----------
    values : ndarray of float32, shape (n,)
    samples, criterion
        As `split_exactly`.
    work : ndarray of uint32, shape (3, n)
        Overwritten.
    """
    order = work[0]
    sort_order(values, order, work[1], work[2])
    if criterion == LEAST_SQUARES:
        best, index = best_least_squares(values, order, samples)
    else:
        best, index = best_of_classes(values, order, samples, criterion == GINI)
    if index < 0:
        return -1.0, np.float32(0.0)
    low, high = values[order[index]], values[order[index + 1]]
    middle = (low + high) * np.float32(0.5)
    # The midpoint of close values may round to the lower one, which must stay below it.
    return best, middle if middle > low else high


@compiled
def best_least_squares(values: Floats, order: Uints, samples: Doubles) -> tuple[float, int]:
    """Return the largest ``SL²/WL + SR²/WR`` and the last sample, in order, of its left side."""
    weight_right = response_right = 0.0
    for i in range(len(order)):
        weight_right += samples[i, 0]
        response_right += samples[i, 0] * samples[i, 1]
    weight_left = response_left = 0.0
    best, index = -1.0, -1
    for i in range(len(order) - 1):
        sample = samples[order[i]]
        weight_left += sample[0]
        weight_right -= sample[0]
        response_left += sample[0] * sample[1]
        response_right -= sample[0] * sample[1]
        if values[order[i]] + CLOSE < values[order[i + 1]]:
            gain = (
                response_left * response_left * weight_right
                + response_right * response_right * weight_left
            ) / (weight_left * weight_right)
            if gain > best:
                best, index = gain, i
    return best, index


@compiled
def best_of_classes(
    values: Floats, order: Uints, samples: Doubles, gini: bool
) -> tuple[float, int]:
    """Return the largest purity of a split, and the last sample, in order, of its left side."""
    right, left = np.zeros(2), np.zeros(2)
    for i in range(len(order)):
        right[int(samples[i, 1] > 0)] += samples[i, 0]
    best, index = -1.0, -1
    for i in range(len(order) - 1):
        weight, class_ = samples[order[i], 0], int(samples[order[i], 1] > 0)
        left[class_] += weight
        right[class_] -= weight
        if values[order[i]] + CLOSE < values[order[i + 1]]:
            if gini:
                weight_left, weight_right = left[0] + left[1], right[0] + right[1]
                squares_left = left[0] * left[0] + left[1] * left[1]
                squares_right = right[0] * right[0] + right[1] * right[1]
                purity = squares_left / weight_left + squares_right / weight_right
            else:
                purity = max(left[0] + right[1], left[1] + right[0])
            if purity > best:
                best, index = purity, i
    return best, index
