"""A network's answers for pictures of faces, as rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np

from fercli.common.errors import InputError, PictureError
from fercli.common.files import find_files, require_absent, write_text
from fercli.common.images import Picture
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.models.labeled_faces import read_face
from fercli.models.loading import Network, open_network
from fercli.models.model_settings import Settings

#: Pictures that are in memory at once.
CHUNK = 256


@dataclass(frozen=True)
class Prediction:
    """What a network says of one face.

    Parameters
    ----------
    path : Path
        The picture.
    label : str
        The most probable class.
    probabilities : tuple of float
        Of each class.
    """

    path: Path
    label: str
    probabilities: tuple[float, ...]


def find_faces(sources: Sequence[Path]) -> list[Path]:
    """Return picture files: those given, and those in folders given.

    Raises
    ------
    InputError
        There is none.
    """
    found: list[Path] = []
    for source in sources:
        found.extend(find_files(source) if source.is_dir() else [source])
    if not found:
        raise InputError("wanted pictures of faces, found none", path=sources[0])
    return found


def predict(
    network: Network,
    paths: Sequence[Path],
    *,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Iterator[Prediction | PictureError]:
    """Yield the answer for each picture, or why it cannot be read, in order.

    Pictures are taken as faces, whole, and resized to the network's input.
    """
    card = network.card
    read = partial(_read_or_error, size_wh=card.size_wh, channels=card.channels)
    with progress.bar("classifying", total=len(paths), unit="picture") as bar:
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK]
            pictures = list(parallel_map(read, chunk, workers=workers, prefer="threads"))
            yield from _answers(network, chunk, pictures)
            bar.advance(len(chunk))


def write_csv(stream: TextIO, predictions: Iterable[Prediction], classes: Sequence[str]) -> None:
    """Write a header and a row a picture: its path, the class, all probabilities."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", "class", *classes])
    for one in predictions:
        writer.writerow([one.path, one.label, *(f"{p:.6f}" for p in one.probabilities)])


def predict_files(
    network: str,
    sources: Sequence[Path],
    settings: Settings | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> tuple[str, list[PictureError]]:
    """Run a network on pictures; return what is to be shown, and what could not be read.

    What is shown is the CSV itself, or, with `out`, a line that says what was written there.
    """
    if out is not None:
        require_absent(out, overwrite=overwrite)
    opened = open_network(network, settings)
    paths = find_faces(sources)
    answers = list(predict(opened, paths, workers=workers, progress=progress))
    good = [answer for answer in answers if isinstance(answer, Prediction)]
    stream = io.StringIO()
    write_csv(stream, good, opened.card.classes)
    unreadable = [answer for answer in answers if isinstance(answer, PictureError)]
    if out is None:
        return stream.getvalue(), unreadable
    write_text(out, stream.getvalue(), overwrite=overwrite)
    return f"wrote {out}: {len(good)} faces\n", unreadable


def _answers(
    network: Network, paths: Sequence[Path], pictures: Sequence[Picture | PictureError]
) -> Iterator[Prediction | PictureError]:
    readable = [picture for picture in pictures if not isinstance(picture, PictureError)]
    answers = iter(network.classify(np.stack(readable)) if readable else np.empty((0, 2)))
    for path, picture in zip(paths, pictures, strict=True):
        if isinstance(picture, PictureError):
            yield picture
            continue
        answer = next(answers)
        label = network.card.classes[int(answer.argmax())]
        yield Prediction(path, label, tuple(answer.tolist()))


def _read_or_error(path: Path, size_wh: tuple[int, int], channels: int) -> Picture | PictureError:
    try:
        return read_face(path, size_wh, channels)
    except PictureError as error:
        return error
