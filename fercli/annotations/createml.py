"""Apple's Create ML JSON of object detection.

A list with ``image`` and ``annotations``, each ``label`` and ``coordinates``: x and y of the
center, width and height, in pixels.

See: https://developer.apple.com/documentation/createml/building-an-object-detector-data-source
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fercli.annotations.base import (
    AnnotatedImage,
    LabeledBox,
    OnError,
    Record,
    are_fractions,
    raise_it,
)
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.opencv_lists import named_images
from fercli.annotations.text_files import MALFORMED, list_of, number_of, write_json
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each image of the list.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    locator = ImageLocator(path, images)
    records = []
    for at, entry in enumerate(list_of(path, "Create ML")):
        try:
            name = entry.get("image") or entry["imagefilename"]
            boxes = tuple(_box(each) for each in entry["annotations"])
            records.append(Record(locator.find(str(name)), boxes, path, at + 1))
        except MALFORMED:
            found = f"Expected image and annotations, got {str(entry)[:60]}"
            on_error(AnnotationError(found, path=path, line=at + 1))
    if are_fractions(box for record in records for box in record.boxes):
        return [replace(record, normalized=True) for record in records]
    return records


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as a file that `read`, and Create ML, read; ignored ones left out."""
    content = [
        {"image": name, "annotations": [_annotation(box) for box in image.boxes_xywh]}
        for name, image in named_images(path, images)
    ]
    write_json(path, content, overwrite=overwrite)


def _annotation(box: Box) -> dict[str, Any]:
    x, y, width, height = box
    coordinates = {"x": x + width / 2, "y": y + height / 2, "width": width, "height": height}
    return {"label": "object", "coordinates": coordinates}


def _box(annotation: dict[str, Any]) -> LabeledBox:
    sides = annotation["coordinates"]
    x, y, width, height = (number_of(sides[key]) for key in ("x", "y", "width", "height"))
    label = str(annotation.get("label") or "")
    return LabeledBox(x - width / 2, y - height / 2, width, height, label)
