"""Finding: a cascade run over files of images, with the boxes as rows and drawn."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fercli.cascade.detection.detector import (
    DEFAULTS,
    DetectionOptions,
    Detections,
    Detector,
    detect,
    load_detector,
)
from fercli.common.drawing import with_boxes
from fercli.common.errors import ImageError, InputError, OutputError
from fercli.common.files import find_files, free_name, input_among, make_folder, shortened
from fercli.common.images import ImageArray, read_color, write_image
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress

#: As `fercli.annotations.csv_table` reads them; it passes over the score.
COLUMNS = ("path", "x", "y", "w", "h", "score")

#: Bytes of a file's name, less what is put before and behind it: file systems allow 255.
LONGEST_STEM = 220


@dataclass(frozen=True)
class Found:
    """What was found in one image.

    Parameters
    ----------
    path : Path
        The image.
    detections : Detections or None
        None if the image cannot be read.
    error : str
        Why it cannot be read.
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


def images_of(inputs: Sequence[Path]) -> list[Path]:
    """Return the images that are named, and those in and below folders that are named.

    Raises
    ------
    InputError
        A name is missing, or there is no image at all.
    """
    found = [path for name in inputs for path in (find_files(name) if name.is_dir() else [name])]
    if not found:
        folders = ", ".join(map(str, inputs))
        raise InputError(f"wanted images, found none in {folders}")
    return found


def find_objects(
    cascade: Path,
    images: Sequence[Path],
    options: DetectionOptions = DEFAULTS,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> list[Found]:
    """Run a cascade over images.

    Parameters
    ----------
    cascade : Path
        The cascade's file.
    images : sequence of Path
        One that cannot be read is said so in its `Found`, and does not end the run.
    options : DetectionOptions
        How images are searched. Defaults to ``detectMultiScale``'s way.
    out : Path, optional
        The folder for copies of the images with the boxes drawn: ``NAME.png`` each, numbered
        where a name comes twice.
    overwrite : bool
        Whether files in `out` may be replaced. Defaults to False.
    workers, progress
        As `fercli.common.parallel.parallel_map`.

    Raises
    ------
    CascadeFileError
        The file is no cascade that a detector may load.
    OutputError
        A drawn image exists already, would replace an input, or cannot be written.
    """
    load_detector(cascade)
    places: list[Path] = []
    if out is not None:
        places = [out / f"{stem}.png" for stem in numbered(path.stem for path in images)]
        require_apart(places, [cascade, *images])
        make_folder(out)
    # cv2 keeps its buffers in the classifier: each thread needs its own.
    own = threading.local()

    def search(at: int) -> Found:
        if not hasattr(own, "detector"):
            own.detector = load_detector(cascade)
        try:
            image = read_color(images[at])
        except ImageError as error:
            return Found(images[at], None, str(error))
        return _search(own.detector, image, at)

    def _search(detector: Detector, image: ImageArray, at: int) -> Found:
        found = detect(detector, image, options)
        if places:
            labels = [f"{score:.3g}" for score in found.scores]
            drawn = with_boxes(image, found.boxes_xywh, labels)
            write_image(places[at], drawn, overwrite=overwrite)
        return Found(images[at], found)

    return list(
        parallel_map(
            search,
            range(len(images)),
            workers=workers,
            prefer="threads",
            progress=progress,
            description="searching",
        )
    )


def as_csv(found: Sequence[Found]) -> str:
    """Return all boxes as a CSV table with a header, which `fer cascade build-info` reads.

    Paths are absolute, so that the table can be moved. An image in which nothing was found has a
    line with its path alone; one that could not be read has none.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in found:
        if one.detections is not None:
            place = str(one.path.absolute())
            boxes = [(place, *row[1:]) for row in one.rows()]
            table.writerows(boxes or [(place, "", "", "", "", "")])
    return text.getvalue()


def require_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise if a file to be written is one of those to be read, whatever it is called.

    Raises
    ------
    OutputError
        It is: not even overwriting is allowed then.
    """
    replaced = input_among(outputs, inputs)
    if replaced is not None:
        raise OutputError(
            "wanted a file to write to, found an input that it would replace",
            hint="another folder or name",
            path=replaced,
        )


def numbered(stems: Iterable[str]) -> list[str]:
    """Return a stem for each file: its own, cut if it is long, numbered where it was taken."""
    taken: dict[str, int] = {}
    return [free_name(short_stem(stem), taken) for stem in stems]


def short_stem(stem: str) -> str:
    """Return the beginning of a name, of at most `LONGEST_STEM` bytes; no character is halved."""
    return shortened(stem, LONGEST_STEM)
