"""Merging of ``.vec`` files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.samples.results import Written
from fercli.cascade.samples.statistics import CHUNK, assumed_size, digests
from fercli.cascade.samples.vec import Samples, describe_vec, read_vec, vec_writer
from fercli.common.errors import OptionError, VecError
from fercli.common.files import require_absent
from fercli.common.progress import SILENT, Progress


def merge(
    paths: Sequence[Path],
    out: Path,
    *,
    size_wh: tuple[int, int] | None = None,
    drop_duplicates: bool = False,
    shuffle: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Written:
    """Write the samples of several ``.vec`` files to one.

    Parameters
    ----------
    paths : sequence of Path
        The files, at least one.
    out : Path
        The file to write; may be one of `paths` if `overwrite`.
    size_wh : (int, int), optional
        Width and height of the samples of all. Defaults to not looking further than the number
        of pixels, which must be the same in all.
    drop_duplicates : bool
        Whether of samples that are equal, pixel by pixel, the first alone is written. Defaults
        to False.
    shuffle : bool
        Whether the order is random. Defaults to the order of the files, which a training keeps:
        where it takes fewer positives than there are, the last file is then left out.
    seed : int
        Start of the random order. Defaults to 0.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Raises
    ------
    VecError
        A file is not a ``.vec`` file, holds no sample, or one of another size than the first.
    OutputError
        `out` exists already or cannot be written.
    """
    require_absent(out, overwrite=overwrite)
    parts = _read_alike(paths, size_wh, progress)
    lengths = [len(part) for part in parts]
    order: NDArray[np.int64] = np.arange(sum(lengths))
    if drop_duplicates:
        names = [digest for part in parts for digest in digests(part, progress)]
        _, first = np.unique(np.array(names), return_index=True)
        order = np.sort(first)
    if shuffle:
        order = np.random.default_rng(seed).permutation(order)
    _, height, width = parts[0].shape
    with vec_writer(out, (width, height), overwrite=overwrite) as write:
        for start in progress.track(range(0, len(order), CHUNK), "merging", unit="part"):
            write(_gathered(parts, lengths, order[start : start + CHUNK]))
    return Written(out, len(order))


def _read_alike(
    paths: Sequence[Path], size_wh: tuple[int, int] | None, progress: Progress
) -> list[Samples]:
    if not paths:
        raise OptionError("wanted .vec files to merge, found none")
    pixels = describe_vec(paths[0]).vec_size
    for path in paths[1:]:
        found = describe_vec(path).vec_size
        if found != pixels:
            raise VecError(
                f"wanted samples of {pixels} pixels as in {paths[0]}, found samples of {found}",
                hint="make both with the same --size",
                path=path,
            )
    size = assumed_size(paths[0], size_wh)
    return [read_vec(path, size, progress=progress) for path in paths]


def _gathered(
    parts: Sequence[Samples], lengths: Sequence[int], chosen: NDArray[np.int64]
) -> Samples:
    """Return the samples of these numbers (from 0, over all parts), in this order."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    owners = np.searchsorted(starts, chosen, side="right") - 1
    gathered = np.empty((len(chosen), *parts[0].shape[1:]), np.uint8)
    for owner in np.unique(owners):
        mine = owners == owner
        gathered[mine] = parts[owner][chosen[mine] - starts[owner]]
    return gathered
