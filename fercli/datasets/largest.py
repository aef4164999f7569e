"""The largest face of a picture, found without looking for smaller ones.

Small windows are where a cascade spends its time: a picture holds a hundred times as many of 24
pixels as of 240. The search therefore begins with the largest windows and goes on to smaller ones
only as long as they could change the result, which is that of a search over all sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.detector import DetectionOptions, Detector, Windows, group, scan
from fercli.common.images import Picture

Box = tuple[int, int, int, int]

#: Ratio of the narrowest windows of one step to those of the next.
STEP = 1.5


def find_largest(detector: Detector, picture: Picture, options: DetectionOptions) -> Box | None:
    """Return the box (x, y, width, height) of the largest detection, or None if there is none.

    Of equally large ones it is the one furthest left, then up, as of all boxes of
    `fercli.cascade.detection.detector.detect`.

    Parameters
    ----------
    detector : Detector
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    options : DetectionOptions
        How it is searched.
    """
    found = Windows(np.empty((0, 4), np.int32), np.empty(0))
    largest = None
    for least, most in _ranges(detector.cascade.size_wh, picture, options):
        more = _scan_between(detector, picture, options, least, most)
        if not len(more.margins) and largest is None:
            continue
        found = Windows(
            np.concatenate([found.boxes_xywh, more.boxes_xywh]),
            np.concatenate([found.margins, more.margins]),
        )
        largest = _largest(found, options)
        if largest is not None and largest[2] > _width_to_exceed(found.boxes_xywh, least):
            break
    return largest


def _largest(windows: Windows, options: DetectionOptions) -> Box | None:
    boxes = sorted(map(tuple, group(windows, options.min_neighbors).boxes_xywh.tolist()))
    return max(boxes, key=lambda box: box[2] * box[3], default=None)


def _ranges(
    window_wh: tuple[int, int], picture: Picture, options: DetectionOptions
) -> Iterator[tuple[int, int]]:
    """Yield ranges of the widths of windows, both ends included, from the widest down to all."""
    height, width = picture.shape[:2]
    smallest = (options.min_size_wh or window_wh)[0]
    most = (options.max_size_wh or (width, height))[0]
    least = min(most, width, height * window_wh[0] / window_wh[1]) / STEP
    while least > smallest:
        yield int(least), most
        most, least = int(least) - 1, least / STEP
    yield smallest, most


def _scan_between(
    detector: Detector, picture: Picture, options: DetectionOptions, least: int, most: int
) -> Windows:
    smallest, largest = options.min_size_wh or (0, 0), options.max_size_wh or picture.shape[1::-1]
    between = replace(options, min_size_wh=(least, smallest[1]), max_size_wh=(most, largest[1]))
    windows = scan(detector, picture, between)
    # If cv2 has no size within the bounds, it takes the nearest one without.
    widths = windows.boxes_xywh[:, 2]
    within = (least <= widths) & (widths <= most)
    return Windows(windows.boxes_xywh[within], windows.margins[within])


def _width_to_exceed(windows_xywh: NDArray[np.int32], least: int) -> float:
    """Return the width that a detection must exceed to be the largest for good.

    Windows narrower than `least` have not been looked for. They may still join a group that has
    some not much wider, and the group so made may oust one up to 1.4 times as wide, in which it
    lies (see `fercli.cascade.detection.grouping`). Beyond that nothing changes.
    """
    from fercli.cascade.detection.grouping import SIMILARITY, label_similar

    order = np.argsort(windows_xywh[:, 0], kind="stable")
    windows = np.ascontiguousarray(windows_xywh[order], np.int64)
    labels, widths = label_similar(windows, SIMILARITY), windows[:, 2]
    # Edges may be apart by SIMILARITY times the mean side of the smaller window, at each end.
    _, _, width, height = windows[0]
    joinable = widths <= least * (1 + SIMILARITY * (1 + height / width)) + 2
    joined = np.zeros(labels.max() + 1, bool)
    joined[labels[joinable]] = True
    widest = max(least, widths[joined[labels]].max(initial=0))
    return (1 + 2 * SIMILARITY) * float(widest) + 2
