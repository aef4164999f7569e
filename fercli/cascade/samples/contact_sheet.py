"""Contact sheets: many samples in one picture, to look at."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fercli.cascade.samples.vec import Samples
from fercli.common.images import Picture

#: Grey level of the lines between samples, and of the numbers beside them.
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
) -> Picture:
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


def _margin(numbers: list[int], row_height: int, sheet_height: int) -> Picture:
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
