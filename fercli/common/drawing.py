"""Draw boxes on images, with labels that stay readable and inside the image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fercli.common.images import ImageArray

#: Red, green, blue: Okabe and Ito's green, which stands out from skin.
BOX_COLOR = (0, 158, 115)
WHITE = (255, 255, 255)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def line_width(size_wh: tuple[int, int]) -> int:
    """Return the width of lines on an image of this size, in pixels."""
    return max(2, round(max(size_wh) / 400))


def label_font(size_wh: tuple[int, int]) -> Font:
    """Return the font of labels on an image of this size."""
    return ImageFont.load_default(max(11, round(max(size_wh) / 60)))


def draw_box(
    draw: ImageDraw.ImageDraw,
    box_xywh: Iterable[float],
    color: tuple[int, int, int],
    width: int,
    label: str = "",
    font: Font | None = None,
) -> None:
    """Draw a box with a label above it, or just inside where there is no room above.

    A label that would leave the image at a side is moved in.
    """
    x, y, box_width, box_height = box_xywh
    draw.rectangle((x, y, x + box_width, y + box_height), outline=color, width=width)
    if label:
        x = max(min(x, draw.im.size[0] - 5 - draw.textlength(label, font=font)), 0)
        left, top, right, bottom = draw.textbbox((x, y), label, font=font, anchor="lb")
        if top < 0:
            y -= top
            top, bottom = 0, bottom - top
        draw.rectangle((left, top, right + 4, bottom), fill=color)
        draw.text((x + 2, y), label, fill=WHITE, font=font, anchor="lb")


def draw_boxes(
    image: ImageArray, boxes_xywh: NDArray[np.int32], labels: Sequence[str]
) -> ImageArray:
    """Return a copy of an image with boxes drawn.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3), BGR
    boxes_xywh : ndarray of int32, shape (n, 4)
    labels : sequence of n str
    """
    canvas = Image.fromarray(image[:, :, ::-1])
    draw = ImageDraw.Draw(canvas)
    width, font = line_width(canvas.size), label_font(canvas.size)
    for box, label in zip(boxes_xywh.tolist(), labels, strict=True):
        draw_box(draw, box, BOX_COLOR, width, label, font)
    return np.ascontiguousarray(np.asarray(canvas)[:, :, ::-1])
