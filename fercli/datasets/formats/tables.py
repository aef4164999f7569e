"""Tables that data sets are published in: CSV, plain, gzipped or in a zip, read as a stream."""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fercli.common.errors import InputError
from fercli.common.files import input_error

#: A row of a table: its line, and its cells by column (lower case).
Row = tuple[int, dict[str, str]]


def read_rows(path: Path, columns: Sequence[str] | Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """Yield the rows of a CSV file with a header.

    Parameters
    ----------
    path : Path
        A ``.csv`` file, or a ``.gz`` or ``.zip`` with one in it.
    columns : sequence of str, or mapping of str to sequence of str
        The columns that must be there (any case, any order), or for each its possible names;
        rows have them under these names, and every other column under its own.

    Raises
    ------
    InputError
        The file cannot be read or unpacked, a column is missing, or a row has too few or too
        many cells.
    """
    with open_text(path) as stream:
        reader = csv.reader(stream)
        try:
            names = _header(next(reader, []), columns, path)
            for cells in reader:
                if cells:
                    _check_width(cells, names, path, reader.line_num)
                    yield reader.line_num, dict(zip(names, cells, strict=True))
        except csv.Error as error:
            message = f"The file is not a CSV table: {error}"
            raise InputError(message, path=path, line=reader.line_num) from error


def count_rows(path: Path) -> int:
    """Return the number of rows below the header; for a packed file this unpacks it once."""
    with open_text(path) as stream:
        return max(sum(1 for line in stream if line.strip()) - 1, 0)


def first_line(path: Path) -> str:
    """Return the first line of a table, lower case, or ``""`` if there is none to be had."""
    try:
        with open_text(path) as stream:
            return stream.readline(4096).lower()
    except InputError:
        return ""


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a table as text; what goes wrong while reading is an `InputError` too."""
    try:
        with _open_bytes(path) as stream:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        raise InputError("The file is not a text table", path=path) from error
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise InputError(
            f"Cannot be unpacked: {error}", hint="download it again: it is damaged", path=path
        ) from error
    except OSError as error:
        raise input_error(error, path) from error


@contextmanager
def _open_bytes(path: Path) -> Iterator[IO[bytes]]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.open(path) as stream:
            yield stream  # type: ignore[misc]  # it reads as one
    elif suffix == ".zip":
        with _open_zipped(path) as stream:
            yield stream
    else:
        with path.open("rb") as stream:
            yield stream


def _open_zipped(path: Path) -> IO[bytes]:
    """Open the table in a zip; a password or a compression that Python lacks is an `InputError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            # The member keeps the file open beyond its archive.
            return archive.open(_member(archive, path))
    except RuntimeError as error:  # NotImplementedError is one
        raise InputError(
            f"Cannot be unpacked: {error}",
            hint="unpack it with another program, and name the file",
            path=path,
        ) from error


def _member(archive: zipfile.ZipFile, path: Path) -> str:
    """Return the one table in a zip; ``fer2013.csv`` is preferred where there are several."""
    tables = [name for name in archive.namelist() if name.lower().endswith(".csv")]
    preferred = [name for name in tables if Path(name).name == "fer2013.csv"] or tables
    if len(preferred) != 1:
        found = ", ".join(sorted(archive.namelist())[:5]) or "nothing"
        raise InputError(
            f"Expected one .csv file in the zip, got {found}",
            hint="unpack it, and name the file",
            path=path,
        )
    return preferred[0]


def _header(
    cells: Sequence[str], columns: Sequence[str] | Mapping[str, Sequence[str]], path: Path
) -> list[str]:
    found = [cell.strip().lower() for cell in cells]
    wanted = columns if isinstance(columns, Mapping) else {name: (name,) for name in columns}
    for name, synonyms in wanted.items():
        at = next((found.index(word) for word in synonyms if word in found), None)
        if at is None:
            listed = ", ".join(found)[:200] or "none"
            raise InputError(
                f"Expected a column {' or '.join(synonyms)}, got {listed}",
                hint="use the file as it is published, its header included",
                path=path,
                line=1,
            )
        found[at] = name
    return found


def _check_width(cells: Sequence[str], names: Sequence[str], path: Path, line: int) -> None:
    if len(cells) != len(names):
        raise InputError(
            f"Expected {len(names)} cells ({', '.join(names)[:80]}), got {len(cells)}",
            hint="download it again if it is truncated",
            path=path,
            line=line,
        )
