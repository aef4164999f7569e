"""Boxes: their overlap; clipped to an image, padded, widened to the shape of a window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: x, y of the top-left pixel (counted from 0), width, height.
Box = tuple[int, int, int, int]

#: A box of which a smaller share lies in the image is left out instead of clipped.
LEAST_INSIDE = 0.5


def intersections(
    boxes_xywh: NDArray[np.generic], others_xywh: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return the common area of each box with each of others.

    Parameters
    ----------
    boxes_xywh, others_xywh : ndarray, shapes (n, 4) and (m, 4)

    Returns
    -------
    ndarray of float64, shape (n, m)
    """
    boxes, others = boxes_xywh.astype(np.float64), others_xywh.astype(np.float64)
    starts = np.maximum(boxes[:, np.newaxis, :2], others[:, :2])
    ends = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, np.newaxis], others[:, :2] + others[:, 2:])
    common: NDArray[np.float64] = np.clip(ends - starts, 0, None).prod(axis=2)
    return common


def turn_boxes(
    boxes_xywh: NDArray[np.generic], quarters: int, image_wh: tuple[int, int]
) -> NDArray[np.int32]:
    """Return boxes as they lie in the image that ``np.rot90(image, quarters)`` gives.

    Parameters
    ----------
    boxes_xywh : ndarray, shape (n, 4)
        Boxes in the image as it is.
    quarters : int
        Quarters of a turn, counterclockwise.
    image_wh : (int, int)
        The size of the image as it is.

    Returns
    -------
    ndarray of int32, shape (n, 4)
    """
    x, y, width, height = boxes_xywh.astype(np.int32).T
    across, down = image_wh
    for _ in range(quarters % 4):
        x, y, width, height = y, across - x - width, height, width
        across, down = down, across
    return np.stack([x, y, width, height], axis=1)


def clip_box(box_xywh: Box, image_wh: tuple[int, int]) -> Box | None:
    """Return the part of a box that lies in the image; None if that is less than half of it.

    A box without width or height is None too.
    """
    x, y, width, height = box_xywh
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, image_wh[0]), min(y + height, image_wh[1])
    inside = max(right - left, 0) * max(bottom - top, 0)
    if width <= 0 or height <= 0 or inside < LEAST_INSIDE * width * height:
        return None
    return left, top, right - left, bottom - top


def fit_box(
    box_xywh: Box,
    image_wh: tuple[int, int],
    *,
    padding: float = 0.0,
    window_wh: tuple[int, int] | None = None,
) -> Box | None:
    """Return a box as it is to be cropped for training.

    The box is clipped to the image (`clip_box`), padded, its shorter side widened around its
    middle to the window's shape, and moved into the image where it then leaves it. Where the
    image is too narrow even so, the box ends with the image, and its shape is not the
    window's.

    Parameters
    ----------
    box_xywh : (int, int, int, int)
        The object's box.
    image_wh : (int, int)
        The image's size.
    padding : float
        What is added on each side, as a share of the box's width or height. Defaults to 0.
    window_wh : (int, int), optional
        The training window, of which the shape matters. Defaults to leaving the shape as it is.

    Returns
    -------
    (int, int, int, int) or None
        A box of at least one pixel, all of it in the image; None where `clip_box` gives None.
    """
    clipped = clip_box(box_xywh, image_wh)
    if clipped is None:
        return None
    x, y, width, height = clipped
    wider, higher = width + 2 * round(width * padding), height + 2 * round(height * padding)
    if window_wh is not None:
        wider, higher = _widened(wider, higher, window_wh)
    x, wider = _placed(x - (wider - width) // 2, wider, image_wh[0])
    y, higher = _placed(y - (higher - height) // 2, higher, image_wh[1])
    return x, y, wider, higher


def has_shape(box_xywh: Box, window_wh: tuple[int, int]) -> bool:
    """Whether a box has the window's shape, give or take the rounding of one side."""
    _, _, width, height = box_xywh
    aspect = window_wh[0] / window_wh[1]
    return width == round(height * aspect) or height == round(width / aspect)


def _widened(width: int, height: int, window_wh: tuple[int, int]) -> tuple[int, int]:
    aspect = window_wh[0] / window_wh[1]
    return max(width, round(height * aspect)), max(height, round(width / aspect))


def _placed(start: int, extent: int, limit: int) -> tuple[int, int]:
    """Return start and extent moved into 0 … limit."""
    extent = min(extent, limit)
    return min(max(start, 0), limit - extent), extent
