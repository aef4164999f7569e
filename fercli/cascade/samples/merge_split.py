"""Split a ``.vec`` file into parts, and merge several into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.list_builder.collect import in_drawn_order
from fercli.cascade.samples.inspection import CHUNK, assumed_size, digests
from fercli.cascade.samples.options import Written
from fercli.cascade.samples.vec import Samples, describe_vec, read_vec, vec_writer
from fercli.common.errors import OptionError, VecError
from fercli.common.files import require_absent
from fercli.common.groups import exact_pairs, groups
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted


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
    """Split the samples of a ``.vec`` file over several files.

    Samples that are equal, pixel by pixel, go to the same part, so that none is in both the
    training and the test part. Each file keeps the order of the samples. The part of a sample
    depends on its pixels and the seed.

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
        Width and height of the samples; only checked.
    together : int
        Runs of this many samples, from the first on, go to the same part: 2 where each sample
        is followed by its mirror image, 10 in the faces that come with OpenCV. Defaults to 1.
    seed : int
        Seed of the random choice. Defaults to 0.
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
        A share is not positive, or a part would get no sample.
    OutputError
        A file exists already or cannot be written.
    """
    _require_shares(shares)
    files = {name: folder / f"{path.stem}-{name}.vec" for name in shares}
    for file in files.values():
        require_absent(file, overwrite=overwrite)
    size = assumed_size(path, size_wh)
    samples = read_vec(path, size, progress=progress)
    members = _assigned(digests(samples, progress), shares, together, seed)
    for name, chosen in zip(shares, members, strict=True):
        if not len(chosen):
            raise OptionError(
                f"The part {name} would get none of the {counted(len(samples), 'sample')} "
                f"at a share of {shares[name]:g}",
                hint="give it a larger share, or split into fewer parts",
            )
    with ExitStack() as stack:
        for file, chosen in zip(files.values(), members, strict=True):
            write = stack.enter_context(vec_writer(file, size, overwrite=overwrite))
            for start in range(0, len(chosen), CHUNK):
                write(samples[chosen[start : start + CHUNK]])
    return [Written(file, len(each)) for file, each in zip(files.values(), members, strict=True)]


def _require_shares(shares: Mapping[str, float]) -> None:
    if len(shares) < 2:
        raise OptionError(f"Expected at least two parts to split into, got {len(shares)}")
    for name, share in shares.items():
        if name != Path(name).name:
            raise OptionError(f"The name of a part must be usable in a file name, got {name!r}")
        if not 0 < share < float("inf"):
            raise OptionError(f"The share of {name} must be a positive number, got {share:g}")


def _assigned(
    names: Sequence[bytes], shares: Mapping[str, float], together: int, seed: int
) -> list[NDArray[np.int64]]:
    """Return the indices of each part's samples, in order; groups are not divided."""
    members = _groups(names, together)
    order = in_drawn_order(members, lambda group: names[group[0]], seed, "split samples")
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
    """Return groups of samples linked by being equal or in the same run."""
    pairs = ((a // together, b // together) for a, b in exact_pairs(names))
    runs = groups(-(-len(names) // together), pairs)
    members: dict[int, list[int]] = {}
    for at in range(len(names)):
        members.setdefault(int(runs[at // together]), []).append(at)
    return list(members.values())


# Merging.


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
        Width and height of all samples. By default only the number of pixels is compared.
    drop_duplicates : bool
        Whether only the first of samples that are equal, pixel by pixel, is written. Defaults
        to False.
    shuffle : bool
        Whether the order is random. Defaults to the order of the files. A training reads samples
        in order, so without shuffling it may never use the last file.
    seed : int
        Seed of the random order. Defaults to 0.
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
            write(_selected(parts, lengths, order[start : start + CHUNK]))
    return Written(out, len(order))


def _read_alike(
    paths: Sequence[Path], size_wh: tuple[int, int] | None, progress: Progress
) -> list[Samples]:
    if not paths:
        raise OptionError("Expected at least one .vec file to merge")
    pixels = describe_vec(paths[0]).vec_size
    for path in paths[1:]:
        found = describe_vec(path).vec_size
        if found != pixels:
            raise VecError(
                f"The samples have {found} pixels each, those of {paths[0]} have {pixels}",
                hint="make both files with the same `size`",
                path=path,
            )
    size = assumed_size(paths[0], size_wh)
    return [read_vec(path, size, progress=progress) for path in paths]


def _selected(
    parts: Sequence[Samples], lengths: Sequence[int], chosen: NDArray[np.int64]
) -> Samples:
    """Return the samples at these indices into the concatenated parts."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    owners = np.searchsorted(starts, chosen, side="right") - 1
    selected = np.empty((len(chosen), *parts[0].shape[1:]), np.uint8)
    for owner in np.unique(owners):
        mine = owners == owner
        selected[mine] = parts[owner][chosen[mine] - starts[owner]]
    return selected
