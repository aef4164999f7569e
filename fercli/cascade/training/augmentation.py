"""Variants of a positive (jitter), for a detector that tolerates small differences.

A variant is the object seen a little shifted, turned, larger or smaller, lighter or darker. It is
cut anew out of its image where there is one, so that its surroundings are real; of a sample
without an image, the border is continued.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.training.options import Jitter
from fercli.common.boxes import Box

ImageArray = NDArray[np.uint8]

#: Variants are drawn at so many times the window's size, if the image has it, and reduced.
OVERSAMPLING = 2


def vary(
    image: ImageArray,
    box_xywh: Box,
    size_wh: tuple[int, int],
    jitter: Jitter,
    rng: np.random.Generator,
) -> ImageArray:
    """Return a variant of the object in a box of an image.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
        What lies beyond its border is continued from it.
    box_xywh : tuple of 4 int
    size_wh : tuple of 2 int
        Of the sample.
    jitter : Jitter
    rng : Generator

    Returns
    -------
    ndarray of uint8, shape (size_wh[1], size_wh[0])
    """
    shift_x, shift_y, scale, angle, brightness = rng.uniform(-1, 1, 5)
    width, height = size_wh
    factor = _oversampling(box_xywh, size_wh)
    reduced, box = _reduce(image, box_xywh, (factor * width, factor * height))
    x, y, box_width, box_height = box
    center = (
        x + box_width * (0.5 + jitter.shift * shift_x),
        y + box_height * (0.5 + jitter.shift * shift_y),
    )
    zoom = (1 + jitter.scale) ** scale
    turn = np.deg2rad(jitter.angle * angle)
    sample: ImageArray = cv2.warpAffine(
        reduced,
        _placement(center, (box_width * zoom, box_height * zoom), turn, factor, size_wh),
        (factor * width, factor * height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if factor > 1:
        sample = cv2.resize(sample, size_wh, interpolation=cv2.INTER_AREA)
    return _with_gamma(sample, (1 + jitter.brightness) ** brightness)


def _oversampling(box_xywh: Box, size_wh: tuple[int, int]) -> int:
    enough = all(
        side >= OVERSAMPLING * wanted for side, wanted in zip(box_xywh[2:], size_wh, strict=True)
    )
    return OVERSAMPLING if enough else 1


def _reduce(
    image: ImageArray, box_xywh: Box, size_wh: tuple[int, int]
) -> tuple[ImageArray, tuple[float, float, float, float]]:
    """Return the surroundings of a box, reduced by area so that the box is of a size or less.

    Half the box's size on each side is enough for any variant that is still one.
    """
    x, y, width, height = box_xywh
    left, top = max(x - width // 2, 0), max(y - height // 2, 0)
    right = min(x + width + width // 2, image.shape[1])
    bottom = min(y + height + height // 2, image.shape[0])
    part = image[top:bottom, left:right]
    across, down = min(size_wh[0] / width, 1.0), min(size_wh[1] / height, 1.0)
    reduced_wh = max(round(part.shape[1] * across), 1), max(round(part.shape[0] * down), 1)
    across, down = reduced_wh[0] / part.shape[1], reduced_wh[1] / part.shape[0]
    reduced: ImageArray = cv2.resize(part, reduced_wh, interpolation=cv2.INTER_AREA)
    return reduced, ((x - left) * across, (y - top) * down, width * across, height * down)


def _placement(
    center_xy: tuple[float, float],
    box_wh: tuple[float, float],
    turn: float,
    factor: int,
    size_wh: tuple[int, int],
) -> NDArray[np.float64]:
    """Return the affine map from pixels of the sample to pixels of the image."""
    step_x, step_y = box_wh[0] / (factor * size_wh[0]), box_wh[1] / (factor * size_wh[1])
    cosine, sine = np.cos(turn), np.sin(turn)
    # Turned in steps of the window, so that a box of another shape is not sheared in the sample.
    linear = np.array([[step_x * cosine, -step_x * sine], [step_y * sine, step_y * cosine]])
    middle = np.array([factor * size_wh[0] - 1, factor * size_wh[1] - 1]) / 2
    # Pixel centers: the middle of an image of n pixels is at (n − 1) / 2.
    offset = np.array(center_xy) - 0.5 - linear @ middle
    return np.column_stack([linear, offset])


def _with_gamma(sample: ImageArray, exponent: float) -> ImageArray:
    levels = np.arange(256) / 255
    table = np.rint(255 * levels**exponent).astype(np.uint8)
    return table[sample]
