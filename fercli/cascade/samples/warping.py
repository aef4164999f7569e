"""Warping: one image of an object seen from other angles, in other light, on other backgrounds.

The camera is that of ``opencv_createsamples -img``: the image is a plane, turned around all
three axes, seen in perspective from two to four times its width away. The angles, the distance,
the gray shift and the transparent color have its names, ranges and distributions. Three
things are done better: images are averaged down to the sample's size (OpenCV's program takes
single pixels of a large image), transparent pixels lend nothing to the object's edge, and an
object whose shape is far from the window's is not distorted to fit.

See: ``icvRandomQuad`` and ``icvPlaceDistortedSample`` in OpenCV 3.4,
apps/createsamples/utility.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.samples.options import Distortion
from fercli.common.errors import OptionError
from fercli.common.images import ImageArray

Matrix = NDArray[np.float64]

#: Samples are drawn at up to this many times their size and averaged down.
FINEST = 4


@dataclass(frozen=True)
class Foreground:
    """An object cut out of its image.

    Parameters
    ----------
    gray : ndarray of uint8, shape (height, width)
        The gray levels; those of transparent pixels beside the object are the object's.
    alpha : ndarray of uint8, shape (height, width)
        255 where the object is, 0 where the image is transparent.
    edges_extend : bool
        Whether what a rotation uncovers is filled with the image's edge, so that no
        background is seen. Defaults to False.
    """

    gray: ImageArray
    alpha: ImageArray
    edges_extend: bool = False

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height."""
        return self.gray.shape[1], self.gray.shape[0]


def cut_out(image: ImageArray, bg_color: int | None, bg_threshold: int) -> Foreground:
    """Return the object in an image.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
    bg_color : int or None
        The gray level that is transparent; None: the whole image is the object.
    bg_threshold : int
        How far a gray level may be from `bg_color` and still be transparent.

    Raises
    ------
    OptionError
        All of the image would be transparent.
    """
    if bg_color is None:
        return Foreground(image, np.full_like(image, 255))
    opaque = np.abs(image.astype(np.int16) - bg_color) > bg_threshold
    if not opaque.any():
        raise OptionError(
            f"wanted an object in the image, found all of it within {bg_threshold} gray levels "
            f"of the background color {bg_color}",
            hint="a smaller --bg-threshold, or no --bg-color where the whole image is the object",
        )
    weight = opaque.astype(np.float32)
    gray = _grown(image * weight, weight, image)
    return Foreground(gray, opaque.astype(np.uint8) * 255)


def fitted(foreground: Foreground, size_wh: tuple[int, int]) -> Foreground:
    """Return a foreground with no more pixels than samples of `size_wh` can show.

    What `place` makes of it looks the same, and is made much faster.
    """
    width, height = foreground.size_wh
    return _reduced(foreground, max(width / size_wh[0], height / size_wh[1]) / FINEST)


def place(
    foreground: Foreground, pose: Pose, background: ImageArray, *, inscribe: bool = False
) -> ImageArray:
    """Return the background with the object in it, in a pose.

    Parameters
    ----------
    foreground : Foreground
    pose : Pose
    background : ndarray of uint8, shape (height, width)
        Is not changed.
    inscribe : bool
        Whether all of the turned image fits the background. Defaults to False: the image
        does when it is not turned, so that its corners may be cut off.

    Returns
    -------
    ndarray of uint8, shape (height, width)
    """
    height, width = background.shape
    left, top, scale = _frame(foreground, pose, (width, height), inscribe)
    to_sample = np.array([[1 / scale, 0, -left / scale], [0, 1 / scale, -top / scale], [0, 0, 1]])
    fineness = min(max(round(scale), 1), FINEST)
    reduced = _reduced(foreground, scale / fineness)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * reduced.size_wh
    turn = cv2.getPerspectiveTransform(corners.astype(np.float32), pose.quad.astype(np.float32))
    finer = np.diag([fineness, fineness, 1.0])
    gray, alpha = _warped(reduced, finer @ to_sample @ turn, (width * fineness, height * fineness))
    return _blended(_lit(gray, pose), alpha, background)


def _frame(
    foreground: Foreground, pose: Pose, size_wh: tuple[int, int], inscribe: bool
) -> tuple[float, float, float]:
    """Return the left and top of what the sample shows, and its pixels per sample pixel."""
    first, last = (
        (pose.quad.min(axis=0), pose.quad.max(axis=0))
        if inscribe
        else (np.zeros(2), np.array(foreground.size_wh, float))
    )
    size = np.array(size_wh)
    scale = float(((last - first) / size).max())
    left, top = (first + last - scale * size) / 2
    return float(left), float(top), scale


def _reduced(foreground: Foreground, factor: float) -> Foreground:
    """Return the foreground `factor` times smaller, averaged; as it is if that changes little."""
    if factor < 1.25:
        return foreground
    width, height = (max(round(side / factor), 1) for side in foreground.size_wh)
    weight = foreground.alpha.astype(np.float32) / 255
    value = cv2.resize(foreground.gray * weight, (width, height), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(weight, (width, height), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(foreground.gray, (width, height), interpolation=cv2.INTER_AREA)
    alpha = np.rint(cover * 255).astype(np.uint8)
    return Foreground(_grown(value, cover, plain), alpha, foreground.edges_extend)


def _grown(value: NDArray[np.float32], weight: NDArray[np.float32], rest: ImageArray) -> ImageArray:
    """Return value / weight; beside the object its mean nearby, elsewhere `rest`."""
    near_value, near_weight = (cv2.blur(array, (3, 3)) for array in (value, weight))
    tiny = 1e-3
    own = value / np.maximum(weight, tiny)
    near = near_value / np.maximum(near_weight, tiny)
    gray = np.where(weight > tiny, own, np.where(near_weight > tiny, near, rest))
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8)


def _warped(
    foreground: Foreground, to_sample: Matrix, size_wh: tuple[int, int]
) -> tuple[ImageArray, ImageArray]:
    """Return gray and alpha warped by a map between outer corners, not pixels' middles."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    between_pixels = np.linalg.inv(half) @ to_sample @ half
    gray = cv2.warpPerspective(
        foreground.gray, between_pixels, size_wh, borderMode=cv2.BORDER_REPLICATE
    )
    if foreground.edges_extend:
        return gray, np.full_like(gray, 255)
    alpha = cv2.warpPerspective(foreground.alpha, between_pixels, size_wh)
    return gray, cv2.GaussianBlur(alpha, (3, 3), 0)


def _lit(gray: ImageArray, pose: Pose) -> ImageArray:
    shifted: ImageArray = np.clip(gray.astype(np.int16) + pose.intensity_shift, 0, 255).astype(
        np.uint8
    )
    lit: ImageArray = cv2.bitwise_not(shifted) if pose.inverted else shifted
    return lit


def _blended(gray: ImageArray, alpha: ImageArray, background: ImageArray) -> ImageArray:
    """Return the background under a foreground that is a whole number of times finer."""
    size_wh = background.shape[1], background.shape[0]
    weight = alpha.astype(np.float32) / 255
    light = cv2.resize(gray * weight, size_wh, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(weight, size_wh, interpolation=cv2.INTER_AREA)
    blended: ImageArray = np.clip(np.rint(light + (1 - cover) * background), 0, 255).astype(
        np.uint8
    )
    return blended


# Poses: how an image of an object is turned in space and lit, drawn at random.
#
# See: ``icvRandomQuad`` in OpenCV 3.4, apps/createsamples/utility.cpp, of which the angles, the
# camera and the distributions are.


#: The camera's distance in widths of the image: the mean, and the most that it deviates.
DISTANCE, DISTANCE_DEVIATION = 3.0, 1.0

#: How often angles that show the image from behind or edge-on are drawn again.
ATTEMPTS = 100


@dataclass(frozen=True)
class Pose:
    """How one sample shows the object.

    Parameters
    ----------
    quad : ndarray of float64, shape (4, 2)
        Where the image's corners (top left, top right, bottom right, bottom left) come to
        lie, in the image's own frame.
    intensity_shift : int
        What is added to the gray levels.
    inverted : bool
        Whether the gray levels are inverted, after the shift.
    """

    quad: Matrix
    intensity_shift: int
    inverted: bool


def draw_pose(size_wh: tuple[int, int], distortion: Distortion, rng: np.random.Generator) -> Pose:
    """Return a random pose of an image of `size_wh`.

    Raises
    ------
    OptionError
        The angles are so large that the image is hardly ever seen from the front.
    """
    for _ in range(ATTEMPTS):
        quad = _draw_quad(size_wh, distortion, rng)
        if quad is not None:
            break
    else:
        raise OptionError(
            f"wanted angles at which an image of {size_wh[0]}x{size_wh[1]} can be seen, found "
            f"none in {ATTEMPTS} attempts",
            hint="smaller --max-x-angle, --max-y-angle and --max-z-angle",
        )
    deviation = distortion.max_intensity_deviation
    shift = int(rng.integers(-deviation, deviation, endpoint=True))
    coin = bool(rng.integers(2))
    inverted = coin if distortion.invert == "random" else distortion.invert == "always"
    return Pose(quad, shift, inverted)


def turned_corners(
    size_wh: tuple[int, int], rotation: tuple[float, float, float], distance: float
) -> Matrix | None:
    """Return where the corners of a turned image come to lie in its own frame.

    Parameters
    ----------
    size_wh : (int, int)
        The image's size.
    rotation : (float, float, float)
        The rotation vector (Rodrigues), in radians.
    distance : float
        From the camera to the image's middle, in pixels.

    Returns
    -------
    ndarray of float64, shape (4, 2), or None
        None if a corner is beside or behind the camera, or the image's back is seen.
    """
    half = np.array(size_wh) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    matrix, _ = cv2.Rodrigues(np.array(rotation, np.float64))
    points = corners @ matrix[:, :2].T
    depth = distance + points[:, 2]
    if depth.min() < 0.05 * distance:
        return None
    quad: Matrix = points[:, :2] * (distance / depth)[:, None]
    sides = np.roll(quad, -1, axis=0) - quad
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return quad + half if turns.min() > 1e-3 * half.prod() else None


def _draw_quad(
    size_wh: tuple[int, int], distortion: Distortion, rng: np.random.Generator
) -> Matrix | None:
    """Return the corners of a randomly turned image, None if it is not seen from the front."""
    x = rng.uniform(-1, 1) * distortion.max_x_angle
    y = rng.uniform(-1, 1) * (distortion.max_y_angle - abs(x))
    z = rng.uniform(-1, 1) * distortion.max_z_angle
    distance = (DISTANCE + rng.uniform(-1, 1) * DISTANCE_DEVIATION) * size_wh[0]
    return turned_corners(size_wh, (x, y, z), distance)
