"""LabelMe's JSON, one file an image.

``imagePath``, ``imageWidth``, ``imageHeight`` and ``shapes``, each with ``label``, ``points`` and
``shape_type``: a rectangle has two opposite corners, a circle its center and a point of its edge;
of other outlines the bounding box is taken.

See: https://github.com/wkentaro/labelme
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fercli.annotations.base import (
    NOTES,
    AnnotatedImage,
    LabeledBox,
    OnError,
    Record,
    raise_it,
    read_each,
)
from fercli.annotations.formats import json_kind
from fercli.annotations.image_paths import ImageLocator, paired_image
from fercli.annotations.text_files import json_of, number_of, size_of
from fercli.common.errors import AnnotationError
from fercli.common.files import find_files, write_text


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each JSON file of LabelMe's below a folder, or for one file.

    Parameters
    ----------
    path : Path
        The folder, or one file.
    images : Path, optional
        The folder of the images. Defaults to the JSON file's.
    on_error : callable
        Told of each malformed file, which is left out. Defaults to raising it.

    Raises
    ------
    AnnotationError
        A file is malformed.
    InputError
        A file cannot be read.
    """
    files = find_files(path, (".json",)) if path.is_dir() else [path]
    own = (f for f in files if not path.is_dir() or json_kind(f) in ("labelme", ""))
    return read_each(own, lambda file: _record(file, images), on_error)


def write_each(folder: Path, name: Path, image: AnnotatedImage, label: str) -> None:
    """Write the file of one image, which `read`, and LabelMe, read; parameters as VOC's writer.

    LabelMe has no boxes to be ignored: they are left out.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    file = folder / name.with_suffix(".json")
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
    write_text(file, json.dumps(content, indent=1) + "\n", overwrite=True)


def _record(path: Path, images: Path | None) -> Record:
    content = json_of(path)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise AnnotationError("The file is not LabelMe's JSON: it has no list 'shapes'", path=path)
    boxes = []
    for at, shape in enumerate(content["shapes"]):
        try:
            box = _box(shape)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise AnnotationError(
                f"shapes[{at}]: Expected a label and points, got {str(shape)[:60]}", path=path
            ) from error
        if box is None:
            NOTES.add(path, "points without area, left out", at)
            continue
        if shape.get("shape_type", "polygon") != "rectangle":
            NOTES.add(path, "outlines, their bounding boxes used", at)
        boxes.append(box)
    stated = size_of(content.get("imageWidth"), content.get("imageHeight"))
    name = content.get("imagePath")
    names = [name] if isinstance(name, str) and name else []
    image = paired_image(ImageLocator(path, images), names, stated)
    return Record(image, tuple(boxes), path, stated_wh=stated)


def _box(shape: dict[str, Any]) -> LabeledBox | None:
    """Return the box around a shape; None if it has none."""
    points = [(number_of(x), number_of(y)) for x, y in shape["points"]]
    label = str(shape.get("label") or "")
    if shape.get("shape_type") == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        return LabeledBox(x - radius, y - radius, 2 * radius, 2 * radius, label)
    return None if len(points) < 2 else box_around(points, label)


def box_around(points: Sequence[tuple[float, float]], label: str) -> LabeledBox:
    """Return the box around points."""
    left, top = (min(point[at] for point in points) for at in (0, 1))
    right, bottom = (max(point[at] for point in points) for at in (0, 1))
    return LabeledBox(left, top, right - left, bottom - top, label)
