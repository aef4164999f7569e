"""Splitting of ``.vec`` files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.list_builder.sampling import in_drawn_order
from fercli.cascade.samples.results import Written
from fercli.cascade.samples.statistics import CHUNK, assumed_size, digests
from fercli.cascade.samples.vec import Samples, describe_vec, read_vec, vec_writer
from fercli.common.errors import OptionError, VecError
from fercli.common.files import require_absent
from fercli.common.progress import SILENT, Progress


def split(
    path: Path,
    shares: Mapping[str, float],
    folder: Path,
    *,
    size_wh: tuple[int, int] | None = None,
    together: int = 1,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[Written]:
    """Write the samples of a ``.vec`` file to several, each sample to one.

    Samples that are equal, pixel by pixel, stay together, so that none is both trained and
    tested with. Each file keeps the order of the samples. Where a sample goes depends on its
    pixels and the seed.

    Parameters
    ----------
    path : Path
        The file.
    shares : mapping of str to float
        The names of the parts and how large they are in proportion to each other, such as
        ``{"train": 0.8, "test": 0.2}``. Part NAME goes to ``STEM-NAME.vec``.
    folder : Path
        Where the parts go.
    size_wh : (int, int), optional
        Width and height of the samples; needed only to have it checked.
    together : int
        Runs of so many samples, from the first on, stay together too: 2 where each is followed by
        its mirror image, 10 in the faces that come with OpenCV. Defaults to 1.
    seed : int
        Start of the random choice. Defaults to 0.
    overwrite : bool
        Whether existing files may be replaced. Defaults to False.

    Returns
    -------
    list of Written
        In the order of `shares`.

    Raises
    ------
    VecError
        The file is not a ``.vec`` file, or is of another size.
    OptionError
        The shares are no shares, or a part would be left without a sample.
    OutputError
        A file exists already or cannot be written.
    """
    _require_shares(shares)
    files = {name: folder / f"{path.stem}-{name}.vec" for name in shares}
    for file in files.values():
        require_absent(file, overwrite=overwrite)
    size = assumed_size(path, size_wh)
    samples = read_vec(path, size, progress=progress)
    members = _dealt(digests(samples, progress), shares, together, seed)
    for name, chosen in zip(shares, members, strict=True):
        if not len(chosen):
            raise OptionError(
                f"wanted a share of {shares[name]:g} for {name}, found no sample left for it among "
                f"{len(samples)}",
                hint="larger shares, or fewer parts",
            )
    with ExitStack() as stack:
        for file, chosen in zip(files.values(), members, strict=True):
            write = stack.enter_context(vec_writer(file, size, overwrite=overwrite))
            for start in range(0, len(chosen), CHUNK):
                write(samples[chosen[start : start + CHUNK]])
    return [Written(file, len(each)) for file, each in zip(files.values(), members, strict=True)]


def _require_shares(shares: Mapping[str, float]) -> None:
    if len(shares) < 2:
        raise OptionError(f"wanted at least two parts to split into, found {len(shares)}")
    for name, share in shares.items():
        if name != Path(name).name:
            raise OptionError(f"wanted a name that can be part of a file's name, found {name!r}")
        if not 0 < share < float("inf"):
            raise OptionError(f"wanted a positive share for {name}, found {share:g}")


def _dealt(
    names: Sequence[bytes], shares: Mapping[str, float], together: int, seed: int
) -> list[NDArray[np.int64]]:
    """Return the samples of each part, in order; groups of samples as `_groups`."""
    groups = _groups(names, together)
    order = in_drawn_order(groups, lambda group: names[group[0]], seed, "split samples")
    ends = np.cumsum(list(shares.values())) / sum(shares.values()) * len(names)
    parts: list[list[int]] = [[] for _ in shares]
    at = 0
    for group in order:
        # A group goes where its middle falls, so that a large one is not always pushed on.
        part = int(np.searchsorted(ends, at + len(group) / 2))
        parts[min(part, len(parts) - 1)] += group
        at += len(group)
    return [np.array(sorted(part), np.int64) for part in parts]


def _groups(names: Sequence[bytes], together: int) -> list[list[int]]:
    """Return samples that must not be parted: of one run, or equal, or linked by such."""
    first: dict[bytes, int] = {}
    leader = list(range(-(-len(names) // together)))

    def lead(run: int) -> int:
        while leader[run] != run:
            leader[run] = run = leader[leader[run]]
        return run

    for at, name in enumerate(names):
        one, other = lead(at // together), lead(first.setdefault(name, at // together))
        leader[max(one, other)] = min(one, other)
    groups: dict[int, list[int]] = {}
    for at in range(len(names)):
        groups.setdefault(lead(at // together), []).append(at)
    return list(groups.values())


# Merging of ``.vec`` files.


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
