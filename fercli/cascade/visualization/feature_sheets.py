"""Draw the features of a cascade over the object: a sheet for each stage, and one for all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fercli.cascade.detection.scanner import feature_corners
from fercli.cascade.model import Cascade, HaarFeature, LbpFeature, Stage, WeakClassifier
from fercli.common.files import atomic_write
from fercli.common.images import ImageArray
from fercli.common.tables import counted

#: Okabe and Ito's orange and blue: positive and negative weights.
PLUS, MINUS = (230, 159, 0), (0, 114, 178)
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
#: Opacity of the colors over the object.
OPACITY = 0.62
#: Approximate side of a feature's image in pixels: on a stage's sheet, and on that of all stages.
LARGE, SMALL = 120, 72
#: Features of a stage on the sheet of all stages.
SHOWN_FEATURES = 14
#: Range of gray levels of backdrops, so that colors look alike on dark and bright parts.
DARKEST, BRIGHTEST = 50, 235
GAP = 14
MARGIN = 24
LINE = 15


@dataclass(frozen=True)
class _Cell:
    """A feature's image, and two lines below it."""

    image: ImageArray
    title: str
    text: str


class FeatureRenderer:
    """Draws the features of a cascade over an image of the object.

    Parameters
    ----------
    cascade : Cascade
    name : str
        Name of the cascade on the sheets.
    backdrop : ndarray of uint8, shape (height, width), optional
        The object in the window's size. Defaults to plain gray.
    """

    def __init__(self, cascade: Cascade, name: str, backdrop: ImageArray | None = None) -> None:
        self.cascade = cascade
        self.name = name
        if backdrop is None:
            backdrop = np.full(cascade.size_wh[::-1], 150, np.uint8)
        self._backdrop = backdrop
        self._fonts = {size: ImageFont.load_default(size) for size in (11, 12, 17)}

    def stage_sheet(self, number: int) -> Image.Image:
        """Return all features of a stage in their order, with their votes."""
        stage = self.cascade.stages[number]
        cells = list(self._cells(stage, LARGE))
        columns = max(min(len(cells), 6), math.ceil(math.sqrt(1.6 * len(cells))))
        title = f"{self.name}: stage {number}"
        facts = (
            f"{counted(len(stage.weak_classifiers), 'weak classifier')}; a window passes if its "
            f"votes add up to {stage.threshold:.4g} or more"
        )
        return self._sheet(title, [facts, self._legend()], _rows(cells, columns), [])

    def contact_sheet(self) -> Image.Image:
        """Return the first features of each stage, a row a stage."""
        rows = [
            [replace(cell, text="") for cell in islice(self._cells(stage, SMALL), SHOWN_FEATURES)]
            for stage in self.cascade.stages
        ]
        labels = [
            f"stage {number}\n{len(stage.weak_classifiers)} weak"
            for number, stage in enumerate(self.cascade.stages)
        ]
        text = f"the first {SHOWN_FEATURES} features of each stage; {self._colors()}"
        return self._sheet(self.name, [text], rows, labels)

    def _colors(self) -> str:
        if self.cascade.feature_type == "LBP":
            return "the eight blue blocks are compared with the orange one"
        return "a feature's value is the sum of pixels under orange minus that under blue"

    def _legend(self) -> str:
        lbp = self.cascade.feature_type == "LBP"
        left = "where the pattern is in the subset" if lbp else "under the threshold"
        return f"{self._colors()}; below it: its vote {left} | otherwise"

    def _cells(self, stage: Stage, side: int) -> Iterator[_Cell]:
        zoom = max(round(side / max(self.cascade.size_wh)), 1)
        backdrop = _enlarged(self._backdrop, zoom)
        for number, weak in enumerate(stage.weak_classifiers, 1):
            for at, node in enumerate(weak.nodes):
                title = f"{number}" if len(weak.nodes) == 1 else f"{number}.{at + 1}"
                feature = self.cascade.features[node.feature]
                votes = f"{_vote(weak, node.left)} | {_vote(weak, node.right)}"
                yield _Cell(_drawn(feature, backdrop, zoom), title, votes)

    def _sheet(
        self, title: str, lines: list[str], rows: list[list[_Cell]], labels: list[str]
    ) -> Image.Image:
        height, width, _ = rows[0][0].image.shape
        has_text = any(cell.text for row in rows for cell in row)
        step_x = max(width, 88 * has_text) + GAP
        step_y = height + LINE * (1 + has_text) + GAP
        left = MARGIN + (80 if labels else 0)
        top = MARGIN + 26 + 18 * len(lines) + 8
        columns = max(len(row) for row in rows)
        text_width = max(self._fonts[12].getlength(line) for line in lines)
        size = (
            max(left + columns * step_x + MARGIN - GAP, math.ceil(text_width) + 2 * MARGIN),
            top + len(rows) * step_y + MARGIN - GAP,
        )
        image = Image.new("RGB", size, PAPER)
        draw = ImageDraw.Draw(image)
        draw.text((MARGIN, MARGIN - 6), title, INK, self._fonts[17])
        for at, line in enumerate(lines):
            draw.text((MARGIN, MARGIN + 22 + 18 * at), line, FAINT, self._fonts[12])
        for at, row in enumerate(rows):
            y = top + at * step_y
            if labels:
                draw.multiline_text((MARGIN, y + 4), labels[at], INK, self._fonts[12], spacing=5)
            for column, cell in enumerate(row):
                self._paste(image, draw, cell, left + column * step_x, y)
        return image

    def _paste(
        self, image: Image.Image, draw: ImageDraw.ImageDraw, cell: _Cell, x: int, y: int
    ) -> None:
        image.paste(Image.fromarray(cell.image), (x, y))
        below = y + cell.image.shape[0] + 2
        draw.text((x, below), cell.title, INK, self._fonts[12])
        draw.text((x, below + LINE - 1), cell.text, FAINT, self._fonts[11])


def mean_of(samples: NDArray[np.uint8]) -> ImageArray:
    """Return the mean of samples with stretched contrast, for a backdrop.

    Parameters
    ----------
    samples : ndarray of uint8, shape (n, height, width)
        At least one.
    """
    mean = samples.mean(axis=0, dtype=np.float64)
    low, high = mean.min(), mean.max()
    stretched = (mean - low) / max(high - low, 1.0) * 255
    return np.asarray(stretched.round(), np.uint8)


def write_sheet(path: Path, sheet: Image.Image, *, overwrite: bool = False) -> None:
    """Write a sheet with 256 colors: a third of the size, with no visible difference.

    Raises
    ------
    OutputError
        The file exists already or cannot be written.
    """
    with atomic_write(path, overwrite=overwrite) as temporary:
        sheet.quantize(palette=_palette(), dither=Image.Dither.NONE).save(temporary)


def _palette() -> Image.Image:
    """Return the colors of sheets: shades of gray, also blended with the two colors."""
    gray = np.linspace(0, 255, 86).round().repeat(3).reshape(-1, 3)
    blended = [(1 - OPACITY) * gray[1:] + OPACITY * np.array(color) for color in (PLUS, MINUS)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([gray, *blended]).round().astype(np.uint8).tobytes())
    return palette


def _enlarged(image: ImageArray, zoom: int) -> NDArray[np.float64]:
    height, width = image.shape
    enlarged = cv2.resize(image, (width * zoom, height * zoom), interpolation=cv2.INTER_CUBIC)
    return DARKEST + (BRIGHTEST - DARKEST) / 255 * np.asarray(enlarged, np.float64)


def _drawn(
    feature: HaarFeature | LbpFeature, backdrop: NDArray[np.float64], zoom: int
) -> ImageArray:
    """Return a feature over the object, RGB."""
    height, width = (side // zoom for side in backdrop.shape)
    weights = pixel_weights(feature, (width, height)).repeat(zoom, axis=0).repeat(zoom, axis=1)
    drawn = np.repeat(backdrop[:, :, None], 3, axis=2)
    for color, part in ((PLUS, weights > 1e-6), (MINUS, weights < -1e-6)):
        drawn[part] = (1 - OPACITY) * drawn[part] + OPACITY * np.array(color)
    if isinstance(feature, LbpFeature):
        _draw_blocks(drawn, feature, zoom)
    return np.asarray(drawn.round(), np.uint8)


def _draw_blocks(drawn: NDArray[np.float64], feature: LbpFeature, zoom: int) -> None:
    bottom, right, _ = (side - 1 for side in drawn.shape)
    ys = [min((feature.y + at * feature.height) * zoom, bottom) for at in range(4)]
    xs = [min((feature.x + at * feature.width) * zoom, right) for at in range(4)]
    for y in ys:
        drawn[y, xs[0] : xs[3] + 1] = PAPER
    for x in xs:
        drawn[ys[0] : ys[3] + 1, x] = PAPER


def _rows(cells: list[_Cell], columns: int) -> list[list[_Cell]]:
    return [cells[at : at + columns] for at in range(0, len(cells), columns)]


def _vote(weak: WeakClassifier, child: int) -> str:
    """Return the vote of a leaf, or the next node of the tree."""
    return f"to .{child + 1}" if child > 0 else f"{weak.leaves[-child]:+.3g}"


# The weight of each pixel of the window in a feature.


Weights = NDArray[np.float64]

#: Signs of the four corners of a rectangle in the integral image.
SIGNS = (1, -1, -1, 1)


def pixel_weights(feature: HaarFeature | LbpFeature, size_wh: tuple[int, int]) -> Weights:
    """Return the weight of each pixel of the window.

    A Haar feature's value is the sum of the pixels times these weights, over the window's norm.
    Of a local binary pattern, the block in the middle weighs 1 and those around it -1: its eight
    bits say which of them are as bright as the middle.

    Returns
    -------
    ndarray of float64, shape (height, width)
    """
    weights = np.zeros(size_wh[::-1])
    if isinstance(feature, LbpFeature):
        x, y, w, h = feature.x, feature.y, feature.width, feature.height
        weights[y : y + 3 * h, x : x + 3 * w] = -1
        weights[y + h : y + 2 * h, x + w : x + 2 * w] = 1
        return weights
    corners = feature_corners(feature)
    for at, rectangle in enumerate(feature.rectangles):
        for sign, corner in zip(SIGNS, corners[4 * at : 4 * at + 4], strict=True):
            summed = _summed_by(corner, size_wh, tilted=feature.tilted)
            weights += sign * rectangle.weight * summed
    return weights


def _summed_by(corner: tuple[int, int], size_wh: tuple[int, int], *, tilted: bool) -> Weights:
    """Return which pixels an element of the integral image is the sum of, as 0 and 1."""
    y, x = np.mgrid[: size_wh[1], : size_wh[0]]
    if tilted:
        summed = (y < corner[1]) & (abs(x - corner[0] + 1) <= corner[1] - y - 1)
    else:
        summed = (y < corner[1]) & (x < corner[0])
    return np.asarray(summed, np.float64)
