"""The camera's arithmetic against a slow twin in whole numbers of Python."""

import ctypes
import math

import numpy as np
import pytest

from fercli.cascade.detection.openmv import (
    CameraDetector,
    _merged,
    camera_tables,
    decide,
    find_features,
    raise_contrast,
)
from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
)


def int32(value):
    return ctypes.c_int32(value).value


def naive(window, cascade, factor=1.0):
    """Return stages passed and whether the variance is too small, as the description says."""
    pixels = window.astype(int)
    n, total, squares = pixels.size, int(pixels.sum()), int((pixels**2).sum()) % 2**32
    flat = (squares // n - (total // n) ** 2) % 2**32 < 2500
    std = int(np.float32(math.sqrt(np.float32((n * squares - total**2) % 2**32))))
    passed = 0
    for stage in cascade.stages:
        vote = 0
        for weak in stage.weak_classifiers:
            value = sum(
                int(pixels[r.y : r.y + r.height, r.x : r.x + r.width].sum()) * int(r.weight) * 4096
                for r in cascade.features[weak.nodes[0].feature].rectangles
            )
            threshold = round(weak.nodes[0].threshold * 4096)
            vote += round(weak.leaves[int32(value) >= int32(threshold * std)] * 256)
        if vote < np.float32(factor) * np.float32(round(stage.threshold * 256)):
            break
        passed += 1
    return passed, flat


@pytest.fixture
def cascade(rng):
    """Three stages of three stumps, of values that the camera holds exactly."""

    def stump(at):
        threshold, left, right = (
            float(v) for v in (rng.integers(-400, 400) / 4096, *(rng.integers(-256, 256, 2) / 256))
        )
        return WeakClassifier((Node(0, -1, at, threshold=threshold),), (left, right))

    features = tuple(
        HaarFeature(
            (WeightedRectangle(x, 0, 6, 9, -1.0), WeightedRectangle(x + 2, 0, 2, 9, 3.0)),
        )
        for x in (0, 1, 2, 3, 4, 5, 6, 0, 1)
    )
    stages = tuple(
        Stage(-64 / 256, tuple(stump(at) for at in range(first, first + 3))) for first in (0, 3, 6)
    )
    return Cascade("HAAR", (12, 9), stages, features)


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_every_window_is_decided_as_by_the_naive_twin(cascade, rng, factor):
    pixels = (rng.integers(0, 2, (30, 40)) * rng.integers(60, 256, (30, 40))).astype(np.uint8)
    pixels[:, 25:] //= 2
    decided = decide(pixels, camera_tables(cascade), step=2, columns=15, rows=11, factor=factor)
    for row in range(11):
        for column in range(15):
            window = pixels[2 * row : 2 * row + 9, 2 * column : 2 * column + 12]
            expected = naive(window, cascade, factor)
            assert (decided.passed[row, column], decided.low_contrast[row, column]) == expected
    assert 0 < (decided.passed == 3).sum() < decided.passed.size
    assert decided.low_contrast.any()


def test_worked_out_by_hand():
    """Left half 0, right half 200: n 108, sum 10800, squares 2,160,000, variance 10,000.

    std = sqrt(108 · 2,160,000 − 10,800²) = 10,800; the feature is −10,800 + 2 · 10,800 = 10,800.
    So its value is 1 · std: a threshold of 1 goes right, the next one (4097/4096) left.
    """
    pixels = np.zeros((9, 12), np.uint8)
    pixels[:, 6:] = 200
    feature = HaarFeature(
        (WeightedRectangle(0, 0, 12, 9, -1.0), WeightedRectangle(6, 0, 6, 9, 2.0))
    )
    for threshold, passed in ((1.0, 1), (4097 / 4096, 0)):
        weak = WeakClassifier((Node(0, -1, 0, threshold=threshold),), (-1.0, 0.5))
        cascade = Cascade("HAAR", (12, 9), (Stage(0.25, (weak,)),), (feature,))
        decided = decide(pixels, camera_tables(cascade), step=1, columns=1, rows=1)
        assert decided.passed[0, 0] == passed
        assert not decided.low_contrast[0, 0]
        assert decided.margins[0, 0] == (0.25 if passed else -1.25)


def test_the_detector_passes_over_windows_of_little_contrast(cascade, rng):
    image = rng.integers(0, 256, (60, 80), np.uint8)
    strict, all_of_them = CameraDetector(cascade), CameraDetector(cascade, any_contrast=True)
    assert len(strict.scan(image).margins) > 10
    pale = image // 8 + 100
    assert len(strict.scan(pale).margins) == 0
    assert len(all_of_them.scan(pale).margins) > 10
    beside = CameraDetector(cascade, beside=all_of_them)
    assert len(beside.scan(pale).margins) == 0


def test_contrast_about_the_mean():
    """Of mean 120: twice as far from it, where there is room, cut off as the camera does."""
    gray = np.array([[20, 100, 121, 239]], np.uint8)
    assert raise_contrast(gray, 2.0).tolist() == [[0, 80, 122, 255]]
    assert (raise_contrast(gray, 1.0) == gray).all()


def naive_find_features(gray, cascade, scale_factor):
    """Window by window and pixel by pixel, as the description says."""
    (height, width), (w, h) = gray.shape, cascade.size_wh
    step, scale, boxes = min(width // 20, h), np.float32(1), []
    while int(width / scale) >= w and int(height / scale) >= h:
        columns, rows = int(width / scale), int(height / scale)
        step = max(int(step / scale), 1)
        across, down = (width * 65536) // columns + 1, (height * 65536) // rows + 1
        for y in range(0, rows - h, step):
            for x in range(0, columns - w, step):
                window = np.empty((h, w), np.uint8)
                for j in range(h):
                    for i in range(w):
                        at = (y + j + 1) * down // 65536, (x + i + 1) * across // 65536
                        window[j, i] = gray[at]
                if naive(window, cascade) == (len(cascade.stages), False):
                    boxes.append([int(v * scale + 0.5) for v in (x, y, w, h)])
        scale *= np.float32(scale_factor)
    return boxes


def test_the_search_of_the_camera(cascade, rng, monkeypatch):
    """Of a noisy image, which is reduced four times; the step is 2 pixels, then 1."""
    gray = (rng.integers(0, 2, (24, 40)) * rng.integers(60, 256, (24, 40))).astype(np.uint8)
    tables = camera_tables(cascade)
    merged = find_features(gray, tables)
    monkeypatch.setattr("fercli.cascade.detection.openmv._merged", lambda boxes: boxes)
    expected = naive_find_features(gray, cascade, 1.25)
    assert len({width for _, _, width, _ in expected}) > 2
    assert find_features(gray, tables).tolist() == expected
    assert 0 < len(merged) < len(expected)
    assert find_features(gray[:5], tables).shape == (0, 4)


def test_overlapping_boxes_are_averaged():
    """The first with those that it overlaps, in whole numbers; touching is not overlapping."""
    boxes = [(0, 0, 10, 10), (3, 5, 10, 10), (10, 0, 10, 10), (12, 6, 5, 5)]
    assert _merged(boxes) == [(1, 2, 10, 10), (11, 3, 7, 7)]
