"""Samples of a ``.vec`` file as pictures: on contact sheets, or one by one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fercli.cascade.samples.contact_sheet import contact_sheet
from fercli.cascade.samples.results import Written
from fercli.cascade.samples.statistics import assumed_size
from fercli.cascade.samples.vec import Samples, read_vec
from fercli.common.errors import OptionError, OutputExistsError
from fercli.common.files import make_folder, require_absent
from fercli.common.images import MOST_PIXELS, write_picture
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress


@dataclass(frozen=True)
class Sheet:
    """A contact sheet that was written, and which samples (from 1) it shows of how many."""

    path: Path
    first: int
    last: int
    count: int


def show(
    path: Path,
    out: Path,
    *,
    size_wh: tuple[int, int] | None = None,
    page: int = 1,
    per_page: int = 400,
    columns: int | None = None,
    scale: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Sheet:
    """Write a contact sheet of some samples of a ``.vec`` file, their numbers beside them.

    Parameters
    ----------
    path : Path
        The file.
    out : Path
        The picture.
    size_wh : (int, int), optional
        Width and height of the samples. Defaults to the squarest that fits.
    page, per_page : int
        Which samples: the `page`-th (from 1) `per_page`. Default to the first 400.
    columns : int, optional
        Samples in a row. Defaults to what fills a sheet half as wide again as high.
    scale : int, optional
        Each pixel is drawn as a square of this side. Defaults to 2 below 32 pixels, else 1.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Raises
    ------
    VecError
        The file is not a ``.vec`` file, or is of another size.
    OptionError
        There is no such page.
    OutputError
        `out` exists already or cannot be written.
    """
    require_absent(out, overwrite=overwrite)
    samples = read_vec(path, assumed_size(path, size_wh), progress=progress)
    first = (page - 1) * per_page
    shown = samples[first : first + per_page]
    if not len(shown):
        pages = -(-len(samples) // per_page)
        raise OptionError(f"wanted page {page}, found {pages} pages of {per_page}", path=path)
    scale = scale or (2 if max(shown.shape[1:]) < 32 else 1)
    if shown.size * scale**2 > MOST_PIXELS:
        raise OptionError(
            f"wanted a sheet of at most {MOST_PIXELS >> 20} megapixels, found "
            f"{shown.size * scale**2 >> 20}",
            hint="a smaller --per-page or --scale",
        )
    sheet = contact_sheet(shown, columns, scale=scale, first_number=first + 1)
    write_picture(out, sheet, overwrite=overwrite)
    return Sheet(out, first + 1, first + len(shown), len(samples))


def export(
    path: Path,
    folder: Path,
    *,
    size_wh: tuple[int, int] | None = None,
    num: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Written:
    """Write the samples of a ``.vec`` file as PNG files, named by their number from 1.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path
        Where the pictures go.
    size_wh : (int, int), optional
        Width and height of the samples. Defaults to the squarest that fits.
    num : int, optional
        The most samples to write, from the first. Defaults to all.
    overwrite : bool
        Whether pictures may be written to a folder that holds files already. Defaults to False.

    Raises
    ------
    VecError
        The file is not a ``.vec`` file, or is of another size.
    OutputError
        The folder is not empty (`OutputExistsError`), or cannot be written.
    """
    samples = read_vec(path, assumed_size(path, size_wh), progress=progress)[:num]
    make_folder(folder)
    if not overwrite and any(folder.iterdir()):
        raise OutputExistsError("is not empty", hint="--overwrite, or another name", path=folder)
    digits = len(str(len(samples)))
    export_one = partial(_export_one, samples, folder, digits)
    for _ in parallel_map(
        export_one,
        range(len(samples)),
        workers=workers,
        prefer="threads",
        progress=progress,
        description="exporting",
        unit="sample",
    ):
        pass
    return Written(folder, len(samples))


def _export_one(samples: Samples, folder: Path, digits: int, number: int) -> None:
    name = f"{number + 1:0{digits}d}.png"
    write_picture(folder / name, np.ascontiguousarray(samples[number]), overwrite=True)
