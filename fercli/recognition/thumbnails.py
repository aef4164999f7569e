"""Thumbnails: the clearest face of each person with each label, as small JPEG images."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING

import cv2

from fercli.common.boxes import Box
from fercli.common.images import ImageArray, resize

if TYPE_CHECKING:
    from fercli.recognition.results import Face, FrameFaces

#: Width and height of a thumbnail in pixels, and the margin around the face as a share of its box.
SIDE, MARGIN = 96, 0.2

#: JPEG quality: about 3 kB each.
QUALITY = 80

#: A face replaces that of a thumbnail if it is better by this factor: one that is still is not
#: encoded anew in every frame.
BETTER = 1.05

#: A face that is wider than so many pixels is no better for it.
WIDE = 2 * SIDE

#: Where more than twice so many people have thumbnails, these keep theirs: those seen most.
PEOPLE = 250


class Thumbnails:
    """The clearest face of each person with each label: the most probable, and large.

    Takes about 3 kB for each label of at most 2 × `PEOPLE` people, whatever the length of a video.
    """

    def __init__(self) -> None:
        self._best: dict[int, dict[str, tuple[float, bytes]]] = {}
        self._frames: Counter[int] = Counter()

    def add(self, one: FrameFaces) -> None:
        """Look at the faces of a frame; its colors are read if one is better than those before."""
        self._frames.update(face.person for face in one.found)
        for face in one.found:
            best = self._best.setdefault(face.person, {})
            clear = face.probability * min(face.box_xywh[2], WIDE)
            if clear > BETTER * best.get(face.label, (0.0,))[0]:
                best[face.label] = clear, encode_face(one.frame.color, face.box_xywh)
        if len(self._best) > 2 * PEOPLE:
            kept = {face.person for face in one.found}
            kept.update(sorted(self._best, key=lambda person: -self._frames[person])[:PEOPLE])
            self._best = {person: self._best[person] for person in kept}

    def of(self, person: int) -> dict[str, str]:
        """Return a person's thumbnails by label, as ``data:`` addresses."""
        return {
            label: f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
            for label, (_, content) in self._best.get(person, {}).items()
        }

    def add_image(self, image: ImageArray, faces: list[Face]) -> None:
        """Take the faces of a single image, BGR."""
        for face in faces:
            self._best[face.person] = {face.label: (1.0, encode_face(image, face.box_xywh))}


def encode_face(image: ImageArray, box_xywh: Box) -> bytes:
    """Return a face as JPEG, `SIDE` pixels wide and high; the image's edge is repeated.

    The box is square in the scene: where its pixels are not, the thumbnail's are.
    """
    x, y, width, height = box_xywh
    across, down = round(MARGIN * width), round(MARGIN * height)
    rows, columns = image.shape[:2]
    left, right = max(x - across, 0), min(x + width + across, columns)
    top, bottom = max(y - down, 0), min(y + height + down, rows)
    inside = image[top:bottom, left:right]
    if not inside.size:
        return b""
    whole = cv2.copyMakeBorder(
        inside,
        top - (y - down),
        y + height + down - bottom,
        left - (x - across),
        x + width + across - right,
        cv2.BORDER_REPLICATE,
    )
    small = resize(whole, (SIDE, SIDE))
    return bytes(cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1])
