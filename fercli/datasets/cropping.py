"""Crop: the faces of a folder of pictures, in a folder of the same shape.

``crops.csv`` in the new folder says for each picture what was found in it. It is what a later run
goes by: pictures that are in it, unchanged, with all their crops there, are not looked at again.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from fercli.cascade.detection import load_detector
from fercli.datasets.decoding import fit
from fercli.datasets.faces import FaceOptions, cut_face, find_faces
from fercli.datasets.manifest import (
    FileRecord,
    Manifest,
    read_files,
    read_manifest,
    to_line,
    write_files,
    write_manifest,
)
from fercli.datasets.tree import counts, require_apart, save_picture
from fercli.errors import InputError, OutputExistsError, PictureError
from fercli.files import find_files, make_folder, output_error, write_text, written_whole
from fercli.parallel import Workers, parallel_map
from fercli.pictures import Picture, read_colour, read_grey
from fercli.progress import SILENT, Progress

CROPS, PLAN = "crops.csv", "crop.json"

#: Pictures between two notes in ``crops.csv``.
NOTED_AT_ONCE = 32


@dataclass(frozen=True)
class CropRecord:
    """What was found in a picture: a line of ``crops.csv``.

    Parameters
    ----------
    picture : str
        Its path below the source's folder.
    size, modified : int
        Bytes and time (ns) of the file; if they change, it is looked at again.
    faces : int
        Faces found, of those wanted.
    boxes : str
        Their boxes, ``x y w h;x y w h``.
    files : str
        The crops, below the new folder, with ``;`` between them.
    problem : str
        Why there is no crop.
    """

    picture: str
    size: int
    modified: int
    faces: int = 0
    boxes: str = ""
    files: str = ""
    problem: str = ""


COLUMNS = tuple(field.name for field in fields(CropRecord))


@dataclass(frozen=True)
class CropResult:
    """What a run gave.

    Parameters
    ----------
    records : list of CropRecord
        Of all pictures, those of earlier runs included.
    looked_at : int
        Pictures that this run looked at.
    crops : int
        Files in the new folder.
    """

    records: Sequence[CropRecord]
    looked_at: int
    crops: int

    @property
    def without_face(self) -> list[str]:
        """The pictures in which no face was found."""
        return [r.picture for r in self.records if not r.faces and r.problem in ("", "no face")]

    @property
    def unreadable(self) -> dict[str, str]:
        """The pictures that could not be read, and why."""
        return {r.picture: r.problem for r in self.records if r.problem not in ("", "no face")}

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "pictures": len(self.records),
            "looked_at": self.looked_at,
            "faces": sum(record.faces for record in self.records),
            "crops": self.crops,
            "without_face": self.without_face,
            "unreadable": self.unreadable,
        }


def crop_folder(
    source: Path,
    out: Path,
    options: FaceOptions,
    *,
    overwrite: bool = False,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> CropResult:
    """Cut the faces out of the pictures below `source`, into `out`.

    ``a/b.jpg`` gives ``a/b.png``, and further faces ``a/b-face2.png``. If `source` is a tree with a
    manifest, so is `out`. The result is the same for any number of workers.

    Parameters
    ----------
    source, out : Path
        Folders.
    options : FaceOptions
        Which faces, and how.
    overwrite : bool
        Whether crops that were made with other options are removed first. With the same options,
        only what is missing is done.
    workers, progress
        As in `fercli.parallel.parallel_map`.

    Raises
    ------
    InputError
        There is no picture.
    CascadeFileError
        The cascade cannot be loaded.
    OutputExistsError
        `out` holds something else.
    """
    require_apart(source, out)
    load_detector(options.cascade)
    pictures = find_files(source)
    if not pictures:
        raise InputError("wanted pictures, found none", path=source)
    known = _open(out, source, options, overwrite)
    stems = _unique_stems([picture.relative_to(source) for picture in pictures])
    jobs = [
        (picture, stem)
        for picture, stem in zip(pictures, stems, strict=True)
        if not _is_done(picture, source, out, known)
    ]
    work = partial(_crop_one, source=source, out=out, options=options)
    done = _noted(
        parallel_map(work, jobs, workers=workers, progress=progress, description="crop"),
        out / CROPS,
    )
    known |= {record.picture: record for record in done}
    present = {picture.relative_to(source).as_posix() for picture in pictures}
    records = [known[name] for name in sorted(present)]
    _rewrite(out / CROPS, records)
    _write_manifest(source, out, records, options)
    crops = sum(len(_files(record)) for record in records)
    return CropResult(records, len(jobs), crops)


def _crop_one(job: tuple[Path, str], source: Path, out: Path, options: FaceOptions) -> CropRecord:
    picture_file, stem = job
    record = _unseen(picture_file, source)
    try:
        read = read_grey if options.channels == "grey" else read_colour
        picture = read(picture_file)
        crops, boxes = _crops(picture, options)
    except PictureError as error:
        return replace(record, problem=error.message)
    names = [f"{stem}{'' if n == 1 else f'-face{n}'}.png" for n in range(1, len(crops) + 1)]
    for name, crop in zip(names, crops, strict=True):
        save_picture(out, FileRecord(name), crop)
    return replace(
        record,
        faces=len(boxes),
        boxes=";".join(" ".join(map(str, box)) for box in boxes),
        files=";".join(names),
        problem="" if boxes else "no face",
    )


def _crops(
    picture: Picture, options: FaceOptions
) -> tuple[list[Picture], list[tuple[int, int, int, int]]]:
    boxes = find_faces(picture, options)
    if boxes:
        return [cut_face(picture, box, options) for box in boxes], boxes
    return ([fit(picture, options.size_wh)] if options.without_face == "keep" else []), []


def _unseen(picture: Path, source: Path) -> CropRecord:
    status = picture.stat()
    name = picture.relative_to(source).as_posix()
    return CropRecord(name, status.st_size, status.st_mtime_ns)


def _is_done(picture: Path, source: Path, out: Path, known: Mapping[str, CropRecord]) -> bool:
    unseen = _unseen(picture, source)
    record = known.get(unseen.picture)
    return (
        record is not None
        and (record.size, record.modified) == (unseen.size, unseen.modified)
        and all((out / file).is_file() for file in _files(record))
    )


def _files(record: CropRecord) -> list[str]:
    return record.files.split(";") if record.files else []


def _unique_stems(names: Sequence[Path]) -> list[str]:
    """Return the paths without suffix; of two that are then alike, one keeps its suffix."""
    stems = [name.with_suffix("").as_posix() for name in names]
    often = Counter(stem.casefold() for stem in stems)
    return [
        stem if often[stem.casefold()] == 1 else name.as_posix().replace(name.suffix, "")
        + "-" + name.suffix[1:]
        for name, stem in zip(names, stems, strict=True)
    ]  # fmt: skip


def _open(out: Path, source: Path, options: FaceOptions, overwrite: bool) -> dict[str, CropRecord]:
    """Return what earlier runs with the same plan did, and make ready for another."""
    plan = json.dumps(_plan(source, options), indent=2) + "\n"
    path = out / PLAN
    if path.is_file() and path.read_text(encoding="utf-8") == plan:
        return {record.picture: record for record in _read(out / CROPS)}
    if path.is_file() and overwrite:
        for record in _read(out / CROPS):
            for file in _files(record):
                (out / file).unlink(missing_ok=True)
        (out / CROPS).unlink(missing_ok=True)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(
            "holds crops that were made with other options"
            if path.is_file()
            else "wanted a new or empty folder, found something in it",
            hint="--overwrite, or another name" if path.is_file() else "another name",
            path=out,
        )
    make_folder(out)
    write_text(path, plan, overwrite=True)
    return {}


def _plan(source: Path, options: FaceOptions) -> dict[str, Any]:
    digest = hashlib.sha256(options.cascade.read_bytes()).hexdigest()
    choices = asdict(options) | {"cascade": str(options.cascade)}
    return {"source": str(source), "cascade_sha256": digest, "options": choices}


def _noted(records: Iterable[CropRecord], path: Path) -> Iterator[CropRecord]:
    """Append records to ``crops.csv`` as they come, so that a killed run can be gone on with."""
    try:
        with path.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            for number, record in enumerate(records, start=1):
                writer.writerow(astuple(record))
                if number % NOTED_AT_ONCE == 0:
                    stream.flush()
                yield record
    except OSError as error:
        raise output_error(error, path) from error


def _read(path: Path) -> Iterator[CropRecord]:
    """Yield the records of ``crops.csv``; a line that was cut off is passed over."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as stream:
        for cells in csv.reader(line for line in stream if line.endswith("\n")):
            if len(cells) == len(COLUMNS) and cells[1].isdigit():
                name, size, modified, faces, boxes, files, problem = cells
                yield CropRecord(name, int(size), int(modified), int(faces), boxes, files, problem)


def _rewrite(path: Path, records: Sequence[CropRecord]) -> None:
    with (
        written_whole(path, overwrite=True) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([COLUMNS, *map(astuple, records)])


def _write_manifest(
    source: Path, out: Path, records: Sequence[CropRecord], options: FaceOptions
) -> None:
    """Carry the manifest of a tree over to its crops."""
    manifest = read_manifest(source)
    if manifest is None:
        return
    known = {record.file: record for record in read_files(source)}
    crops = [
        replace(known.get(record.picture) or FileRecord(""), file=file, sha256=_sha256(out / file))
        for record in records
        for file in _files(record)
    ]
    totals = counts(crops)
    full = {
        split: {name: row.get(name, 0) for name in manifest.classes}
        for split, row in totals.items()
    }
    for split in full:
        for name in manifest.classes:
            make_folder(out / split / name)
    made = {"command": "crop", "of": str(source), "options": _plan(source, options)["options"]}
    write_files(out, sorted(map(to_line, crops)))
    write_manifest(
        out,
        Manifest(manifest.classes, full, manifest.sources, [*manifest.made_by, made]),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
