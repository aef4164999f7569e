"""LabelMe's JSON, one file an image.

``imagePath``, ``imageWidth``, ``imageHeight`` and ``shapes``, each with ``label``, ``points`` and
``shape_type``: a rectangle has two opposite corners, a circle its center and a point of its edge;
of other outlines the bounding box is taken.

See: https://github.com/wkentaro/labelme
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fercli.annotations.base import (
    AnnotatedImage,
    LabeledBox,
    OnError,
    Record,
    raise_it,
    read_each,
)
from fercli.annotations.formats import json_kind
from fercli.annotations.image_paths import ImageLocator, paired_image
from fercli.annotations.text_files import (
    box_around,
    boxes_of_shapes,
    json_of,
    number_of,
    size_of,
    write_json,
)
from fercli.common.errors import AnnotationError
from fercli.common.files import find_files


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each JSON file of LabelMe's below a folder, or for one file.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    files = find_files(path, (".json",)) if path.is_dir() else [path]
    own = (f for f in files if not path.is_dir() or json_kind(f) in ("labelme", ""))
    return read_each(own, lambda file: _record(file, images), on_error)


def write_each(folder: Path, name: Path, image: AnnotatedImage, label: str) -> None:
    """Write the file of one image, which `read`, and LabelMe, read.

    It has no boxes to be ignored: they are left out. Parameters as
    `fercli.annotations.formats.EachWriter`.
    """
    width, height = image.size_wh or (None, None)
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [
            {
                "label": label,
                "points": [[x, y], [x + wide, y + high]],
                "group_id": None,
                "shape_type": "rectangle",
                "flags": {},
            }
            for x, y, wide, high in image.boxes_xywh
        ],
        "imagePath": name.name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    write_json(folder / name.with_suffix(".json"), content, overwrite=True)


def _record(path: Path, images: Path | None) -> Record:
    content = json_of(path)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise AnnotationError("The file is not LabelMe's JSON: it has no list 'shapes'", path=path)
    boxes = boxes_of_shapes(
        path,
        content["shapes"],
        "shapes",
        _box,
        expected="a label and points",
        kind="shape_type",
        left_out="points without area",
    )
    stated = size_of(content.get("imageWidth"), content.get("imageHeight"))
    name = content.get("imagePath")
    names = [name] if isinstance(name, str) and name else []
    image = paired_image(ImageLocator(path, images), names, stated)
    return Record(image, boxes, path, stated_wh=stated)


def _box(shape: dict[str, Any]) -> LabeledBox | None:
    """Return the box around a shape; None if it has none."""
    points = [(number_of(x), number_of(y)) for x, y in shape["points"]]
    label = str(shape.get("label") or "")
    if shape.get("shape_type") == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        return LabeledBox(x - radius, y - radius, 2 * radius, 2 * radius, label)
    return None if len(points) < 2 else box_around(points, label)
