"""Images of the errors of a cascade: missed objects and false alarms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fercli.cascade.detection.batch import short_stem
from fercli.cascade.evaluation.matching import FALSE_ALARM
from fercli.cascade.evaluation.results import CascadeResult, ImageResult
from fercli.common.drawing import BOX_COLOR, WHITE, draw_box, label_font, line_width
from fercli.common.files import make_folder, shown_name
from fercli.common.images import read_color, write_image
from fercli.common.progress import SILENT, Progress

if TYPE_CHECKING:
    from fercli.common.drawing import Font

MISS, FALSE, TEXT = (230, 159, 0), (213, 94, 0), (40, 40, 40)

#: Largest number of errors of each kind on a sheet, and of annotated images.
MAX_TILES = 60
MAX_IMAGES = 200
COLUMNS = 10
TILE = 112
CAPTION = 16
HEADING = 34
MARGIN = 6
#: Context of a tile on each side, as a multiple of the box's side.
CONTEXT = 0.5


@dataclass(frozen=True)
class _DetectionError:
    """One miss or false alarm."""

    path: Path
    box_xywh: tuple[float, float, float, float]
    caption: str
    color: tuple[int, int, int]


def write_error_sheet(result: CascadeResult, path: Path, *, overwrite: bool = False) -> bool:
    """Write a sheet of crops: misses, largest first; false alarms, highest score first.

    Returns whether there were any.
    """
    misses, alarms = _misses(result), _false_alarms(result)
    if not misses and not alarms:
        return False
    sections = [
        (f"{result.name}: {len(misses):,} missed of {result.counts.truths}", misses),
        (f"{result.name}: {len(alarms):,} false alarms, highest score first", alarms),
    ]
    write_image(path, _sheet([s for s in sections if s[1]]), overwrite=overwrite)
    return True


def write_error_images(
    result: CascadeResult, folder: Path, *, overwrite: bool = False, progress: Progress = SILENT
) -> int:
    """Write the images with errors, with hits, misses and false alarms drawn.

    The names begin with a number, images with most errors first; at most `MAX_IMAGES` are
    written. Returns their number.
    """
    wrong = [p for p in result.images if p.counts.misses or p.counts.false_alarms]
    wrong.sort(key=lambda p: -(p.counts.misses + p.counts.false_alarms))
    wrong = wrong[:MAX_IMAGES]
    if not wrong:
        return 0
    make_folder(folder)
    for at, of_image in enumerate(progress.track(wrong, "drawing errors", unit="image"), 1):
        name = f"{at:03}-{short_stem(of_image.image.path.stem)}.jpg"
        write_image(folder / name, annotated(of_image), overwrite=overwrite)
    return len(wrong)


def remove_error_images(folder: Path) -> None:
    """Remove the files of an earlier report: the sheet beside `folder`, and the images in it."""
    folder.with_name(f"{folder.name}.png").unlink(missing_ok=True)
    for path in folder.glob("[0-9][0-9][0-9]-*.jpg"):
        path.unlink()


def annotated(of_image: ImageResult) -> NDArray[np.uint8]:
    """Return an image with its hits, misses and false alarms drawn, as BGR."""
    image = Image.fromarray(read_color(of_image.image.path)[:, :, ::-1])
    draw = ImageDraw.Draw(image)
    width, font = line_width(image.size), label_font(image.size)
    found = of_image.chosen
    for box, verdict in zip(found.boxes_xywh.tolist(), found.verdicts.tolist(), strict=True):
        if verdict >= 0:
            draw_box(draw, box, BOX_COLOR, width)
    for at in of_image.missed:
        draw_box(draw, of_image.image.boxes_xywh[at], MISS, width, "missed", font)
    for at in np.flatnonzero(found.verdicts == FALSE_ALARM).tolist():
        label = f"{found.scores[at]:.3g}"
        draw_box(draw, found.boxes_xywh[at].tolist(), FALSE, width, label, font)
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def _misses(result: CascadeResult) -> list[_DetectionError]:
    found = [
        _DetectionError(p.image.path, p.image.boxes_xywh[at], shown_name(p.image.path.stem), MISS)
        for p in result.images
        for at in p.missed
    ]
    return sorted(found, key=lambda error: -error.box_xywh[2] * error.box_xywh[3])


def _false_alarms(result: CascadeResult) -> list[_DetectionError]:
    found = [
        (score, _DetectionError(p.image.path, tuple(box), f"{score:.3g}  {name}", FALSE))
        for p in result.images
        for name in [shown_name(p.image.path.stem)]
        for box, score, verdict in zip(
            p.chosen.boxes_xywh.tolist(),
            p.chosen.scores.tolist(),
            p.chosen.verdicts.tolist(),
            strict=True,
        )
        if verdict == FALSE_ALARM
    ]
    return [error for _, error in sorted(found, key=lambda pair: -pair[0])]


def _sheet(sections: list[tuple[str, list[_DetectionError]]]) -> NDArray[np.uint8]:
    """Return the sheet, as BGR."""
    widest = max(min(len(errors), COLUMNS) for _, errors in sections)
    columns = max(widest, 4)
    heights = [
        HEADING + -(-min(len(errors), MAX_TILES) // columns) * (TILE + CAPTION + MARGIN)
        for _, errors in sections
    ]
    size = (MARGIN + columns * (TILE + MARGIN), sum(heights) + MARGIN)
    image = Image.new("RGB", size, WHITE)
    top = 0
    for (title, errors), height in zip(sections, heights, strict=True):
        _draw_section(image, top, columns, title, errors)
        top += height
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def _draw_section(
    image: Image.Image, top: int, columns: int, title: str, errors: list[_DetectionError]
) -> None:
    draw = ImageDraw.Draw(image)
    if len(errors) > MAX_TILES:
        title += f" (the first {MAX_TILES})"
    draw.text((MARGIN, top + 9), title, fill=TEXT, font=ImageFont.load_default(16))
    small = ImageFont.load_default(11)
    for at, (error, tile) in enumerate(_tiles(errors[:MAX_TILES])):
        x = MARGIN + at % columns * (TILE + MARGIN)
        y = top + HEADING + at // columns * (TILE + CAPTION + MARGIN)
        image.paste(tile, (x, y))
        draw.text((x, y + TILE + 1), _fitted(error.caption, small), fill=TEXT, font=small)


def _tiles(errors: list[_DetectionError]) -> Iterator[tuple[_DetectionError, Image.Image]]:
    for error in errors:
        image = Image.fromarray(read_color(error.path)[:, :, ::-1])
        x, y, width, height = error.box_xywh
        side = max(width, height) * (1 + 2 * CONTEXT)
        left, top = x + (width - side) / 2, y + (height - side) / 2
        corners = (left, top, left + side, top + side)
        tile = image.transform(
            (TILE, TILE), Image.Transform.EXTENT, corners, Image.Resampling.BILINEAR,
            fillcolor=(225, 225, 225),
        )  # fmt: skip
        zoom = TILE / side
        box = ((x - left) * zoom, (y - top) * zoom, width * zoom, height * zoom)
        draw_box(ImageDraw.Draw(tile), box, error.color, 2)
        yield error, tile


def _fitted(text: str, font: Font) -> str:
    if font.getlength(text) <= TILE:
        return text
    while text and font.getlength(text + "…") > TILE:
        text = text[:-1]
    return text + "…"
