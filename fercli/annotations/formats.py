"""The table of the formats of annotations that fer reads, and how they are told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from fercli.annotations.base import AnnotatedImage, OnError, Record, raise_it
from fercli.annotations.image_paths import first_files
from fercli.common.files import IMAGE_EXTENSIONS


class Reader(Protocol):
    """Reads a file or folder of annotations: `read` in the module of a format."""

    def __call__(
        self, path: Path, images: Path | None = None, on_error: OnError = raise_it
    ) -> list[Record]:
        """Return a record for each image, in the order of the file or of the files' paths.

        Parameters
        ----------
        path : Path
            The file; for formats of one file an image, that or the folder of them.
        images : Path, optional
            The folder that the names of images are relative to. Defaults to the file's, or one of
            the usual (`fercli.annotations.image_paths.USUAL_FOLDERS`).
        on_error : callable
            Told of each malformed file, entry or line, which is left out, and of each file without
            its image. Defaults to raising it.

        Raises
        ------
        AnnotationError
            The file is not of this format, or a part of it is malformed.
        InputError
            A file or folder cannot be read.
        """


class Writer(Protocol):
    """Writes a file of annotations."""

    def __call__(
        self, path: Path, images: Sequence[AnnotatedImage], *, overwrite: bool = False
    ) -> None:
        """Write `images` to `path`.

        Raises
        ------
        AnnotationError
            The format cannot hold the name of an image.
        OutputError
            The file exists and `overwrite` is False, or cannot be written.
        """


class EachWriter(Protocol):
    """Writes the annotations of one image, for formats of one file an image."""

    def __call__(self, folder: Path, name: Path, image: AnnotatedImage, label: str) -> None:
        """Write the file of one image.

        Parameters
        ----------
        folder : Path
            The folder of the files.
        name : Path
            The image, seen from the folder of images; the file is called after it.
        image : AnnotatedImage
            The image and its boxes.
        label : str
            The class of objects without one of their own.

        Raises
        ------
        OutputError
            The file cannot be written.
        """


@dataclass(frozen=True)
class Format:
    """One format of annotations; its module is imported when it is read or written.

    Parameters
    ----------
    name : str
        The word for it on the command line.
    title : str
        What people call it.
    module : str
        Its module in `fercli.annotations`.
    suffixes : tuple of str
        What its files end in, lower case, the usual one first.
    of_one_image : bool
        Whether there is a file for each image, which has the image's name but for the suffix.
    root : str
        The outermost element, for XML.
    is_json : callable, optional
        Whether the content of a JSON file is of this format.
    sniffer : str
        The function of the module that tells whether a text file is of this format. Defaults to
        none: the suffix tells.
    any_suffix : bool
        Whether a file may end in anything else, too.
    folder_only : bool
        Whether it is read by the folder alone.
    reader, writer : str
        The functions of the module that read it (a `Reader`) and write it (a `Writer`, or an
        `EachWriter` for files of one image); no `writer`: it is not written.
    but : tuple of str
        Names of files with its suffix that are something else.
    """

    name: str
    title: str
    module: str
    suffixes: tuple[str, ...]
    of_one_image: bool = False
    root: str = ""
    is_json: Callable[[Any], bool] | None = None
    sniffer: str = ""
    any_suffix: bool = False
    folder_only: bool = False
    reader: str = "read"
    writer: str = ""
    but: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """What its files usually end in."""
        return self.suffixes[0]

    @property
    def read(self) -> Reader:
        """Its reader."""
        reader: Reader = self._function(self.reader)
        return reader

    @property
    def write(self) -> Writer | None:
        """Its writer, if it is written as one file."""
        return self._function(self.writer) if self.writer and not self.of_one_image else None

    @property
    def write_each(self) -> EachWriter | None:
        """Its writer of the file of one image, if it is written so."""
        return self._function(self.writer) if self.writer and self.of_one_image else None

    def looks_like(self, path: Path) -> bool:
        """Whether a path seems to hold this format; cheap, and never raises.

        Of a folder, the first files with the suffix are looked at.
        """
        if not path.is_dir():
            return path.is_file() and not self.folder_only and self._holds(path)
        if self.name == "images":
            return True
        return self.of_one_image and any(
            self._holds(file) for file in first_files(path, self.suffix, self.but)
        )

    def _holds(self, file: Path) -> bool:
        if self.root:
            return root_of(file) == self.root
        suffix = file.suffix.lower()
        if suffix == ".json" and self.is_json:
            kind = json_kind(file)
            return kind == self.name or (not kind and self.name == "coco")  # COCO's reader tells
        if suffix not in self.suffixes and not self.any_suffix:
            return False
        return not self.sniffer or bool(self._function(self.sniffer)(file))

    def _function(self, name: str) -> Any:
        return getattr(import_module(f"fercli.annotations.{self.module}"), name)


def _is_via(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    entries = list(content.values())
    return "_via_img_metadata" in content or (
        bool(entries) and all(isinstance(each, dict) and "regions" in each for each in entries)
    )


def _is_labelme(content: Any) -> bool:
    return isinstance(content, dict) and "shapes" in content


def _is_supervisely(content: Any) -> bool:
    return (
        isinstance(content, dict) and "objects" in content and isinstance(content.get("size"), dict)
    )


def _is_createml(content: Any) -> bool:
    first = _first_entry(content)
    return "annotations" in first and bool({"image", "imagefilename"} & {*first})


def _is_label_studio(content: Any) -> bool:
    first = _first_entry(content)
    return "data" in first or ("image" in first and "label" in first)


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ("images", "annotations")
    )


def _first_entry(content: Any) -> dict[str, Any]:
    entries = content if isinstance(content, list) else []
    return next((each for each in entries if isinstance(each, dict)), {})


#: By name, in the order in which they are tried.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format(
            "via", "VIA JSON or CSV", "via", (".json", ".csv"),
            is_json=_is_via, sniffer="is_table", writer="write",
        ),
        Format("csv", "CSV table", "csv_table", (".csv", ".tsv"), writer="write"),
        Format(
            "labelme", "LabelMe JSON", "labelme", (".json",), of_one_image=True,
            is_json=_is_labelme, writer="write_each",
        ),
        Format(
            "supervisely", "Supervisely JSON", "supervisely", (".json",), of_one_image=True,
            is_json=_is_supervisely,
        ),
        Format(
            "label-studio", "Label Studio JSON", "label_studio", (".json",),
            is_json=_is_label_studio,
        ),
        Format(
            "createml", "Create ML JSON", "createml", (".json",),
            is_json=_is_createml, writer="write",
        ),
        Format("coco", "COCO JSON", "coco", (".json",), is_json=_is_coco, writer="write"),
        Format("dlib", "dlib XML", "dlib", (".xml",), root="dataset", writer="write"),
        Format("cvat", "CVAT XML", "cvat", (".xml",), root="annotations", writer="write"),
        Format(
            "voc", "Pascal VOC XML", "voc", (".xml",), of_one_image=True,
            root="annotation", writer="write_each",
        ),
        Format(
            "yolo", "YOLO text files", "yolo", (".txt",), of_one_image=True,
            sniffer="is_label", writer="write_each", but=("classes.txt",),
        ),
        Format(
            "info-folder", "text files of count x y w h", "opencv_lists", (".txt",),
            of_one_image=True, folder_only=True, sniffer="is_counted", reader="read_folder",
        ),
        Format(
            "images", "whole images", "image_paths", IMAGE_EXTENSIONS, reader="read_whole_images"
        ),
        Format(
            "info", "OpenCV info file", "opencv_lists", (".dat", ".txt", ".info", ".lst", ""),
            any_suffix=True, sniffer="looks_like", writer="write_info",
        ),
    )
}  # fmt: skip

#: What labels of one image end in; JSON beside an image may be anything.
LABEL_SUFFIXES = tuple(
    {each.suffix: 0 for each in FORMATS.values() if each.of_one_image and not each.is_json}
)


def json_kind(path: Path) -> str:
    """Return the format of annotations that a JSON file holds; "" for none that is known."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return ""
    from fercli.annotations.text_files import json_of

    try:
        content = json_of(path)
        return next((f.name for f in FORMATS.values() if f.is_json and f.is_json(content)), "")
    except Exception:  # whatever is wrong with it, its reader will say
        return ""


def root_of(path: Path) -> str | None:
    """Return the outermost element of an XML file; None if it is none."""
    from fercli.common.xml import root_tag

    return root_tag(path)
