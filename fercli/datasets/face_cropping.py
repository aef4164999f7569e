"""Crop the faces of a folder of images into a folder of the same shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fercli.cascade.detection.detector import Detector
from fercli.common.boxes import Box
from fercli.common.errors import ImageError, InputError, image_errors
from fercli.common.files import FolderFiles, free_name, list_folder
from fercli.common.images import IMAGE_NOTES, ImageArray, read_color, read_gray
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.work_folder import alone_in, remove_all_unfinished
from fercli.datasets.crop_log import (
    CROPPING,
    CropRecord,
    append_to_log,
    crop_names,
    open_log,
    plan_of,
    remove_crops,
    rewrite_log,
)
from fercli.datasets.entries import fit
from fercli.datasets.face_boxes import cut_face, find_faces
from fercli.datasets.manifest import (
    FileRecord,
    Manifest,
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


@dataclass(frozen=True)
class CropResult:
    """The result of a crop.

    Parameters
    ----------
    records : list of CropRecord
        Of all images, those of earlier runs included.
    looked_at : int
        Images that this run looked at.
    skipped : list of str
        Files below the source that are not images by their suffix.
    note : str, optional
        Counts and lists them.
    """

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
    with alone_in(out, "cropping"):
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
    return CropResult(records, len(jobs), skipped, files.note())


def _require_images(files: FolderFiles, source: Path) -> list[Path]:
    """Return the images; raise `InputError` if there is none."""
    if not files.found:
        others = len(files.skipped)
        raise InputError(
            f"None of {others:,} files is an image by its suffix" if others else
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
