"""The VGG Image Annotator's files: a project or its annotations as JSON, or as CSV.

Each image has ``filename``, ``size`` (bytes) and ``regions`` with ``shape_attributes`` and
``region_attributes``. Rectangles are ``x, y, width, height`` in pixels from 0; of other shapes the
bounding box is taken. The label is the first attribute of a region.

See: https://www.robots.ox.ac.uk/~vgg/software/via/, version 1 and 2
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fercli.annotations.base import (
    NOTES,
    AnnotatedImage,
    LabeledBox,
    OnError,
    Record,
    raise_it,
)
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.opencv_lists import named_images
from fercli.annotations.text_files import (
    MALFORMED,
    box_around,
    json_of,
    number_of,
    text_of,
    write_json,
)
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError
from fercli.common.files import parse_json

#: A column that only VIA's table has.
COLUMN = "region_shape_attributes"


@dataclass(frozen=True)
class _Region:
    """A region, the image that it is in, and where in the file it stands."""

    image: str
    shape: Any
    attributes: Any
    line: int


def is_table(path: Path) -> bool:
    """Whether a table has VIA's columns."""
    try:
        with path.open("rb") as file:
            return COLUMN.encode() in file.readline(4096)
    except OSError:
        return False


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each image, in the order of the file.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    regions = _of_csv(path) if path.suffix.lower() == ".csv" else _of_json(path)
    boxes: dict[str, list[LabeledBox]] = {}
    for at, region in enumerate(regions):
        of_image = boxes.setdefault(region.image, [])
        if region.shape is None:  # an image without a region
            continue
        try:
            box = _box(region)
        except MALFORMED:
            found = f"Expected a shape and its numbers, got {str(region.shape)[:60]}"
            on_error(AnnotationError(found, path=path, line=region.line))
            continue
        if box is None:
            NOTES.add(path, "points without area, left out", at)
            continue
        if region.shape["name"] != "rect":
            NOTES.add(path, "outlines, their bounding boxes used", at)
        of_image.append(box)
    locator = ImageLocator(path, images)
    return [Record(locator.find(name), tuple(each), path) for name, each in boxes.items()]


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as JSON that `read`, and VIA's import, read; ignored ones left out."""
    content = {}
    for name, image in named_images(path, images):
        size = image.path.stat().st_size if image.path.is_file() else -1
        content[f"{name}{size}"] = {
            "filename": name,
            "size": size,
            "regions": [_region(box) for box in image.boxes_xywh],
            "file_attributes": {},
        }
    write_json(path, content, overwrite=overwrite)


def _region(box: Box) -> dict[str, Any]:
    x, y, width, height = box
    shape = {"name": "rect", "x": x, "y": y, "width": width, "height": height}
    return {"shape_attributes": shape, "region_attributes": {"label": "object"}}


def _of_json(path: Path) -> Iterator[_Region]:
    content = json_of(path)
    content = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(content, dict):
        raise AnnotationError("The file is not VIA's JSON", path=path)
    for number, entry in enumerate(content.values(), 1):
        regions = entry.get("regions") if isinstance(entry, dict) else None
        regions = list(regions.values()) if isinstance(regions, dict) else regions
        if not isinstance(regions, list) or not isinstance(entry.get("filename"), str):
            raise AnnotationError(
                f"Expected filename and regions, got {str(entry)[:60]}", path=path, line=number
            )
        yield _Region(entry["filename"], None, None, number)
        for region in regions:
            found = region if isinstance(region, dict) else {}
            yield _Region(
                entry["filename"],
                found.get("shape_attributes", {}),
                found.get("region_attributes"),
                number,
            )


def _of_csv(path: Path) -> Iterator[_Region]:
    table = csv.DictReader(io.StringIO(text_of(path), newline=""))
    names = {name.strip().lstrip("#").strip(): name for name in table.fieldnames or ()}
    if "filename" not in names or COLUMN not in names:
        raise AnnotationError(f"Expected the columns filename and {COLUMN}", path=path, line=1)
    try:
        for row in table:
            shape, attributes = (
                parse_json(row.get(names.get(key, "")) or "{}")
                for key in (COLUMN, "region_attributes")
            )
            yield _Region(row[names["filename"]], shape or None, attributes, table.line_num)
    except (ValueError, csv.Error) as error:
        raise AnnotationError(
            f"Expected JSON in the columns of regions: {error}", path=path, line=table.line_num
        ) from error


def _box(region: _Region) -> LabeledBox | None:
    """Return the box around a region; None if it is a point."""
    shape, label = region.shape, _label(region.attributes)
    kind = shape["name"]
    if kind == "rect":
        x, y, width, height = (number_of(shape[key]) for key in ("x", "y", "width", "height"))
        return LabeledBox(x, y, width, height, label)
    if kind in ("circle", "ellipse"):
        x, y = number_of(shape["cx"]), number_of(shape["cy"])
        across = number_of(shape["r" if kind == "circle" else "rx"])
        down = number_of(shape["r" if kind == "circle" else "ry"])
        return LabeledBox(x - across, y - down, 2 * across, 2 * down, label)
    if kind == "point":
        return None
    across, down = shape["all_points_x"], shape["all_points_y"]
    points = [(number_of(x), number_of(y)) for x, y in zip(across, down, strict=True)]
    return box_around(points, label)


def _label(attributes: Any) -> str:
    """Return the first attribute that says something: a text, or what is ticked."""
    for value in attributes.values() if isinstance(attributes, dict) else ():
        if isinstance(value, dict):
            value = ",".join(key for key, ticked in value.items() if ticked)
        if value:
            return str(value).strip()
    return ""
