"""Label Studio's JSON: a list of tasks, or its shorter form JSON-MIN.

A task has ``data`` with the image and ``annotations`` with ``result``: regions with
``original_width``, ``original_height`` and ``value``: ``x, y, width, height`` in hundredths of the
image, ``rotation`` around the left upper corner, and ``rectanglelabels``. Of polygons and ellipses
the bounding box is taken. Uploaded images are called by 8 digits and a hyphen before their names.

See: https://labelstud.io/guide/export, "Label Studio JSON format of annotated tasks"
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fercli.annotations.base import NOTES, LabeledBox, OnError, Record, raise_it
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.text_files import MALFORMED, box_around, list_of, number_of, size_of
from fercli.common.errors import AnnotationError
from fercli.common.files import is_there

_UPLOADED = re.compile(r"(?:^|/)[0-9a-f]{8}-([^/]+)$")


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each task; of several annotations of one, the first that counts.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    locator = ImageLocator(path, images)
    records = []
    for number, task in enumerate(list_of(path, "Label Studio"), 1):
        try:
            records.append(_record(task, number, locator))
        except MALFORMED:
            found = f"Expected a task with an image and regions, got {str(task)[:60]}"
            on_error(AnnotationError(found, path=path, line=number))
    return records


def _record(task: dict[str, Any], number: int, locator: ImageLocator) -> Record:
    path = locator.source
    if "data" in task:
        name = next(v for v in task["data"].values() if isinstance(v, str) and v)
        regions = _result(task, number, path)
    else:
        name, regions = task["image"], task.get("label") or []
    boxes, stated = [], None
    for at, region in enumerate(regions):
        value = region.get("value", region)
        size = size_of(region.get("original_width"), region.get("original_height"))
        box = None if size is None else _box(value, size)
        if box is None:
            NOTES.add(path, "regions that are neither boxes nor outlines, left out", (number, at))
            continue
        stated = size
        if "width" not in value:
            NOTES.add(path, "outlines, their bounding boxes used", (number, at))
        elif value.get("rotation"):
            NOTES.add(path, "rotated boxes, the boxes around them used", (number, at))
        boxes.append(box)
    return Record(_image(name, locator), tuple(boxes), path, number, stated_wh=stated)


def _result(task: dict[str, Any], number: int, path: Path) -> list[dict[str, Any]]:
    """Return the regions of a task's first annotation that was not canceled."""
    annotations = task.get("annotations") or task.get("completions") or []
    valid = [each for each in annotations if not each.get("was_cancelled")]
    if len(valid) > 1:
        NOTES.add(path, "tasks with several annotations, the first used", number)
    result: list[dict[str, Any]] = valid[0]["result"] if valid else []
    return result


def _image(name: str, locator: ImageLocator) -> Path:
    name = unquote(name.rpartition("?d=")[2])
    uploaded = _UPLOADED.search(name)
    if uploaded is not None and not is_there(locator.find(name)):
        return locator.find(uploaded[1])
    return locator.find(name)


def _box(value: dict[str, Any], size_wh: tuple[int, int]) -> LabeledBox | None:
    """Return the box around a region, in pixels; None if it has none."""
    points = list(_points(value, size_wh))
    if not points:
        return None
    labels = next((v for k, v in value.items() if k.endswith("labels") and v), [""])
    return box_around(points, str(labels[0]))


def _points(value: dict[str, Any], size_wh: tuple[int, int]) -> Iterator[tuple[float, float]]:
    across, down = size_wh[0] / 100, size_wh[1] / 100
    if "points" in value:
        yield from ((number_of(x) * across, number_of(y) * down) for x, y in value["points"])
        return
    if "x" not in value:
        return
    x, y = number_of(value["x"]) * across, number_of(value["y"]) * down
    if "radiusX" in value:
        wide, high = number_of(value["radiusX"]) * across, number_of(value["radiusY"]) * down
        yield from ((x - wide, y - high), (x + wide, y + high))
    elif "width" in value:
        wide, high = number_of(value["width"]) * across, number_of(value["height"]) * down
        turn = math.radians(number_of(value.get("rotation") or 0))
        sine, cosine = math.sin(turn), math.cos(turn)
        for right, bottom in ((0.0, 0.0), (wide, 0.0), (0.0, high), (wide, high)):
            yield x + right * cosine - bottom * sine, y + right * sine + bottom * cosine
