"""A tree: ``ROOT/<split>/<class>/*.png``, read with or without its manifest, and written."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2

from fercli.common.errors import InputError, OptionError, OutputError
from fercli.common.files import (
    FolderFiles,
    atomic_write,
    input_error,
    is_there,
    list_folder,
    make_folder,
    output_error,
)
from fercli.common.images import ImageArray
from fercli.common.tables import format_table
from fercli.datasets.entries import SPLITS, split_of
from fercli.datasets.expressions import fold_name, sorted_classes
from fercli.datasets.journal import JOURNAL, REPLACED, Journal
from fercli.datasets.manifest import (
    CROPPING,
    MANIFEST,
    FileRecord,
    Manifest,
    is_folder_name,
    read_files,
    read_manifest,
    to_line,
    write_files,
    write_manifest,
)
from fercli.datasets.options import Placing
from fercli.run_folder import remove_all_unfinished

#: How files come from one tree into another; a hard link takes no space and outlives the first.


@dataclass(frozen=True)
class Tree:
    """The images of a tree.

    Parameters
    ----------
    root : Path
        Its folder.
    classes : tuple of str
        In the order of a network's outputs: the alphabet's.
    records : tuple of FileRecord
        The images that are there, in the order of their paths.
    manifest : Manifest, optional
        What ``dataset.json`` says. Defaults to None: there is none.
    places : mapping of str to str
        Where an image lies below the root, by the file of its record, if that is elsewhere: of a
        tree that has no folders of splits.
    notes : tuple of str
        A line for each kind of thing that is not used: files that are no images, images that
        ``files.csv`` lists and that are missing.
    """

    root: Path
    classes: tuple[str, ...]
    records: tuple[FileRecord, ...]
    manifest: Manifest | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there, train first."""
        found = {record.split for record in self.records}
        return tuple(split for split in SPLITS if split in found) + tuple(
            sorted(found - set(SPLITS))
        )

    @property
    def all_classes(self) -> tuple[str, ...]:
        """The classes, and behind them those of images that the manifest does not know of."""
        return with_unlisted(self.classes, self.records)

    def path(self, record: FileRecord) -> Path:
        """Return the file of an image."""
        return self.root / self.places.get(record.file, record.file)


def read_tree(root: Path) -> Tree:
    """Return the images below `root`, whether fer made the tree or not.

    A folder a class without folders of splits is a tree of the one split ``all``.

    Raises
    ------
    InputError
        There is no such folder, no image in it, or it has another shape or is unfinished.
    """
    require_finished(root)
    manifest = read_manifest(root)
    folder = list_folder(root)
    names = [file.relative_to(root).as_posix() for file in folder.found]
    known: dict[str, FileRecord] = {}
    places: dict[str, str] = {}
    if manifest is None:
        if names and all(_is_unsplit(name) for name in names):
            places = {f"all/{name}": name for name in names}
            names = list(places)
        records = [require_shape(FileRecord(name), root) for name in names]
        classes = sorted_classes(record.label for record in records)
        _refuse_alike(classes, root)
    else:
        known = {record.file: record for record in read_files(root)}
        records = [known.get(name) or require_shape(FileRecord(name), root) for name in names]
        classes = tuple(manifest.classes)
    if not records:
        raise InputError(
            "No images: expected <split>/<class>/*.png",
            hint="use fer datasets import to make such a tree",
            path=root,
        )
    return Tree(root, classes, tuple(records), manifest, places, _notes(folder, known, names))


def _notes(
    folder: FolderFiles, known: Mapping[str, FileRecord], names: Sequence[str]
) -> tuple[str, ...]:
    """Return what is not used of a folder, and what is missing in it."""
    notes = []
    others = [path for path in folder.skipped if path.parent != folder.folder]  # fer's own there
    if others:
        notes.append(replace(folder, skipped=others).note() or "")
    missing = sorted(known.keys() - set(names))
    if missing:
        notes.append(
            f"images that files.csv lists and that are missing: {len(missing):,}, such as "
            f"{missing[0]}"
        )
    return tuple(notes)


def _is_unsplit(name: str) -> bool:
    """Whether a path is ``<class>/<image>``, and its folder none of a split."""
    parts = PurePosixPath(name).parts
    return len(parts) == 2 and split_of(parts[0]) is None


def _refuse_alike(classes: Sequence[str], root: Path) -> None:
    """Raise `InputError` for folders of one class under two names, as of two splits."""
    first: dict[str, str] = {}
    for name in classes:
        other = first.setdefault(fold_name(name), name)
        if other != name:
            raise InputError(
                f"Two classes differ in case or in the encoding of accents alone: {other}, {name}",
                hint="give their folders the same name",
                path=root,
            )


def require_finished(root: Path) -> None:
    """Raise `InputError` if `root` is an unfinished tree."""
    being_moved = is_there(root / REPLACED) and not is_there(root / MANIFEST)
    if is_there(root / JOURNAL) or is_there(root / CROPPING) or being_moved:
        raise InputError(
            "The data set is unfinished",
            hint="run the command that was making it again",
            path=root,
        )


def require_shape(record: FileRecord, root: Path) -> FileRecord:
    """Return a record whose file is ``<split>/<class>/<image>``; raise `InputError` else."""
    if not (
        len(PurePosixPath(record.file).parts) == 3
        and len(record.file.splitlines()) == 1
        and is_folder_name(record.label)
    ):
        raise InputError(
            f"Expected <split>/<class>/<image>, got {record.file}",
            hint="use fer datasets import folder=… to make such a tree of other folders",
            path=root,
        )
    return record


def require_apart(source: Path, out: Path) -> None:
    """Raise `OptionError` if one of two folders is the other or lies in it."""
    one, other = source.resolve(), out.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise OptionError(
            f"`out` {out} overlaps the source {source}",
            hint="use a folder beside it",
        )


def with_unlisted(classes: Sequence[str], records: Iterable[FileRecord]) -> tuple[str, ...]:
    """Return the classes, and behind them those of images that are of none of them."""
    unlisted = {record.label for record in records} - set(classes)
    return (*classes, *sorted_classes(unlisted))


def counts(records: Iterable[FileRecord]) -> dict[str, dict[str, int]]:
    """Return the number of images by split and class, in the order of `SPLITS`."""
    counter = Counter((record.split, record.label) for record in records)
    splits = sorted({split for split, _ in counter}, key=_split_order)
    labels = sorted_classes(label for _, label in counter)
    return {split: {label: counter[split, label] for label in labels} for split in splits}


def counts_table(counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> str:
    """Return a table of images by class and split, with sums."""
    splits = list(counts)
    rows: list[list[object]] = [
        [name, *(counts[split].get(name, 0) for split in splits)] for name in classes
    ]
    rows.append(["total", *(sum(counts[split].values()) for split in splits)])
    if len(splits) > 1:
        for row in rows:
            row.append(sum(count for count in row[1:] if isinstance(count, int)))
    return format_table(["class", *splits, *(["total"] if len(splits) > 1 else [])], rows)


def unreadable_lines(unreadable: Mapping[str, str]) -> list[str]:
    """Return a line that counts images that were left out and names one; none without any."""
    if not unreadable:
        return []
    file, reason = next(iter(unreadable.items()))
    what = "1 image that cannot be read:"
    if len(unreadable) > 1:
        what = f"{len(unreadable):,} images that cannot be read, such as"
    return [f"left out {what} {file} ({reason})"]


def save_image(root: Path, record: FileRecord, image: ImageArray) -> FileRecord:
    """Write an image of a tree as PNG, and return its record with the checksum.

    A file that is there is replaced: it can only be from a run that was killed before it could
    note it.
    """
    # Speed over size: the level changes 48×48 images by a few per cent.
    _, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    content = data.tobytes()
    with atomic_write(root / record.file, overwrite=True) as temporary:
        temporary.write_bytes(content)
    return replace(record, sha256=hashlib.sha256(content).hexdigest())


def with_checksum(root: Path, record: FileRecord) -> FileRecord:
    """Return a record with the checksum of its file, which is computed if it has none."""
    if record.sha256:
        return record
    with (root / record.file).open("rb") as stream:
        return replace(record, sha256=hashlib.file_digest(stream, "sha256").hexdigest())


def place_file(source: Path, target: Path, how: Placing) -> None:
    """Link or copy a file of one tree into another; hard links across disks become copies.

    Links to files are followed: what they lead to is linked or copied.

    Raises
    ------
    InputError
        The file cannot be read.
    OutputError
        The file cannot be placed.
    """
    _require_readable(source)
    make_folder(target.parent)
    target.unlink(missing_ok=True)
    try:
        if how == "symlink":
            target.symlink_to(os.path.relpath(source.resolve(), target.parent.resolve()))
        elif how == "link":
            _hard_link(source, target)
        else:
            _copy(source, target)
    except OSError as error:
        raise output_error(error, target) from error


def finish_tree(
    journal: Journal,
    classes: Sequence[str] | None,
    *,
    voted: Sequence[str] = (),
    sources: Sequence[Mapping[str, Any]] = (),
    made_by: Sequence[Mapping[str, Any]] = (),
) -> Manifest:
    """Write the manifest of a tree whose images are all there, and remove its journal.

    Every split gets a folder for every class, empty ones too: Keras takes classes from folders,
    and would otherwise number them differently in different splits. Votes that are noted for each
    of `voted` become votes for the classes.

    Raises `OutputError` if there is no image at all.
    """
    root = journal.root
    totals = counts(journal.records())
    if not totals:
        raise OutputError("No image is left to make a tree of", path=root)
    if classes is None:
        classes = sorted_classes(label for row in totals.values() for label in row)
    full = fill_counts(root, totals, classes)
    if journal.resumed:
        remove_all_unfinished(root)
    write_files(root, _with_votes_for(classes, voted, journal))
    manifest = Manifest(list(classes), full, list(sources), list(made_by))
    write_manifest(root, manifest)
    journal.remove()
    return manifest


def _with_votes_for(
    classes: Sequence[str], voted: Sequence[str], journal: Journal
) -> Iterable[str]:
    """Return the lines of ``files.csv``; votes for what is no class of the tree are left out."""
    if set(voted) <= set(classes):
        return journal.lines()
    kept = [at for at, name in enumerate(voted) if name in classes]
    return (
        to_line(replace(record, votes=tuple(record.votes[at] for at in kept if record.votes)))
        for record in journal.records()
    )


def fill_counts(
    root: Path, totals: Mapping[str, Mapping[str, int]], classes: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return counts by split and class with all classes, and make the folders that are missing."""
    for split in totals:
        for name in classes:
            make_folder(root / split / name)
    return {split: {name: row.get(name, 0) for name in classes} for split, row in totals.items()}


def _split_order(split: str) -> tuple[int, str]:
    known = split_of(split)
    return (SPLITS.index(known) if known else len(SPLITS), split)


def _require_readable(source: Path) -> None:
    """Raise `InputError` if a file cannot be read, before errors of the target can occur."""
    try:
        source.open("rb").close()
    except OSError as error:
        if source.is_symlink() and not source.exists():
            raise InputError(
                "The link leads to nothing",
                hint="restore the file that it leads to, or remove the link",
                path=source,
            ) from error
        raise input_error(error, source, wanted="an image") from error


def _hard_link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source.resolve())  # a link to a link would lead elsewhere from here
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    with atomic_write(target, overwrite=True) as temporary:
        shutil.copyfile(source, temporary)
