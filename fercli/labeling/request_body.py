"""What the page sends: JSON that is checked before anything is made of it."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

from flask import request

from fercli.annotations.base import Reason
from fercli.common.boxes import Box
from fercli.common.files import parse_json
from fercli.labeling.store import ImageAnnotation
from fercli.web.http_errors import HttpError

#: More boxes in one image are refused.
MOST_BOXES = 10_000


def json_object() -> dict[str, Any]:
    """Return the JSON object that was sent."""
    try:
        body = parse_json(request.get_data()) if request.is_json else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise HttpError(400, "The body must be a JSON object")
    return body


def annotation_of(
    body: dict[str, Any], size_wh: tuple[int, int], classes: Sequence[str]
) -> ImageAnnotation:
    """Return what a request says of an image; 422 if it cannot be."""
    boxes = _boxes(body.get("boxes"), size_wh)
    ignored = _boxes(body.get("ignored", []), size_wh)
    negative = body.get("negative") is True
    if boxes and negative:
        raise HttpError(422, f"An image without the object must have no boxes, got {len(boxes)}")
    labels = _labels(body.get("labels"), len(boxes), classes)
    ignored_labels = _labels(body.get("ignored_labels"), len(ignored), classes)
    done = body.get("done") is True
    reasons = _reasons(body.get("reasons"), len(ignored))
    return ImageAnnotation(boxes, ignored, negative, done, labels, ignored_labels, reasons)


def suggested_of(body: dict[str, Any], size_wh: tuple[int, int]) -> dict[int, tuple[Box, ...]]:
    """Return what was suggested before an image was finished, by the number of the round."""
    value = body.get("suggested", {})
    if not isinstance(value, dict) or not all(map(str.isdecimal, value)):
        raise HttpError(422, "Expected as `suggested` the boxes of each round")
    return {int(number[:9]): _boxes(boxes, size_wh) for number, boxes in value.items()}


def _labels(value: Any, count: int, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of so many boxes; none if there is only one class."""
    if not classes:
        return ()
    if value is None:
        value = [classes[0]] * count
    if (
        not isinstance(value, list)
        or len(value) != count
        or any(one not in classes for one in value)
    ):
        raise HttpError(422, f"Expected a label for each box, out of {', '.join(classes)}")
    return tuple(value)


def _reasons(value: Any, count: int) -> tuple[Reason, ...]:
    """Return why each of so many boxes is not counted; to be ignored, unless that is said."""
    if value is None:
        value = [Reason.IGNORED] * count
    known = isinstance(value, list) and all(type(one) is int and 0 < one < 4 for one in value)
    if not known or len(value) != count:
        raise HttpError(422, "Expected a reason for each ignored box: 1 ignored, 2 difficult, 3")
    return tuple(map(Reason, value))


def _boxes(value: Any, size_wh: tuple[int, int]) -> tuple[Box, ...]:
    if not isinstance(value, list) or len(value) > MOST_BOXES:
        raise HttpError(422, f"Boxes must be a list of at most {MOST_BOXES}")
    return tuple(_box(each, size_wh) for each in value)


def _box(value: Any, size_wh: tuple[int, int]) -> Box:
    whole = isinstance(value, list) and len(value) == 4 and all(type(n) is int for n in value)
    if not whole or min(value[2:]) < 1 or max(map(abs, value)) > 1 << 28:
        raise HttpError(422, f"Expected integers x, y, width, height, got {reprlib.repr(value)}")
    x, y, width, height = value
    if x >= size_wh[0] or y >= size_wh[1] or x + width <= 0 or y + height <= 0:
        raise HttpError(422, f"The box {value} is outside the image")
    return x, y, width, height
