"""Collect usable images and sample them deterministically."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from fercli.annotations.base import NOTES, OnError, Record, label_counts, raise_it
from fercli.annotations.formats import FORMATS
from fercli.annotations.image_paths import read_whole_images
from fercli.annotations.opencv_lists import read_background_list
from fercli.annotations.reading import detect_format, read_objects, read_records
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.list_builder.image_audit import (
    AuditedImage,
    CascadeBoxes,
    FindBoxes,
    LeftOut,
    audit_negatives,
    audit_positives,
    without_duplicates,
    without_equals,
)
from fercli.cascade.list_builder.options import Amount, CollectOptions
from fercli.cascade.list_builder.output_files import NEGATIVE_LINKS, POSITIVE_LINKS
from fercli.cascade.list_builder.report import CollectedImages, ImageSource
from fercli.common.errors import AnnotationError, FerError, OptionError
from fercli.common.files import IMAGE_EXTENSIONS, find_files, list_folder
from fercli.common.parallel import Workers
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted


def collect_positives(
    paths: Sequence[Path],
    out: Path,
    options: CollectOptions,
    *,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> tuple[CollectedImages, list[AuditedImage]]:
    """Return what is used of the positives, and all images that hold the object."""
    left_out: list[LeftOut] = []
    sources, records = [], []
    for path in paths:
        source, found = _records(path, out, options, left_out)
        sources.append(source)
        records += found
    audited = _usable(
        audit_positives(
            records,
            options.rules,
            find_boxes=_finder(options.detect, options.min_neighbors),
            workers=workers,
            progress=progress,
        ),
        left_out,
    )
    images = audited if options.keep_duplicates else list(without_duplicates(audited))
    left_out += [each for image in images for each in image.left_out]
    boxed = _merged([image for image in images if image.samples])
    if not boxed:
        raise _nothing("positive", paths, len(records), left_out)
    without_box = sum(not (image.samples or image.left_out) for image in images)
    part = CollectedImages(tuple(sources), tuple(boxed), (), tuple(left_out), without_box)
    objects = [image for image in images if image.samples or image.left_out]
    return _drawn(part, options, "positives", options.take), objects


def collect_negatives(
    paths: Sequence[Path],
    out: Path,
    objects: Sequence[AuditedImage],
    options: CollectOptions,
    *,
    labels: Collection[str] = (),
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> CollectedImages:
    """Return what is used of the negatives.

    Left out are images that are among `objects`, and those that annotations among the negatives
    say to hold the object: boxes of `labels`, or any boxes if the objects have no labels.
    """
    left_out: list[LeftOut] = []
    sources, names, total = [], [], 0
    for path in paths:
        source, found = _listed(path, out, options)
        total += len(found)
        sources.append(source)
        names += _without_objects(path, found, out, labels, left_out, options)
    audited = _usable(
        audit_negatives(
            names,
            find_boxes=_finder(options.check_negatives, options.min_neighbors),
            window_wh=options.rules.window_wh or (1, 1),
            workers=workers,
            progress=progress,
        ),
        left_out,
    )
    if not options.keep_duplicates:
        audited = _usable(without_equals(audited, objects), left_out)
    if not audited:
        raise _nothing("negative", paths, total, left_out)
    part = CollectedImages(tuple(sources), tuple(audited), (), tuple(left_out))
    return _drawn(part, options, "negatives", options.take_negatives)


def _finder(cascade: Path | None, min_neighbors: int) -> FindBoxes | None:
    if cascade is None:
        return None
    return CascadeBoxes(cascade, DetectionOptions(min_neighbors=min_neighbors))


def _records(
    path: Path, out: Path, options: CollectOptions, left_out: list[LeftOut]
) -> tuple[ImageSource, list[Record]]:
    """Return what a source of positives says; what is malformed in it goes to `left_out`."""
    form = options.format
    name = "images" if options.detect else form or detect_format(path, ignored=out).name
    if name == "images":
        extensions, recursive = options.extensions, options.recursive
        records = read_whole_images(path, extensions=extensions, recursive=recursive)
        records = [record for record in records if not _is_link(record.path, out)]
        _note_skipped(path, options)
    else:
        records = read_records(
            path,
            format=form,
            images=options.images,
            labels=options.labels,
            box_format=options.box_format,
            # What follows a malformed record of an info file is lost: too much to go on.
            on_error=raise_it if name == "info" else _noting(left_out, path),
            ignored=out,
            note_labels=False,  # the report counts them
        )
    title = f"boxes found by {options.detect}" if options.detect else FORMATS[name].title
    return ImageSource(path, title, len(records), label_counts(records)), records


def _listed(path: Path, out: Path, options: CollectOptions) -> tuple[ImageSource, list[Path]]:
    """Return the images of a source of negatives."""
    if path.is_dir():
        found = find_files(path, options.extensions, recursive=options.recursive)
        names = [name for name in found if not _is_link(name, out)]
        return ImageSource(path, "folder", len(names)), names
    if path.suffix.lower() in {*IMAGE_EXTENSIONS, *options.extensions} - {""}:
        return ImageSource(path, "image", 1), [path]
    records = read_objects(path, ignored=out)
    if records is not None:
        names = list(dict.fromkeys(record.path for record in records))
        return ImageSource(path, detect_format(path).title, len(names)), names
    names = read_background_list(path)
    return ImageSource(path, "background list", len(names)), names


def _without_objects(
    path: Path,
    names: Sequence[Path],
    out: Path,
    labels: Collection[str],
    left_out: list[LeftOut],
    options: CollectOptions,
) -> list[Path]:
    """Return the negatives in which no object is marked; the others go to `left_out`."""
    records = read_objects(path, ignored=out)
    if records is None:
        _note_skipped(path, options)
        return list(names)
    marked: Counter[Path] = Counter()
    others = 0
    for record in records:
        for box in record.boxes:
            if not labels or not box.label or box.label in labels:
                marked[record.path.absolute()] += 1
            else:
                others += 1
    if others:
        NOTES.add(path, "boxes of other labels in negatives, not considered", count=others)
    kept = []
    for name in names:
        count = marked[name.absolute()]
        if count:
            detail = f"boxes marked in it: {count}"
            left_out.append(LeftOut(name, "the object is marked in it", detail))
        else:
            kept.append(name)
    return kept


def _note_skipped(path: Path, options: CollectOptions) -> None:
    """Note the files of a folder that are not images by their suffix."""
    if path.is_dir():
        note = list_folder(path, options.extensions, recursive=options.recursive).note()
        if note is not None:
            NOTES.add(path, note.removeprefix(f"{path}: "), count=0)


def _is_link(path: Path, out: Path) -> bool:
    """Return whether an image stands for another in the description that an earlier run wrote."""
    folders = (out / name for name in (POSITIVE_LINKS, NEGATIVE_LINKS))
    return any(path.absolute().is_relative_to(folder.absolute()) for folder in folders)


def _noting(left_out: list[LeftOut], source: Path) -> OnError:
    def note(error: FerError) -> None:
        where = "" if error.line is None else f"line {error.line}: "
        left_out.append(
            LeftOut(error.path or source, "malformed annotation", where + error.message)
        )

    return note


def _usable(found: Iterable[AuditedImage | LeftOut], left_out: list[LeftOut]) -> list[AuditedImage]:
    """Return the images that can be used; the others go to `left_out`."""
    usable: list[AuditedImage] = []
    for each in found:
        if isinstance(each, AuditedImage):
            usable.append(each)
        else:
            left_out.append(each)
    return usable


def _merged(images: Sequence[AuditedImage]) -> list[AuditedImage]:
    """Return each image once, with the boxes that all sources have for it."""
    merged: dict[Path, AuditedImage] = {}
    for image in images:
        before = merged.get(image.path)
        samples = image.samples if before is None else before.samples + image.samples
        merged[image.path] = replace(image, samples=samples)
    return list(merged.values())


def _nothing(
    kind: str, paths: Sequence[Path], images: int, left_out: Sequence[LeftOut]
) -> AnnotationError:
    wanted = f"There is no usable {kind} in {counted(images, 'image')}"
    if not left_out:
        by_name = not images and any(path.is_dir() for path in paths)
        hint = "use --extensions, if their names end unusually" if by_name else None
        return AnnotationError(wanted, hint=hint)
    counts = Counter(each.reason for each in left_out)
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    first = left_out[0]
    return AnnotationError(f"{wanted}: {reasons}; the first: {first.path}: {first.detail}")


def _drawn(
    part: CollectedImages, options: CollectOptions, what: str, take: Amount | None
) -> CollectedImages:
    """Return the images that are taken, less those for testing, in an order that the seed gives."""
    images = list(part.training)
    if take is not None:
        number = number_of(take, len(images), what)
        images, _ = draw(images, number, _digest, options.seed, "take")
    test: list[AuditedImage] = []
    if options.test is not None:
        number = number_of(options.test, len(images), f"{what} for testing")
        test, images = draw(images, number, _digest, options.seed, "test", together=True)
        if not images:
            raise OptionError(
                f"No {what} are left for training: all {len(test)} are set aside for testing"
            )
    not_taken = len(part.training) - len(images) - len(test)
    if not options.in_order:
        images = in_drawn_order(images, _digest, options.seed, "order")
        test = in_drawn_order(test, _digest, options.seed, "order")
    return replace(part, training=tuple(images), test=tuple(test), not_taken=not_taken)


def _digest(image: AuditedImage) -> bytes:
    return image.digest


# Deterministic sampling: which images are taken, which are for testing, and in which order.


T = TypeVar("T")


def in_drawn_order(
    items: Sequence[T], digest: Callable[[T], bytes], seed: int, purpose: str
) -> list[T]:
    """Return items in the order of their keyed hashes; equal digests stay together, in their order.

    Parameters
    ----------
    items : sequence
        What to order.
    digest : callable
        Gives the hash of an item's content.
    seed : int
        From 0.
    purpose : str
        Draws for different purposes are independent of each other.
    """
    key = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=16).digest()
    return sorted(
        items, key=lambda item: hashlib.blake2b(digest(item), key=key, digest_size=16).digest()
    )


def draw(
    items: Sequence[T],
    number: int,
    digest: Callable[[T], bytes],
    seed: int,
    purpose: str,
    *,
    together: bool = False,
) -> tuple[list[T], list[T]]:
    """Return the items that are drawn and the rest, both in their given order.

    Parameters
    ----------
    items, digest, seed, purpose
        As `in_drawn_order`.
    number : int
        How many to draw.
    together : bool
        Whether items of equal digest must not be parted; a few more may then be drawn.
    """
    places = in_drawn_order(range(len(items)), lambda at: digest(items[at]), seed, purpose)
    while together and 0 < number < len(items) and (
        digest(items[places[number]]) == digest(items[places[number - 1]])
    ):  # fmt: skip
        number += 1
    drawn = set(places[:number])
    return (
        [item for at, item in enumerate(items) if at in drawn],
        [item for at, item in enumerate(items) if at not in drawn],
    )


def number_of(amount: Amount, total: int, what: str) -> int:
    """Return how many of `total` an amount is.

    Raises
    ------
    OptionError
        There are not as many, or it is none at all.
    """
    wanted = round(amount * total) if isinstance(amount, float) else amount
    if wanted > total:
        raise OptionError(f"{wanted} {what} were asked for, but there are only {total}")
    if wanted < 1:
        raise OptionError(f"{amount} of {total} {what} is none; at least one is needed")
    return wanted
