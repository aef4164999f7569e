"""Preview: a contact sheet a class, so that people see what a network is to learn."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fercli.cascade.samples.viewing import contact_sheet
from fercli.common.errors import ImageError, OptionError, image_errors
from fercli.common.files import require_absent
from fercli.common.images import read_gray, write_image
from fercli.common.progress import SILENT, Progress
from fercli.datasets.entries import fit
from fercli.datasets.manifest import FileRecord
from fercli.datasets.options import PreviewOptions
from fercli.datasets.tree import Tree


@dataclass(frozen=True)
class Sheet:
    """A contact sheet: its file, its class, and its images; without any it is not written."""

    path: Path
    label: str
    images: int
    unreadable: int


def write_previews(
    tree: Tree,
    out: Path,
    options: PreviewOptions,
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[Sheet]:
    """Write ``<class>.png`` for each class of a tree into the folder `out`.

    Images that cannot be read are left out and counted.

    Raises
    ------
    OptionError
        The tree has no such split.
    OutputError
        A sheet exists already or cannot be written.
    """
    if options.split is not None and options.split not in tree.splits:
        raise OptionError(
            f"No split {options.split!r}: the tree has {', '.join(tree.splits)}",
            hint="without --split for all of them",
        )
    records = [r for r in tree.records if options.split in (None, r.split)]
    by_class = {
        name: [record for record in records if record.label == name] for name in tree.all_classes
    }
    wanted = {name: some for name, some in by_class.items() if some}
    for name in wanted:
        require_absent(out / f"{name}.png", overwrite=overwrite)
    return [
        _write(tree, out / f"{name}.png", some, options, overwrite)
        for name, some in progress.track(list(wanted.items()), "draw", unit="class")
    ]


def _write(
    tree: Tree, path: Path, records: Sequence[FileRecord], options: PreviewOptions, overwrite: bool
) -> Sheet:
    images, unreadable = [], 0
    for record in _chosen(records, options):
        try:
            with image_errors(tree.path(record)):
                images.append(fit(read_gray(tree.path(record)), options.size_wh))
        except ImageError:
            unreadable += 1
    if images:
        sheet = contact_sheet(np.stack(images), options.columns)
        write_image(path, sheet, overwrite=overwrite)
    return Sheet(path, records[0].label, len(images), unreadable)


def _chosen(records: Sequence[FileRecord], options: PreviewOptions) -> list[FileRecord]:
    rng = np.random.default_rng([options.seed, zlib.crc32(records[0].label.encode())])
    count = min(options.count, len(records))
    return [records[at] for at in sorted(rng.choice(len(records), count, replace=False))]
