"""Draw faces on images: box, person, expression, and the probability of each class as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from fercli.common.drawing import line_width
from fercli.common.images import ImageArray
from fercli.recognition.results import Face
from fercli.recognition.sinks.layout import Layout, Position, label_positions, panel_positions
from fercli.recognition.sinks.panels import (
    CROWDED,
    READABLE,
    SMALLEST,
    Panel,
    color_of,
    draw_bars,
    font_size,
    ink_on,
    most_probable,
    stepped,
    text_size,
    with_strip,
    write,
)

Strips = Literal["never", "auto", "always"]

#: The longer side, in pixels, that an image needs for its annotations.
ROOM = 480

#: Brightness of the background of bars: 0 is black, 1 the image itself.
DIMMED = 0.35

#: The largest label inside a face, as a share of the face.
INSIDE = 0.06


def draw_faces(
    image: ImageArray,
    faces: Sequence[Face],
    classes: Sequence[str],
    *,
    bars: bool = False,
    strip: Strips = "never",
) -> ImageArray:
    """Return a copy of an image with its faces drawn; parameters as those of `Annotator`."""
    return Annotator(classes, bars=bars, strip=strip).draw(image, faces)


class Annotator:
    """Draws faces, with labels and bars, on the images of one input.

    Labels and panels of bars cover neither faces nor one another where there is room; where there
    is not, labels become shorter and panels smaller. In a video they stay on the side of a face on
    which they were.

    Parameters
    ----------
    classes : sequence of str
        The model's.
    bars : bool
        Whether each face has the probability of every class beside it. Defaults to False.
    strip : {"never", "auto", "always"}
        Whether bars are in a strip beside or below the image: "auto" where they do not all fit on
        the image. With "auto" an image may become larger than another of the same size.

    Attributes
    ----------
    without_room : int
        Images so far that had no room for all of the bars.
    """

    def __init__(
        self, classes: Sequence[str], *, bars: bool = False, strip: Strips = "never"
    ) -> None:
        self.without_room = 0
        self._classes = classes
        self._bars = bars or strip == "always"
        self._strip = strip
        self._sides: dict[tuple[str, int], int] = {}

    def draw(self, image: ImageArray, faces: Sequence[Face]) -> ImageArray:
        """Return a copy of an image with its faces drawn.

        A small image is enlarged by a whole factor to make room for text.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3), BGR
        faces : sequence of Face
        """
        factor = min(max(round(ROOM / max(image.shape)), 1), 4)
        if factor > 1:
            drawn = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            faces = [_enlarged(face, factor) for face in faces]
        else:
            drawn = image.copy()
        canvas = _Canvas(np.asarray(drawn, np.uint8), faces, self._sides)
        for face in faces:
            canvas.draw_box(face)
        # The largest first: they have the best places.
        ordered = sorted(faces, key=lambda face: (-face.box_xywh[2], face.person))
        labels = [canvas.place_label(face) for face in ordered]
        panels = self._panels(canvas, ordered) if self._bars and self._strip != "always" else []
        complete = all(panel is not None and panel.whole for panel in panels)
        self.without_room += not complete
        in_strip = self._strip == "always" or (self._strip == "auto" and not complete)
        for panel in () if in_strip else panels:
            if panel is not None:
                canvas.draw_panel(panel)
        for label in labels:
            canvas.draw_label(label)
        self._sides = canvas.sides
        if self._bars and in_strip:
            return with_strip(canvas.image, faces, self._classes, fixed=self._strip == "always")
        return canvas.image

    def _panels(self, canvas: _Canvas, faces: Sequence[Face]) -> list[Panel | None]:
        """Return the bars of faces, None for those that have no room."""
        panels: list[Panel | None] = []
        for face in faces:
            crowded = None in panels  # smaller faces will not find what a larger one did not
            if crowded and self._strip == "auto":
                break
            panels.append(canvas.place_panel(face, self._classes, away=not crowded))
        return panels


@dataclass(frozen=True)
class _Label:
    face: Face
    text: str
    size: int
    position: Position


class _Canvas:
    """An image that is drawn on, and its layout."""

    def __init__(
        self, image: ImageArray, faces: Sequence[Face], sides: dict[tuple[str, int], int]
    ) -> None:
        self.image = image
        self.sides: dict[tuple[str, int], int] = {}
        self._last_sides = sides
        self._size_wh = (image.shape[1], image.shape[0])
        self._layout = Layout(self._size_wh, [face.box_xywh for face in faces])
        self._gap = line_width(self._size_wh)
        self._largest = font_size(image)
        self._readable, self._crowded = (
            min(max(SMALLEST, round(max(self._size_wh) * share)), self._largest)
            for share in (READABLE, CROWDED)
        )

    def draw_box(self, face: Face) -> None:
        x, y, width, height = face.box_xywh
        color = color_of(face.person)[::-1]
        corners = (x, y), (x + width, y + height)
        cv2.rectangle(self.image, *corners, color, self._gap, cv2.LINE_AA)

    # Labels

    def place_label(self, face: Face) -> _Label:
        """Return person and expression of a face where they cover least, and take the space."""
        width = face.box_xywh[2]
        # A small face among others gets a small label.
        size = stepped(min(max(width // 7, self._readable), self._largest))
        name = f"{face.person} {face.label}"
        whole, number = f"{name} {face.probability:.0%}", str(face.person)
        small = stepped(self._crowded)
        for text, height in ((whole, size), (name, size), (name, small), (number, small)):
            found = self._free_label(face, text, height)
            if found is not None:
                return self._taken_label(found)
        return self._taken_label(self._least_hidden_label(face, number, small))

    def _free_label(self, face: Face, text: str, size: int) -> _Label | None:
        wide_high = text_size(text, size)
        positions = label_positions(face.box_xywh, wide_high, self._gap // 2)
        at = self._free_side("label", face, positions, wide_high)
        if at is not None:
            self.sides["label", face.person] = at
            return _Label(face, text, size, self._layout.moved_inside(positions[at], wide_high))
        inside = self._layout.moved_inside(face.box_xywh[:2], wide_high)
        area, own = wide_high[0] * wide_high[1], face.box_xywh[2] * face.box_xywh[3]
        # Inside a large face, where it covers nothing else.
        if area <= INSIDE * own and self._layout.hidden([inside], wide_high)[0] <= area:
            return _Label(face, text, size, inside)
        return None

    def _least_hidden_label(self, face: Face, text: str, size: int) -> _Label:
        wide_high = text_size(text, size)
        positions = label_positions(face.box_xywh, wide_high, self._gap // 2)
        positions = [
            self._layout.moved_inside(one, wide_high) for one in (face.box_xywh[:2], *positions)
        ]
        at = int(self._layout.hidden(positions, wide_high).argmin())
        return _Label(face, text, size, positions[at])

    def _taken_label(self, label: _Label) -> _Label:
        self._layout.take((*label.position, *text_size(label.text, label.size)))
        return label

    def draw_label(self, label: _Label) -> None:
        background = color_of(label.face.person)
        ink = ink_on(background)
        write(self.image, label.text, label.size, label.position, ink, background)

    # Panels

    def place_panel(self, face: Face, classes: Sequence[str], *, away: bool) -> Panel | None:
        """Return the bars of a face where they cover nothing, or None, and take the space.

        `away` says whether they may be a little away from the face.
        """
        lines = tuple(zip(classes, map(float, face.probabilities), strict=True))
        size = stepped(min(max(face.box_xywh[2] // 8, self._readable), self._largest))
        small = stepped(self._crowded)
        whole, smaller = Panel(face, lines, size), Panel(face, lines, small)
        few = Panel(face, most_probable(lines), small, whole=False)
        found = (
            self._beside(whole)
            or self._beside(smaller)
            or (self._away(smaller) if away else None)
            or self._beside(few)
            or (self._away(few) if away else None)
        )
        if found is not None:
            self._layout.take((*found.position, *found.size_wh))
        return found

    def _beside(self, panel: Panel) -> Panel | None:
        positions = panel_positions(panel.face.box_xywh, panel.size_wh, self._gap + 2)
        at = self._free_side("panel", panel.face, positions, panel.size_wh)
        if at is None:
            return None
        self.sides["panel", panel.face.person] = at
        return replace(panel, position=self._layout.moved_inside(positions[at], panel.size_wh))

    def _away(self, panel: Panel) -> Panel | None:
        panel = replace(panel, far=True, header=str(panel.face.person))
        position = self._layout.nearest_free(panel.size_wh, panel.face.box_xywh)
        return None if position is None else replace(panel, position=position)

    def _free_side(
        self, what: str, face: Face, positions: list[Position], size_wh: tuple[int, int]
    ) -> int | None:
        """Return the side of a face that is free: that of the frame before, or the first."""
        last = self._last_sides.get((what, face.person))
        if last is not None and self._layout.first_free([positions[last]], size_wh) == 0:
            return last
        return self._layout.first_free(positions, size_wh)

    def draw_panel(self, panel: Panel) -> None:
        left, top = panel.position
        width, height = panel.size_wh
        if panel.far:
            self._draw_lead(panel)
        background = self.image[top : top + height, left : left + width]
        background[:] = (background * DIMMED).astype(np.uint8)
        draw_bars(self.image, panel)

    def _draw_lead(self, panel: Panel) -> None:
        """Draw a line from a face to its bars."""
        x, y, width, height = panel.face.box_xywh
        (left, top), (across, down) = panel.position, panel.size_wh
        end = (
            min(max(x + width // 2, left), left + across),
            min(max(y + height // 2, top), top + down),
        )
        start = (min(max(end[0], x), x + width), min(max(end[1], y), y + height))
        color = color_of(panel.face.person)[::-1]
        cv2.line(self.image, start, end, color, max(self._gap // 2, 1), cv2.LINE_AA)


def _enlarged(face: Face, factor: int) -> Face:
    x, y, width, height = (factor * number for number in face.box_xywh)
    return replace(face, box_xywh=(x, y, width, height))
