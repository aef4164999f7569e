"""Panels of bars, the probability of each class of a face, and the strip that holds those of many.

Pillow draws each text once; a cache keeps it, since labels repeat from frame to frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.drawing import COLORS
from fercli.common.images import ImageArray
from fercli.recognition.results import Face
from fercli.recognition.sinks.layout import Position, Size, in_rows_and_columns

WHITE, BLACK = (255, 255, 255), (0, 0, 0)

#: Space around text, as a share of its height.
PADDING = 0.25

#: The smallest letters that can be read, in pixels, and as a share of the longer side: of text
#: where there is room, and of text in a crowd.
SMALLEST, READABLE, CROWDED = 11, 1 / 110, 1 / 200

#: Classes of a panel where there is no room for all: the most probable ones.
FEW = 3

#: The most that a strip adds to an image, as a share of it.
WIDEST = 0.6

#: The background of a strip.
STRIP = (32, 32, 32)

Color = tuple[int, int, int]
Lines = tuple[tuple[str, float], ...]


def draw_note(image: ImageArray, text: str) -> None:
    """Write a line, such as the frames a second, into the upper left corner of an image."""
    write(image, text, stepped(font_size(image)), (0, 0), WHITE, BLACK)


def color_of(person: int) -> Color:
    """Return a person's color as red, green, blue; the timeline has the same."""
    value = COLORS[(person - 1) % (len(COLORS) - 1)].lstrip("#")
    return int(value[:2], 16), int(value[2:4], 16), int(value[4:], 16)


def font_size(image: ImageArray) -> int:
    """Return the height of text on an image, in pixels."""
    longer: int = max(image.shape[:2])
    return max(SMALLEST, round(longer / 50))


def stepped(size: int) -> int:
    """Return the next smaller of sizes that are a tenth apart: few texts are drawn anew."""
    if size <= SMALLEST:
        return size
    steps = int(math.log(size / SMALLEST) / math.log(1.1) + 1e-9)
    return round(SMALLEST * 1.1**steps)


def ink_on(color: Color) -> Color:
    """Return black or white, which has more contrast on a color (ITU-R BT.601's luma)."""
    red, green, blue = color
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 130 else WHITE


def write(
    image: ImageArray,
    text: str,
    size: int,
    position: Position,
    color: Color,
    background: Color | None,
) -> None:
    """Write a line of text into an image, what is outside of it left out."""
    left, top = max(position[0], 0), max(position[1], 0)
    patch = _text(text, size)
    region = image[top : top + patch.shape[0], left : left + patch.shape[1]]
    opacity = patch[: region.shape[0], : region.shape[1], np.newaxis].astype(np.float32) / 255
    under = region if background is None else np.array(background[::-1], np.float32)
    region[:] = np.rint(under * (1 - opacity) + np.array(color[::-1], np.float32) * opacity)


def text_size(text: str, size: int) -> Size:
    """Return width and height of a line of text, in pixels."""
    height, width = _text(text, size).shape
    return width, height


@lru_cache(maxsize=512)
def _text(text: str, size: int) -> NDArray[np.uint8]:
    """Return the opacity of a line of text, with space around it, shape (height, width)."""
    from PIL import Image, ImageDraw

    font = _font(size)
    pad = round(size * PADDING)
    width = round(font.getlength(text)) + 2 * pad
    image = Image.new("L", (width, size + 2 * pad))
    ImageDraw.Draw(image).text((pad, pad + size / 2), text, fill=255, font=font, anchor="lm")
    return np.array(image)


@lru_cache(maxsize=64)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


# Panels


@dataclass(frozen=True)
class Panel:
    """Bars of a face; `whole` where all classes are there, `far` where a line leads to them."""

    face: Face
    lines: Lines
    size: int
    position: Position = (0, 0)
    whole: bool = True
    far: bool = False
    header: str = ""

    @property
    def line(self) -> int:
        """Height of a line, in pixels."""
        return self.size + 2 * round(self.size * PADDING)

    @property
    def text_width(self) -> int:
        """Width of the names of classes, in pixels."""
        return max(text_size(name, self.size)[0] for name, _ in self.lines)

    @property
    def size_wh(self) -> Size:
        """Width and height, in pixels."""
        width = self.text_width + 4 * self.size + self.size // 2
        if self.header:
            width = max(width, text_size(self.header, self.size)[0])
        return width, self.line * (len(self.lines) + bool(self.header))


def most_probable(lines: Lines) -> Lines:
    """Return the `FEW` most probable classes."""
    return tuple(sorted(lines, key=lambda line: -line[1])[:FEW])


def draw_bars(image: ImageArray, panel: Panel) -> None:
    """Draw the lines of a panel, its header first, on what is there."""
    left, top = panel.position
    color = color_of(panel.face.person)
    line, x = panel.line, left + panel.text_width
    if panel.header:
        image[top : top + line, left : left + panel.size_wh[0]] = color[::-1]
        write(image, panel.header, panel.size, (left, top), ink_on(color), None)
        top += line
    for at, (name, share) in enumerate(panel.lines):
        y = top + at * line
        write(image, name, panel.size, (left, y), WHITE, None)
        end = x + max(round(share * 4 * panel.size), 1)
        corners = (x, y + line // 4), (end, y + line - line // 4)
        cv2.rectangle(image, *corners, color[::-1], cv2.FILLED)


# The strip beside or below an image


def with_strip(
    image: ImageArray, faces: Sequence[Face], classes: Sequence[str], *, fixed: bool
) -> ImageArray:
    """Return `image` with the bars of its `faces`, one for each of `classes`, in a strip.

    Parameters
    ----------
    fixed : bool
        Whether the strip's size depends on that of the image alone, as in a video, in which bars
        become smaller where there are many faces; otherwise it is as large as they need.
    """
    height, width = image.shape[:2]
    largest = stepped(font_size(image))
    small = stepped(max(SMALLEST, round(max(height, width) * CROWDED)))
    beside, across = _strip_size((width, height), classes, largest)
    most = across if fixed else max(across, round(WIDEST * (width if beside else height)))
    ordered = sorted(faces, key=lambda face: face.person)
    for size, few in ((largest, False), (small, False), (small, True)):
        panels = [_strip_panel(face, classes, size, few) for face in ordered]
        cell = (
            max((panel.size_wh[0] for panel in panels), default=1) + size // 2,
            max((panel.size_wh[1] for panel in panels), default=1) + size // 2,
        )
        along, step = (height, cell[1]) if beside else (width, cell[0])
        lanes = -(-len(panels) // max(along // step, 1))
        needed = lanes * cell[0 if beside else 1]
        if needed <= most:
            break
    thick = across if fixed else min(max(needed, cell[0 if beside else 1]), most)
    area = (thick, height) if beside else (width, thick)
    strip = np.full((area[1], area[0], 3), STRIP, np.uint8)
    places = list(in_rows_and_columns(len(panels), cell, area, down_first=beside))
    for panel, position in zip(panels, places, strict=False):
        draw_bars(strip, replace(panel, position=position))
    if len(places) < len(panels):
        _write_rest(strip, len(panels) - len(places), small)
    return np.concatenate([image, strip], axis=1 if beside else 0)


def _strip_size(size_wh: tuple[int, int], classes: Sequence[str], size: int) -> tuple[bool, int]:
    """Return whether a strip is beside an image, and how thick it is: as one panel.

    It is where more panels have room for each pixel that it adds.
    """
    width, height = size_wh
    everything = f"99 {max(classes, key=len)} 100%"
    panel = Panel(_NOBODY, tuple((name, 0.0) for name in classes), size, header=everything)
    across, down = (side + size // 2 for side in panel.size_wh)
    beside = (height // down) / (across * height) >= (width // across) / (down * width)
    return beside, across if beside else down


def _strip_panel(face: Face, classes: Sequence[str], size: int, few: bool) -> Panel:
    lines = tuple(zip(classes, map(float, face.probabilities), strict=True))
    header = f"{face.person} {face.label} {face.probability:.0%}"
    return Panel(face, most_probable(lines) if few else lines, size, header=header)


def _write_rest(strip: ImageArray, count: int, size: int) -> None:
    """Say in the lower right corner how many people have no bars."""
    text = f"and {count} more"
    width, height = text_size(text, size)
    position = (strip.shape[1] - width, strip.shape[0] - height)
    write(strip, text, size, position, WHITE, BLACK)


_NOBODY = Face((0, 0, 1, 1), np.ones(1, np.float32), "", 1)
