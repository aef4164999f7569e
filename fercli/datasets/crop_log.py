"""The log of a crop, by which a later run does only what is missing.

``crop.json`` in the new folder says what was cropped and how; ``crops.csv`` says for each image
what was found in it. It is written as the crops are made, and put in order at the end. While there
is work to do, ``.cropping`` tells so.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from fercli.common.errors import InputError, OutputExistsError
from fercli.common.files import atomic_write, is_there, make_folder, output_error, write_text
from fercli.datasets.manifest import is_below
from fercli.datasets.options import FaceOptions

CROPS, PLAN, CROPPING = "crops.csv", "crop.json", ".cropping"

#: Images between two notes in ``crops.csv``.
FLUSH_EVERY = 32


@dataclass(frozen=True)
class CropRecord:
    """The faces of an image: a line of ``crops.csv``.

    Parameters
    ----------
    image : str
        Its path below the source's folder.
    size, modified : int
        Bytes and time (ns) of the file; if they change, it is looked at again.
    faces : int
        Faces found, of those wanted.
    boxes : str
        Their boxes, ``x y w h;x y w h``.
    crop : str
        The first crop, below the new folder; ``""`` if there is none. See `crop_names`.
    sha256 : str
        The checksums of the crops, with spaces between them.
    problem : str
        Why there is no crop.
    """

    image: str
    size: int
    modified: int
    faces: int = 0
    boxes: str = ""
    crop: str = ""
    sha256: str = ""
    problem: str = ""

    @property
    def files(self) -> list[str]:
        """The crops, below the new folder."""
        return crop_names(self.crop.removesuffix(".png"), max(self.faces, 1)) if self.crop else []


COLUMNS = tuple(field.name for field in fields(CropRecord))


def crop_names(stem: str, count: int) -> list[str]:
    """Return the names of the crops of an image: ``a.png``, ``a-face2.png`` and so on."""
    return [f"{stem}{'' if n == 1 else f'-face{n}'}.png" for n in range(1, count + 1)]


def open_log(
    out: Path, source: Path, options: FaceOptions, *, overwrite: bool
) -> dict[str, CropRecord]:
    """Prepare the folder, and return the records of earlier runs with the same plan by image.

    Raises
    ------
    OutputExistsError
        `out` holds something else, or crops that were made with other options, which `overwrite`
        removes.
    InputError
        ``crops.csv`` names a crop elsewhere.
    """
    plan = json.dumps(plan_of(source, options), indent=2) + "\n"
    path = out / PLAN
    if path.is_file() and path.read_bytes() == plan.encode("utf-8", "surrogateescape"):
        return {record.image: record for record in _read(out / CROPS)}
    if path.is_file() and overwrite:
        remove_crops(out, list(_read(out / CROPS)))
        (out / CROPS).unlink(missing_ok=True)
    elif path.is_file():
        raise OutputExistsError(
            "The folder holds crops of other images or options",
            hint="use --overwrite, or another name",
            path=out,
        )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError("The folder is not empty", hint="use another name", path=out)
    make_folder(out)
    write_text(path, plan, overwrite=True)
    return {}


def plan_of(source: Path, options: FaceOptions) -> dict[str, Any]:
    """Return the source and the options as plain values."""
    digest = hashlib.sha256(options.cascade.read_bytes()).hexdigest()
    choices = asdict(options) | {"cascade": str(options.cascade)}
    return {"source": str(source), "cascade_sha256": digest, "options": choices}


def remove_crops(out: Path, records: Iterable[CropRecord]) -> None:
    """Remove the crops of these records."""
    for record in records:
        for file in record.files:
            if is_there(out / file):  # a damaged log may have names that no disk takes
                try:
                    (out / file).unlink()
                except OSError as error:
                    raise output_error(error, out / file) from error


def append_to_log(records: Iterable[CropRecord], out: Path) -> Iterator[CropRecord]:
    """Append records to ``crops.csv`` as they come, so that a killed run can be resumed."""
    path = out / CROPS
    try:
        with path.open("a", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            for number, record in enumerate(records, start=1):
                writer.writerow(astuple(record))
                if number % FLUSH_EVERY == 0:
                    stream.flush()
                yield record
    except OSError as error:
        raise output_error(error, path) from error


def rewrite_log(out: Path, records: Sequence[CropRecord]) -> None:
    """Write ``crops.csv`` anew, with a header and one line an image."""
    with (
        atomic_write(out / CROPS, overwrite=True) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([COLUMNS, *map(astuple, records)])


def _read(path: Path) -> Iterator[CropRecord]:
    """Yield the records of ``crops.csv``, except of damaged lines."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(line for line in stream if line.endswith("\n"))
        with suppress(csv.Error):  # what is behind it is looked at again
            for cells in reader:
                for record in _record(cells):
                    _require_below(record, path, reader.line_num)
                    yield record


def _record(cells: Sequence[str]) -> Iterator[CropRecord]:
    if len(cells) != len(COLUMNS):
        return
    name, size, modified, faces, *texts = cells
    with suppress(ValueError):  # the header, or a damaged line
        record = CropRecord(name, int(size), int(modified), int(faces), *texts)
        if not record.crop or len(record.sha256.split()) == max(record.faces, 1):
            yield record


def _require_below(record: CropRecord, path: Path, line: int) -> None:
    """Raise `InputError` for a crop outside the folder: listed crops may be removed."""
    if not is_below(record.crop):
        raise InputError(
            f"The crop {record.crop!r} is not below the folder",
            hint="remove that line",
            path=path,
            line=line,
        )
