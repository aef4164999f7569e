"""Run a cascade over image files; write the boxes as CSV and draw them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import DEFAULTS, Detections, Detector, paths_of
from fercli.common.drawing import draw_boxes
from fercli.common.errors import ImageError, InputError, OutputError, image_errors
from fercli.common.files import (
    FolderFiles,
    free_name,
    input_among,
    list_folder,
    make_folder,
    require_absent,
    shortened,
    subfolder_of,
)
from fercli.common.images import read_color, write_image
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress

#: As `fercli.annotations.csv_table` reads them; it passes over the score.
COLUMNS = ("path", "x", "y", "w", "h", "score")

#: Bytes of a file's name, less what is put before and behind it: file systems allow 255.
LONGEST_STEM = 220


@dataclass(frozen=True)
class ImageDetections:
    """The detections of one image file.

    Parameters
    ----------
    path : Path
    detections : Detections or None
        None if the image cannot be read.
    error : str
        Why it cannot be read; empty if it can.
    """

    path: Path
    detections: Detections | None
    error: str = ""

    def rows(self) -> Iterator[tuple[str, int, int, int, int, float]]:
        """Yield a row of `COLUMNS` for each box, best first."""
        if self.detections is not None:
            boxes, scores, _ = self.detections
            for (x, y, width, height), score in zip(boxes.tolist(), scores.tolist(), strict=True):
                yield str(self.path), x, y, width, height, score


def images_of(inputs: Sequence[Path], notes: list[str] | None = None) -> list[Path]:
    """Return the images among `inputs`, and those in and below the folders among them.

    Parameters
    ----------
    inputs : sequence of Path
    notes : list of str, optional
        Gets a line for each folder with files that are not images by their suffix.

    Raises
    ------
    InputError
        A file is missing, or there is no image at all.
    """
    found: list[Path] = []
    for name in inputs:
        files = list_folder(name) if name.is_dir() else FolderFiles(name, [name], [])
        found += files.found
        if notes is not None:
            notes += filter(None, [files.note()])
    if not found:
        folders = ", ".join(map(str, inputs))
        raise InputError(f"There are no images in {folders}")
    return found


def find_objects(
    cascade: Path | Sequence[Path],
    images: Sequence[Path],
    options: DetectionOptions = DEFAULTS,
    *,
    out: Path | None = None,
    folders: Sequence[Path] = (),
    overwrite: bool = False,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> list[ImageDetections]:
    """Run a cascade over images.

    Parameters
    ----------
    cascade : Path or sequence of Path
        The cascade's file, or those of several, as `Detector`.
    images : sequence of Path
        The error of one that cannot be read is in its `ImageDetections`; the run goes on.
    options : DetectionOptions
        How images are searched. Defaults to ``detectMultiScale``'s way.
    out : Path, optional
        The folder for copies of the images with the boxes drawn: ``NAME.png`` each, numbered
        where a name comes twice.
    folders : sequence of Path
        Copies of images below one of these are in the same subfolders of `out`.
    overwrite : bool
        Whether files in `out` may be replaced. Defaults to False.
    workers, progress
        As `fercli.common.parallel.parallel_map`.

    Raises
    ------
    CascadeFileError
        The file is not a cascade that a detector may load.
    OutputError
        A drawn image exists already, would replace an input, or cannot be written.
    """
    detector = Detector(cascade)
    output_paths: list[Path] = []
    if out is not None:
        output_paths = _copies(out, images, folders)
        require_apart(output_paths, [*paths_of(cascade), *images])
        for path in output_paths:
            require_absent(path, overwrite=overwrite)
        make_folder(out)

    def detect(at: int) -> ImageDetections:
        try:
            with image_errors(images[at]):
                image = read_color(images[at])
                found = detector.detect(image, options)
        except ImageError as error:
            return ImageDetections(images[at], None, str(error))
        if output_paths:
            labels = [f"{score:.3g}" for score in found.scores]
            drawn = draw_boxes(image, found.boxes_xywh, labels)
            # Work of a worker that dies is done again, and may have written its images.
            write_image(output_paths[at], drawn, overwrite=True)
        return ImageDetections(images[at], found)

    return list(
        parallel_map(
            detect,
            range(len(images)),
            workers=workers,
            prefer="threads",
            progress=progress,
            description="detecting",
        )
    )


def to_csv(found: Sequence[ImageDetections]) -> str:
    """Return all boxes as a CSV table with a header, which `fer cascade build-info` reads.

    Paths are absolute, so that the table can be moved. An image in which nothing was found has a
    line with its path alone; one that could not be read has none.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in found:
        if one.detections is not None:
            path = str(one.path.absolute())
            boxes = [(path, *row[1:]) for row in one.rows()]
            table.writerows(boxes or [(path, "", "", "", "", "")])
    return text.getvalue()


def require_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise `OutputError` if an output is one of the inputs, by whatever name or link.

    Even `overwrite` does not allow it.
    """
    replaced = input_among(outputs, inputs)
    if replaced is not None:
        raise OutputError(
            "The output would replace an input file",
            hint="use another folder or name",
            path=replaced,
        )


def _copies(out: Path, images: Sequence[Path], folders: Sequence[Path]) -> list[Path]:
    """Return the path of each image's copy."""
    taken: dict[Path, dict[str, int]] = {}
    paths = []
    for image in images:
        below = subfolder_of(image, folders)
        stem = free_name(short_stem(image.stem), taken.setdefault(below, {}))
        paths.append(out / below / f"{stem}.png")
    return paths


def numbered(stems: Iterable[str]) -> list[str]:
    """Return a stem for each file: its own, cut if it is long, numbered where it was taken."""
    taken: dict[str, int] = {}
    return [free_name(short_stem(stem), taken) for stem in stems]


def short_stem(stem: str) -> str:
    """Return the beginning of a name, of at most `LONGEST_STEM` bytes; no character is halved."""
    return shortened(stem, LONGEST_STEM)
