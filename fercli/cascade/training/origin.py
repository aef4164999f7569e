"""Where stages come from: digests of the samples, so that changed ones are noticed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from fercli.annotations.formats import read_records
from fercli.cascade.training.backgrounds import BackgroundFiles
from fercli.cascade.training.options import TrainingOptions
from fercli.common.files import input_error

#: Grows when the engine would train other stages of the same samples.
ENGINE = 3


def origin(options: TrainingOptions, backgrounds: BackgroundFiles) -> dict[str, str | int]:
    """Return what two trainings must have in common, besides options, to train the same stages.

    Returns
    -------
    dict
        Plain values, by names that can be told to people.
    """
    found: dict[str, str | int] = {
        "version of the engine": ENGINE,
        "positives": _digest_positives(options),
        "backgrounds": _digest_backgrounds(backgrounds),
    }
    if options.continue_from is not None:
        found["first stages"] = _digest_file(options.continue_from)
    return found


def _digest_positives(options: TrainingOptions) -> str:
    if options.vec is not None:
        return _digest_file(options.vec)
    assert options.info is not None
    records = read_records(options.info)
    return _digest_lines(f"{r.boxes} {r.normalised} {_size(r.path)}" for r in records)


def _digest_backgrounds(backgrounds: BackgroundFiles) -> str:
    objects = backgrounds.objects
    return _digest_lines(f"{_size(path)} {objects.get(path, ())}" for path in backgrounds.paths)


def _digest_file(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise input_error(error, path) from error
    return digest.hexdigest()


def _digest_lines(lines: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _size(path: Path) -> int:
    """Return the bytes of a file, -1 if there is none: its name may change, a copy is as good."""
    try:
        return os.stat(path).st_size  # noqa: PTH116  (a tenth of the time, for thousands)
    except OSError:
        return -1
