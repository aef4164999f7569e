"""Digests of what stages were trained on, by which both engines notice that it changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fercli.annotations.reading import read_records
from fercli.cascade.training.backgrounds import BackgroundFiles
from fercli.common.errors import FerError, InputError, TrainingError
from fercli.common.files import input_error, parse_json, read_text, write_text
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted

DIGESTS = "samples.json"


def digest_samples(
    backgrounds: BackgroundFiles,
    *,
    vec: Path | None = None,
    info: Path | None = None,
    label: tuple[str, ...] = (),
    workers: Workers | None = None,
    progress: Progress = SILENT,
) -> dict[str, str]:
    """Return the digests of positives and backgrounds, by names that can be told to people.

    Parameters
    ----------
    backgrounds : BackgroundFiles
    vec, info, label
        The positives, as in `fercli.cascade.training.options.CascadeTrainingOptions`; one of the
        former two.
    workers : Workers, optional
        What reads the images. Defaults to this machine.
    progress : Progress

    Raises
    ------
    InputError
        The file of the positives cannot be read. An image that cannot is none: it is reported
        where it is used.
    """

    def of_images(paths: Iterable[Path]) -> dict[Path, str]:
        different = list(dict.fromkeys(paths))
        digests = parallel_map(
            _digest_or_none, different, workers=workers, prefer="threads", note=progress.note
        )
        return dict(zip(different, digests, strict=True))

    if vec is not None:
        positives = digest_file(vec)
    else:
        assert info is not None
        records = read_records(info, labels=label, note_labels=False)
        images = of_images(record.path for record in records)
        positives = _digest_lines(f"{r.boxes} {r.normalized} {images[r.path]}" for r in records)
    objects, images = backgrounds.objects, of_images(backgrounds.paths)
    lines = (f"{images[path]} {objects.get(path, ())}" for path in backgrounds.paths)
    return {"positives": positives, "backgrounds": _digest_lines(lines)}


def note_of_changes(
    before: Mapping[str, Any], now: Mapping[str, Any], stages: int, folder: Path, *, resume: bool
) -> tuple[str, ...]:
    """Return a note if the stages that there are had other samples than there are now.

    Parameters
    ----------
    before, now : mapping
        Digests by name.
    stages : int
        How many are trained. Before the first, samples may change.
    folder : Path
        The training's, for the error.
    resume : bool
        Whether to continue nevertheless.

    Raises
    ------
    TrainingError
        They had, and `resume` is False.
    """
    changed = " and the ".join(name for name in now if before.get(name) != now[name])
    if not stages or not changed:
        return ()
    if not resume:
        raise TrainingError(
            f"The training cannot continue as it was: the {changed} changed since its stages were "
            "trained",
            hint="use `resume` to continue with the present ones, or `overwrite` to start anew",
            path=folder,
        )
    after = counted(stages, "stage")
    return (f"the {changed} changed after {after}: further stages use the present ones",)


def read_digests(folder: Path) -> dict[str, Any] | None:
    """Return the digests that are kept in a folder; None if there are none that can be read."""
    try:
        return dict(parse_json(read_text(folder / DIGESTS)))
    except (FerError, ValueError, TypeError):
        return None


def write_digests(folder: Path, digests: Mapping[str, Any]) -> None:
    """Keep digests in a folder, in place of older ones."""
    write_text(folder / DIGESTS, json.dumps(digests, indent=2) + "\n", overwrite=True)


def digest_file(path: Path) -> str:
    """Return the digest of a file's content: neither its size nor its time says whether it was
    edited in place, and under another name it is as good.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, _blake2b).hexdigest()
    except OSError as error:
        raise input_error(error, path) from error


def _digest_or_none(path: Path) -> str:
    try:
        return digest_file(path)
    except InputError:
        return "none"


def _digest_lines(lines: Iterable[str]) -> str:
    digest = _blake2b()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _blake2b() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)
