"""Write the samples of a ``.vec`` file as images: contact sheets, or one file each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fercli.cascade.samples.inspection import assumed_size
from fercli.cascade.samples.options import Written
from fercli.cascade.samples.vec import Samples, read_vec
from fercli.common.errors import OptionError, OutputExistsError
from fercli.common.files import make_folder, require_absent
from fercli.common.images import MOST_PIXELS, ImageArray, write_image
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted


@dataclass(frozen=True)
class ContactSheet:
    """A contact sheet, with the first and last sample (from 1) on it and the total count."""

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
) -> ContactSheet:
    """Write a contact sheet of samples of a ``.vec`` file, with their numbers.

    Parameters
    ----------
    path : Path
        The file.
    out : Path
        The image.
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
        raise OptionError(
            f"There is no page {page}: the file has {counted(pages, 'page')} of "
            f"{counted(per_page, 'sample')}",
            path=path,
        )
    scale = scale or (2 if max(shown.shape[1:]) < 32 else 1)
    if shown.size * scale**2 > MOST_PIXELS:
        raise OptionError(
            f"The contact sheet would have {shown.size * scale**2 >> 20} megapixels, more than "
            f"{MOST_PIXELS >> 20}",
            hint="use a smaller `per_page` or `scale`",
        )
    sheet = contact_sheet(shown, columns, scale=scale, first_number=first + 1)
    write_image(out, sheet, overwrite=overwrite)
    return ContactSheet(out, first + 1, first + len(shown), len(samples))


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
        Where the images go.
    size_wh : (int, int), optional
        Width and height of the samples. Defaults to the squarest that fits.
    num : int, optional
        Number of samples to write, from the first. Defaults to all.
    overwrite : bool
        Whether images may be written to a folder that holds files already. Defaults to False.

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
        raise OutputExistsError(
            "The folder is not empty", hint="use `overwrite`, or another name", path=folder
        )
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
    write_image(folder / name, np.ascontiguousarray(samples[number]), overwrite=True)


# Contact sheets: many samples in one image, to look at.


#: Gray level of the lines between samples, and of the numbers beside them.
LINES, PAPER, INK = 128, 255, 0

#: A sheet of no given columns is about this many times as wide as high.
ASPECT = 1.5


def contact_sheet(
    samples: Samples,
    columns: int | None = None,
    *,
    scale: int = 1,
    gap: int = 1,
    first_number: int | None = None,
) -> ImageArray:
    """Return samples side by side, row by row, with lines between them.

    Parameters
    ----------
    samples : ndarray of uint8, shape (count, height, width)
        At least one.
    columns : int, optional
        Samples in a row. Defaults to what makes a sheet half as wide again as high.
    scale : int
        Each pixel is drawn as a square of this side. Defaults to 1.
    gap : int
        Width of the lines in pixels. Defaults to 1.
    first_number : int, optional
        The number of the first sample: each row is then headed by the number of its first.
        Defaults to no numbers.

    Returns
    -------
    ndarray of uint8, shape (rows × (height × scale + gap) + gap, …)
    """
    columns = min(columns or _good_columns(samples), len(samples))
    rows = math.ceil(len(samples) / columns)
    large = samples.repeat(scale, axis=1).repeat(scale, axis=2)
    count, height, width = large.shape
    cells = np.full((rows * columns, height + gap, width + gap), LINES, np.uint8)
    cells[:count, gap:, gap:] = large
    table = cells.reshape(rows, columns, height + gap, width + gap).swapaxes(1, 2)
    sheet = table.reshape(rows * (height + gap), columns * (width + gap))
    sheet = np.pad(sheet, ((0, gap), (0, gap)), constant_values=LINES)
    if first_number is None:
        return sheet
    numbers = [first_number + row * columns for row in range(rows)]
    return np.hstack([_margin(numbers, height + gap, len(sheet)), sheet])


def _good_columns(samples: Samples) -> int:
    count, height, width = samples.shape
    return max(round(math.sqrt(count * ASPECT * height / width)), 1)


def _margin(numbers: list[int], row_height: int, sheet_height: int) -> ImageArray:
    """Return a strip with a number beside each row, in letters that fit the rows."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, min(row_height / 36, 0.6)
    texts = [str(number) for number in numbers]
    boxes = [cv2.getTextSize(text, font, size, 1)[0] for text in texts]
    width = max(box[0] for box in boxes) + 8
    margin = np.full((sheet_height, width), PAPER, np.uint8)
    for row, (text, box) in enumerate(zip(texts, boxes, strict=True)):
        at = (width - 4 - box[0], row * row_height + (row_height + box[1]) // 2)
        cv2.putText(margin, text, at, font, size, INK, 1, cv2.LINE_AA)
    return margin
