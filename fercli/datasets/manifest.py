"""The manifest of a tree: ``dataset.json`` for the whole, ``files.csv`` for each image.

``dataset.json`` is small and meant to be read: classes, counts, sources, options. What belongs to
a single image (its source, subject, checksum and votes) stands in ``files.csv``, one line an
image, because 300,000 records in one JSON document can be neither read by people nor streamed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from fercli import __version__
from fercli.common.errors import InputError
from fercli.common.files import atomic_write, input_error, parse_json, read_text, write_text

MANIFEST = "dataset.json"
FILES = "files.csv"
#: Tells that crops are still being made.
CROPPING = ".cropping"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One image of a tree: a line of ``files.csv``.

    Parameters
    ----------
    file : str
        Its path below the root, ``<split>/<class>/<name>.png``, with forward slashes.
    source : str
        The name of the source it came from.
    origin : str
        Where in the source: ``fer2013.csv:17`` (a line), or a path below the source's folder.
    subject : str
        The person in it, unique within the source, or ``""``.
    sha256 : str
        Checksum of the file's bytes.
    votes : tuple of int
        How many people voted for each class, in the order of the tree's classes, or ``()``.
        A network can be trained on their distribution in place of the single label.
    """

    file: str
    source: str = ""
    origin: str = ""
    subject: str = ""
    sha256: str = ""
    votes: tuple[int, ...] = ()

    @property
    def split(self) -> str:
        """The first folder of `file`."""
        return PurePosixPath(self.file).parts[0]

    @property
    def label(self) -> str:
        """The class: the second folder of `file`."""
        return PurePosixPath(self.file).parts[1]


COLUMNS = tuple(field.name for field in fields(FileRecord))


@dataclass
class Manifest:
    """The content of ``dataset.json``.

    Parameters
    ----------
    classes : sequence of str
        In the order of a network's outputs, which is the alphabet's.
    counts : dict
        Images by split and class.
    sources : list of dict
        For each source its name, format, path, checksum, and what was taken from it and not.
    made_by : list of dict
        The commands that led here, oldest first, each with its options.
    """

    classes: Sequence[str]
    counts: Mapping[str, Mapping[str, int]]
    sources: Sequence[Mapping[str, Any]] = ()
    made_by: Sequence[Mapping[str, Any]] = ()
    fer: str = __version__
    version: int = 1


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write ``dataset.json`` below `root`, whole or not at all."""
    content = {"format": "fer-dataset", **asdict(manifest), "files": FILES}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # A path that is not UTF-8 gets \udc.. in it, which JSON reads as what it was.
    write_text(root / MANIFEST, text + "\n", overwrite=True, errors="backslashreplace")


def read_manifest(root: Path) -> Manifest | None:
    """Return what ``dataset.json`` below `root` says, or None if there is none.

    Raises
    ------
    InputError
        It is not JSON, or not of a data set, or a class cannot be a folder's name.
    """
    path = root / MANIFEST
    if not path.exists():
        return None
    try:
        content = parse_json(read_text(path))
        manifest = _checked(Manifest(**{f.name: content[f.name] for f in fields(Manifest)}))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "The file is not the dataset.json of a data set",
            hint="import the data set again, or remove the file",
            path=path,
        ) from error
    _require_folder_names(manifest.classes, path)
    return manifest


def is_folder_name(name: str) -> bool:
    """Whether a class may have this name: that of a folder which is not hidden."""
    return not set("/\\\0") & set(name) and not name.startswith(".")


def is_below(file: str) -> bool:
    """Whether a relative path stays below its folder."""
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in file


def _require_folder_names(classes: Sequence[str], path: Path) -> None:
    for name in classes:
        if not is_folder_name(name):
            raise InputError(
                f"The class {name!r} has a / or \\ in it or a dot in front",
                hint="use another name, the same as that of its folder",
                path=path,
            )


def _checked(manifest: Manifest) -> Manifest:
    """Return a manifest as it is; ValueError if a part of it is of another kind."""
    names = [*manifest.classes, *manifest.counts]
    if not manifest.classes or not all(type(name) is str and name for name in names):
        raise ValueError("classes and splits have names")
    if len(set(manifest.classes)) < len(manifest.classes):
        raise ValueError("each class is there once")
    for row in manifest.counts.values():
        if not all(type(count) is int for count in row.values()):
            raise ValueError("counts are whole numbers")
    for each in (*manifest.sources, *manifest.made_by):
        dict(each)
    if not all(isinstance(part, list) for part in (manifest.classes, manifest.made_by)):
        raise ValueError("classes and commands are lists")
    return manifest


def to_line(record: FileRecord) -> str:
    """Return the line of ``files.csv`` that describes an image; line breaks become spaces."""
    text = io.StringIO()
    votes = " ".join(map(str, record.votes))
    csv.writer(text, lineterminator="\n").writerow([*_texts(record), votes])
    return text.getvalue()


def from_fields(cells: Sequence[str]) -> FileRecord:
    """Return the image that the cells of a line describe; ValueError if they do not."""
    if len(cells) != len(COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} fields, got {len(cells)}")
    file, source, origin, subject, sha256, votes = cells
    if not is_below(file):
        raise ValueError(f"{file!r} is not below the tree")
    if len(PurePosixPath(file).parts) != 3:
        raise ValueError(f"expected <split>/<class>/<image>, got {file!r}")
    return FileRecord(file, source, origin, subject, sha256, tuple(map(int, votes.split())))


def write_files(root: Path, lines: Iterable[str]) -> None:
    """Write ``files.csv`` below `root` from lines made by `to_line`."""
    with (
        atomic_write(root / FILES, overwrite=True) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        stream.write(",".join(COLUMNS) + "\n")
        stream.writelines(lines)


def read_files(root: Path) -> Iterator[FileRecord]:
    """Yield the images of ``files.csv`` below `root`; nothing if there is none.

    Raises
    ------
    InputError
        A line does not have the fields of `FileRecord`, or names a file elsewhere.
    """
    path = root / FILES
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            yield from _read_lines(stream, path)
    except OSError as error:
        raise input_error(error, path) from error


def _read_lines(stream: Iterable[str], path: Path) -> Iterator[FileRecord]:
    reader = csv.reader(stream)
    try:
        next(reader, None)
        for cells in reader:
            yield from_fields(cells)
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"The line is not one of {FILES}: {error}",
            hint="remove that line",
            path=path,
            line=reader.line_num,
        ) from error


def _texts(record: FileRecord) -> list[str]:
    return [" ".join(getattr(record, name).splitlines()) for name in COLUMNS[:-1]]
