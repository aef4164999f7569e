"""Pascal VOC: a folder of XML files, one an image.

``<annotation>`` holds ``<filename>`` and, for each object, ``<object>`` with ``<name>`` and
``<bndbox>``: ``xmin ymin xmax ymax``, the first and the last pixel, counted from 1. Objects
marked ``<difficult>1`` are not to be counted. Of the rotated boxes of roLabelImg, ``<robndbox>``
(center, width, height, angle in radians), the box around them is taken.

See: "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 4 and
``VOCcode/PASreadrecord.m``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from fercli.annotations.base import (
    COUNTED,
    NOTES,
    AnnotatedImage,
    LabeledBox,
    OnError,
    Reason,
    Record,
    are_fractions,
    is_set,
    raise_it,
    read_each,
)
from fercli.annotations.image_paths import ImageLocator, paired_image
from fercli.annotations.text_files import box_around_rotated, open_xml, size_of
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError
from fercli.common.files import find_files
from fercli.common.xml import Document, write_xml

EDGES = ("xmin", "ymin", "xmax", "ymax")


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each XML file below a folder, sorted by path, or for one file.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    files = find_files(path, (".xml",)) if path.is_dir() else [path]
    return read_each(files, lambda file: _record(open_xml(file, "annotation"), images), on_error)


def write_each(folder: Path, name: Path, image: AnnotatedImage, label: str) -> None:
    """Write the file of one image, which `read`, and VOC's tools, read.

    Boxes to be ignored, for which VOC has no mark, are difficult objects. Parameters as
    `fercli.annotations.formats.EachWriter`.
    """
    root = Element("annotation")
    SubElement(root, "filename").text = name.as_posix()
    SubElement(root, "path").text = str(image.path.absolute())
    if image.size_wh is not None:
        size = SubElement(root, "size")
        SubElement(size, "width").text, SubElement(size, "height").text = map(str, image.size_wh)
    for box, name_of_class in image.labeled(label):
        _add_object(root, box, name_of_class, "0")
    for box, name_of_class, _ in image.ignored_labeled(label):
        _add_object(root, box, name_of_class, "1")
    write_xml(folder / name.with_suffix(".xml"), root, overwrite=True, declaration=False)


def _add_object(root: Element, box: Box, label: str, difficult: str) -> None:
    thing = SubElement(root, "object")
    SubElement(thing, "name").text = label
    SubElement(thing, "difficult").text = difficult
    x, y, width, height = box
    sides = SubElement(thing, "bndbox")
    for edge, value in zip(EDGES, (x + 1, y + 1, x + width, y + height), strict=True):
        SubElement(sides, edge).text = str(value)


def _record(document: Document, images: Path | None) -> Record:
    stated = _stated_size(document)
    path = _image(document, images, stated)
    boxes = tuple(_boxes(document))
    normalized = are_fractions(boxes)
    if not normalized:  # corners are pixels, the first of which is 1
        from_zero = sum(0 in (box.x, box.y) for box in boxes)
        if from_zero:
            kind = "boxes with a coordinate 0, though VOC counts pixels from 1; taken as from 1"
            NOTES.add(document.path, kind, count=from_zero)
        boxes = tuple(
            LabeledBox(b.x - 1, b.y - 1, b.width + 1, b.height + 1, b.label, b.ignored)
            for b in boxes
        )
    boxes += tuple(_rotated_boxes(document))
    return Record(path, boxes, document.path, normalized=normalized, stated_wh=stated)


def _stated_size(document: Document) -> tuple[int, int] | None:
    size = document.root.find("size")
    if size is None:
        return None
    width, height = (document.text(size, side, "") for side in ("width", "height"))
    found = size_of(width, height)
    if found is None and (width or height):
        NOTES.add(document.path, f"files that state an image of {width}x{height}, not considered")
    return found


def _image(document: Document, images: Path | None, stated_wh: tuple[int, int] | None) -> Path:
    """Return where the image is: by its name, by its <path>, by the name of the XML file."""
    name = document.text(document.root, "filename", "")
    whole = document.text(document.root, "path", "")
    names = [name, whole] if images is None else [name]
    return paired_image(ImageLocator(document.path, images), [*filter(None, names)], stated_wh)


def _boxes(document: Document) -> Iterator[LabeledBox]:
    """Yield the boxes by their corners as they are: x, y and the differences."""
    for thing in document.root.iterfind("object"):
        box = thing.find("bndbox")
        if box is None:
            if thing.find("robndbox") is not None:
                continue
            raise document.error(thing, "Expected <bndbox> in <object>, but there is none")
        label = document.text(thing, "name", "")
        yield _box(document, box, label, _reason(document, thing))


def _reason(document: Document, thing: Element) -> Reason:
    is_difficult = is_set(document.text(thing, "difficult", ""))
    return Reason.DIFFICULT if is_difficult else COUNTED


def _box(document: Document, box: Element, label: str, reason: Reason) -> LabeledBox:
    edges = [document.number(box, edge, document.text(box, edge)) for edge in EDGES]
    left, top, right, bottom = edges
    if right < left or bottom < top:
        raise AnnotationError(
            f"Expected xmin ≤ xmax and ymin ≤ ymax, got {' '.join(f'{e:g}' for e in edges)}",
            path=document.path,
            line=document.lines.get(box),
        )
    return LabeledBox(left, top, right - left, bottom - top, label, reason)


def _rotated_boxes(document: Document) -> Iterator[LabeledBox]:
    for number, thing in enumerate(document.root.iterfind("object")):
        box = thing.find("robndbox")
        if box is None or thing.find("bndbox") is not None:
            continue
        x, y, width, height, angle = (
            document.number(box, name, document.text(box, name))
            for name in ("cx", "cy", "w", "h", "angle")
        )
        NOTES.add(document.path, "rotated boxes, the boxes around them used", number)
        label = document.text(thing, "name", "")
        around = box_around_rotated((x, y), (width, height), angle, label)
        yield replace(around, ignored=_reason(document, thing))
