"""Prediction: the probabilities of a model for images of faces, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np

from fercli.common.errors import ImageError, InputError, image_errors
from fercli.common.files import find_files, require_absent, write_text
from fercli.common.images import ImageArray
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.models.labeled_faces import read_face
from fercli.models.loading import Model, open_model
from fercli.models.model_card import ModelSettings

#: Images that are in memory at once.
CHUNK = 256


@dataclass(frozen=True)
class Prediction:
    """The answer of a model for one face.

    Parameters
    ----------
    path : Path
        The image.
    label : str
        The most probable class.
    probabilities : tuple of float
        Of each class.
    """

    path: Path
    label: str
    probabilities: tuple[float, ...]


def find_faces(sources: Sequence[Path]) -> list[Path]:
    """Return image files: those given, and those in folders given.

    Raises
    ------
    InputError
        There is none.
    """
    found: list[Path] = []
    for source in sources:
        found.extend(find_files(source) if source.is_dir() else [source])
    if not found:
        raise InputError("There is no image in the input", path=sources[0])
    return found


def predict(
    model: Model,
    paths: Sequence[Path],
    *,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Iterator[Prediction | ImageError]:
    """Yield the answer for each image, or why it cannot be read, in order.

    Images are taken as faces, whole, and resized to the model's input.
    """
    card = model.card
    read = partial(_read_or_error, size_wh=card.size_wh, channels=card.channels)
    with progress.bar("classifying", total=len(paths), unit="image") as bar:
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK]
            images = list(parallel_map(read, chunk, workers=workers, prefer="threads"))
            yield from _answers(model, chunk, images)
            bar.advance(len(chunk))


def write_csv(stream: TextIO, predictions: Iterable[Prediction], classes: Sequence[str]) -> None:
    """Write a header and a row an image: its path, the class, all probabilities."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", "class", *classes])
    for one in predictions:
        writer.writerow([one.path, one.label, *(f"{p:.6f}" for p in one.probabilities)])


def predict_files(
    model: str,
    sources: Sequence[Path],
    settings: ModelSettings | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> tuple[str, list[ImageError]]:
    """Run a model on images; return what is to be shown, and what could not be read.

    What is shown is the CSV itself, or, with `out`, a line that says what was written there.
    """
    if out is not None:
        require_absent(out, overwrite=overwrite)
    opened = open_model(model, settings, progress=progress)
    paths = find_faces(sources)
    answers = list(predict(opened, paths, workers=workers, progress=progress))
    good = [answer for answer in answers if isinstance(answer, Prediction)]
    stream = io.StringIO()
    write_csv(stream, good, opened.card.classes)
    unreadable = [answer for answer in answers if isinstance(answer, ImageError)]
    if out is None:
        return stream.getvalue(), unreadable
    write_text(out, stream.getvalue(), overwrite=overwrite)
    return f"wrote {out}: {len(good)} faces\n", unreadable


def _answers(
    model: Model, paths: Sequence[Path], images: Sequence[ImageArray | ImageError]
) -> Iterator[Prediction | ImageError]:
    readable = [image for image in images if not isinstance(image, ImageError)]
    answers = iter(model.classify(np.stack(readable)) if readable else np.empty((0, 2)))
    for path, image in zip(paths, images, strict=True):
        if isinstance(image, ImageError):
            yield image
            continue
        answer = next(answers)
        label = model.card.classes[int(answer.argmax())]
        yield Prediction(path, label, tuple(answer.tolist()))


def _read_or_error(path: Path, size_wh: tuple[int, int], channels: int) -> ImageArray | ImageError:
    try:
        with image_errors(path):
            return read_face(path, size_wh, channels)
    except ImageError as error:
        return error
