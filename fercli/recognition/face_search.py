"""Face search: detect the faces of a whole image, or track one around its last box.

Boxes are those of ``detectMultiScale`` and its own grouping: the scores of
`fercli.cascade.detection.detector.detect` need numba, whose start a single image need not wait for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.detector import Detector
from fercli.common.boxes import intersections
from fercli.common.images import ImageArray, resize

Boxes = NDArray[np.int32]

#: Tracking: the margin around the last box, as a share of its width, and the sizes of the face
#: there, as shares of the last one.
REACH, SMALLEST, LARGEST = 0.4, 0.8, 1.25

#: Tracking: a face is resized to so many window widths. From 2 on cv2 moves the window by single
#: pixels of the window's own size.
WINDOWS = 2.2

#: Quick detection: the ratio of one window size to the next, and the least width of a face as a
#: share of `min_face`.
COARSE, ALMOST = 1.2, 0.95

#: Two boxes that overlap by more than this share of the smaller are of one face.
SAME_FACE = 0.5

NO_BOXES: Boxes = np.empty((0, 4), np.int32)


def detect_faces(
    detector: Detector,
    gray: ImageArray,
    *,
    side: int,
    min_face: int,
    scale_factor: float,
    min_neighbors: int,
) -> Boxes:
    """Detect the faces of a whole image, those of most windows first.

    Parameters
    ----------
    detector : Detector
    gray : ndarray of uint8, shape (height, width)
    side : int
        Longer side that a larger image is resized to.
    min_face : int
        Side of the smallest face, in pixels of `gray`.
    scale_factor, min_neighbors
        As in `fercli.cascade.detection.detector.DetectionOptions`.

    Returns
    -------
    ndarray of int32, shape (n, 4)
        x, y, width, height in pixels of `gray`.
    """
    scale = min(side / max(gray.shape), 1.0)
    small = _resized(gray, scale)
    least = max(round(min_face * scale), 1)
    found = _detect(detector, small, scale_factor, min_neighbors, least, max(small.shape))
    return np.asarray(np.rint(found / scale), np.int32)


def detect_faces_quickly(
    detector: Detector,
    gray: ImageArray,
    *,
    side: int,
    min_face: int,
    scale_factor: float,
    min_neighbors: int,
) -> Boxes:
    """Detect the faces of a whole image in a fraction of the time, at the cost of a few misses.

    The image is resized so that the smallest face fills one window and scanned in coarse steps;
    each window that passes is then confirmed by `track_face`.

    Parameters and result as in `detect_faces`.
    """
    window = detector.cascade.size_wh[0]
    side = min(side, round(max(gray.shape) * window / max(min_face, window)))
    candidates = detect_faces(
        detector, gray, side=side, min_face=min_face, scale_factor=COARSE, min_neighbors=0
    )
    found = [
        track_face(
            detector,
            gray,
            (x, y, width, height),
            scale_factor=scale_factor,
            min_neighbors=min_neighbors,
        )[:1]
        for x, y, width, height in candidates.tolist()
    ]
    faces = without_duplicates(np.concatenate([NO_BOXES, *found]))
    return faces[faces[:, 2] >= ALMOST * min_face]


def track_face(
    detector: Detector,
    gray: ImageArray,
    box_xywh: tuple[int, int, int, int],
    *,
    scale_factor: float,
    min_neighbors: int,
) -> Boxes:
    """Detect faces of about the size of `box_xywh` in and around it, those of most windows first.

    Parameters and result as in `detect_faces`.
    """
    x, y, width, height = box_xywh
    reach = round(REACH * width)
    left, top = max(x - reach, 0), max(y - reach, 0)
    region = gray[top : y + height + reach, left : x + width + reach]
    if min(region.shape) < 4:
        return NO_BOXES
    scale = WINDOWS * detector.cascade.size_wh[0] / width
    small = _resized(region, scale)
    least, most = round(SMALLEST * width * scale), round(LARGEST * width * scale)
    found = _detect(detector, small, scale_factor, min_neighbors, least, most)
    return np.asarray(np.rint(found / scale + (left, top, 0, 0)), np.int32)


def overlap(box_xywh: NDArray[np.int32], boxes_xywh: Boxes) -> NDArray[np.float64]:
    """Return the intersection of a box with each of others, as a share of the smaller box."""
    common = intersections(box_xywh[np.newaxis], boxes_xywh)[0]
    smaller = np.minimum(np.prod(box_xywh[2:]), np.prod(boxes_xywh[:, 2:], axis=1))
    return common / np.maximum(smaller, 1)  # type: ignore[no-any-return]


def without_duplicates(boxes_xywh: Boxes) -> Boxes:
    """Return boxes without those that are of the same face as an earlier one."""
    kept: list[NDArray[np.int32]] = []
    for box in boxes_xywh:
        if not kept or overlap(box, np.array(kept)).max() <= SAME_FACE:
            kept.append(box)
    return np.array(kept, np.int32).reshape(-1, 4)


def merge_windows(windows_xywh: Boxes) -> Boxes:
    """Return the mean box of each group of windows of one face, the largest group first."""
    means: list[NDArray[np.float64]] = []
    same = np.array([overlap(box, windows_xywh) > SAME_FACE for box in windows_xywh], bool)
    left = np.ones(len(same), bool)
    counts = same.reshape(len(same), len(same)).sum(axis=1)
    while left.any():
        largest = same[int(np.where(left, counts, -1).argmax())] & left
        means.append(windows_xywh[largest].mean(axis=0))
        counts -= same[:, largest].sum(axis=1)
        left &= ~largest
    return np.rint(np.array(means).reshape(-1, 4)).astype(np.int32)


def _resized(gray: ImageArray, scale: float) -> ImageArray:
    if scale == 1:
        return gray
    height, width = (max(round(side * scale), 1) for side in gray.shape)
    return resize(gray, (width, height))


def _detect(
    detector: Detector,
    gray: ImageArray,
    scale_factor: float,
    min_neighbors: int,
    least: int,
    most: int,
) -> Boxes:
    """Detect faces that are `least` to `most` pixels wide, those of most windows first."""
    width, height = detector.cascade.size_wh
    min_wh, max_wh = ((side, round(side * height / width)) for side in (least, most))
    if gray.shape[1] < min_wh[0] or gray.shape[0] < min_wh[1]:  # cv2 would look for smaller ones
        return NO_BOXES
    boxes, neighbors = detector.classifier.detectMultiScale2(
        gray, scale_factor, min_neighbors, minSize=min_wh, maxSize=max_wh
    )
    if not len(boxes):
        return NO_BOXES
    found = np.asarray(boxes, np.int32).reshape(-1, 4)
    if not min_neighbors:  # cv2 does not join windows then
        return merge_windows(found)
    surest_first = np.argsort(-np.asarray(neighbors).ravel(), kind="stable")
    return without_duplicates(found[surest_first])
