"""dlib's XML, as its tool imglab writes it.

``<image file='…'>`` elements with ``<box top='…' left='…' width='…' height='…'/>``, pixels counted
from 0; ``ignore='1'`` marks a box to be ignored, ``difficult='1'`` one that is hard to recognize,
``<label>`` within a box labels it. Names are relative to the file's folder.

See: ``dlib/data_io/load_image_dataset.h`` and ``tools/imglab`` of dlib.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from fercli.annotations.base import (
    COUNTED,
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
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.opencv_lists import named_images
from fercli.annotations.text_files import open_xml, size_of
from fercli.common.boxes import Box
from fercli.common.xml import Document, require_xml_name, write_xml

SIDES = ("left", "top", "width", "height")
REASONS = {"ignore": Reason.IGNORED, "difficult": Reason.DIFFICULT}


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each <image>.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    document = open_xml(path, "dataset")
    locator = ImageLocator(path, images)
    records = read_each(
        document.root.iter("image"), lambda image: _record(document, image, locator), on_error
    )
    if are_fractions(box for record in records for box in record.boxes):
        records = [replace(record, normalized=True) for record in records]
    return records


def write(path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False) -> None:
    """Write images and boxes as a file that `read`, and dlib's programs, read."""
    root = Element("dataset")
    elements = SubElement(root, "images")
    for name, image in named_images(path, images):
        element = SubElement(elements, "image", {"file": require_xml_name(name, path)})
        for box in image.boxes_xywh:
            SubElement(element, "box", _sides(box))
        for box, _, reason in image.ignored_labeled(""):
            marks = {name: "1" for name, one in REASONS.items() if reason & one}
            SubElement(element, "box", {**_sides(box), **marks})
    write_xml(path, root, overwrite=overwrite)


def _record(document: Document, image: Element, locator: ImageLocator) -> Record:
    name = image.get("file")
    if not name:
        raise document.error(image, "Expected <image file='…'>, but it names no file")
    return Record(
        locator.find(name),
        tuple(_boxes(document, image)),
        document.path,
        document.lines[image],
        stated_wh=size_of(image.get("width"), image.get("height")),
    )


def _boxes(document: Document, image: Element) -> Iterator[LabeledBox]:
    for box in image.iterfind("box"):
        x, y, width, height = (document.number(box, side, box.get(side)) for side in SIDES)
        label = document.text(box, "label", "")
        reason = COUNTED
        for name, one in REASONS.items():
            reason |= one if is_set(box.get(name)) else COUNTED
        yield LabeledBox(x, y, width, height, label, reason)


def _sides(box: Box) -> dict[str, str]:
    return {side: str(value) for side, value in zip(SIDES, box, strict=True)}
