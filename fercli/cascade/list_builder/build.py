"""From folders of images to the description files of a training: info file and background list.

Positives and negatives are audited, sampled, split and written under names that
OpenCV's programs can read from any directory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fercli.annotations.base import NOTES
from fercli.cascade.list_builder.box_sizes import SizeStatistics, describe_sizes, plot_sizes
from fercli.cascade.list_builder.collect import collect_negatives, collect_positives
from fercli.cascade.list_builder.image_audit import AuditedImage
from fercli.cascade.list_builder.options import CollectOptions, FileOptions
from fercli.cascade.list_builder.output_files import require_room, write_negatives, write_positives
from fercli.cascade.list_builder.report import BuildReport, CollectedImages
from fercli.common.errors import OptionError
from fercli.common.parallel import Workers
from fercli.common.progress import SILENT, Progress


def build_description(
    positives: Sequence[Path],
    negatives: Sequence[Path],
    out: Path,
    options: CollectOptions | None = None,
    files: FileOptions | None = None,
    *,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> BuildReport:
    """Write the description files of a training to a folder.

    Parameters
    ----------
    positives : sequence of Path
        Images of the object: folders of crops, images, files or folders of annotations.
    negatives : sequence of Path
        Images without it: folders, images, background lists.
    out : Path
        The folder to write to.
    options : CollectOptions, optional
        Which images and boxes are used.
    files : FileOptions, optional
        How the files are written.
    workers, progress
        As `fercli.common.parallel.parallel_map`.

    Returns
    -------
    BuildReport
        What was found, left out and written. An image that cannot be read is left out.

    Raises
    ------
    OptionError
        An option does not fit what was found.
    AnnotationError
        Annotations are of no known format, or nothing usable is left.
    InputError
        A file or folder is missing or cannot be read.
    OutputError
        A file exists already, or cannot be written.
    """
    options, files = options or CollectOptions(), files or FileOptions()
    if not positives and not negatives:
        raise OptionError("Neither positives nor negatives were given")
    if not positives and (files.plot or files.also):
        raise OptionError("`plot` and `also` need positives")
    require_room(out, files, positives=bool(positives), negatives=bool(negatives))
    found, empty = None, None
    objects: list[AuditedImage] = []
    if positives:
        found, objects = collect_positives(
            positives, out, options, workers=workers, progress=progress
        )
    if negatives:
        empty = collect_negatives(
            negatives,
            out,
            objects,
            options,
            labels=_labels(found),
            workers=workers,
            progress=progress,
        )
    sizes = None if found is None else _sizes(found, options)
    written = _all_or_nothing(_write(found, empty, sizes, out, files), files)
    return BuildReport(found, empty, sizes, written, tuple(NOTES.take()))


def _labels(positives: CollectedImages | None) -> set[str]:
    """Return the labels of the object; none if its boxes have none."""
    sources = positives.sources if positives else ()
    return {label for source in sources for label in source.labels if label}


def _sizes(part: CollectedImages, options: CollectOptions) -> SizeStatistics:
    sizes_wh = [sample.box_xywh[2:] for image in part.used for sample in image.samples]
    return describe_sizes(sizes_wh, options.rules.window_wh)


def _all_or_nothing(writing: Iterable[tuple[Path, str]], files: FileOptions) -> dict[Path, str]:
    """Return all that is written; if that breaks off, remove what was, unless it replaced some."""
    written: dict[Path, str] = {}
    try:
        for path, content in writing:
            written[path] = content
    except BaseException:
        for path in written if not files.overwrite else ():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise
    return written


def _write(
    positives: CollectedImages | None,
    negatives: CollectedImages | None,
    sizes: SizeStatistics | None,
    out: Path,
    files: FileOptions,
) -> Iterator[tuple[Path, str]]:
    if positives is not None:
        yield from write_positives(positives, out, files)
    if negatives is not None:
        yield from write_negatives(negatives, out, files)
    if files.plot is not None and sizes is not None:
        plot_sizes(sizes, files.plot, overwrite=files.overwrite)
        yield files.plot, "sizes and shapes of the boxes"
