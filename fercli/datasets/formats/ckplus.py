"""CK+: people who were filmed from a neutral face to the peak of an expression.

Two forms: the original one (``cohn-kanade-images/S005/001/*.png`` with
``Emotion/S005/001/*_emotion.txt`` beside it) and the widespread cropped one, a folder a class with
the last three frames of each sequence at 48×48.

See: Lucey, Cohn, Kanade, Saragih, Ambadar and Matthews, "The extended Cohn-Kanade dataset (CK+)",
CVPR workshops 2010; card ``datasets/ckplus.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import list_folder, read_text
from fercli.datasets.entries import DatasetFormat, Dropped, Entry, Item, ReadOptions, numbered_label
from fercli.datasets.formats.generic import read_folder

IMAGES, EMOTIONS = "cohn-kanade-images", "Emotion"

#: The expressions, in the order of the label files' numbers.
LABELS = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")

#: Labeled sequences; the neutral faces are their first frames.
SEQUENCES = {
    "angry": 45, "contempt": 18, "disgust": 59, "fear": 25, "happy": 69, "sad": 28, "surprise": 83,
}  # fmt: skip
PUBLISHED = {"all": {label: 3 * count for label, count in SEQUENCES.items()}}

_SUBJECT = re.compile(r"(S\d+)_")


def _read(path: Path, options: ReadOptions) -> Iterator[Item]:
    if (path / IMAGES).is_dir():
        return _read_sequences(path, options)
    return read_folder(path, options, subject_of=_subject, known=True)


def _subject(name: str) -> str:
    match = _SUBJECT.match(name)
    return match[1] if match else ""


def _read_sequences(path: Path, options: ReadOptions) -> Iterator[Item]:
    if not (path / EMOTIONS).is_dir():
        raise InputError(
            f"The folder {EMOTIONS} with the labels is missing beside {IMAGES}",
            hint="unpack Emotion_labels.zip here, one of the archives of CK+",
            path=path,
        )
    frames: dict[Path, list[Path]] = {}
    files = list_folder(path / IMAGES)
    for file in files.found:
        frames.setdefault(file.parent, []).append(file)
    for file in files.skipped:
        yield Dropped(file.relative_to(path).as_posix(), "not an image by its suffix")
    for sequence, of_sequence in frames.items():
        yield from _read_sequence(path, sequence, of_sequence, options)


def _read_sequence(
    path: Path, sequence: Path, frames: list[Path], options: ReadOptions
) -> Iterator[Entry | Dropped]:
    labels = sorted((path / EMOTIONS / sequence.relative_to(path / IMAGES)).glob("*_emotion.txt"))
    if not labels:
        yield Dropped(str(sequence.relative_to(path)), "a sequence without a label")
        return
    label, mapped = _label(labels[0], options)
    # A sequence shorter than that would give its neutral frame as a peak.
    peaks = min(options.peak_frames, len(frames) - 1)
    if peaks < 1:
        yield Dropped(str(sequence.relative_to(path)), "a sequence of a single frame")
        return
    yield _frame(frames[0], path, "neutral", False)
    for frame in frames[-peaks:]:
        yield _frame(frame, path, label, mapped)


def _frame(frame: Path, path: Path, label: str, mapped: bool) -> Entry:
    origin = frame.relative_to(path).as_posix()
    return Entry(frame.stem, frame, origin, label, subject=_subject(frame.name), mapped=mapped)


def _label(path: Path, options: ReadOptions) -> tuple[str, bool]:
    """Return the expression in a label file, which holds a number such as ``3.0000000e+00``."""
    text = read_text(path).strip()
    found = numbered_label(text, LABELS, options)
    if found is None:
        raise InputError(
            f"Expected a label from 0 to {len(LABELS) - 1}, got {text[:40]!r}", path=path
        )
    return found


def _recognizes(path: Path) -> bool:
    if (path / IMAGES).is_dir():
        return True
    return path.is_dir() and any(_SUBJECT.match(file.name) for file in path.glob("*/S[0-9]*_*.png"))


FORMAT = DatasetFormat(
    name="ckplus",
    title=f"CK+: a folder a class (48×48), or {IMAGES}/ and {EMOTIONS}/",
    read=_read,
    recognizes=_recognizes,
    published=PUBLISHED,
)
