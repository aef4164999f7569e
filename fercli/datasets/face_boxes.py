"""Faces cut out of images: found by a cascade, with a margin, upright if asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import AcceptedWindows, Detector
from fercli.common.boxes import Box
from fercli.common.images import ImageArray, resize, to_gray
from fercli.datasets.options import FaceOptions

#: Where the point between the eyes is in a face's box, as shares of its sides.
BETWEEN_EYES = (0.5, 0.38)


def find_faces(image: ImageArray, options: FaceOptions) -> list[Box]:
    """Return the boxes of the faces wanted of an image: the largest, or all from the left."""
    least = (options.least_face, options.least_face)
    if min(image.shape[:2]) < options.least_face:
        return []
    settings = DetectionOptions(options.scale_factor, options.min_neighbors, min_size_wh=least)
    detector = _detector(options.cascade)
    if options.faces == "largest" and len(options.cascade) == 1:
        largest = find_largest(detector, image, settings)
    else:
        boxes = detector.detect(image, settings).boxes_xywh
        if options.faces == "all":
            return _sorted(boxes)
        largest = _largest(boxes)
    return [] if largest is None else [largest]


def cut_face(image: ImageArray, box_xywh: Box, options: FaceOptions) -> ImageArray:
    """Return a face, scaled to ``options.size_wh``; beyond the image its edge is repeated."""
    x, y, width, height = box_xywh
    center, angle = (x + width / 2, y + height / 2), 0.0
    eyes = find_eyes(to_gray(image), box_xywh) if options.align else None
    if eyes is not None:
        angle = tilt(*eyes)
        center = _center_from_eyes(eyes, (width, height), angle)
    side = max(width, height) * (1 + 2 * options.margin)
    return cut_turned(image, center, side, angle, options.size_wh)


def cut_turned(
    image: ImageArray,
    center_xy: tuple[float, float],
    side: float,
    angle: float,
    size_wh: tuple[int, int],
) -> ImageArray:
    """Return the part of an image about a point, turned upright, at another size.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width) or (height, width, 3)
    center_xy : tuple of float
        The middle of the part.
    side : float
        The shorter side of the part, in pixels of `image`.
    angle : float
        How far the part is turned in `image`, in degrees, positive clockwise.
    size_wh : tuple of int
        Width and height of the result, which give the part its shape.
    """
    scale = side / min(size_wh)
    # Turned at full size and then averaged: to sample a large face at 48 × 48 points aliases.
    inner = max(round(size_wh[0] * scale), 1), max(round(size_wh[1] * scale), 1)
    matrix = cv2.getRotationMatrix2D(center_xy, angle, 1.0)
    matrix[:, 2] += (inner[0] - 1) / 2 - center_xy[0] + 0.5, (inner[1] - 1) / 2 - center_xy[1] + 0.5
    part = cv2.warpAffine(
        image, matrix, inner, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size_wh, interpolation=how), np.uint8)


def _center_from_eyes(
    eyes: tuple[tuple[float, float], tuple[float, float]], size_wh: tuple[int, int], angle: float
) -> tuple[float, float]:
    """Return the middle of the upright box in which the eyes are where they belong."""
    middle = (eyes[0][0] + eyes[1][0]) / 2, (eyes[0][1] + eyes[1][1]) / 2
    down = (0.5 - BETWEEN_EYES[1]) * size_wh[1]
    turn = np.deg2rad(angle)
    return middle[0] - down * float(np.sin(turn)), middle[1] + down * float(np.cos(turn))


@lru_cache(maxsize=1)
def _detector(cascade: tuple[Path, ...]) -> Detector:
    """Return the detector of some cascades, loaded once in each process."""
    if parent_process() is not None:
        # There is a worker for each core: cv2's own threads would be in each other's way.
        cv2.setNumThreads(1)
    return Detector(cascade)


# Where the eyes of a face are, so that heads can be set upright.
#
# The center of an iris is the point from which most strong gradients of its surroundings point
# straight away; dark points count more.
#
# On 117 small faces of the MIT+CMU test, found by OpenCV's LBP cascade, both eyes are within a
# tenth of their distance in 60 % and within a quarter in 92 %; the mean tilt falls from 4.2° to
# 3.2°. It is meant for faces that are visibly tilted, as in snapshots; for upright portraits it
# gains nothing.  See: Timm and Barth, "Accurate eye center localization by means of gradients",
# VISAPP 2011.


#: Where to look for the eye on the left of the image, as shares of the face's box: x, y, width,
#: height. The other region is its mirror image.
REGION = (0.13, 0.24, 0.34, 0.28)

#: Regions are scaled to this width: the iris then has a radius of about 6 pixels.
WIDTH = 48

#: The distance between eyes as a share of the box, and the angle of a head in degrees, that are
#: believed; anything else is a wrong eye.
DISTANCES, LARGEST_ANGLE = (0.28, 0.62), 25.0

Point = tuple[float, float]


def find_eyes(gray: ImageArray, box_xywh: tuple[int, int, int, int]) -> tuple[Point, Point] | None:
    """Return the eyes of a face, the one on the left of the image first.

    Parameters
    ----------
    gray : ndarray of uint8, shape (height, width)
    box_xywh : tuple of int
        The face, as a frontal-face cascade gives it.

    Returns
    -------
    pair of (x, y), or None
        In pixels of `gray`; None if what was found is no pair of eyes.
    """
    x, y, width, height = box_xywh
    left, top, share_w, share_h = REGION
    centers = []
    for at in (left, 1 - left - share_w):
        corner = (x + round(at * width), y + round(top * height))
        center = _eye_center(gray, corner, (round(share_w * width), round(share_h * height)))
        if center is None:
            return None
        centers.append(center)
    (x0, y0), (x1, y1) = centers
    distance = math.hypot(x1 - x0, y1 - y0) / width
    believed = DISTANCES[0] <= distance <= DISTANCES[1]
    return (centers[0], centers[1]) if believed and abs(tilt(*centers)) <= LARGEST_ANGLE else None


def tilt(left: Point, right: Point) -> float:
    """Return the angle of the line between the eyes in degrees, positive clockwise."""
    return math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))


def _eye_center(
    gray: ImageArray, corner: tuple[int, int], size_wh: tuple[int, int]
) -> Point | None:
    x, y = corner
    region = gray[max(y, 0) : y + size_wh[1], max(x, 0) : x + size_wh[0]]
    if min(region.shape) < 6:
        return None
    scale = WIDTH / region.shape[1]
    shape = (WIDTH, max(round(region.shape[0] * scale), 6))
    small = resize(region, shape)
    smooth = cv2.GaussianBlur(small, (5, 5), 0).astype(np.float32)
    likeness = eye_map(smooth)
    if not likeness.any():
        return None
    row, column = np.unravel_index(np.argmax(likeness), smooth.shape)
    return max(x, 0) + (float(column) + 0.5) / scale, max(y, 0) + (float(row) + 0.5) / scale


def eye_map(smooth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the likelihood of each point to be the center of an eye, shape as `smooth`.

    With d the direction from the point to another and g the direction of the gradient there, this
    is the mean of max(0, d·g)² over the points with strong gradients, times the darkness.
    """
    gradient_y, gradient_x = np.gradient(smooth)
    strength = np.hypot(gradient_x, gradient_y)
    rows, columns = np.nonzero(strength > strength.mean() + 0.3 * strength.std())
    if not len(rows):
        return np.zeros_like(smooth)
    norm = np.asarray(strength)[rows, columns]
    g_x = np.asarray(gradient_x)[rows, columns] / norm
    g_y = np.asarray(gradient_y)[rows, columns] / norm
    at_y, at_x = np.mgrid[: smooth.shape[0], : smooth.shape[1]].reshape(2, -1, 1).astype(np.float32)
    d_x, d_y = columns.astype(np.float32) - at_x, rows.astype(np.float32) - at_y
    along = (d_x * g_x + d_y * g_y) / np.maximum(np.hypot(d_x, d_y), 1e-6)
    fit = np.square(np.maximum(along, 0)).mean(axis=1).reshape(smooth.shape)
    # The region's rim is hair, brow and nose more often than an iris.
    window = np.outer(np.hanning(smooth.shape[0] + 2)[1:-1], np.hanning(smooth.shape[1] + 2)[1:-1])
    return np.asarray(fit * (255 - smooth) * np.sqrt(window), np.float32)


# The largest face of an image, found without looking for smaller ones.
#
# Small windows are where a cascade spends its time: an image holds a hundred times as many of 24
# pixels as of 240. The search therefore begins with the largest windows and goes on to smaller ones
# only as long as they could change the result, which is that of a search over all sizes.


#: Ratio of the narrowest windows of one step to those of the next.
STEP = 1.5


def find_largest(detector: Detector, image: ImageArray, options: DetectionOptions) -> Box | None:
    """Return the box (x, y, width, height) of the largest detection, or None if there is none.

    The detector is of one cascade: the boxes of several may be ousted by much smaller ones.

    Of equally large ones it is the one furthest left, then up, as of all boxes of
    `fercli.cascade.detection.detector.Detector.detect`.

    Parameters
    ----------
    detector : Detector
    image : ndarray of uint8, shape (height, width) or (height, width, 3)
    options : DetectionOptions
        How it is searched.
    """
    image_wh = image.shape[1], image.shape[0]
    found = AcceptedWindows(np.empty((0, 4), np.int32), np.empty(0), image_wh)
    largest = None
    for least, most in _ranges(detector.cascade.size_wh, image, options):
        more = _scan_between(detector, image, options, least, most)
        if not len(more.margins) and largest is None:
            continue
        found = AcceptedWindows(
            np.concatenate([found.boxes_xywh, more.boxes_xywh]),
            np.concatenate([found.margins, more.margins]),
            image_wh,
        )
        largest = _largest(found.group(options.min_neighbors).boxes_xywh)
        if largest is not None and largest[2] > _width_to_exceed(found.boxes_xywh, least):
            break
    return largest


def _largest(boxes_xywh: NDArray[np.int32]) -> Box | None:
    return max(_sorted(boxes_xywh), key=lambda box: box[2] * box[3], default=None)


def _sorted(boxes_xywh: NDArray[np.int32]) -> list[Box]:
    """Return boxes from the left."""
    return sorted(map(tuple, boxes_xywh.tolist()))


def _ranges(
    window_wh: tuple[int, int], image: ImageArray, options: DetectionOptions
) -> Iterator[tuple[int, int]]:
    """Yield ranges of the widths of windows, both ends included, from the widest down to all.

    None of them is empty, and together they hold each width from the smallest to the largest once.
    """
    height, width = image.shape[:2]
    smallest = (options.min_size_wh or window_wh)[0]
    most = (options.max_size_wh or (width, height))[0]
    least = min(most, width, height * window_wh[0] / window_wh[1]) / STEP
    while int(least) > smallest:
        yield int(least), most
        most, least = int(least) - 1, least / STEP
    if smallest <= most:
        yield smallest, most


def _scan_between(
    detector: Detector, image: ImageArray, options: DetectionOptions, least: int, most: int
) -> AcceptedWindows:
    smallest, largest = options.min_size_wh or (0, 0), options.max_size_wh or image.shape[1::-1]
    between = replace(options, min_size_wh=(least, smallest[1]), max_size_wh=(most, largest[1]))
    windows = detector.scan(image, between)
    # If cv2 has no size within the bounds, it takes the nearest one without.
    widths = windows.boxes_xywh[:, 2]
    within = (least <= widths) & (widths <= most)
    return AcceptedWindows(windows.boxes_xywh[within], windows.margins[within], windows.image_wh)


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
