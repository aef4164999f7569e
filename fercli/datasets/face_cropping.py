"""Crop the faces of a folder of images into a folder of the same shape, resumable by a log."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from fercli.cascade.detection.detector import Detector
from fercli.common.boxes import Box
from fercli.common.errors import ImageError, InputError, OutputExistsError, image_errors
from fercli.common.files import (
    FolderFiles,
    atomic_write,
    free_name,
    is_there,
    list_folder,
    make_folder,
    output_error,
    write_text,
)
from fercli.common.images import IMAGE_NOTES, ImageArray, read_color, read_gray
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted, listed
from fercli.datasets.entries import fit
from fercli.datasets.face_boxes import cut_face, find_faces
from fercli.datasets.manifest import (
    CROPPING,
    FileRecord,
    Manifest,
    is_below,
    read_files,
    read_manifest,
    to_line,
    write_files,
    write_manifest,
)
from fercli.datasets.options import FaceOptions
from fercli.datasets.tree import (
    counts,
    fill_counts,
    require_apart,
    require_finished,
    require_shape,
    save_image,
    with_unlisted,
)
from fercli.run_folder import output_folder, remove_all_unfinished


@dataclass(frozen=True)
class CropResult:
    """The result of a crop.

    Parameters
    ----------
    root : Path
        The new folder.
    records : list of CropRecord
        Of all images, those of earlier runs included.
    looked_at : int
        Images that this run looked at.
    skipped : list of str
        Files below the source that are not images by their suffix.
    note : str, optional
        Counts and lists them.
    """

    root: Path
    records: Sequence[CropRecord]
    looked_at: int
    skipped: Sequence[str] = ()
    note: str | None = None

    @property
    def crops(self) -> int:
        """How many files there are in the new folder."""
        return sum(len(record.files) for record in self.records)

    @property
    def without_face(self) -> list[str]:
        """The images in which no face was found."""
        return [r.image for r in self.records if not r.faces and r.problem in ("", "no face")]

    @property
    def unreadable(self) -> dict[str, str]:
        """The images that could not be read, and why."""
        return {r.image: r.problem for r in self.records if r.problem not in ("", "no face")}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "images": len(self.records),
            "looked_at": self.looked_at,
            "faces": sum(record.faces for record in self.records),
            "crops": self.crops,
            "without_face": self.without_face,
            "unreadable": self.unreadable,
            "skipped": list(self.skipped),
            "image_notes": IMAGE_NOTES.lines(),
        }

    def to_text(self) -> str:
        """Return lines for people: the counts, and which images gave no crop."""
        faces = sum(record.faces for record in self.records)
        images = counted(len(self.records), "image")
        lines = [f"{images}, {counted(faces, 'face')}, {counted(self.crops, 'crop')}"]
        if self.looked_at < len(self.records):
            lines.append(f"looked at {self.looked_at:,}: the others were done already")
        for title, files in (
            ("no face was found in", self.without_face),
            ("could not be read:", list(self.unreadable)),
        ):
            if files:
                lines.append(f"{title} {len(files):,}: {listed(files)}")
        note = [self.note] if self.note else []
        return "\n".join([*lines, *note, f"wrote {self.root}/ and {self.root / CROPS}"])


def crop_folder(
    source: Path,
    out: Path,
    options: FaceOptions,
    *,
    overwrite: bool = False,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> CropResult:
    """Cut the faces out of the images below `source`, into `out`.

    ``a/b.jpg`` gives ``a/b.png``, and further faces ``a/b-face2.png``. If `source` is a tree with a
    manifest, so is `out`. The result is the same for any number of workers, and that of a single
    run if it took several: images that are in ``crops.csv``, unchanged, with all their crops
    there, are not looked at again, and crops of images that are gone are removed.

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
        As in `fercli.common.parallel.parallel_map`.

    Raises
    ------
    InputError
        There is no image, or `source` is an unfinished tree.
    CascadeFileError
        The cascade cannot be loaded.
    OutputExistsError
        `out` holds something else.
    """
    require_apart(source, out)
    require_finished(source)
    Detector(options.cascade)
    files = list_folder(source)
    images = _require_images(files, source)
    manifest = read_manifest(source)
    if manifest is not None:
        for image in images:
            require_shape(FileRecord(image.relative_to(source).as_posix()), source)
    with output_folder(out, "cropping"):
        known = open_log(out, source, options, overwrite=overwrite)
        (out / CROPPING).touch()
        jobs = _pending_jobs(images, source, out, known)
        work = partial(_crop_one, source=source, out=out, options=options)
        done = parallel_map(work, jobs, workers=workers, progress=progress, description="crop")
        known |= {record.image: record for record in append_to_log(done, out)}
        records = [known[name] for name in sorted(p.relative_to(source).as_posix() for p in images)]
        remove_all_unfinished(out)
        rewrite_log(out, records)
        if manifest is not None:
            _write_manifest(source, manifest, out, records, options)
        (out / CROPPING).unlink()
    if manifest is not None:  # what fer itself writes beside the images is no news
        files = replace(files, skipped=[path for path in files.skipped if path.parent != source])
    skipped = [path.relative_to(source).as_posix() for path in files.skipped]
    return CropResult(out, records, len(jobs), skipped, files.note())


def _require_images(files: FolderFiles, source: Path) -> list[Path]:
    """Return the images; raise `InputError` if there is none."""
    if not files.found:
        others = len(files.skipped)
        raise InputError(
            f"No image by its suffix among {counted(others, 'file')}" if others else
            "No images",
            hint="rename them, or use fer datasets import with a CSV of the files"
            if others else None,
            path=source,
        )  # fmt: skip
    return files.found


def _pending_jobs(
    images: Sequence[Path], source: Path, out: Path, known: dict[str, CropRecord]
) -> list[tuple[Path, str]]:
    """Return the images to be cropped with their stems; outdated records and crops are removed."""
    stems = unique_stems([image.relative_to(source) for image in images])
    new_records = {_new_record(image, source): image for image in images}
    jobs = [
        (image, stem)
        for (record, image), stem in zip(new_records.items(), stems, strict=True)
        if not _is_done(record, stem, out, known)
    ]
    again = {image.relative_to(source).as_posix() for image, _ in jobs}
    present = {record.image for record in new_records}
    outdated = [name for name in known if name in again or name not in present]
    remove_crops(out, [known.pop(name) for name in outdated])
    return jobs


def _new_record(image: Path, source: Path) -> CropRecord:
    name = image.relative_to(source).as_posix()
    try:
        status = image.stat()
    except OSError:  # a link to nothing, which is told of when it is read
        return CropRecord(name, 0, 0)
    return CropRecord(name, status.st_size, status.st_mtime_ns)


def _is_done(new: CropRecord, stem: str, out: Path, known: dict[str, CropRecord]) -> bool:
    record = known.get(new.image)
    return (
        record is not None
        and (record.size, record.modified) == (new.size, new.modified)
        and record.crop in ("", f"{stem}.png")
        and all((out / file).is_file() for file in record.files)
    )


def unique_stems(names: Sequence[Path]) -> list[str]:
    """Return a name without suffix for the crops of each image, all of them different.

    It is the image's own. Where several images would have the same, whatever the case, or one
    that is like the name of another's second face, they keep the suffix as part of it, with a
    number where that name, too, or one of its further faces' is taken.
    """
    stems = [name.with_suffix("").as_posix() for name in names]
    often = Counter(stem.casefold() for stem in stems)
    taken = dict.fromkeys([*often, *map(_with_further_face, often)], 1)
    for at, stem in enumerate(stems):
        if often[stem.casefold()] > 1 or _with_further_face(stem.casefold()) in often:
            stems[at] = free_name(f"{stem}-{names[at].suffix[1:]}", taken, fold=True)
    return stems


def _with_further_face(stem: str) -> str:
    """Return ``a`` for ``a-face2``, the name of a further crop of ``a``; else ``""``."""
    first, dash, number = stem.rpartition("-face")
    return first if dash and number.isdigit() else ""


def _crop_one(job: tuple[Path, str], source: Path, out: Path, options: FaceOptions) -> CropRecord:
    path, stem = job
    record = _new_record(path, source)
    try:
        read = read_gray if options.channels == "gray" else read_color
        with image_errors(path):
            crops, boxes = _crops(read(path), options)
    except ImageError as error:
        return replace(record, problem=error.message)
    names = crop_names(stem, len(crops))
    saved = [save_image(out, FileRecord(n), crop) for n, crop in zip(names, crops, strict=True)]
    return replace(
        record,
        faces=len(boxes),
        boxes=";".join(" ".join(map(str, box)) for box in boxes),
        crop=names[0] if names else "",
        sha256=" ".join(file.sha256 for file in saved),
        problem="" if boxes else "no face",
    )


def _crops(image: ImageArray, options: FaceOptions) -> tuple[list[ImageArray], list[Box]]:
    boxes = find_faces(image, options)
    if boxes:
        return [cut_face(image, box, options) for box in boxes], boxes
    return ([fit(image, options.size_wh)] if options.without_face == "keep" else []), []


def _write_manifest(
    source: Path, manifest: Manifest, out: Path, records: Iterable[CropRecord], options: FaceOptions
) -> None:
    """Carry the manifest of a tree over to its crops."""
    known = {record.file: record for record in read_files(source)}
    crops = [
        replace(known.get(record.image, FileRecord("")), file=file, sha256=sha256)
        for record in records
        for file, sha256 in zip(record.files, record.sha256.split(), strict=True)
    ]
    made = {"command": "crop", "of": str(source), "options": plan_of(source, options)["options"]}
    classes = with_unlisted(manifest.classes, crops)
    full = fill_counts(out, counts(crops), classes)
    write_files(out, sorted(map(to_line, crops)))
    write_manifest(out, Manifest(list(classes), full, manifest.sources, [*manifest.made_by, made]))


# The log of a crop, by which a later run does only what is missing.
#
# ``crop.json`` in the new folder says what was cropped and how; ``crops.csv`` says for each image
# what was found in it. It is written as the crops are made, and put in order at the end. While
# there is work to do, ``.cropping`` tells so.


CROPS, PLAN = "crops.csv", "crop.json"

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
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in options.cascade))
    names = [str(path) for path in options.cascade]
    # Of one cascade, as ever: folders that are there go on.
    choices = asdict(options) | {"cascade": names if len(names) > 1 else names[0]}
    return {"source": str(source), "cascade_sha256": digest.hexdigest(), "options": choices}


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
