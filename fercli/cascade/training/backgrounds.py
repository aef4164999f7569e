"""Read the backgrounds of a training: images to mine, and the known objects in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fercli.annotations.base import NOTES, Record, label_counts, labels_text
from fercli.annotations.formats import FORMATS
from fercli.annotations.opencv_lists import read_background_list
from fercli.annotations.reading import detect_format, read_records
from fercli.common.boxes import Box
from fercli.common.errors import AnnotationError, InputError
from fercli.common.files import IMAGE_EXTENSIONS, find_files, is_there
from fercli.common.tables import counted

#: A file is a list of images if one of its first so many names exists.
_TRIED = 20


@dataclass(frozen=True)
class BackgroundFiles:
    """Background images, and boxes (x, y, width, height) that no negative may touch.

    `notes` say what of the source is not used as a negative.
    """

    paths: tuple[Path, ...]
    objects: dict[Path, tuple[Box, ...]]
    notes: tuple[str, ...] = ()


def read_backgrounds(path: Path, positives: Path | None = None) -> BackgroundFiles:
    """Return the backgrounds that a list, a folder or a file of annotations names.

    Parameters
    ----------
    path : Path
        A list of images, one a line; a folder of images; one image; or annotated images in
        any format that `fercli.annotations` knows, such as an info file, or a folder with
        annotations in or beside it.
    positives : Path, optional
        Annotated images of the object, whose boxes are spared where they are backgrounds too.

    Raises
    ------
    InputError
        It is missing, unreadable, or names no image.
    AnnotationError
        It is neither a list of images nor annotations, or malformed ones.
    """
    if path.is_dir():
        found = _read_folder(path)
        hint = f"provide images whose names end in {', '.join(IMAGE_EXTENSIONS)}"
    else:
        found = _read_file(path)
        hint = "list images without objects, one a line"
    if not found.paths:
        raise InputError("There are no background images", hint=hint, path=path)
    return found if positives is None else _spare_positives(found, read_records(positives))


def _read_folder(path: Path) -> BackgroundFiles:
    images = find_files(path)
    if not images and not any(f.looks_like(path) for f in FORMATS.values()):
        return BackgroundFiles((), {})
    try:
        form = detect_format(path)
    except AnnotationError as error:
        if error.path == path:
            raise
        # A text beside an image, such as a caption.
        note = f"{error.path} is not read as annotations: all of its image may be taken"
        return BackgroundFiles(tuple(images), {}, (note,))
    if form.name == "images":
        return BackgroundFiles(tuple(images), {})
    found = _with_objects(read_records(path, format=form.name, backgrounds=True))
    listed = {image.resolve() for image in found.paths}
    others = sum(image.resolve() not in listed for image in images)
    if not others:
        return found
    note = (
        f"not used: {counted(others, 'image')} of {path} that its annotations ({form.title}) lack"
    )
    return replace(found, notes=(*found.notes, note))


def _read_file(path: Path) -> BackgroundFiles:
    if path.name.lower().endswith(IMAGE_EXTENSIONS):
        return BackgroundFiles((path,), {})
    if path.suffix.lower() in (".json", ".xml"):
        return _with_objects(read_records(path, backgrounds=True))
    try:
        with NOTES.muted():
            paths = read_background_list(path)
    except AnnotationError:
        # A binary file is not a list, but may be annotations of another kind.
        return _with_objects(read_records(path, backgrounds=True))
    # In a table, too, a name may stand alone.
    is_list = any(is_there(name) for name in paths[:_TRIED]) and not FORMATS["csv"].looks_like(path)
    if not paths or is_list:
        return BackgroundFiles(tuple(paths), {})
    try:
        form = detect_format(path)
    except AnnotationError:
        raise InputError(
            f"None of the background images exists, the first is {paths[0]}",
            hint="use names relative to the list's folder or to the working directory",
            path=path,
        ) from None
    return _with_objects(read_records(path, format=form.name, backgrounds=True))


def _with_objects(records: list[Record]) -> BackgroundFiles:
    objects: dict[Path, tuple[Box, ...]] = {}
    for record in records:
        image = record.in_pixels()
        boxes = image.boxes_xywh + image.ignored_xywh
        objects[image.path] = objects.get(image.path, ()) + boxes
    spared = {path: boxes for path, boxes in objects.items() if boxes}
    if not spared:
        return BackgroundFiles(tuple(objects), {})
    counts = label_counts(records)
    marked = counted(sum(counts.values()), "annotated box")
    note = (
        f"{marked} ({labels_text(counts)}) in {len(spared)} of "
        f"{counted(len(objects), 'background')}: windows that touch one are not taken as negatives"
    )
    return BackgroundFiles(tuple(objects), spared, (note,))


def _spare_positives(found: BackgroundFiles, records: list[Record]) -> BackgroundFiles:
    """Return backgrounds with the boxes of positives that are marked in the same images."""
    paths = {path.resolve(): path for path in found.paths}
    objects, count, images = dict(found.objects), 0, set()
    for record in records:
        path = paths.get(record.path.resolve()) if record.boxes else None
        if path is None:
            continue
        image, known = record.in_pixels(), objects.get(path, ())
        boxes = tuple(b for b in image.boxes_xywh + image.ignored_xywh if b not in known)
        if boxes:
            objects[path] = known + boxes
            count += len(boxes)
            images.add(path)
    if not count:
        return found
    note = (
        f"images of positives among the {counted(len(found.paths), 'background')}: {len(images)}; "
        f"windows that touch one of their {counted(count, 'box')} are not taken as negatives"
    )
    return replace(found, objects=objects, notes=(*found.notes, note))
