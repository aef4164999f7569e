"""Boxes drawn on pictures, with labels that stay readable and inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fercli.common.images import Picture

#: Red, green, blue: Okabe and Ito's green, which stands out from skin.
FOUND = (0, 158, 115)
WHITE = (255, 255, 255)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def line_width(size_wh: tuple[int, int]) -> int:
    """Return how wide lines are to be drawn on a picture of this size, in pixels."""
    return max(2, round(max(size_wh) / 400))


def label_font(size_wh: tuple[int, int]) -> Font:
    """Return the font of labels on a picture of this size."""
    return ImageFont.load_default(max(11, round(max(size_wh) / 60)))


def draw_box(
    draw: ImageDraw.ImageDraw,
    box_xywh: Iterable[float],
    colour: tuple[int, int, int],
    width: int,
    label: str = "",
    font: Font | None = None,
) -> None:
    """Draw a box with a label above it, or just inside where there is no room above.

    A label that would leave the picture at a side is moved in.
    """
    x, y, box_width, box_height = box_xywh
    draw.rectangle((x, y, x + box_width, y + box_height), outline=colour, width=width)
    if label:
        x = max(min(x, draw.im.size[0] - 5 - draw.textlength(label, font=font)), 0)
        left, top, right, bottom = draw.textbbox((x, y), label, font=font, anchor="lb")
        if top < 0:
            y -= top
            top, bottom = 0, bottom - top
        draw.rectangle((left, top, right + 4, bottom), fill=colour)
        draw.text((x + 2, y), label, fill=WHITE, font=font, anchor="lb")


def with_boxes(picture: Picture, boxes_xywh: NDArray[np.int32], labels: Sequence[str]) -> Picture:
    """Return a copy of a picture with boxes drawn.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3), BGR
    boxes_xywh : ndarray of int32, shape (n, 4)
    labels : sequence of n str
    """
    image = Image.fromarray(picture[:, :, ::-1])
    draw = ImageDraw.Draw(image)
    width, font = line_width(image.size), label_font(image.size)
    for box, label in zip(boxes_xywh.tolist(), labels, strict=True):
        draw_box(draw, box, FOUND, width, label, font)
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
