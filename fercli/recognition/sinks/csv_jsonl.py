"""Faces as a CSV table or as JSON Lines, written row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from fercli.recognition.results import Face

#: Columns before those of the classes.
COLUMNS = ("source", "frame", "seconds", "person", "x", "y", "width", "height", "expression")


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
        self._table.writerow([*COLUMNS, *classes])
        self._blank = [""] * (len(COLUMNS) - 3 + len(classes))
        self._empty = empty

    def write(self, source: str, frame: int, seconds: float | None, faces: Iterable[Face]) -> None:
        """Write the faces of an image (`seconds` is None) or a frame."""
        place = [source, frame, "" if seconds is None else f"{seconds:.3f}"]
        rows = [
            [*place, face.person, *face.box_xywh, face.label, *_numbers(face)] for face in faces
        ]
        self._table.writerows(rows or ([[*place, *self._blank]] if self._empty else []))


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
