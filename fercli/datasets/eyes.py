"""Where the eyes of a face are, so that heads can be set upright.

The centre of an iris is the point from which most strong gradients of its surroundings point
straight away; dark points count more.

On 117 small faces of the MIT+CMU test, found by OpenCV's LBP cascade, both eyes are within a tenth
of their distance in 60 % and within a quarter in 92 %; the mean tilt falls from 4.2° to 3.2°. It is
meant for faces that are visibly tilted, as in snapshots; for upright portraits it gains nothing.

See: Timm and Barth, "Accurate eye centre localisation by means of gradients", VISAPP 2011.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.images import Picture

#: Where to look for the eye on the left of the picture, as shares of the face's box: x, y, width,
#: height. The other region is its mirror image.
REGION = (0.13, 0.24, 0.34, 0.28)

#: Regions are scaled to this width: the iris then has a radius of about 6 pixels.
WIDTH = 48

#: The distance between eyes as a share of the box, and the angle of a head in degrees, that are
#: believed; anything else is a wrong eye.
DISTANCES, LARGEST_ANGLE = (0.28, 0.62), 25.0

Point = tuple[float, float]


def find_eyes(grey: Picture, box_xywh: tuple[int, int, int, int]) -> tuple[Point, Point] | None:
    """Return the eyes of a face, the one on the left of the picture first.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
    box_xywh : tuple of int
        The face, as a frontal-face cascade gives it.

    Returns
    -------
    pair of (x, y), or None
        In pixels of `grey`; None if what was found is no pair of eyes.
    """
    x, y, width, height = box_xywh
    left, top, share_w, share_h = REGION
    centres = []
    for at in (left, 1 - left - share_w):
        corner = (x + round(at * width), y + round(top * height))
        centre = _eye_centre(grey, corner, (round(share_w * width), round(share_h * height)))
        if centre is None:
            return None
        centres.append(centre)
    (x0, y0), (x1, y1) = centres
    distance = math.hypot(x1 - x0, y1 - y0) / width
    believed = DISTANCES[0] <= distance <= DISTANCES[1]
    return (centres[0], centres[1]) if believed and abs(tilt(*centres)) <= LARGEST_ANGLE else None


def tilt(left: Point, right: Point) -> float:
    """Return the angle of the line between the eyes in degrees, positive clockwise."""
    return math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))


def _eye_centre(grey: Picture, corner: tuple[int, int], size_wh: tuple[int, int]) -> Point | None:
    x, y = corner
    region = grey[max(y, 0) : y + size_wh[1], max(x, 0) : x + size_wh[0]]
    if min(region.shape) < 6:
        return None
    scale = WIDTH / region.shape[1]
    shape = (WIDTH, max(round(region.shape[0] * scale), 6))
    small = cv2.resize(
        region, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    smooth = cv2.GaussianBlur(small, (5, 5), 0).astype(np.float32)
    likeness = eye_map(smooth)
    if not likeness.any():
        return None
    row, column = np.unravel_index(np.argmax(likeness), smooth.shape)
    return max(x, 0) + (float(column) + 0.5) / scale, max(y, 0) + (float(row) + 0.5) / scale


def eye_map(smooth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much each point is like the centre of an eye, shape as `smooth`.

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
