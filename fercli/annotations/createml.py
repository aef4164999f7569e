"""Apple's Create ML JSON of object detection.

A list with ``image`` and ``annotations``, each ``label`` and ``coordinates``: x and y of the
center, width and height, in pixels.

See: https://developer.apple.com/documentation/createml/building-an-object-detector-data-source
"""

from __future__ import annotations

import json
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
from fercli.annotations.opencv_lists import names_from
from fercli.annotations.text_files import json_of, number_of
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError
from fercli.common.files import write_text


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each image of the list.

    Parameters
    ----------
    path : Path
        The JSON file.
    images : Path, optional
        The folder that the names are relative to. Defaults to the file's, or one of the usual.
    on_error : callable
        Told of each malformed entry, which is left out. Defaults to raising it.

    Raises
    ------
    AnnotationError
        The file is not such a list, or an entry is malformed.
    InputError
        The file cannot be read.
    """
    content = json_of(path)
    if not isinstance(content, list):
        raise AnnotationError("The file is not Create ML's JSON: it is no list", path=path)
    locator = ImageLocator(path, images)
    records = []
    for at, entry in enumerate(content):
        try:
            name = entry.get("image") or entry["imagefilename"]
            boxes = tuple(_box(each) for each in entry["annotations"])
            records.append(Record(locator.find(str(name)), boxes, path, at + 1))
        except (ValueError, TypeError, KeyError, AttributeError):
            found = f"Expected image and annotations, got {str(entry)[:60]}"
            on_error(AnnotationError(found, path=path, line=at + 1))
    if are_fractions(box for record in records for box in record.boxes):
        return [replace(record, normalized=True) for record in records]
    return records


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as a file that `read`, and Create ML, read; ignored ones left out."""
    names = names_from(path.parent, [image.path for image in images])
    content = [
        {"image": name, "annotations": [_annotation(box) for box in image.boxes_xywh]}
        for name, image in zip(names, images, strict=True)
    ]
    write_text(path, json.dumps(content, indent=1) + "\n", overwrite=overwrite)


def _annotation(box: Box) -> dict[str, Any]:
    x, y, width, height = box
    coordinates = {"x": x + width / 2, "y": y + height / 2, "width": width, "height": height}
    return {"label": "object", "coordinates": coordinates}


def _box(annotation: dict[str, Any]) -> LabeledBox:
    sides = annotation["coordinates"]
    x, y, width, height = (number_of(sides[key]) for key in ("x", "y", "width", "height"))
    label = str(annotation.get("label") or "")
    return LabeledBox(x - width / 2, y - height / 2, width, height, label)
