"""Draw faces on images (box, expression, the probability of each class as bars); a window for them.

Pillow draws each text once; a cache keeps it, since labels repeat from frame to frame.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

from fercli.common.boxes import Box
from fercli.common.drawing import COLORS, line_width
from fercli.common.errors import DependencyError
from fercli.common.images import ImageArray
from fercli.environment import has_screen
from fercli.recognition.face_search import overlap
from fercli.recognition.results import Face

WHITE, BLACK = (255, 255, 255), (0, 0, 0)

#: Space around text, as a share of its height.
PADDING = 0.25

#: The longer side, in pixels, that an image needs for its annotations.
ROOM = 480

#: The smallest letters that can be read, in pixels.
SMALLEST = 11

#: Brightness of the background of bars: 0 is black, 1 the image itself.
DIMMED = 0.35


def draw_faces(
    image: ImageArray, faces: Sequence[Face], classes: Sequence[str], *, bars: bool = False
) -> ImageArray:
    """Return a copy of an image with its faces drawn.

    A small image is enlarged by a whole factor to make room for text.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3), BGR
    faces : sequence of Face
    classes : sequence of str
        The model's.
    bars : bool
        Whether each face has the probability of every class beside it. Defaults to False.
    """
    factor = min(max(round(ROOM / max(image.shape)), 1), 4)
    if factor > 1:
        drawn = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        faces = [_enlarged(face, factor) for face in faces]
    else:
        drawn = image.copy()
    taken = [face.box_xywh for face in faces]
    for face in faces if bars else ():
        taken.append(_draw_bars(drawn, face, classes, taken))
    for face in faces:
        _draw_box(drawn, face)
    for face in faces:
        _draw_label(drawn, face)
    return np.asarray(drawn, np.uint8)


def draw_note(image: ImageArray, text: str) -> None:
    """Write a line, such as the frames a second, into the upper left corner of an image."""
    _paste(image, _text(text, font_size(image), WHITE, BLACK), 0, 0)


def color_of(person: int) -> tuple[int, int, int]:
    """Return a person's color as red, green, blue; the timeline has the same."""
    value = COLORS[(person - 1) % (len(COLORS) - 1)].lstrip("#")
    return int(value[:2], 16), int(value[2:4], 16), int(value[4:], 16)


def font_size(image: ImageArray) -> int:
    """Return the height of text on an image, in pixels."""
    longer: int = max(image.shape[:2])
    return max(SMALLEST, round(longer / 50))


def _is_light(color: tuple[int, int, int]) -> bool:
    """Whether black text has more contrast on a color than white (ITU-R BT.601's luma)."""
    red, green, blue = color
    return 0.299 * red + 0.587 * green + 0.114 * blue > 130


def _draw_box(image: ImageArray, face: Face) -> None:
    x, y, width, height = face.box_xywh
    color = color_of(face.person)[::-1]
    wide = line_width((image.shape[1], image.shape[0]))
    cv2.rectangle(image, (x, y), (x + width, y + height), color, wide, cv2.LINE_AA)


def _draw_label(image: ImageArray, face: Face) -> None:
    """Write person and expression above a box, or inside it where there is no room above."""
    text = f"{face.person} {face.label} {face.probability:.0%}"
    background = color_of(face.person)
    # A small face among others gets a small label.
    x, y, width, _ = face.box_xywh
    size = min(max(width // 7, SMALLEST), font_size(image))
    patch = _text(text, size, BLACK if _is_light(background) else WHITE, background)
    left = x - line_width((image.shape[1], image.shape[0])) // 2
    top = y - patch.shape[0]
    _paste(image, patch, left, top if top >= 0 else y)


def _draw_bars(image: ImageArray, face: Face, classes: Sequence[str], taken: Sequence[Box]) -> Box:
    """Draw a bar a class beside a face, and return the box that they take."""
    size = min(max(face.box_xywh[2] // 8, SMALLEST), font_size(image))
    names = [_text(name, size, WHITE, None) for name in classes]
    line = max(patch.shape[0] for patch in names)
    text_width, bar_width = max(patch.shape[1] for patch in names), 4 * size
    width, height = text_width + bar_width + size // 2, line * len(classes)
    left, top = _beside(image, face, (width, height), taken)
    background = image[top : top + height, left : left + width]
    background[:] = (background * DIMMED).astype(np.uint8)
    color = color_of(face.person)[::-1]
    for at, (patch, share) in enumerate(zip(names, face.probabilities, strict=True)):
        y, x = top + at * line, left + text_width
        _paste(image, patch, left, y)
        end = x + max(round(float(share) * bar_width), 1)
        cv2.rectangle(image, (x, y + line // 4), (end, y + line - line // 4), color, cv2.FILLED)
    return left, top, width, height


def _beside(
    image: ImageArray, face: Face, size_wh: tuple[int, int], taken: Sequence[Box]
) -> tuple[int, int]:
    """Return the position of bars that covers least: right or left of a face, below or above."""
    x, y, face_width, face_height = face.box_xywh
    width, height = size_wh
    gap = line_width((image.shape[1], image.shape[0])) + 2
    positions = (
        (x + face_width + gap, y),
        (x - width - gap, y),
        (x, y + face_height + gap),
        (x, y - height - 2 * font_size(image)),
    )
    most_x, most_y = max(image.shape[1] - width, 0), max(image.shape[0] - height, 0)
    inside = [(min(max(a, 0), most_x), min(max(b, 0), most_y)) for a, b in positions]
    boxes = np.array(taken, np.int32)
    hidden = [
        overlap(np.array((*position, *size_wh), np.int32), boxes).sum() for position in inside
    ]
    return inside[int(np.argmin(hidden))]


def _enlarged(face: Face, factor: int) -> Face:
    x, y, width, height = (factor * number for number in face.box_xywh)
    return replace(face, box_xywh=(x, y, width, height))


def _paste(image: ImageArray, patch: ImageArray, left: int, top: int) -> None:
    """Blend a patch (BGR and opacity) into an image, moved so that it is inside."""
    height, width = patch.shape[:2]
    left = max(min(left, image.shape[1] - width), 0)
    top = max(min(top, image.shape[0] - height), 0)
    region = image[top : top + height, left : left + width]
    patch = patch[: region.shape[0], : region.shape[1]]
    opacity = patch[:, :, 3:].astype(np.float32) / 255
    region[:] = np.rint(region * (1 - opacity) + patch[:, :, :3] * opacity).astype(np.uint8)


@lru_cache(maxsize=2048)
def _text(
    text: str, size: int, color: tuple[int, int, int], background: tuple[int, int, int] | None
) -> ImageArray:
    """Return a line of text on its background as blue, green, red, opacity."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    pad = round(size * PADDING)
    width = round(font.getlength(text)) + 2 * pad
    image = Image.new(
        "RGBA", (width, size + 2 * pad), (*(background or color), 255 if background else 0)
    )
    ImageDraw.Draw(image).text(
        (pad, pad + size / 2), text, fill=(*color, 255), font=font, anchor="lm"
    )
    return np.ascontiguousarray(np.asarray(image)[:, :, [2, 1, 0, 3]])


# The window on the screen


#: Keys that close the window: q, Q, Escape.
QUIT = (ord("q"), ord("Q"), 27)

_TRIAL = "import cv2; cv2.namedWindow('fer'); cv2.waitKey(1)"


class Window:
    """A window that shows images. A context manager.

    Parameters
    ----------
    title : str

    Raises
    ------
    DependencyError
        There is no display, or this cv2 cannot open windows.
    """

    def __init__(self, title: str = "fer") -> None:
        self._title = title

    def __enter__(self) -> Window:
        _require_windows()
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(cv2.error):  # it may be closed already
            cv2.destroyWindow(self._title)

    def show(self, image: ImageArray, *, wait: bool = False) -> bool:
        """Show an image; return False once the window was closed or q or Escape pressed.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3), BGR
        wait : bool
            Whether to wait for a key. Defaults to False.
        """
        cv2.imshow(self._title, image)
        while True:
            key = cv2.waitKey(50 if wait else 1)
            if key in QUIT or not self._is_open():
                return False
            if key >= 0 or not wait:
                return True

    def _is_open(self) -> bool:
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:  # Qt raises once the last window is closed
            return False


def _require_windows() -> None:
    """Try a window in a process of its own: Qt aborts the process where there is no display."""
    hint = "use `save` instead"
    if not has_screen():
        raise DependencyError("`show` needs a display, and DISPLAY is not set", hint=hint)
    trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, check=False)
    if trial.returncode:
        raise DependencyError(
            "`show` needs a window, and this cv2 cannot open one here",
            hint=f"{hint}, or install a cv2 that is not headless",
        )
