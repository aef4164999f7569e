"""Backgrounds: windows of random places and scales, cut from pictures without the object."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from fercli.common.errors import PictureError
from fercli.common.images import Picture, read_grey


def read_background(path: Path, least_wh: tuple[int, int]) -> Picture:
    """Return a background as grey levels.

    Raises
    ------
    PictureError
        It cannot be read, or is smaller than `least_wh`.
    """
    picture = read_grey(path)
    height, width = picture.shape
    if width < least_wh[0] or height < least_wh[1]:
        raise PictureError(
            f"wanted a background of at least {least_wh[0]}x{least_wh[1]}, found {width}x{height}",
            path=path,
        )
    return picture


def cut_window(picture: Picture, size_wh: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return a window of a picture at a random place and scale, resized to `size_wh`.

    All scales from the whole picture down to its single pixels are equally likely
    (logarithmically).

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width)
        At least as large as `size_wh`.
    size_wh : (int, int)
    rng : numpy.random.Generator
    """
    height, width = picture.shape
    largest = min(width / size_wh[0], height / size_wh[1])
    scale = math.exp(rng.uniform(0, math.log(largest)))
    across, down = min(round(size_wh[0] * scale), width), min(round(size_wh[1] * scale), height)
    x = int(rng.integers(width - across, endpoint=True))
    y = int(rng.integers(height - down, endpoint=True))
    part = picture[y : y + down, x : x + across]
    window: Picture = cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA)
    return window
