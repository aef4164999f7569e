"""The formats of annotations that fer reads, and how they are told apart.

A folder of images may hold annotations of several kinds: a file an image, one file among the images
or in a folder beside them. `find_annotations` finds them, so that no folder with annotations is
taken for one of whole images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from fercli.annotations import (
    coco,
    createml,
    csv_table,
    cvat,
    dlib,
    label_studio,
    labelme,
    opencv_lists,
    supervisely,
    via,
    voc,
    yolo,
)
from fercli.annotations.base import (
    NOTES,
    AnnotatedImage,
    OnError,
    Record,
    label_counts,
    labels_text,
    raise_it,
)
from fercli.annotations.image_paths import label_of_an_image, read_whole_images
from fercli.annotations.opencv_lists import write_info
from fercli.annotations.text_files import forget_json, json_kind
from fercli.common.errors import AnnotationError, FerError, OptionError
from fercli.common.files import IMAGE_EXTENSIONS, input_error, list_folder


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


def _is_whole_images(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() in IMAGE_EXTENSIONS


#: By name, in the order in which they are tried.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("via", "VIA JSON or CSV", via.looks_like, via.read, via.write),
        Format("csv", "CSV table", csv_table.looks_like, csv_table.read, csv_table.write),
        Format(
            "labelme", "LabelMe JSON", labelme.looks_like, labelme.read, None,
            labelme.write_each, ".json",
        ),
        Format("supervisely", "Supervisely JSON", supervisely.looks_like, supervisely.read),
        Format("createml", "Create ML JSON", createml.looks_like, createml.read, createml.write),
        Format("label-studio", "Label Studio JSON", label_studio.looks_like, label_studio.read),
        Format("coco", "COCO JSON", coco.looks_like, coco.read, coco.write),
        Format("dlib", "dlib XML", dlib.looks_like, dlib.read, dlib.write),
        Format("cvat", "CVAT XML", cvat.looks_like, cvat.read, cvat.write),
        Format("voc", "Pascal VOC XML", voc.looks_like, voc.read, None, voc.write_each, ".xml"),
        Format(
            "yolo", "YOLO text files", yolo.looks_like, yolo.read, None, yolo.write_each, ".txt"
        ),
        Format(
            "info-folder", "text files of count x y w h", opencv_lists.looks_like_folder,
            opencv_lists.read_folder,
        ),
        Format("images", "whole images", _is_whole_images, read_whole_images),
        Format("info", "OpenCV info file", opencv_lists.looks_like, opencv_lists.read, write_info),
    )
}  # fmt: skip

#: Formats of one file an image.
OF_ONE_IMAGE = ("voc", "yolo", "labelme", "supervisely", "info-folder")

#: What files of annotations end in, lower case.
SUFFIXES = (".json", ".xml", ".csv", ".tsv", ".txt", ".dat", ".info", ".lst", "")

#: Of the files beside a folder of images so many, of so many bytes, are looked at.
MOST_ABOVE, LARGEST_ABOVE = 50, 1 << 24

#: Folders of annotations that lie beside a folder of images, lower case.
BESIDE = (
    "labels", "annotations", "annotation", "ann", "xml", "xmls", "bboxes", "labeltxt", "boxes",
)  # fmt: skip


@dataclass(frozen=True)
class AnnotationSource:
    """Annotations that were found.

    Parameters
    ----------
    format : Format
        Their format.
    paths : tuple of Path
        The files, or the folder.
    images : Path, optional
        The folder of the images, where that was given and the annotations lie elsewhere.
    folder : Path, optional
        The folder that was given where they are files in or beside it: only what they say of
        images below it is taken.
    """

    format: Format
    paths: tuple[Path, ...]
    images: Path | None = None
    folder: Path | None = None


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
    if not path.is_dir() or format == "images":
        return AnnotationSource(_format_of_file(path, format), (path,))
    found = _in_folder(path, format, ignored) or _beside_folder(path, format)
    if found is not None:
        return found
    if format is None:
        _refuse_labels(path)
        _note_files_above(path, ignored)
    return AnnotationSource(FORMATS[format or "images"], (path,))


def _format_of_file(path: Path, format: str | None) -> Format:
    if format is not None:
        return FORMATS[format]
    for each in FORMATS.values():
        if each.looks_like(path):
            return each
    raise AnnotationError(
        f"Expected annotations ({_titles()}), but it looks like none of them",
        hint="use --format, which then tells what is wrong with it",
        path=path,
    )


def _in_folder(folder: Path, format: str | None, ignored: Path | None) -> AnnotationSource | None:
    """Return the annotations in a folder; None if there are none."""
    others = list_folder(folder).skipped
    if ignored is not None and not _is_below(folder, ignored):
        others = [file for file in others if not _is_below(file, ignored)]
    suffixes = {file.suffix.lower() for file in others}
    found: dict[str, list[Path]] = {}
    for name in OF_ONE_IMAGE:
        may_be = {"voc": ".xml", "labelme": ".json", "supervisely": ".json"}.get(name, ".txt")
        if format in (None, name) and may_be in suffixes and FORMATS[name].looks_like(folder):
            found[name] = [folder]
    # The files of several images; what has the name of an image and lies beside it is of one.
    for file, name in _files_of_many(others, folder, format, set(found)):
        found.setdefault(name, []).append(file)
    if not found:
        return None
    name = _only_format(found, folder)
    inside = None if name in OF_ONE_IMAGE else folder
    return AnnotationSource(FORMATS[name], tuple(found[name]), folder=inside)


def _beside_folder(folder: Path, format: str | None) -> AnnotationSource | None:
    """Return the annotations beside a folder of images, in ``labels``, say; None for none."""
    whole = _absolute(folder)
    around = [whole.parent / name for name in _names_in(whole.parent) if name.lower() in BESIDE]
    if whole.parent.name.lower() == "images":  # images/train, labels/train
        above = whole.parent.parent
        names = [name for name in _names_in(above) if name.lower() in BESIDE]
        around += [above / name / whole.name for name in names]
    found: dict[str, list[Path]] = {}
    stems: set[str] | None = None
    for place in around:
        if place == whole or not place.is_dir():
            continue
        files = list_folder(place).skipped
        stems = {file.stem for file in list_folder(folder).found} if stems is None else stems
        if any(file.stem in stems or Path(file.stem).stem in stems for file in files):
            for name in OF_ONE_IMAGE:
                if format in (None, name) and FORMATS[name].looks_like(place):
                    found.setdefault(name, []).append(_as_given(place, folder))
        for file, name in _files_of_many(files, folder, format, set(found)):
            found.setdefault(name, []).append(_as_given(file, folder))
    if not found:
        return None
    name = _only_format(found, folder)
    images = folder if name in OF_ONE_IMAGE else None
    return AnnotationSource(FORMATS[name], tuple(found[name]), images, folder)


def _note_files_above(folder: Path, ignored: Path | None) -> None:
    """Note the files beside a folder of whole images that mark objects in them."""
    above = _absolute(folder).parent
    files = [path for path in (above / name for name in _names_in(above)) if _is_small_file(path)]
    if ignored is not None:
        files = [path for path in files if not _is_below(path, ignored)]
    found = [
        _as_given(path, folder)
        for path, _ in _files_of_many(files[:MOST_ABOVE], folder, None, set())
    ]
    if found:
        listed = ", ".join(map(str, found))
        kind = (
            f"whole images are used, not the boxes of {listed}, which names images of this folder"
        )
        NOTES.add(folder, kind, count=0)


def _is_small_file(path: Path) -> bool:
    try:
        return path.suffix.lower() in SUFFIXES and path.is_file() and (
            0 < path.stat().st_size <= LARGEST_ABOVE
        )  # fmt: skip
    except OSError:
        return False


def _files_of_many(
    files: Sequence[Path], folder: Path, format: str | None, taken: set[str]
) -> Iterator[tuple[Path, str]]:
    """Yield the files that annotate several images, among them some of a folder, and formats."""
    many = [each for each in FORMATS.values() if each.name not in (*OF_ONE_IMAGE, "images")]
    of_one = {".txt"} if taken & {"yolo", "info-folder"} else set()
    for file in files:
        suffix = file.suffix.lower()
        if suffix not in SUFFIXES or suffix in of_one or file.name.endswith("_left_out.csv"):
            continue
        if suffix == ".json" and not json_kind(file):
            continue
        each = next((each for each in many if each.looks_like(file)), None)
        if each is not None and format in (None, each.name) and _names_images(each, file, folder):
            yield file, each.name


def _names_images(format: Format, file: Path, folder: Path) -> bool:
    """Whether a file of annotations names an image below a folder."""
    errors: list[FerError] = []
    try:
        with NOTES.muted():
            records = format.read(file, None, errors.append)
    except FerError:  # of another kind than its name says
        return False
    return any(_is_below(record.path, folder) and record.path.exists() for record in records)


def _only_format(found: dict[str, list[Path]], folder: Path) -> str:
    """Return the format to read: files of one image each win over those of many, which is noted."""
    of_one = [name for name in found if name in OF_ONE_IMAGE]
    if len(of_one) == 1 < len(found):
        others = [path for name, paths in found.items() if name not in of_one for path in paths]
        listed = ", ".join(map(str, others[:5]))
        NOTES.add(folder, f"read as {FORMATS[of_one[0]].title}; not used: {listed}", count=0)
        return of_one[0]
    if len(found) > 1:
        listed = ", ".join(f"{FORMATS[n].title} ({paths[0]})" for n, paths in found.items())
        raise AnnotationError(
            f"The folder holds annotations in several formats: {listed}",
            hint="use --format, or give the file",
            path=folder,
        )
    return next(iter(found))


def _is_below(path: Path, folder: Path) -> bool:
    return _absolute(path).is_relative_to(_absolute(folder))


def _absolute(path: Path) -> Path:
    """Return an absolute path without "..", links not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _as_given(path: Path, folder: Path) -> Path:
    """Return a path beside a folder as the folder was given, relative if it was."""
    return path if folder.is_absolute() else Path(os.path.relpath(path))


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

    Parameters as `read_annotations`, and:

    Parameters
    ----------
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
    OptionError, AnnotationError
        As `read_annotations`.
    """
    source = find_annotations(path, format, ignored=ignored)
    reader = source.format.read
    if box_format is not None:
        if source.format.name != "csv":
            raise OptionError(f"`box_format` is for tables (CSV), not for {source.format.title}")
        reader = partial(csv_table.read, box_format=box_format)
    records = [
        record
        for each in source.paths
        for record in reader(each, images or source.images, on_error)
    ]
    forget_json()
    if source.folder is not None:
        records = _of_folder(records, source)
    records = _without_rivals(records, on_error)
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
    inside = [record for record in records if _is_below(record.path, source.folder)]
    if len(inside) < len(records):
        NOTES.add(
            source.folder,
            "records of images outside this folder, not used",
            count=len(records) - len(inside),
        )
    return inside


def _without_rivals(records: Sequence[Record], on_error: OnError) -> list[Record]:
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
        if not (_in_folder(path, None, ignored) or _beside_folder(path, None)):
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
    named = {_absolute(record.path) for record in records}
    unnamed = [image for image in list_folder(path).found if _absolute(image) not in named]
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
    """Return the images and boxes of a file or folder of annotations.

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
    records = read_records(path, format=format, images=images, labels=labels, box_format=box_format)
    return [record.in_pixels() for record in records]


def _require_there(path: Path) -> None:
    try:
        path.stat()
    except OSError as error:
        raise input_error(error, path, wanted="annotations or a folder of images") from error


def _refuse_labels(folder: Path) -> None:
    """Raise if there are labels: a box around the whole of each image would be wrong."""
    label = label_of_an_image(folder)
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
