"""Faces cut out of pictures: found by a cascade, with a margin, upright if asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from fercli.cascade.detection.detector import DetectionOptions, Detector, detect, load_detector
from fercli.common.errors import OptionError
from fercli.common.images import Picture
from fercli.datasets.eyes import find_eyes, tilt
from fercli.datasets.largest import Box, find_largest

#: Where the point between the eyes is in a face's box, as shares of its sides.
BETWEEN_EYES = (0.5, 0.38)


@dataclass(frozen=True)
class FaceOptions:
    """Which faces are cut, and how.

    Parameters
    ----------
    cascade : Path
        Finds the faces.
    size_wh : tuple of int
        Width and height of the result. Defaults to 48 × 48.
    margin : float
        How much is added to the box at each side, as a share of it. Defaults to 0.
    channels : {"grey", "colour"}
        What the result is. Defaults to grey.
    faces : {"largest", "all"}
        Which faces of a picture are cut.
    align : bool
        Turn each face so that its eyes are level, and centre it on them; a face whose eyes are
        not found stays as it is. Defaults to False.
    without_face : {"skip", "keep"}
        What becomes of a picture in which no face is found: nothing, or all of it, cut about its
        centre to the shape of `size_wh`.
    least_face : int
        Faces with a shorter side, in pixels, are not looked for. Defaults to 24.
    scale_factor, min_neighbors
        As in `fercli.cascade.detection.detector.DetectionOptions`.
    """

    cascade: Path
    size_wh: tuple[int, int] = (48, 48)
    margin: float = 0.0
    channels: Literal["grey", "colour"] = "grey"
    faces: Literal["largest", "all"] = "largest"
    align: bool = False
    without_face: Literal["skip", "keep"] = "skip"
    least_face: int = 24
    scale_factor: float = 1.1
    min_neighbors: int = 3

    def __post_init__(self) -> None:
        # Written so that NaN is refused too.
        if not -0.4 <= self.margin <= 4:
            raise OptionError(f"wanted a margin from -0.4 to 4, found {self.margin}")


def find_faces(picture: Picture, options: FaceOptions) -> list[Box]:
    """Return the boxes of the faces wanted of a picture: the largest, or all from the left."""
    least = (options.least_face, options.least_face)
    if min(picture.shape[:2]) < options.least_face:
        return []
    settings = DetectionOptions(options.scale_factor, options.min_neighbors, min_size_wh=least)
    detector = _detector(options.cascade)
    if options.faces == "largest":
        largest = find_largest(detector, picture, settings)
        return [] if largest is None else [largest]
    return sorted(map(tuple, detect(detector, picture, settings).boxes_xywh.tolist()))


def cut_face(picture: Picture, box_xywh: Box, options: FaceOptions) -> Picture:
    """Return a face, scaled to ``options.size_wh``; beyond the picture its edge is repeated."""
    x, y, width, height = box_xywh
    centre, angle = (x + width / 2, y + height / 2), 0.0
    eyes = find_eyes(_grey(picture), box_xywh) if options.align else None
    if eyes is not None:
        angle = tilt(*eyes)
        centre = _centre_from_eyes(eyes, (width, height), angle)
    side = max(width, height) * (1 + 2 * options.margin)
    return cut_turned(picture, centre, side, angle, options.size_wh)


def cut_turned(
    picture: Picture,
    centre_xy: tuple[float, float],
    side: float,
    angle: float,
    size_wh: tuple[int, int],
) -> Picture:
    """Return the part of a picture about a point, turned upright, at another size.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    centre_xy : tuple of float
        The middle of the part.
    side : float
        The shorter side of the part, in pixels of `picture`.
    angle : float
        How far the part is turned in `picture`, in degrees, positive clockwise.
    size_wh : tuple of int
        Width and height of the result, which give the part its shape.
    """
    scale = side / min(size_wh)
    # Turned at full size and then averaged: to sample a large face at 48 × 48 points aliases.
    inner = max(round(size_wh[0] * scale), 1), max(round(size_wh[1] * scale), 1)
    matrix = cv2.getRotationMatrix2D(centre_xy, angle, 1.0)
    matrix[:, 2] += (inner[0] - 1) / 2 - centre_xy[0] + 0.5, (inner[1] - 1) / 2 - centre_xy[1] + 0.5
    part = cv2.warpAffine(
        picture, matrix, inner, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size_wh, interpolation=how), np.uint8)


def _centre_from_eyes(
    eyes: tuple[tuple[float, float], tuple[float, float]], size_wh: tuple[int, int], angle: float
) -> tuple[float, float]:
    """Return the middle of the upright box in which the eyes are where they belong."""
    middle = (eyes[0][0] + eyes[1][0]) / 2, (eyes[0][1] + eyes[1][1]) / 2
    down = (0.5 - BETWEEN_EYES[1]) * size_wh[1]
    turn = np.deg2rad(angle)
    return middle[0] - down * float(np.sin(turn)), middle[1] + down * float(np.cos(turn))


def _grey(picture: Picture) -> Picture:
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(grey, np.uint8)


_local = threading.local()


def _detector(cascade: Path) -> Detector:
    """Return the detector of this thread: loaded once, and never used by two at a time."""
    if getattr(_local, "cascade", None) != cascade:
        if parent_process() is not None:
            # There is a worker for each core: cv2's own threads would be in each other's way.
            cv2.setNumThreads(1)
        _local.detector, _local.cascade = load_detector(cascade), cascade
    detector: Detector = _local.detector
    return detector
