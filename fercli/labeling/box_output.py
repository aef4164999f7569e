"""Outputs: where the boxes of annotated images are kept, in any format that fer reads.

The files of boxes are the only place of the boxes: what another program changes in them between
two runs is taken as it stands. Each is written whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from fercli.annotations import yolo
from fercli.annotations.base import COUNTED, AnnotatedImage, Reason, Record, raise_it
from fercli.annotations.formats import FORMATS, Format
from fercli.annotations.opencv_lists import fits_background_list, fits_info, names_from
from fercli.annotations.reading import detect_format
from fercli.common.errors import AnnotationError, FerError, OptionError
from fercli.common.files import IMAGE_EXTENSIONS, atomic_folder, atomic_write, write_text
from fercli.common.xml import fits_xml

#: Formats by the suffix of a file; any other suffix is an info file's.
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".json": "coco", ".xml": "dlib"}

#: What boxes are called in formats that name them.
LABEL = "object"

#: Formats that hold boxes of several classes, and the reasons for which formats hold boxes that are
#: not counted.
CLASS_FORMATS = ("coco", "csv", "voc", "yolo")
REASONS = {
    "coco": Reason.IGNORED | Reason.DIFFICULT,
    "csv": Reason.IGNORED | Reason.DIFFICULT,
    "dlib": Reason.IGNORED | Reason.DIFFICULT,
    "voc": Reason.DIFFICULT,
}


class BoxOutput:
    """A file, or a folder of one file an image, that holds boxes.

    Parameters
    ----------
    out : Path
        The file or folder; may be there already.
    folder : Path
        The folder of the images.
    format : str, optional
        A name of `FORMATS`. Defaults to what the suffix, or an existing folder, says.
    classes : sequence of str
        The classes of the boxes. Defaults to one, which the output names.

    Raises
    ------
    OptionError
        The format cannot be told, or is none that can be written.
    """

    def __init__(
        self, out: Path, folder: Path, format: str | None = None, classes: Sequence[str] = ()
    ) -> None:
        self.path = out
        self.folder = folder
        self.format = _format_of(out, format)
        self.label = LABEL
        self.classes = tuple(classes)
        if classes and self.format.name not in CLASS_FORMATS:
            raise OptionError(
                f"`classes` needs a format that holds several classes, not {self.format.name}",
                hint=f"use one of {', '.join(CLASS_FORMATS)}; build-info --label makes info files",
            )

    @property
    def one_file(self) -> bool:
        """Whether all boxes are in one file."""
        return self.format.write is not None

    @property
    def reasons(self) -> Reason:
        """The reasons for which boxes that are not counted can be kept."""
        return REASONS.get(self.format.name, COUNTED)

    def require_names(self, images: Sequence[Path]) -> None:
        """Raise if the format cannot hold the names of all images, before anything is lost.

        Raises
        ------
        OptionError
            A name cannot stand in the output, or two images would share a file.
        """
        for image in images:
            if not fits_background_list(str(image.absolute())):
                raise OptionError(
                    f"A list cannot hold the name of the image {str(image)!r}",
                    hint="use another name",
                )
        if self.format.name == "info":
            _require_info_names(self.path, images)
        if self.format.root:  # XML
            _require_xml_names(images)
        if not self.one_file:
            _require_own_files(self.path, self.folder, images)

    def read(self) -> list[Record]:
        """Return what is there; nothing if there is nothing yet.

        What is written from then on has the label of these boxes; without any, in a folder of
        YOLO's, that of the only class that ``classes.txt`` names.

        Raises
        ------
        AnnotationError
            It is malformed, or has boxes of several labels, of which only one could be written.
        InputError
            It cannot be read.
        """
        records = self._records()
        if self.classes:
            self._require_classes(records)
            return records
        labels = sorted({box.label for record in records for box in record.boxes})
        if len(labels) > 1:
            found = ", ".join(map(repr, labels[:10]))
            raise AnnotationError(
                f"The boxes have several labels ({found}); only one can be kept",
                hint=f"use --classes {','.join(labels)}"
                if all(labels)
                else "give each box a label",
                path=self.path,
            )
        self.label = (labels or [self._only_class()])[0] or LABEL
        return records

    def _require_classes(self, records: Sequence[Record]) -> None:
        others = {box.label for record in records for box in record.boxes} - set(self.classes)
        if others:
            raise AnnotationError(
                f"`classes` lacks the label {sorted(others)[0]!r} of a box",
                hint=f"use --classes {','.join([*self.classes, *sorted(filter(None, others))])}",
                path=self.path,
            )

    def write(self, images: Sequence[AnnotatedImage], changed: AnnotatedImage) -> None:
        """Write the boxes of all images, of which one has changed.

        Parameters
        ----------
        images : sequence of AnnotatedImage
            All that something was said of; those without a box hold no object.
        changed : AnnotatedImage
            One of the folder's; not in `images` if what was said of it was taken back.

        Raises
        ------
        OutputError
            A file cannot be written.
        """
        if self.format.write_each is not None:
            name = changed.path.relative_to(self.folder)
            if self.format.name == "yolo" and self.classes and not yolo.class_names(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                text = "\n".join(self.classes) + "\n"  # in their order, whichever is used first
                write_text(self.path / "classes.txt", text, overwrite=True)
            if changed in images:
                self.format.write_each(self.path, name, changed, self.label)
            else:
                (self.path / name.with_suffix(self.format.suffix)).unlink(missing_ok=True)
        elif self.format.write is not None:
            self._write_all(images)

    def _write_all(self, images: Sequence[AnnotatedImage]) -> None:
        assert self.format.write is not None
        if self.format.name == "info" and not any(each.boxes_xywh for each in images):
            self.path.unlink(missing_ok=True)  # an info file without a box is none
        else:
            self.format.write(self.path, images, overwrite=True)

    def keep_original(self) -> None:
        """Copy what others have written: it may say more than boxes."""
        keep_original(self.path)

    def mend(self, images: Sequence[AnnotatedImage]) -> None:
        """Write anew what follows from the boxes; here nothing does."""

    def has_made(self, image: Path) -> bool:
        """Whether an image is a result rather than one to be looked at; here none is."""
        return False

    def _records(self) -> list[Record]:
        if not os.path.lexists(self.path):
            return []
        images = None if self.one_file else self.folder
        on_error = raise_it if self.one_file else self._unless_without_image
        return self.format.read(self.path, images, on_error)

    def _only_class(self) -> str:
        names = yolo.class_names(self.path) if self.format.name == "yolo" else []
        named = [name for name in names if name]
        return named[0] if len(named) == 1 else ""

    def _unless_without_image(self, error: FerError) -> None:
        """Raise what is wrong with a label, unless its image is simply gone."""
        label = error.path
        if label is None or not label.is_relative_to(self.path):
            raise error
        beside = (self.folder / label.relative_to(self.path)).parent
        if any((beside / (label.stem + suffix)).exists() for suffix in IMAGE_EXTENSIONS):
            raise error


def keep_original(path: Path | None) -> None:
    """Copy a file, or the labels of a folder, to ``NAME.before``, unless that was done before."""
    if path is None or not path.exists():
        return
    copy = path.with_name(f"{path.name}.before")
    if copy.exists():
        return
    if path.is_dir():
        with atomic_folder(copy) as temporary:
            shutil.copytree(path, temporary, ignore=_all_but_labels, dirs_exist_ok=True)
    else:
        with atomic_write(copy) as temporary:
            shutil.copy2(path, temporary)


def _format_of(out: Path, name: str | None) -> Format:
    writable = [f.name for f in FORMATS.values() if f.writer]
    if name is None:
        name = _name_by_path(out)
    if name not in writable:
        raise OptionError(
            f"`format` must be one that can be written ({', '.join(writable)}), not {name}"
        )
    if (FORMATS[name].write is not None) == out.is_dir() and out.exists():
        found = "a folder" if out.is_dir() else "a file"
        raise OptionError(f"The format {name} cannot be written to {found}: {out}")
    return FORMATS[name]


def _name_by_path(out: Path) -> str:
    if out.is_dir():
        return _name_of_folder(out)
    if not out.suffix and not out.exists():
        raise OptionError(
            f"The format of {str(out)!r} is unknown: the name has no suffix",
            hint="use --format voc or --format yolo for a folder, --format info for a file",
        )
    return SUFFIXES.get(out.suffix.lower(), "info")


def _name_of_folder(out: Path) -> str:
    found = detect_format(out).name
    if FORMATS[found].write_each is None:
        raise OptionError(
            f"The folder {out} holds no annotations",
            hint="use --format voc or --format yolo, or name a file such as info.dat",
        )
    return found


def _require_info_names(out: Path, images: Sequence[Path]) -> None:
    names = names_from(out.parent, images)
    bad = [name for name in names if not fits_info(name)]
    if bad:
        raise OptionError(
            f"An info file cannot hold {len(bad)} of {len(names)} names, {bad[0]!r} the first: "
            "they end at white space",
            hint="use --out boxes.csv, of which `fer cascade build-info` makes an info file",
        )


def _require_xml_names(images: Sequence[Path]) -> None:
    for image in images:
        if not fits_xml(str(image.absolute())):
            raise OptionError(
                f"XML cannot hold the name {str(image)!r}", hint="use --out boxes.json"
            )


def _require_own_files(out: Path, folder: Path, images: Sequence[Path]) -> None:
    first: dict[Path, Path] = {}
    for image in images:
        other = first.setdefault(image.relative_to(folder).with_suffix(""), image)
        if other is not image:
            raise OptionError(
                f"{other.name} and {image.name} would share one file in {out}",
                hint="use --out boxes.json",
            )


def _all_but_labels(folder: str, names: list[str]) -> list[str]:
    return [
        name
        for name in names
        if not name.lower().endswith((".xml", ".txt", ".json")) and not Path(folder, name).is_dir()
    ]
