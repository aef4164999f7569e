import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fercli.cascade.detection.grouping import SIMILARITY, group_windows, label_similar

# Few positions and sizes, so that chains, ties and boxes within boxes are common.
boxes = hnp.arrays(
    np.int32,
    st.tuples(st.integers(1, 30), st.just(4)),
    elements=st.integers(10, 40),
)


def naive_labels(windows):
    """Join any two similar windows until nothing changes."""

    def similar(a, b):
        delta = SIMILARITY * (min(a[2], b[2]) + min(a[3], b[3])) * 0.5
        edges = (a[0] - b[0], a[1] - b[1], a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3])
        return all(abs(edge) <= delta for edge in edges)

    labels = list(range(len(windows)))
    for i, a in enumerate(windows):
        for j, b in enumerate(windows):
            if similar(a, b):
                keep, drop = sorted((labels[i], labels[j]))
                labels = [keep if label == drop else label for label in labels]
    first = list(dict.fromkeys(labels))
    return [first.index(label) for label in labels]


@settings(deadline=None)  # The first call may compile the kernels.
@given(boxes)
def test_labels_are_those_of_the_naive_twin(windows):
    windows = windows[np.lexsort(windows.T[::-1])].astype(np.int64)
    assert label_similar(windows, SIMILARITY).tolist() == naive_labels(windows.tolist())


@settings(deadline=None)  # The first call may compile the kernels.
@given(boxes, st.integers(1, 4))
def test_groups_are_those_of_opencv(windows, min_neighbors):
    theirs, counts = cv2.groupRectangles(windows.tolist(), min_neighbors, SIMILARITY)
    ours = group_windows(windows, np.zeros(len(windows)), min_neighbors=min_neighbors)
    expected = sorted((*map(int, box), int(n)) for box, n in zip(theirs, counts, strict=True))
    found = sorted((*box, n) for box, n in zip(ours.boxes_xywh.tolist(), ours.counts, strict=True))
    assert found == expected


@settings(deadline=None)  # The first call may compile the kernels.
@given(boxes, st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_windows_does_not_matter(windows, random, min_neighbors):
    scores = np.array([random.random() for _ in windows])
    order = np.array(random.sample(range(len(windows)), len(windows)))
    first = group_windows(windows, scores, min_neighbors=min_neighbors)
    second = group_windows(windows[order], scores[order], min_neighbors=min_neighbors)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(deadline=None)  # The first call may compile the kernels.
@given(boxes)
def test_no_window_and_no_score_is_lost_in_the_labels(windows):
    scores = np.arange(1.0, len(windows) + 1)
    labels = label_similar(windows[np.lexsort(windows.T[::-1])].astype(np.int64), SIMILARITY)
    grouped = group_windows(windows, scores, min_neighbors=0)
    assert grouped.counts.sum() <= len(windows)
    if len(grouped.counts) == labels.max() + 1:
        assert grouped.scores.sum() == pytest.approx(scores.sum())


def test_a_case_by_hand():
    # Three windows around one place, two around another, one far away.
    windows = np.array(
        [
            *([10, 10, 20, 20], [11, 10, 20, 20], [12, 13, 20, 20]),
            *([60, 60, 30, 30], [62, 60, 30, 30]),
            [200, 5, 20, 20],
        ],
        np.int32,
    )
    scores = np.array([1.0, 2.0, 4.0, 50.0, 60.0, 8.0])
    grouped = group_windows(windows, scores, min_neighbors=1)
    assert grouped.boxes_xywh.tolist() == [[61, 60, 30, 30], [11, 11, 20, 20]]
    assert grouped.scores.tolist() == [110.0, 7.0]
    assert grouped.counts.tolist() == [2, 3]


def test_a_small_group_inside_a_larger_one_is_dropped():
    outer = [[10, 10, 60, 60]] * 5
    inner = [[30, 30, 20, 20]] * 4
    kept = group_windows(np.array(outer + inner, np.int32), np.ones(9), min_neighbors=3)
    assert kept.boxes_xywh.tolist() == [[10, 10, 60, 60]]
    # Of as many windows, both stay.
    kept = group_windows(np.array(outer + inner + inner[:1], np.int32), np.ones(10))
    assert len(kept.boxes_xywh) == 2


def test_nothing_gives_nothing():
    grouped = group_windows(np.empty((0, 4), np.int32), np.empty(0))
    assert [part.shape for part in grouped] == [(0, 4), (0,), (0,)]


def test_groups_of_several_cascades_that_overlap_are_joined():
    small = [(20, 20, 50, 50)] * 3
    large = [(10, 10, 75, 75)] * 4
    apart = [(200, 10, 75, 75)] * 2
    windows = np.array(small + large + apart, np.int32)
    scores = np.arange(9.0)
    joined = group_windows(windows, scores, min_neighbors=4, several=True)
    assert joined.boxes_xywh.tolist() == [[10, 10, 75, 75]]
    assert (joined.counts.tolist(), joined.scores.tolist()) == ([7], [21])
    every = group_windows(windows, scores, min_neighbors=0, several=True)
    assert every.counts.tolist() == [7, 2]
    assert group_windows(windows, scores, min_neighbors=4).counts.tolist() == []
