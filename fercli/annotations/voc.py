"""Pascal VOC: a folder of XML files, one an image.

``<annotation>`` holds ``<filename>`` and, for each object, ``<object>`` with ``<name>`` and
``<bndbox>``: ``xmin ymin xmax ymax``, the first and the last pixel, counted from 1. Objects
marked ``<difficult>1`` are to be ignored.

See: "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 4 and
``VOCcode/PASreadrecord.m``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from fercli.annotations.base import (
    AnnotatedImage,
    Box,
    LabeledBox,
    OnError,
    Record,
    raise_it,
)
from fercli.annotations.image_paths import first_files, locate
from fercli.common.errors import AnnotationError, FerError
from fercli.common.files import IMAGE_EXTENSIONS, atomic_write, find_files, is_there
from fercli.common.xml import Document, read_xml, root_tag

EDGES = ("xmin", "ymin", "xmax", "ymax")


def looks_like(path: Path) -> bool:
    """Whether this is such a file, or a folder with one among its first XML files."""
    files = first_files(path, ".xml") if path.is_dir() else [path]
    return any(root_tag(file) == "annotation" for file in files)


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each XML file below a folder, sorted by path, or for one file.

    Parameters
    ----------
    path : Path
        The folder, or one file.
    images : Path, optional
        The folder of the images. Defaults to the XML file's, or ``JPEGImages`` or ``images``
        beside it.
    on_error : callable
        Told of each malformed file, which is left out. Defaults to raising it.

    Raises
    ------
    AnnotationError
        A file is not XML, is of another kind, or lacks what it needs.
    InputError
        A file cannot be read.
    """
    records = []
    for file in find_files(path, (".xml",)) if path.is_dir() else [path]:
        try:
            records.append(_record(read_xml(file), images))
        except FerError as error:
            on_error(error)
    return records


def write_each(folder: Path, name: Path, image: AnnotatedImage, label: str) -> None:
    """Write the file of one image, which `read`, and VOC's tools, read.

    Parameters
    ----------
    folder : Path
        The folder of the XML files.
    name : Path
        The image, seen from the folder of images; the XML file is called after it.
    image : AnnotatedImage
        The image and its boxes; ignored ones are difficult.
    label : str
        The name of all objects.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    root = Element("annotation")
    SubElement(root, "filename").text = name.as_posix()
    SubElement(root, "path").text = str(image.path.absolute())
    if image.size_wh is not None:
        size = SubElement(root, "size")
        SubElement(size, "width").text, SubElement(size, "height").text = map(str, image.size_wh)
    for box in image.boxes_xywh:
        _add_object(root, box, label, "0")
    for box in image.ignored_xywh:
        _add_object(root, box, label, "1")
    indent(root)
    with atomic_write(folder / name.with_suffix(".xml"), overwrite=True) as temporary:
        ElementTree(root).write(temporary, encoding="utf-8")


def _add_object(root: Element, box: Box, label: str, difficult: str) -> None:
    thing = SubElement(root, "object")
    SubElement(thing, "name").text = label
    SubElement(thing, "difficult").text = difficult
    x, y, width, height = box
    sides = SubElement(thing, "bndbox")
    for edge, value in zip(EDGES, (x + 1, y + 1, x + width, y + height), strict=True):
        SubElement(sides, edge).text = str(value)


def _record(document: Document, images: Path | None) -> Record:
    root = document.root
    if root.tag != "annotation":
        raise document.error(root, f"Expected <annotation>, got <{root.tag}>")
    path = _image(document, images)
    return Record(path, tuple(_boxes(document)), document.path)


def _image(document: Document, images: Path | None) -> Path:
    """Return where the image is: by its name, by its <path>, by the name of the XML file."""
    folder = document.path.parent
    name = document.text(document.root, "filename", "")
    whole = document.text(document.root, "path", "")
    stem = document.path.stem
    names = [name, whole] if images is None else [name]
    names = [*filter(None, names), *(stem + suffix for suffix in IMAGE_EXTENSIONS)]
    tried = (locate(each, folder, images) for each in names)
    there = next((path for path in tried if is_there(path)), None)
    return there or locate(names[0], folder, images)


def _boxes(document: Document) -> Iterator[LabeledBox]:
    for thing in document.root.iterfind("object"):
        box = thing.find("bndbox")
        if box is None:
            raise document.error(thing, "Expected <bndbox> in <object>, but there is none")
        label = document.text(thing, "name", "")
        yield _box(document, box, label, document.text(thing, "difficult", "0") == "1")


def _box(document: Document, box: Element, label: str, difficult: bool) -> LabeledBox:
    edges = [document.number(box, edge, document.text(box, edge)) for edge in EDGES]
    left, top, right, bottom = edges
    if right < left or bottom < top:
        raise AnnotationError(
            f"Expected xmin ≤ xmax and ymin ≤ ymax, got {' '.join(f'{e:g}' for e in edges)}",
            path=document.path,
            line=document.lines.get(box),
        )
    return LabeledBox(left - 1, top - 1, right - left + 1, bottom - top + 1, label, difficult)
