"""Find and read annotations of any format.

A folder of images may hold annotations of several kinds: a file an image, one file among the images
or in a folder beside them. `find_annotations` finds them, so that no folder with annotations is
taken for one of whole images.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from fercli.annotations.base import (
    NOTES,
    AnnotatedImage,
    OnError,
    Record,
    label_counts,
    labels_text,
    raise_it,
)
from fercli.annotations.folders import (
    AnnotationSource,
    absolute,
    beside_folder,
    in_folder,
    is_below,
    note_files_above,
)
from fercli.annotations.formats import FORMATS, LABEL_SUFFIXES, Format, root_of
from fercli.annotations.image_paths import label_of_an_image
from fercli.annotations.text_files import forget_json
from fercli.common.errors import AnnotationError, OptionError
from fercli.common.files import input_error, list_folder


def detect_format(path: Path, *, ignored: Path | None = None) -> Format:
    """Return the format that a file or folder seems to be of; as `find_annotations`."""
    return find_annotations(path, ignored=ignored).format


def find_annotations(
    path: Path, format: str | None = None, *, ignored: Path | None = None
) -> AnnotationSource:
    """Return the annotations that a file is, or that a folder holds or has beside it.

    Parameters
    ----------
    path : Path
        A file, or a folder of annotations or of images.
    format : str, optional
        The only format to look for, a name of `FORMATS`. Defaults to all.
    ignored : Path, optional
        A folder whose files are no annotations: that of the results. Defaults to none.

    Raises
    ------
    OptionError
        `format` is no name of `FORMATS`.
    AnnotationError
        It is like none of `FORMATS`, a folder with labels of images that are like none, or a
        folder with annotations in several formats.
    InputError
        It is missing or cannot be read.
    """
    if format is not None and format not in FORMATS:
        raise OptionError(f"`format` must be one of {', '.join(FORMATS)}, not {format}")
    _require_there(path)
    if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
        raise AnnotationError(
            "A YAML file names classes and folders, but has no boxes",
            hint=f"use the folder with the labels, such as {path.parent}",
            path=path,
        )
    if not path.is_dir() or format == "images":
        return AnnotationSource(_format_of_file(path, format), (path,))
    found = in_folder(path, format, ignored) or beside_folder(path, format)
    if found is not None:
        return found
    if format is None:
        _refuse_labels(path)
        note_files_above(path, ignored)
    return AnnotationSource(FORMATS[format or "images"], (path,))


def _format_of_file(path: Path, format: str | None) -> Format:
    if format is not None:
        return FORMATS[format]
    root = root_of(path) if path.is_file() else None
    for each in FORMATS.values():
        if each.root in ("", root) and each.looks_like(path):
            return each
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
    box_format: Literal["xywh", "xyxy"] | None = None,
    on_error: OnError = raise_it,
    ignored: Path | None = None,
    backgrounds: bool = False,
    note_labels: bool = True,
) -> list[Record]:
    """Return the records of a file or folder of annotations, boxes as they are there.

    What had to be assumed about them is in `fercli.annotations.base.NOTES` afterwards.

    Parameters
    ----------
    path : Path
        The file, or a folder: of files of one image each, of images with a file of annotations
        among or beside them, or of whole images.
    format : str, optional
        A name of `FORMATS`. Defaults to the one that it looks like.
    images : Path, optional
        The folder that the names of images are relative to. Defaults to what the format says,
        mostly the folder of the file.
    labels : collection of str, optional
        Only boxes of these labels are kept. Defaults to all boxes, whatever their label.
    box_format : {"xywh", "xyxy"}, optional
        For tables: whether a box is x, y, width, height or two corners. Defaults to what the
        names of the columns say, else to the former.
    on_error : callable
        Told of what is malformed and left out. Defaults to raising it.
    ignored : Path, optional
        As `find_annotations`.
    backgrounds : bool
        Whether the boxes are only to be avoided: then what is not used is not noted. Defaults to
        False.
    note_labels : bool
        Whether it is noted that boxes have several labels. Defaults to True.

    Raises
    ------
    AnnotationError
        The annotations are malformed, or of no format that fer knows.
    InputError
        The file is missing or cannot be read.
    OptionError
        `format` is no name of `FORMATS`, or `box_format` is given for another than tables.
    """
    source = find_annotations(path, format, ignored=ignored)
    reader = source.format.read
    if box_format is not None:
        if source.format.name != "csv":
            raise OptionError(f"`box_format` is for tables (CSV), not for {source.format.title}")
        reader = partial(cast(Any, reader), box_format=box_format)
    records = [
        record
        for each in source.paths
        for record in reader(each, images or source.images, on_error)
    ]
    if source.format.is_json or path.is_dir():
        forget_json()
    if source.folder is not None:
        records = _of_folder(records, source)
    records = _without_contradictions(records, on_error)
    _note_fractions(records, source, path)
    if not backgrounds:
        _note_labels(records, path, wanted=not labels and note_labels)
        _note_unnamed(records, source, path)
    return _labeled(records, labels, path) if labels else records


def _of_folder(records: Sequence[Record], source: AnnotationSource) -> list[Record]:
    """Return the records of images in the folder that was given, and note where they come from."""
    assert source.folder is not None
    files = ", ".join(str(path) for path in source.paths[:5])
    NOTES.add(
        source.folder, f"the annotations in {files} ({source.format.title}) are used", count=0
    )
    inside = [record for record in records if is_below(record.path, source.folder)]
    if len(inside) < len(records):
        NOTES.add(
            source.folder,
            "records of images outside this folder, not used",
            count=len(records) - len(inside),
        )
    return inside


def _without_contradictions(records: Sequence[Record], on_error: OnError) -> list[Record]:
    """Return the records less those of images that another file describes, too."""
    first: dict[Path, Record] = {}
    kept = []
    for record in records:
        other = first.setdefault(record.path, record)
        if other is record or other.source == record.source:
            kept.append(record)
        elif other.boxes == record.boxes:
            NOTES.add(record.source, "files that repeat what another says of the same image")
        else:
            on_error(
                AnnotationError(
                    f"Both this file and {other.source} describe {record.path}, with other boxes",
                    hint="correct the names in them, or remove one",
                    path=record.source,
                )
            )
    return kept


def read_objects(path: Path, *, ignored: Path | None = None) -> list[Record] | None:
    """Return what is said of the objects in backgrounds; None if there are no annotations.

    Parameters
    ----------
    path : Path
        A folder of images, perhaps with annotations, or a file.
    ignored : Path, optional
        As `find_annotations`.

    Raises
    ------
    AnnotationError, InputError
        As `read_records`.
    """
    if path.is_dir():
        if not (in_folder(path, None, ignored) or beside_folder(path, None)):
            return None
    elif path.suffix.lower() not in (".json", ".xml", ".csv", ".tsv"):
        return None
    return read_records(path, ignored=ignored, backgrounds=True)


def _note_fractions(records: Sequence[Record], source: AnnotationSource, path: Path) -> None:
    if source.format.name not in ("yolo", "images"):
        fractions = sum(len(record.boxes) for record in records if record.normalized)
        if fractions:
            NOTES.add(path, "boxes given as fractions of their images", count=fractions)


def _note_labels(records: Sequence[Record], path: Path, *, wanted: bool) -> None:
    counts = label_counts(records)
    if len(counts) > 1 and wanted:
        text = labels_text(counts)
        NOTES.add(path, f"boxes of several labels, all taken ({text}); --label takes some", count=0)


def _note_unnamed(records: Sequence[Record], source: AnnotationSource, path: Path) -> None:
    """Note the images of a folder that its annotations do not name."""
    if not path.is_dir() or source.format.name in ("yolo", "info-folder", "images"):
        return
    named = {absolute(record.path) for record in records}
    unnamed = [image for image in list_folder(path).found if absolute(image) not in named]
    if unnamed:
        kind = "images that the annotations do not name, not used"
        NOTES.add(path, kind, None, str(unnamed[0]), len(unnamed))


def read_annotations(
    path: Path,
    *,
    format: str | None = None,
    images: Path | None = None,
    labels: Collection[str] = (),
    box_format: Literal["xywh", "xyxy"] | None = None,
) -> list[AnnotatedImage]:
    """Return the images and boxes of a file or folder of annotations, in the order of the file.

    Fractional boxes are rounded as `round_box`. The images themselves are not opened, save where
    boxes are fractions of an image's size; one that cannot be read is then an `ImageError`.
    Parameters and other errors as `read_records`.
    """
    records = read_records(path, format=format, images=images, labels=labels, box_format=box_format)
    return [record.in_pixels() for record in records]


def _require_there(path: Path) -> None:
    try:
        path.stat()
    except OSError as error:
        raise input_error(error, path, wanted="annotations or a folder of images") from error


def _refuse_labels(folder: Path) -> None:
    """Raise if there are labels: a box around the whole of each image would be wrong."""
    label = label_of_an_image(folder, LABEL_SUFFIXES)
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
