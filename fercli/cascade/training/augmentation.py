"""Variants of a positive (jitter), for a detector that tolerates small differences.

A variant is the object seen a little shifted, turned, larger or smaller, lighter or darker. It is
cut anew out of its image where there is one, so that its surroundings are real; of a sample
without an image, the border is continued. If asked for, variants are also as bad as images from
elsewhere are: partly covered, blurred, of other contrast, noisy, compressed.
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
#: How many of the variants are covered, blurred, noisy and compressed, where any are.
OCCLUDED, BLURRED, NOISY, COMPRESSED = 0.3, 0.3, 0.5, 0.5
#: The smallest standard deviation of a Gaussian blur, in pixels: next to none.
LEAST_DEVIATION = 0.3

FloatBox = tuple[float, float, float, float]


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
    width, height = size_wh
    factor = _oversampling(box_xywh, size_wh)
    reduced, box = _reduce(image, box_xywh, (factor * width, factor * height))
    return degrade(place(reduced, box, size_wh, jitter, rng, factor=factor), jitter, rng)


def place(
    image: ImageArray,
    box_xywh: FloatBox,
    size_wh: tuple[int, int],
    jitter: Jitter,
    rng: np.random.Generator,
    *,
    factor: int,
) -> ImageArray:
    """Return the object in a box, shifted, scaled and turned by chance, and its gamma changed.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
        What lies beyond its border is continued from it.
    box_xywh : tuple of 4 float
    size_wh : tuple of 2 int
        Of the result.
    jitter : Jitter
    rng : Generator
        Five numbers are drawn.
    factor : int
        The result is drawn so many times as large, then reduced.
    """
    shift_x, shift_y, scale, angle, brightness = rng.uniform(-1, 1, 5)
    x, y, box_width, box_height = box_xywh
    center = (
        x + box_width * (0.5 + jitter.shift * shift_x),
        y + box_height * (0.5 + jitter.shift * shift_y),
    )
    zoom = (1 + jitter.scale) ** scale
    turn = np.deg2rad(jitter.angle * angle)
    sample: ImageArray = cv2.warpAffine(
        image,
        _placement(center, (box_width * zoom, box_height * zoom), turn, factor, size_wh),
        (factor * size_wh[0], factor * size_wh[1]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if factor > 1:
        sample = cv2.resize(sample, size_wh, interpolation=cv2.INTER_AREA)
    return _with_gamma(sample, (1 + jitter.brightness) ** brightness)


def degrade(sample: ImageArray, jitter: Jitter, rng: np.random.Generator) -> ImageArray:
    """Return a sample as an image from elsewhere could show it.

    In the order in which it happens to an object before a camera: covered, blurred, of another
    contrast, noisy, compressed. Nothing is drawn for an amount of 0.

    Parameters
    ----------
    sample : ndarray of uint8, shape (height, width)
    jitter : Jitter
    rng : Generator
    """
    if jitter.occlusion and rng.random() < OCCLUDED:
        sample = _with_covered_corner(sample, jitter.occlusion, rng)
    if jitter.blur and rng.random() < BLURRED:
        sample = _blurred(sample, jitter.blur, rng)
    if jitter.contrast:
        sample = _with_contrast(sample, (1 + jitter.contrast) ** rng.uniform(-1, 1))
    if jitter.noise and rng.random() < NOISY:
        deviation = sample.std() * jitter.noise * rng.random()
        sample = _to_gray_levels(sample + rng.normal(0, deviation, sample.shape))
    if jitter.jpeg and rng.random() < COMPRESSED:
        sample = _compressed(sample, round(100 - jitter.jpeg * rng.random()))
    return sample


def _with_covered_corner(sample: ImageArray, share: float, rng: np.random.Generator) -> ImageArray:
    """Cover a corner with one gray level of the sample's range."""
    height, width = sample.shape
    across, down = np.rint(share * rng.random(2) * (width, height)).astype(int)
    rows, columns = (slice(0, down), slice(0, across))
    if rng.random() < 0.5:
        rows = slice(height - down, height)
    if rng.random() < 0.5:
        columns = slice(width - across, width)
    covered = sample.copy()
    covered[rows, columns] = rng.integers(sample.min(), sample.max(), endpoint=True)
    return covered


def _blurred(sample: ImageArray, amount: float, rng: np.random.Generator) -> ImageArray:
    """Reduce a sample and enlarge it again, or smooth it by a Gaussian; either as often."""
    height, width = sample.shape
    if rng.random() < 0.5:
        fewest = min(round(width / (1 + amount)), width - 1)
        few = int(rng.integers(fewest, width))
        few_wh = few, max(round(height * few / width), 1)
        small = cv2.resize(sample, few_wh, interpolation=cv2.INTER_AREA)
        blurred = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    else:
        deviation = rng.uniform(LEAST_DEVIATION, LEAST_DEVIATION + amount)
        blurred = cv2.GaussianBlur(sample, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.uint8)


def _with_contrast(sample: ImageArray, factor: float) -> ImageArray:
    mean = sample.mean()
    return _to_gray_levels(mean + factor * (sample - mean))


def _compressed(sample: ImageArray, quality: int) -> ImageArray:
    _, encoded = cv2.imencode(".jpg", sample, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _to_gray_levels(values: NDArray[np.float64]) -> ImageArray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


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
