"""Cropping: marked boxes to samples, as ``opencv_createsamples -info`` makes them.

See: ``cvCreateTrainingSamplesFromInfo`` in OpenCV 3.4, apps/createsamples/utility.cpp.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from fercli.annotations import Box
from fercli.annotations.base import Record
from fercli.cascade.samples.vec import Samples
from fercli.common.errors import AnnotationError, FerError, PictureError
from fercli.common.images import Picture, read_grey

#: A box is called stretched when its shape differs from the window's by more than this factor.
STRETCHED = 1.1

SKIP_HINT = "--skip-bad, to leave such boxes out; `fer cascade check-info` lists all of them"


@dataclass
class Crops:
    """What cropping a record gave: samples and the boxes that they come from, and errors."""

    record: Record
    samples: list[Picture] = field(default_factory=list)
    boxes_xywh: list[Box] = field(default_factory=list)
    errors: list[FerError] = field(default_factory=list)


def crop(picture: Picture, box_xywh: Box, size_wh: tuple[int, int]) -> Picture:
    """Return the part of a picture in a box, resized to `size_wh`, its shape not kept.

    Averaged over areas where the box is at least as wide and as high as the sample, otherwise
    bilinear. (OpenCV's program does the same; `INTER_LINEAR_EXACT` is the bilinear
    interpolation that gives the same bytes on every machine.)

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width)
    box_xywh : (int, int, int, int)
    size_wh : (int, int)

    Raises
    ------
    AnnotationError
        The box is empty, or not all of it lies in the picture.
    """
    x, y, width, height = box_xywh
    if width <= 0 or height <= 0:
        raise AnnotationError(f"wanted a box of some width and height, found {_shown(box_xywh)}")
    if x < 0 or y < 0 or x + width > picture.shape[1] or y + height > picture.shape[0]:
        raise AnnotationError(
            f"wanted a box within the picture of {picture.shape[1]}x{picture.shape[0]}, found "
            f"{_shown(box_xywh)}"
        )
    larger = width >= size_wh[0] and height >= size_wh[1]
    part = picture[y : y + height, x : x + width]
    interpolation = cv2.INTER_AREA if larger else cv2.INTER_LINEAR_EXACT
    sample: Picture = cv2.resize(part, size_wh, interpolation=interpolation)
    return sample


def crop_record(record: Record, size_wh: tuple[int, int]) -> Crops:
    """Return the samples of a record's boxes, with an error for each that cannot be cropped.

    The errors tell file and record (or line). A picture without boxes is not opened.
    """
    crops = Crops(record)
    if all(box.ignored for box in record.boxes):
        return crops
    try:
        picture = read_grey(record.path)
        boxes = record.in_pixels((picture.shape[1], picture.shape[0])).boxes_xywh
    except FerError as error:
        crops.errors.append(_located(error, record))
        return crops
    for number, box in enumerate(boxes, 1):
        try:
            crops.samples.append(crop(picture, box, size_wh))
            crops.boxes_xywh.append(box)
        except AnnotationError as error:
            crops.errors.append(_located(error, record, number))
    return crops


def is_enlarged(box_xywh: Box, size_wh: tuple[int, int]) -> bool:
    """Whether a box has fewer pixels across or down than the sample made of it."""
    return box_xywh[2] < size_wh[0] or box_xywh[3] < size_wh[1]


def is_stretched(box_xywh: Box, size_wh: tuple[int, int]) -> bool:
    """Whether a box is more than `STRETCHED` times too wide or too high for the sample."""
    _, _, width, height = box_xywh
    return abs(math.log(width * size_wh[1] / (height * size_wh[0]))) > math.log(STRETCHED)


def to_array(pictures: list[Picture], size_wh: tuple[int, int]) -> Samples:
    """Return pictures of one size as one array, shape (count, height, width)."""
    width, height = size_wh
    return np.array(pictures, np.uint8).reshape(-1, height, width)


def _located(error: FerError, record: Record, number: int | None = None) -> FerError:
    """Return the error with the file and record that the box or picture stands in."""
    if record.source == record.path:
        return type(error)(error.message, hint=error.hint, path=record.path)
    if isinstance(error, PictureError):
        message, hint = f"{record.path}: {error.message}", "--skip-bad, to leave it out"
    elif number is None:
        return error
    else:
        of = f"box {number} of {record.path}" if len(record.boxes) > 1 else f"{record.path}"
        message, hint = f"{of}: {error.message}", SKIP_HINT
    return type(error)(message, hint=hint, path=record.source, line=record.line)


def _shown(box_xywh: Box) -> str:
    return " ".join(map(str, box_xywh)) + " (x y width height)"
