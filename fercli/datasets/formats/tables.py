"""Tables that data sets are published in: CSV, plain, gzipped or in a zip, read as a stream."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO

from fercli.common.errors import InputError
from fercli.common.files import input_error

#: A row of a table: its line, and its cells by column (lower case).
Row = tuple[int, dict[str, str]]


#: Cells may hold an image: the numbers of 1,000 × 1,000 pixels.
LONGEST_CELL = 1 << 22

#: No header is longer; other files may have no end of line at all.
LONGEST_HEADER = 1 << 16

#: What stands between cells; Excel writes semicolons where numbers have commas in them.
DELIMITERS = ",;\t"


def read_rows(path: Path, columns: Sequence[str] | Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """Yield the rows of a CSV file with a header.

    Cells are separated by commas, semicolons or tabs; a byte-order mark and Excel's line ``sep=;``
    are passed over.

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
        The file cannot be read or unpacked, a column is missing or there twice, or a row has too
        few or too many cells.
    """
    with _long_cells(), open_text(path) as stream:
        line, text = _first_row(stream)
        reader = csv.reader(chain([text], stream), delimiter=_delimiter(text))
        try:
            names = _header(next(reader, []), columns, path)
            for cells in reader:
                at = reader.line_num + line - 1
                if any(cell.strip() for cell in cells):
                    _check_width(cells, names, path, at)
                    yield at, dict(zip(names, cells, strict=True))
        except csv.Error as error:
            message = f"The file is not a CSV table: {error}"
            raise InputError(message, path=path, line=reader.line_num + line - 1) from error


def count_rows(path: Path) -> int:
    """Return the number of rows below the header; for a packed file this unpacks it once."""
    with open_text(path) as stream:
        return max(sum(1 for line in stream if line.strip(" \r\n,;\t")) - 1, 0)


def header_of(path: Path) -> list[str]:
    """Return the columns of a table, lower case, or none if there is no table to be read."""
    try:
        with open_text(path) as stream:
            _, text = _first_row(stream)
        cells = next(csv.reader([text], delimiter=_delimiter(text)), [])
    except (InputError, csv.Error):
        return []
    return [cell.strip().lower() for cell in cells]


def _first_row(stream: IO[str]) -> tuple[int, str]:
    """Return the line of the header, which Excel may put below ``sep=;``, and its text."""
    text = stream.readline(LONGEST_HEADER)
    if text.strip().strip('"').lower().startswith("sep="):
        return 2, stream.readline(LONGEST_HEADER)
    return 1, text


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=header.count)


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let the module csv, whose limit is global, read cells of `LONGEST_CELL` for a while."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a table as text; errors of reading are raised as `InputError`."""
    try:
        with _open_bytes(path) as stream:
            buffered = io.BufferedReader(stream)  # type: ignore[type-var]  # it reads as one
            wide = buffered.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            yield io.TextIOWrapper(buffered, "utf-16" if wide else "utf-8-sig", newline="")
    except UnicodeError as error:
        raise InputError(
            "The file is not a text table in UTF-8", hint="save it as UTF-8", path=path
        ) from error
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
            hint="unpack it, and name the table or the folder of images",
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
    twice = [name for name in found if name and found.count(name) > 1]
    if twice:
        raise InputError(
            f"Expected each column once, got {found.count(twice[0])} called {twice[0]}",
            hint="rename or remove all but one",
            path=path,
            line=1,
        )
    return found


def _check_width(cells: Sequence[str], names: Sequence[str], path: Path, line: int) -> None:
    if len(cells) != len(names):
        raise InputError(
            f"Expected {len(names)} cells ({', '.join(names)[:80]}), got {len(cells)}",
            hint="download it again if it is truncated",
            path=path,
            line=line,
        )
