"""Poses: how a picture of an object is turned in space and lit, drawn at random.

See: ``icvRandomQuad`` in OpenCV 3.4, apps/createsamples/utility.cpp, of which the angles, the
camera and the distributions are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OptionError

Matrix = NDArray[np.float64]

Invert = Literal["never", "always", "random"]

#: The camera's distance in widths of the picture: the mean, and the most that it deviates.
DISTANCE, DISTANCE_DEVIATION = 3.0, 1.0

#: How often angles that show the picture from behind or edge-on are drawn again.
ATTEMPTS = 100


@dataclass(frozen=True)
class Distortion:
    """How far the object may be turned and its light changed.

    Parameters
    ----------
    max_x_angle, max_y_angle, max_z_angle : float
        The largest rotations in radians: nodding, shaking, tilting. The rotation around y is
        bounded by ``max_y_angle`` less that around x. Default to 1.1, 1.1 and 0.5.
    max_intensity_deviation : int
        The largest change of the object's grey levels, up or down. Defaults to 40.
    invert : {"never", "always", "random"}
        Whether the object's grey levels are inverted; at random: every other time. Defaults to
        "never".
    """

    max_x_angle: float = 1.1
    max_y_angle: float = 1.1
    max_z_angle: float = 0.5
    max_intensity_deviation: int = 40
    invert: Invert = "never"


@dataclass(frozen=True)
class Pose:
    """How one sample shows the object.

    Parameters
    ----------
    quad : ndarray of float64, shape (4, 2)
        Where the picture's corners (top left, top right, bottom right, bottom left) come to
        lie, in the picture's own frame.
    intensity_shift : int
        What is added to the grey levels.
    inverted : bool
        Whether the grey levels are inverted, after the shift.
    """

    quad: Matrix
    intensity_shift: int
    inverted: bool


def draw_pose(size_wh: tuple[int, int], distortion: Distortion, rng: np.random.Generator) -> Pose:
    """Return a random pose of a picture of `size_wh`.

    Raises
    ------
    OptionError
        The angles are so large that the picture is hardly ever seen from the front.
    """
    for _ in range(ATTEMPTS):
        quad = _draw_quad(size_wh, distortion, rng)
        if quad is not None:
            break
    else:
        raise OptionError(
            f"wanted angles at which a picture of {size_wh[0]}x{size_wh[1]} can be seen, found "
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
    """Return where the corners of a turned picture come to lie in its own frame.

    Parameters
    ----------
    size_wh : (int, int)
        The picture's size.
    rotation : (float, float, float)
        The rotation vector (Rodrigues), in radians.
    distance : float
        From the camera to the picture's middle, in pixels.

    Returns
    -------
    ndarray of float64, shape (4, 2), or None
        None if a corner is beside or behind the camera, or the picture's back is seen.
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
    """Return the corners of a randomly turned picture, None if it is not seen from the front."""
    x = rng.uniform(-1, 1) * distortion.max_x_angle
    y = rng.uniform(-1, 1) * (distortion.max_y_angle - abs(x))
    z = rng.uniform(-1, 1) * distortion.max_z_angle
    distance = (DISTANCE + rng.uniform(-1, 1) * DISTANCE_DEVIATION) * size_wh[0]
    return turned_corners(size_wh, (x, y, z), distance)
