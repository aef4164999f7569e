"""Grouping: the many windows that a cascade accepts around one object become one detection.

The rule is cv2's (`groupRectangles`), so that the detections are those of `detectMultiScale`; but
cv2 compares all pairs and forgets which windows it joined, and their scores with them.

See: OpenCV 4.14, ``modules/objdetect/src/cascadedetect.cpp``, ``SimilarRects`` and
``groupRectangles``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fercli.common.boxes import intersections
from fercli.common.kernels import compiled

#: How far the edges of two windows may be apart, as a share of their mean side (cv2: GROUP_EPS).
SIMILARITY = 0.2
#: Groups of several cascades are of one object if they share more than this of the smaller box.
SAME_OBJECT = 0.5
#: A group of fewer windows is dropped inside any larger one (cv2: a constant in the code).
FEW = 3


class Groups(NamedTuple):
    """Detections, best first.

    Attributes
    ----------
    boxes_xywh : ndarray of int32, shape (n, 4)
        The mean of the windows of a group.
    scores : ndarray of float64, shape (n,)
        The sum of their scores.
    counts : ndarray of int32, shape (n,)
        How many they are ("neighbors").
    """

    boxes_xywh: NDArray[np.int32]
    scores: NDArray[np.float64]
    counts: NDArray[np.int32]


def group_windows(
    windows_xywh: NDArray[np.int32],
    scores: NDArray[np.float64],
    *,
    min_neighbors: int = 3,
    several: bool = False,
) -> Groups:
    """Join similar windows and drop groups that are too small or lie inside larger ones.

    Parameters
    ----------
    windows_xywh : ndarray of int32, shape (n, 4)
    scores : ndarray of float64, shape (n,)
    min_neighbors : int
        A group is kept if it has more windows than this. Defaults to 3, as in cv2.
    several : bool
        Whether the windows are those of several cascades, which box an object each in its way:
        groups that lie over each other are then joined. Defaults to False.

    Returns
    -------
    Groups
        The same whatever the order of the windows.
    """
    # The order of the windows is that of cv2's threads; the sums below must not depend on it.
    order = np.lexsort((scores, *windows_xywh.T[::-1]))
    windows = np.ascontiguousarray(windows_xywh[order], np.int64)
    labels = label_similar(windows, SIMILARITY)
    groups = _merged(windows, scores[order], labels)
    if several:
        groups = join_overlapping(groups)
    kept = keep_groups(groups.boxes_xywh.astype(np.int64), groups.counts, min_neighbors)
    best = np.lexsort((*groups.boxes_xywh.T[::-1], -groups.scores))
    best = best[kept[best]]
    return Groups(groups.boxes_xywh[best], groups.scores[best], groups.counts[best])


def _merged(
    windows: NDArray[np.int64], scores: NDArray[np.float64], labels: NDArray[np.int64]
) -> Groups:
    count = int(labels.max()) + 1 if len(labels) else 0
    counts = np.bincount(labels, minlength=count)
    sums = np.stack([np.bincount(labels, side, count) for side in windows.T], axis=1)
    # In float32 and rounded half to even, because cv2 does so.
    means = sums.astype(np.float32) * (np.float32(1) / counts.astype(np.float32))[:, np.newaxis]
    return Groups(
        np.rint(means).astype(np.int32),
        np.bincount(labels, scores, count).astype(np.float64),
        counts.astype(np.int32),
    )


def join_overlapping(groups: Groups) -> Groups:
    """Join each group to the largest that it lies over, whose box stays; votes are added."""
    boxes, scores, counts = groups
    order = np.lexsort((*boxes.T[::-1], -counts))
    boxes, scores, counts = boxes[order], scores[order], counts[order]
    areas = boxes[:, 2:].astype(np.float64).prod(axis=1)
    over = intersections(boxes, boxes) > SAME_OBJECT * np.minimum(areas[:, np.newaxis], areas)
    joined_to = np.arange(len(boxes))
    for at in range(len(boxes)):
        if joined_to[at] == at:
            later = np.flatnonzero(over[at, at + 1 :]) + at + 1
            joined_to[later[joined_to[later] == later]] = at
    first = np.flatnonzero(joined_to == np.arange(len(boxes)))
    return Groups(
        boxes[first],
        np.bincount(joined_to, scores, len(boxes))[first].astype(np.float64),
        np.bincount(joined_to, counts, len(boxes))[first].astype(np.int32),
    )


@compiled
def label_similar(windows_xywh: NDArray[np.int64], similarity: float) -> NDArray[np.int64]:
    """Return the group (0, 1, …) of each window; windows similar to similar ones share a group.

    Parameters
    ----------
    windows_xywh : ndarray of int64, shape (n, 4), C order
        Sorted by x, which bounds the pairs to be compared.
    similarity : float
        See `SIMILARITY`.
    """
    n = len(windows_xywh)
    parent = np.arange(n)
    for i in range(n):
        x, y, width, height = windows_xywh[i]
        furthest = similarity * (width + height) * 0.5
        for j in range(i + 1, n):
            other_x, other_y, other_width, other_height = windows_xywh[j]
            if other_x - x > furthest:
                break
            delta = similarity * (min(width, other_width) + min(height, other_height)) * 0.5
            if (
                other_x - x <= delta
                and abs(other_y - y) <= delta
                and abs(other_x + other_width - x - width) <= delta
                and abs(other_y + other_height - y - height) <= delta
            ):
                a, b = i, j
                while parent[a] != a:
                    parent[a] = parent[parent[a]]
                    a = parent[a]
                while parent[b] != b:
                    parent[b] = parent[parent[b]]
                    b = parent[b]
                parent[max(a, b)] = min(a, b)
    labels = np.empty(n, np.int64)
    count = 0
    for i in range(n):
        # A root is the first of its group, so it has its number before the others ask.
        root = i
        while parent[root] != root:
            root = parent[root]
        if root == i:
            labels[i] = count
            count += 1
        else:
            labels[i] = labels[root]
    return labels


@compiled
def keep_groups(
    boxes_xywh: NDArray[np.int64], counts: NDArray[np.int32], min_neighbors: int
) -> NDArray[np.bool_]:
    """Return which groups are large enough and not inside one of more windows."""
    kept = counts > min_neighbors
    large = np.flatnonzero(kept)
    for i in large:
        x, y, width, height = boxes_xywh[i]
        for j in large:
            other_x, other_y, other_width, other_height = boxes_xywh[j]
            dx = round(other_width * SIMILARITY)
            dy = round(other_height * SIMILARITY)
            if (
                i != j
                and x >= other_x - dx
                and y >= other_y - dy
                and x + width <= other_x + other_width + dx
                and y + height <= other_y + other_height + dy
                and (counts[j] > max(FEW, counts[i]) or counts[i] < FEW)
            ):
                kept[i] = False
                break
    return kept
