"""The formats of annotations that fer reads, and how they are told apart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fercli.annotations import coco, csv_table, dlib, opencv_lists, voc, whole_images, yolo
from fercli.annotations.base import AnnotatedImage, OnError, Record, raise_it
from fercli.annotations.image_paths import label_of_a_image
from fercli.annotations.opencv_lists import write_info
from fercli.common.errors import AnnotationError, OptionError
from fercli.common.files import input_error


class Reader(Protocol):
    """Reads a file or folder of annotations."""

    def __call__(
        self, path: Path, images: Path | None = None, on_error: OnError = raise_it
    ) -> list[Record]:
        """Return what `path` says, and tell `on_error` of what cannot be made out."""


class Writer(Protocol):
    """Writes a file of annotations."""

    def __call__(
        self, path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False
    ) -> None:
        """Write `images` to `path`."""


class EachWriter(Protocol):
    """Writes the annotations of one image, for formats of one file an image."""

    def __call__(self, folder: Path, name: Path, image: AnnotatedImage, label: str) -> None:
        """Write to `folder` what is in `image`, whose name seen from its own root is `name`."""


@dataclass(frozen=True)
class Format:
    """One format of annotations.

    Parameters
    ----------
    name : str
        The word for it on the command line.
    title : str
        What people call it.
    looks_like : callable
        Whether a path seems to hold this format; cheap, and never raises.
    read : callable
        Reads it.
    write : callable, optional
        Writes it, for the formats that are one file.
    write_each : callable, optional
        Writes the file of one image, for the formats that are one file an image.
    suffix : str, optional
        Of the file of one image, which has the image's name but for it.
    """

    name: str
    title: str
    looks_like: Callable[[Path], bool]
    read: Reader
    write: Writer | None = None
    write_each: EachWriter | None = None
    suffix: str = ""


#: By name, in the order in which they are tried.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("csv", "CSV table", csv_table.looks_like, csv_table.read, csv_table.write),
        Format("coco", "COCO JSON", coco.looks_like, coco.read, coco.write),
        Format("dlib", "dlib XML", dlib.looks_like, dlib.read, dlib.write),
        Format("voc", "Pascal VOC XML", voc.looks_like, voc.read, None, voc.write_each, ".xml"),
        Format(
            "yolo", "YOLO text files", yolo.looks_like, yolo.read, None, yolo.write_each, ".txt"
        ),
        Format("images", "whole images", whole_images.looks_like, whole_images.read),
        Format("info", "OpenCV info file", opencv_lists.looks_like, opencv_lists.read, write_info),
    )
}


def detect_format(path: Path) -> Format:
    """Return the format that a file or folder seems to be of.

    Raises
    ------
    AnnotationError
        It is like none of `FORMATS`, or a folder with labels of images that are like none.
    InputError
        It is missing or cannot be read.
    """
    _require_there(path)
    for format in FORMATS.values():
        if format.looks_like(path):
            if format.name == "images" and path.is_dir():
                _refuse_labels(path)
            return format
    raise AnnotationError(
        f"Expected annotations ({_titles()}), but it looks like none of them",
        hint="use --format, which then tells what is wrong with it",
        path=path,
    )


def read_records(
    path: Path,
    *,
    format: str | None = None,
    images: Path | None = None,
    labels: Collection[str] = (),
    on_error: OnError = raise_it,
) -> list[Record]:
    """Return the records of a file or folder of annotations, boxes as they are there.

    Parameters as `read_annotations`, and:

    Parameters
    ----------
    on_error : callable
        Told of what is malformed and left out. Defaults to raising it.

    Raises
    ------
    OptionError, AnnotationError
        As `read_annotations`.
    """
    if format is not None and format not in FORMATS:
        raise OptionError(f"`format` must be one of {', '.join(FORMATS)}, not {format}")
    _require_there(path)
    reader = detect_format(path) if format is None else FORMATS[format]
    records = reader.read(path, images, on_error)
    return _labeled(records, labels, path) if labels else records


def read_annotations(
    path: Path,
    *,
    format: str | None = None,
    images: Path | None = None,
    labels: Collection[str] = (),
) -> list[AnnotatedImage]:
    """Return the images and boxes of a file or folder of annotations.

    Parameters
    ----------
    path : Path
        The file, or the folder for formats of one file an image and for whole images.
    format : str, optional
        A name of `FORMATS`. Defaults to the one that it looks like.
    images : Path, optional
        The folder that the names of images are relative to. Defaults to what the format says,
        mostly the folder of the file.
    labels : collection of str, optional
        Only boxes of these labels are kept. Defaults to all boxes, whatever their label.

    Returns
    -------
    list of AnnotatedImage
        In the order of the file; fractional boxes rounded as `round_box`. The images
        themselves are not opened, save where boxes are fractions of an image's size.

    Raises
    ------
    AnnotationError
        The annotations are malformed, or of no format that fer knows.
    InputError
        The file is missing or cannot be read.
    ImageError
        An image's size is needed and the image cannot be read.
    OptionError
        `format` is no name of `FORMATS`.
    """
    records = read_records(path, format=format, images=images, labels=labels)
    return [record.in_pixels() for record in records]


def _require_there(path: Path) -> None:
    try:
        path.stat()
    except OSError as error:
        raise input_error(error, path, wanted="annotations or a folder of images") from error


def _refuse_labels(folder: Path) -> None:
    """Raise if there are labels: a box around the whole of each image would be wrong."""
    label = label_of_a_image(folder)
    if label is not None:
        raise AnnotationError(
            "The file has the name of an image, but is no label (Pascal VOC XML, YOLO text) "
            "that can be read",
            hint="use --format voc or yolo, which tells what is wrong with it, or --format images",
            path=label,
        )


def _labeled(records: Sequence[Record], labels: Collection[str], path: Path) -> list[Record]:
    there = {box.label for record in records for box in record.boxes}
    if not there.intersection(labels):
        found = ", ".join(repr(label) for label in sorted(there)[:20]) or "none"
        wanted = ", ".join(repr(label) for label in labels)
        raise AnnotationError(f"No box is labeled {wanted}; the labels are {found}", path=path)
    return [record.with_labels(labels) for record in records]


def _titles() -> str:
    return ", ".join(format.title for format in FORMATS.values())
