"""What each pixel of the window weighs in a feature: what there is to draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.scanner.tables import feature_corners
from fercli.cascade.model import HaarFeature, LbpFeature

Weights = NDArray[np.float64]

#: Signs of the four corners of a rectangle in the integral image.
SIGNS = (1, -1, -1, 1)


def pixel_weights(feature: HaarFeature | LbpFeature, size_wh: tuple[int, int]) -> Weights:
    """Return the weight of each pixel of the window.

    A Haar feature's value is the sum of the pixels times these weights, over the window's norm.
    Of a local binary pattern, the block in the middle weighs 1 and those around it -1: its eight
    bits say which of them are as bright as the middle.

    Returns
    -------
    ndarray of float64, shape (height, width)
    """
    weights = np.zeros(size_wh[::-1])
    if isinstance(feature, LbpFeature):
        x, y, w, h = feature.x, feature.y, feature.width, feature.height
        weights[y : y + 3 * h, x : x + 3 * w] = -1
        weights[y + h : y + 2 * h, x + w : x + 2 * w] = 1
        return weights
    corners = feature_corners(feature)
    for at, rectangle in enumerate(feature.rectangles):
        for sign, corner in zip(SIGNS, corners[4 * at : 4 * at + 4], strict=True):
            summed = _summed_by(corner, size_wh, tilted=feature.tilted)
            weights += sign * rectangle.weight * summed
    return weights


def _summed_by(corner: tuple[int, int], size_wh: tuple[int, int], *, tilted: bool) -> Weights:
    """Return which pixels an element of the integral image is the sum of, as 0 and 1."""
    y, x = np.mgrid[: size_wh[1], : size_wh[0]]
    if tilted:
        summed = (y < corner[1]) & (abs(x - corner[0] + 1) <= corner[1] - y - 1)
    else:
        summed = (y < corner[1]) & (x < corner[0])
    return np.asarray(summed, np.float64)
