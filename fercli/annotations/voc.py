"""Pascal VOC: a folder of XML files, one a picture.

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
    AnnotatedPicture,
    Box,
    LabelledBox,
    OnError,
    Record,
    raise_it,
)
from fercli.annotations.image_paths import first_files, locate
from fercli.common.errors import AnnotationError, FerError
from fercli.common.files import PICTURE_EXTENSIONS, find_files, is_there, written_whole
from fercli.common.xml import Document, read_xml, root_tag

EDGES = ("xmin", "ymin", "xmax", "ymax")


def looks_like(path: Path) -> bool:
    """Whether this is such a file, or a folder with one among its first XML files."""
    files = first_files(path, ".xml") if path.is_dir() else [path]
    return any(root_tag(file) == "annotation" for file in files)


def read(path: Path, pictures: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return a record for each XML file below a folder, sorted by path, or for one file.

    Parameters
    ----------
    path : Path
        The folder, or one file.
    pictures : Path, optional
        The folder of the pictures. Defaults to the XML file's, or ``JPEGImages`` or ``images``
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
            records.append(_record(read_xml(file), pictures))
        except FerError as error:
            on_error(error)
    return records


def write_each(folder: Path, name: Path, picture: AnnotatedPicture, label: str) -> None:
    """Write the file of one picture, which `read`, and VOC's tools, read.

    Parameters
    ----------
    folder : Path
        The folder of the XML files.
    name : Path
        The picture, seen from the folder of pictures; the XML file is called after it.
    picture : AnnotatedPicture
        The picture and its boxes; ignored ones are difficult.
    label : str
        The name of all objects.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    root = Element("annotation")
    SubElement(root, "filename").text = name.as_posix()
    SubElement(root, "path").text = str(picture.path.absolute())
    if picture.size_wh is not None:
        size = SubElement(root, "size")
        SubElement(size, "width").text, SubElement(size, "height").text = map(str, picture.size_wh)
    for box in picture.boxes_xywh:
        _add_object(root, box, label, "0")
    for box in picture.ignored_xywh:
        _add_object(root, box, label, "1")
    indent(root)
    with written_whole(folder / name.with_suffix(".xml"), overwrite=True) as temporary:
        ElementTree(root).write(temporary, encoding="utf-8")


def _add_object(root: Element, box: Box, label: str, difficult: str) -> None:
    thing = SubElement(root, "object")
    SubElement(thing, "name").text = label
    SubElement(thing, "difficult").text = difficult
    x, y, width, height = box
    sides = SubElement(thing, "bndbox")
    for edge, value in zip(EDGES, (x + 1, y + 1, x + width, y + height), strict=True):
        SubElement(sides, edge).text = str(value)


def _record(document: Document, pictures: Path | None) -> Record:
    root = document.root
    if root.tag != "annotation":
        raise document.error(root, f"wanted <annotation>, found <{root.tag}>")
    path = _picture(document, pictures)
    return Record(path, tuple(_boxes(document)), document.path)


def _picture(document: Document, pictures: Path | None) -> Path:
    """Return where the picture is: by its name, by its <path>, by the name of the XML file."""
    folder = document.path.parent
    name = document.text(document.root, "filename", "")
    whole = document.text(document.root, "path", "")
    stem = document.path.stem
    names = [name, whole] if pictures is None else [name]
    names = [*filter(None, names), *(stem + suffix for suffix in PICTURE_EXTENSIONS)]
    tried = (locate(each, folder, pictures) for each in names)
    there = next((path for path in tried if is_there(path)), None)
    return there or locate(names[0], folder, pictures)


def _boxes(document: Document) -> Iterator[LabelledBox]:
    for thing in document.root.iterfind("object"):
        box = thing.find("bndbox")
        if box is None:
            raise document.error(thing, "wanted <bndbox> in <object>, found none")
        label = document.text(thing, "name", "")
        yield _box(document, box, label, document.text(thing, "difficult", "0") == "1")


def _box(document: Document, box: Element, label: str, difficult: bool) -> LabelledBox:
    edges = [document.number(box, edge, document.text(box, edge)) for edge in EDGES]
    left, top, right, bottom = edges
    if right < left or bottom < top:
        raise AnnotationError(
            f"wanted xmin ≤ xmax and ymin ≤ ymax, found {' '.join(f'{e:g}' for e in edges)}",
            path=document.path,
            line=document.lines.get(box),
        )
    return LabelledBox(left - 1, top - 1, right - left + 1, bottom - top + 1, label, difficult)
