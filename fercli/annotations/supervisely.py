"""Supervisely's JSON, one file an image: ``ann/NAME.png.json`` for ``img/NAME.png``.

``size`` with ``width`` and ``height``, and ``objects`` with ``classTitle``, ``geometryType`` and
``points.exterior``. A rectangle has its first and its last pixel; of polygons and lines the
bounding box is taken.

See: https://docs.supervisely.com/data-organization/00_ann_format_navi
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fercli.annotations.base import LabeledBox, OnError, Record, raise_it, read_each
from fercli.annotations.formats import json_kind
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.text_files import (
    box_around,
    boxes_of_shapes,
    json_of,
    number_of,
    size_of,
)
from fercli.common.errors import AnnotationError
from fercli.common.files import find_files


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each JSON file of Supervisely's below a folder, or for one file.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    files = find_files(path, (".json",)) if path.is_dir() else [path]
    # Others may lie there, too, such as meta.json.
    own = (f for f in files if not path.is_dir() or json_kind(f) == "supervisely")
    return read_each(own, lambda file: _record(file, images), on_error)


def _record(path: Path, images: Path | None) -> Record:
    content = json_of(path)
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        raise AnnotationError("The file is not Supervisely's: it has no list 'objects'", path=path)
    boxes = boxes_of_shapes(
        path,
        content["objects"],
        "objects",
        _box,
        expected="classTitle and points",
        kind="geometryType",
        left_out="points and bitmaps",
    )
    size = content.get("size") or {}
    stated = size_of(size.get("width"), size.get("height"))
    image = ImageLocator(path, images).find(path.stem, extra=(path.parent.parent / "img",))
    return Record(image, boxes, path, stated_wh=stated)


def _box(thing: dict[str, Any]) -> LabeledBox | None:
    """Return the box around an object, its last pixels included; None if it has none."""
    if thing.get("geometryType") in ("bitmap", "point"):
        return None
    points = [(number_of(x), number_of(y)) for x, y in thing["points"]["exterior"]]
    box = box_around(points, str(thing.get("classTitle") or ""))
    return replace(box, width=box.width + 1, height=box.height + 1)
