"""CVAT's XML, "CVAT for images".

``<annotations>`` with ``<image name='…' width='…' height='…'>`` and in it ``<box label='…' xtl='…'
ytl='…' xbr='…' ybr='…'/>``, edges in pixels from 0. Of polygons, polylines and ellipses, and of
rotated boxes, the bounding box is taken.

See: https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from fercli.annotations.base import (
    NOTES,
    AnnotatedImage,
    LabeledBox,
    OnError,
    Record,
    raise_it,
    read_each,
)
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.opencv_lists import named_images
from fercli.annotations.text_files import (
    box_around,
    box_around_rotated,
    open_xml,
    size_of,
)
from fercli.common.errors import AnnotationError
from fercli.common.xml import Document, require_xml_name, write_xml

EDGES = ("xtl", "ytl", "xbr", "ybr")


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each <image>.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    document = open_xml(path, "annotations")
    if document.root.find("track") is not None:
        raise AnnotationError(
            "The file has tracks of a video (CVAT for video)",
            hint="export the task as `CVAT for images`",
            path=path,
        )
    locator = ImageLocator(path, images)
    found = document.root.iterfind("image")
    return read_each(found, lambda image: _record(document, image, locator), on_error)


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as a file that `read`, and CVAT, read; ignored boxes are left out."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    for number, (name, image) in enumerate(named_images(path, images)):
        attributes = {"id": str(number), "name": require_xml_name(name, path)}
        element = SubElement(root, "image", attributes)
        if image.size_wh is not None:
            element.set("width", str(image.size_wh[0]))
            element.set("height", str(image.size_wh[1]))
        for x, y, width, height in image.boxes_xywh:
            edges = zip(EDGES, (x, y, x + width, y + height), strict=True)
            attributes = {"label": "object", "occluded": "0"}
            SubElement(element, "box", attributes | {edge: str(at) for edge, at in edges})
    write_xml(path, root, overwrite=overwrite)


def _record(document: Document, image: Element, locator: ImageLocator) -> Record:
    name = image.get("name")
    if not name:
        raise document.error(image, "Expected <image name='…'>, but it names no file")
    return Record(
        locator.find(name),
        tuple(_boxes(document, image)),
        document.path,
        document.lines[image],
        stated_wh=size_of(image.get("width"), image.get("height")),
    )


def _boxes(document: Document, image: Element) -> Iterator[LabeledBox]:
    for number, shape in enumerate(image):
        item = (document.lines[image], number)
        if shape.tag in ("points", "skeleton", "cuboid"):
            NOTES.add(document.path, f"shapes <{shape.tag}>, left out", item)
        elif shape.tag in ("box", "polygon", "polyline", "ellipse", "mask"):
            if shape.tag != "box":
                NOTES.add(document.path, "outlines, their bounding boxes used", item)
            yield _box(document, shape)


def _box(document: Document, shape: Element) -> LabeledBox:
    label = shape.get("label", "")

    def number(name: str) -> float:
        return document.number(shape, name, shape.get(name))

    if shape.tag == "box":
        left, top, right, bottom = map(number, EDGES)
        degrees = number("rotation") if shape.get("rotation") else 0.0
        # What is no angle makes the box one that is refused: its sides are not finite either.
        turn = math.radians(degrees) if math.isfinite(degrees) else math.nan
        if not turn:
            return LabeledBox(left, top, right - left, bottom - top, label)
        NOTES.add(document.path, "rotated boxes, the boxes around them used", id(shape))
        center_xy, size_wh = ((left + right) / 2, (top + bottom) / 2), (right - left, bottom - top)
        return box_around_rotated(center_xy, size_wh, turn, label)
    if shape.tag == "ellipse":
        x, y, across, down = map(number, ("cx", "cy", "rx", "ry"))
        return LabeledBox(x - across, y - down, 2 * across, 2 * down, label)
    if shape.tag == "mask":
        left, top, width, height = map(number, ("left", "top", "width", "height"))
        return LabeledBox(left, top, width, height, label)
    points = [point.partition(",")[::2] for point in shape.get("points", "").split(";") if point]
    if not points:
        raise document.error(shape, f"Expected points in <{shape.tag}>, but there are none")
    return box_around(
        [
            (document.number(shape, "points", x), document.number(shape, "points", y))
            for x, y in points
        ],
        label,
    )
