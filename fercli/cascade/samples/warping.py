"""Warp an image of an object: other angles, other intensities, other backgrounds.

The camera is that of ``opencv_createsamples -img``: the image is a plane, turned around all
three axes, seen in perspective from two to four times its width away. The angles, the distance,
the intensity shift and the transparent color have its names, ranges and distributions. Three
things differ: images are averaged down to the sample's size (OpenCV's program picks single
pixels of a large image), transparent pixels do not bleed into the object's edge, and the
aspect ratio of the object is kept.

See: ``icvRandomQuad`` and ``icvPlaceDistortedSample`` in OpenCV 3.4,
apps/createsamples/utility.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.samples.options import Distortion
from fercli.common.errors import ImageError, OptionError
from fercli.common.images import ImageArray

Matrix = NDArray[np.float64]

#: Largest supersampling factor: samples are drawn this much larger and averaged down.
MAX_SUPERSAMPLING = 4


@dataclass(frozen=True)
class Foreground:
    """An object cut out of its image.

    Parameters
    ----------
    gray : ndarray of uint8, shape (height, width)
        The gray levels; transparent pixels beside the object have the object's.
    alpha : ndarray of uint8, shape (height, width)
        255 where the object is, 0 where the image is transparent.
    edges_extend : bool
        Whether the area uncovered by a rotation is filled by replicating the image's border
        instead of the background. Defaults to False.
    has_alpha_channel : bool
        Whether the image itself says what is transparent. Defaults to False.
    """

    gray: ImageArray
    alpha: ImageArray
    edges_extend: bool = False
    has_alpha_channel: bool = False

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height."""
        return self.gray.shape[1], self.gray.shape[0]


def cut_out(
    image: ImageArray, bg_color: int | None, bg_threshold: int, alpha: ImageArray | None = None
) -> Foreground:
    """Return the object in an image.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
    alpha : ndarray of uint8, shape (height, width), optional
        The opacity that the image itself gives. Defaults to opaque everywhere.
    bg_color : int or None
        The gray level that is transparent; None: the whole image is the object.
    bg_threshold : int
        How far a gray level may be from `bg_color` and still be transparent.

    Raises
    ------
    OptionError
        All of the image would be transparent because of `bg_color`.
    ImageError
        It is transparent by itself.
    """
    if alpha is None and bg_color is None:
        return Foreground(image, np.full_like(image, 255))
    opacity = np.full_like(image, 255) if alpha is None else alpha.copy()
    if not opacity.any():
        raise ImageError("All of the image is transparent: its alpha channel is 0 everywhere")
    if bg_color is not None:
        opacity[np.abs(image.astype(np.int16) - bg_color) <= bg_threshold] = 0
    if not opacity.any():
        raise OptionError(
            f"All of the image is transparent: within {bg_threshold} gray levels of `bg_color` "
            f"{bg_color}",
            hint="use a smaller `bg_threshold`, or no `bg_color` if the whole image is the object",
        )
    weight = np.asarray(opacity / 255, np.float32)
    return Foreground(_filled(image * weight, weight, image), opacity)


def fitted(foreground: Foreground, size_wh: tuple[int, int]) -> Foreground:
    """Return a foreground reduced to the resolution that samples of `size_wh` need.

    `compose` gives the same result, much faster.
    """
    width, height = foreground.size_wh
    return _reduced(foreground, max(width / size_wh[0], height / size_wh[1]) / MAX_SUPERSAMPLING)


def compose(
    foreground: Foreground, pose: Pose, background: ImageArray, *, inscribe: bool = False
) -> ImageArray:
    """Return the background with the object composed over it in a pose.

    Parameters
    ----------
    foreground : Foreground
    pose : Pose
    background : ndarray of uint8, shape (height, width)
        Not modified.
    inscribe : bool
        Whether all of the rotated image fits into the background. Defaults to False: only the
        unrotated image does, and corners of rotated ones may be cut off.

    Returns
    -------
    ndarray of uint8, shape (height, width)
    """
    height, width = background.shape
    left, top, scale = _visible_area(foreground, pose, (width, height), inscribe)
    to_sample = np.array([[1 / scale, 0, -left / scale], [0, 1 / scale, -top / scale], [0, 0, 1]])
    fineness = min(max(round(scale), 1), MAX_SUPERSAMPLING)
    reduced = _reduced(foreground, scale / fineness)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * reduced.size_wh
    turn = cv2.getPerspectiveTransform(corners.astype(np.float32), pose.quad.astype(np.float32))
    finer = np.diag([fineness, fineness, 1.0])
    gray, alpha = _warped(reduced, finer @ to_sample @ turn, (width * fineness, height * fineness))
    return _blended(_with_intensity(gray, pose), alpha, background)


def _visible_area(
    foreground: Foreground, pose: Pose, size_wh: tuple[int, int], inscribe: bool
) -> tuple[float, float, float]:
    """Return the left and top of the visible area, and image pixels per sample pixel."""
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
    """Return the foreground averaged down by `factor`; unchanged below a factor of 1.25."""
    if factor < 1.25:
        return foreground
    width, height = (max(round(side / factor), 1) for side in foreground.size_wh)
    weight = foreground.alpha.astype(np.float32) / 255
    value = cv2.resize(foreground.gray * weight, (width, height), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(weight, (width, height), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(foreground.gray, (width, height), interpolation=cv2.INTER_AREA)
    alpha = np.rint(cover * 255).astype(np.uint8)
    return Foreground(_filled(value, cover, plain), alpha, foreground.edges_extend)


def _filled(
    value: NDArray[np.float32], weight: NDArray[np.float32], rest: ImageArray
) -> ImageArray:
    """Return value / weight; beside the object the mean of its neighborhood, elsewhere `rest`."""
    near_value, near_weight = (cv2.blur(array, (3, 3)) for array in (value, weight))
    tiny = 1e-3
    own = value / np.maximum(weight, tiny)
    near = near_value / np.maximum(near_weight, tiny)
    gray = np.where(weight > tiny, own, np.where(near_weight > tiny, near, rest))
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8)


def _warped(
    foreground: Foreground, to_sample: Matrix, size_wh: tuple[int, int]
) -> tuple[ImageArray, ImageArray]:
    """Return gray and alpha warped by a map between pixel corners (not centers)."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    between_pixels = np.linalg.inv(half) @ to_sample @ half
    gray = cv2.warpPerspective(
        foreground.gray, between_pixels, size_wh, borderMode=cv2.BORDER_REPLICATE
    )
    if foreground.edges_extend:
        return gray, np.full_like(gray, 255)
    alpha = cv2.warpPerspective(foreground.alpha, between_pixels, size_wh)
    return gray, cv2.GaussianBlur(alpha, (3, 3), 0)


def _with_intensity(gray: ImageArray, pose: Pose) -> ImageArray:
    shifted: ImageArray = np.clip(gray.astype(np.int16) + pose.intensity_shift, 0, 255).astype(
        np.uint8
    )
    changed: ImageArray = cv2.bitwise_not(shifted) if pose.inverted else shifted
    return changed


def _blended(gray: ImageArray, alpha: ImageArray, background: ImageArray) -> ImageArray:
    """Blend a foreground at an integer multiple of the background's resolution over it."""
    size_wh = background.shape[1], background.shape[0]
    weight = alpha.astype(np.float32) / 255
    light = cv2.resize(gray * weight, size_wh, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(weight, size_wh, interpolation=cv2.INTER_AREA)
    blended: ImageArray = np.clip(np.rint(light + (1 - cover) * background), 0, 255).astype(
        np.uint8
    )
    return blended


# Poses: random rotations and intensity changes.
#
# See: ``icvRandomQuad`` in OpenCV 3.4, apps/createsamples/utility.cpp, of which the angles, the
# camera and the distributions are.


#: The camera's distance in widths of the image: mean and largest deviation.
DISTANCE, DISTANCE_DEVIATION = 3.0, 1.0

#: Attempts at angles that do not show the image from behind or edge-on.
ATTEMPTS = 100


@dataclass(frozen=True)
class Pose:
    """Position and intensity of the object in one sample.

    Parameters
    ----------
    quad : ndarray of float64, shape (4, 2)
        The image's corners (top left, top right, bottom right, bottom left) after the rotation,
        in the image's coordinates.
    intensity_shift : int
        Added to the gray levels.
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
        The angles are so large that they hardly ever show the front of the image.
    """
    for _ in range(ATTEMPTS):
        quad = _draw_quad(size_wh, distortion, rng)
        if quad is not None:
            break
    else:
        raise OptionError(
            f"No angle showed the front of the image of {size_wh[0]}x{size_wh[1]} in {ATTEMPTS} "
            "attempts",
            hint="use smaller `max_x_angle`, `max_y_angle` and `max_z_angle`",
        )
    deviation = distortion.max_intensity_deviation
    shift = int(rng.integers(-deviation, deviation, endpoint=True))
    coin = bool(rng.integers(2))
    inverted = coin if distortion.invert == "random" else distortion.invert == "always"
    return Pose(quad, shift, inverted)


def rotated_corners(
    size_wh: tuple[int, int], rotation: tuple[float, float, float], distance: float
) -> Matrix | None:
    """Return the corners of a rotated image, in its own coordinates.

    Parameters
    ----------
    size_wh : (int, int)
        The image's size.
    rotation : (float, float, float)
        The rotation vector (Rodrigues), in radians.
    distance : float
        From the camera to the image's center, in pixels.

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
    """Return the corners of a randomly rotated image, None if its front is not seen."""
    x = rng.uniform(-1, 1) * distortion.max_x_angle
    y = rng.uniform(-1, 1) * (distortion.max_y_angle - abs(x))
    z = rng.uniform(-1, 1) * distortion.max_z_angle
    distance = (DISTANCE + rng.uniform(-1, 1) * DISTANCE_DEVIATION) * size_wh[0]
    return rotated_corners(size_wh, (x, y, z), distance)
