"""Outputs: what a run writes, under which names; faces as a CSV table or as JSON Lines."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from fercli.common.errors import OptionError, OutputError
from fercli.common.files import MOST_NAMES, free_name, input_among, shortened, subfolder_of
from fercli.common.tables import counted
from fercli.recognition.results import Face
from fercli.recognition.sinks.video_writer import VIDEO_SUFFIXES
from fercli.recognition.sources.inputs import Input


@dataclass(frozen=True)
class Outputs:
    """Files and windows for results.

    Parameters
    ----------
    csv, jsonl : Path, optional
        Files of all rows.
    summary : Path, optional
        A summary of all inputs, .json or .csv.
    thumbnails : bool
        Whether a summary as JSON has the faces of each person as small images.
    save, timeline : Path, optional
        Annotated images and videos, and plots: a file for one input, a folder for several.
    show : bool
        Whether annotated images and frames are shown in a window.
    bars : bool
        Whether the probability of each class is drawn.
    strip : bool
        Whether they are in a strip beside or below the image.
    empty : bool
        Whether images and frames without a face get a row.
    overwrite : bool
        Whether existing files may be replaced.
    keep_rows : bool
        Whether rows are kept in memory, for tables that another process writes.
    """

    csv: Path | None = None
    jsonl: Path | None = None
    summary: Path | None = None
    thumbnails: bool = True
    save: Path | None = None
    timeline: Path | None = None
    show: bool = False
    bars: bool = False
    strip: bool = False
    empty: bool = False
    overwrite: bool = False
    keep_rows: bool = False

    def keeps_thumbnails(self, pages: Sequence[Path] = ()) -> bool:
        """Whether the summary or one of some timelines shows thumbnails."""
        path = self.summary
        in_summary = path is not None and path.suffix.lower() == ".json"
        return self.thumbnails and (
            in_summary or any(page.suffix.lower() == PAGE_SUFFIX for page in pages)
        )


# Paths of annotated copies and plots


#: Formats of annotated images; an image of another format is written as PNG.
SAVED_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

#: Suffixes that an annotated image may be asked for by name.
IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")

#: The suffix of a timeline that is a page.
PAGE_SUFFIX = ".html"

#: The longest stem, in bytes: most disks take names of 255, and a number and a suffix follow.
MAX_STEM_BYTES = 220


class OutputPaths:
    """Paths of annotated copies and plots.

    For one input a name with a suffix is a file. Anything else is a folder, which gets
    ``NAME.jpg``, ``NAME.mp4``, ``NAME-timeline.png`` and ``NAME-timeline.html``, in the subfolders
    in which the inputs are; names that come twice are numbered, which `notes` lists.

    Parameters
    ----------
    inputs : sequence of Input
    save, timeline : Path, optional
        As given by the user.

    Attributes
    ----------
    notes : list of str
        Which names were numbered.

    Raises
    ------
    OptionError
        A file is given for several inputs, or its suffix does not suit the input.
    """

    def __init__(self, inputs: Sequence[Input], save: Path | None, timeline: Path | None) -> None:
        self._numbered: list[str] = []
        self._saved = {} if save is None else self._assign(inputs, save, _suffix)
        videos = [one for one in inputs if one.kind != "image"]
        self._timelines = {} if timeline is None else self._assign(videos, timeline, _plot_suffix)
        self._folder_of_timelines = timeline is not None and _is_folder(timeline)
        self.notes: list[str] = []
        if self._numbered:
            listed = ", ".join(self._numbered[:MOST_NAMES]) + ", …" * (
                len(self._numbered) > MOST_NAMES
            )
            outputs = counted(len(self._numbered), "output")
            are = "is" if len(self._numbered) == 1 else "are"
            self.notes.append(f"{outputs} of the same name {are} numbered: {listed}")

    def _assign(
        self, inputs: Sequence[Input], folder_or_file: Path, suffix: Callable[[Input], str]
    ) -> dict[str, Path]:
        if not _is_folder(folder_or_file):
            _require_file_name(inputs, folder_or_file, plot=suffix is _plot_suffix)
            return {one.name: folder_or_file for one in inputs}
        taken: dict[Path, dict[str, int]] = {}
        paths = {}
        for one in inputs:
            name, below = (
                Path(_stem(one) + suffix(one)),
                subfolder_of(one.path, [one.folder] if one.folder else []),
            )
            free = free_name(name.stem, taken.setdefault(below, {}), name.suffix, fold=True)
            paths[one.name] = folder_or_file / below / free
            if free != name.name:
                self._numbered.append(f"{one.shown} → {paths[one.name]}")
        return paths

    def saved(self, source: Input) -> Path | None:
        """Return the path of an input's annotated copy, or None."""
        return self._saved.get(source.name)

    def timelines(self, source: Input) -> list[Path]:
        """Return the paths of an input's timeline: a plot, a page, both in a folder, or none."""
        path = self._timelines.get(source.name)
        if path is None:
            return []
        return [path, path.with_suffix(PAGE_SUFFIX)] if self._folder_of_timelines else [path]

    def all(self) -> Iterator[Path]:
        """Yield all paths."""
        yield from self._saved.values()
        for path in self._timelines.values():
            yield path
            if self._folder_of_timelines:
                yield path.with_suffix(PAGE_SUFFIX)


def _is_folder(path: Path) -> bool:
    return not path.suffix or path.is_dir()


def require_separate(inputs: Iterable[Input], outputs: Iterable[Path]) -> None:
    """Raise if an output would replace an input or another output.

    Raises
    ------
    OutputError
        An output is an input or the same file as another output.
    """
    outputs = list(outputs)
    replaced = input_among(outputs, (one.path for one in inputs if not one.live))
    if replaced is not None:
        raise OutputError(
            "The output would replace an input", hint="use another name", path=replaced
        )
    written: set[str] = set()
    for path in outputs:
        name = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118
        if name in written:
            raise OutputError(
                f"Two outputs would write to the same file: {path}", hint="use another name"
            )
        written.add(name)


def _require_file_name(inputs: Sequence[Input], path: Path, *, plot: bool) -> None:
    """Raise unless a file name suits the one input."""
    if len(inputs) > 1:
        raise OptionError(
            f"Expected a folder for {len(inputs)} inputs, got the file name {path}",
            hint="use a name without a suffix",
        )
    for one in inputs:
        _require_suitable(one, path, plot=plot)


def _require_suitable(source: Input, folder_or_file: Path, *, plot: bool) -> None:
    allowed = (".png", ".svg", ".pdf", PAGE_SUFFIX) if plot else _allowed(source)
    if folder_or_file.suffix.lower() not in allowed:
        what = "plot" if plot else "image" if source.kind == "image" else "video"
        article = "an" if what == "image" else "a"
        raise OptionError(
            f"Expected a name for {article} {what}, got {folder_or_file}",
            hint=f"use one of the suffixes {', '.join(allowed)}",
        )


def _allowed(source: Input) -> tuple[str, ...]:
    return IMAGE_SUFFIXES if source.kind == "image" else VIDEO_SUFFIXES


def _suffix(source: Input) -> str:
    if source.kind != "image":
        return ".mp4"
    suffix = source.path.suffix
    return suffix if suffix.lower() in SAVED_SUFFIXES else ".png"


def _plot_suffix(source: Input) -> str:
    return "-timeline.png"


def _stem(source: Input) -> str:
    if source.kind == "camera":
        return f"camera-{source.path.name}"
    if source.kind == "stream":
        address = source.shown.split("://")[1]  # a name must not tell a password
        stem = "".join(c if c.isalnum() else "-" for c in address).strip("-") or "stream"
    else:
        stem = source.path.stem
    return shortened(stem, MAX_STEM_BYTES)


# Rows of tables


#: Columns before those of the classes.
COLUMNS = ("source", "frame", "seconds", "person", "x", "y", "width", "height", "expression")

#: Spreadsheets take cells that begin so for formulas.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


class CsvWriter:
    """A CSV table of faces, one a row.

    Parameters
    ----------
    stream : text file
    classes : sequence of str
        The model's.
    empty : bool
        Whether images and frames without a face get a row. Defaults to False.

    Attributes
    ----------
    errors : str
        Error handler to open `stream` with: keeps the bytes of names that are not UTF-8.
    """

    errors = "surrogateescape"

    def __init__(self, stream: TextIO, classes: Sequence[str], *, empty: bool = False) -> None:
        self._table = csv.writer(stream, lineterminator="\n")
        self._table.writerow([*COLUMNS, *map(cell_of, classes)])
        self._blank = [""] * (len(COLUMNS) - 3 + len(classes))
        self._empty = empty

    def write(self, source: str, frame: int, seconds: float | None, faces: Iterable[Face]) -> None:
        """Write the faces of an image (`seconds` is None) or a frame."""
        place = [name_of(source), frame, "" if seconds is None else f"{seconds:.3f}"]
        rows = [
            [*place, face.person, *face.box_xywh, cell_of(face.label), *_numbers(face)]
            for face in faces
        ]
        self._table.writerows(rows or ([[*place, *self._blank]] if self._empty else []))


def cell_of(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_PREFIXES) else cell


def name_of(source: str) -> str:
    """Return an input's name as a cell that is no formula: as a path, "./=a.jpg" is the same."""
    return f"./{source}" if source.startswith(FORMULA_PREFIXES) else source


class JsonLinesWriter:
    """Faces as JSON Lines: one object an image or frame, with a list of its faces.

    Parameters and attributes as in `CsvWriter`; names that are not UTF-8 get JSON escapes, such as
    "\\udce4".
    """

    errors = "backslashreplace"

    def __init__(self, stream: TextIO, classes: Sequence[str], *, empty: bool = False) -> None:
        self._stream = stream
        self._classes = classes
        self._empty = empty

    def write(self, source: str, frame: int, seconds: float | None, faces: Iterable[Face]) -> None:
        """Write the faces of an image (`seconds` is None) or a frame."""
        plain = [face.to_dict(self._classes) for face in faces]
        if plain or self._empty:
            json.dump(to_dict(source, frame, seconds, plain), self._stream, ensure_ascii=False)
            self._stream.write("\n")


def to_dict(
    source: str, frame: int, seconds: float | None, faces: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return an image or a frame with its faces as plain values."""
    rounded = None if seconds is None else round(seconds, 3)
    return {"source": source, "frame": frame, "seconds": rounded, "faces": faces}


def _numbers(face: Face) -> list[str]:
    return [f"{value:.6f}" for value in face.probabilities]
