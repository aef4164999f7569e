"""Drawn stop signs in photographs, and the table of their boxes.

The photographs are scikit-image's; each sign is turned, tilted, lit and blurred at random, so
that no two are alike.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.files import write_text
from fercli.common.images import ImageArray
from fercli.demo.faces import TEST_SCENES, TRAINING_SCENES
from fercli.demo.images import Box, ImageWriter, read_photograph

#: Pixels: the side of the sign as drawn, before it is scaled.
SIDE = 96
PHOTOS, TEST_PHOTOS, SIGNS_IN_A_PHOTO = 60, 6, 5
PHOTO_WH = (400, 300)
RED, WHITE = 90, 235

#: A sign's gray levels and its mask (0 to 1), both of shape (side, side).
Sign = tuple[NDArray[np.floating], NDArray[np.floating]]


def write_signs(folder: Path, *, overwrite: bool = False) -> dict[str, int]:
    """Write ``photos/`` and ``test/`` with their ``boxes.csv``, ``scenes/`` and ``sign.png``.

    ``scenes/`` holds photographs without a sign; those of ``test/`` are other photographs with
    other signs.

    Returns
    -------
    dict of str to int
        How many images were written, by folder.

    Raises
    ------
    DependencyError
        scikit-image is not installed, or does not have one of the files.
    OutputError
        A file exists and `overwrite` is False, or cannot be written.
    """
    rng = np.random.default_rng(3)
    drawing = draw_sign()
    writer = ImageWriter(folder, overwrite)
    writer.write("sign.png", drawing[0])
    training = [read_photograph(name) for name in TRAINING_SCENES]
    for number, scene in enumerate(training):
        writer.write(f"scenes/{number:02d}.png", scene)
    test = [read_photograph(name) for name in TEST_SCENES]
    for name, scenes, count in (("photos", training, PHOTOS), ("test", test, TEST_PHOTOS)):
        table = _write_photos(writer, name, scenes, count, drawing, rng)
        write_text(folder / name / "boxes.csv", table, overwrite=overwrite)
    return writer.counts


def draw_sign() -> tuple[ImageArray, ImageArray]:
    """Return a sign as gray levels, and the octagon that it covers, 0 or 255."""
    sign, mask = np.full((SIDE, SIDE), 128, np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [_octagon(0.49)], 255, cv2.LINE_AA)
    cv2.fillPoly(sign, [_octagon(0.49)], WHITE, cv2.LINE_AA)
    cv2.fillPoly(sign, [_octagon(0.44)], RED, cv2.LINE_AA)
    font = cv2.FONT_HERSHEY_DUPLEX
    cv2.putText(sign, "STOP", (12, 59), font, 0.95, WHITE, 3, cv2.LINE_AA)
    return sign, mask


def _octagon(radius: float) -> NDArray[np.int32]:
    """Return the corners of an octagon whose sides are `radius` sign widths from the middle."""
    angles = np.deg2rad(22.5 + 45 * np.arange(8))
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius / np.cos(np.pi / 8)
    pixels: NDArray[np.int32] = np.round((0.5 + corners) * (SIDE - 1)).astype(np.int32)
    return pixels


def _write_photos(
    writer: ImageWriter,
    folder: str,
    scenes: Sequence[ImageArray],
    count: int,
    drawing: tuple[ImageArray, ImageArray],
    rng: np.random.Generator,
) -> str:
    """Write photographs with signs in them, and return the table of their boxes as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["path", "x", "y", "w", "h"])
    for number in range(count):
        photo = _view(scenes[number % len(scenes)], rng)
        boxes: list[Box] = []
        while len(boxes) < SIGNS_IN_A_PHOTO:
            _place_sign(photo, drawing, boxes, rng)
        writer.write(f"{folder}/{number:02d}.png", photo)
        table.writerows([f"{number:02d}.png", *box] for box in boxes)
    return text.getvalue()


def _view(scene: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Return a random part of a photograph, scaled to `PHOTO_WH`."""
    height, width = scene.shape
    share = rng.uniform(0.6, 1)
    h, w = int(share * height), int(share * width)
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    part = scene[y : y + h, x : x + w]
    return np.asarray(cv2.resize(part, PHOTO_WH, interpolation=cv2.INTER_AREA), np.uint8)


def _place_sign(
    photo: ImageArray,
    drawing: tuple[ImageArray, ImageArray],
    boxes: list[Box],
    rng: np.random.Generator,
) -> None:
    """Put a sign at a random position, unless it would touch another."""
    side = int(rng.integers(30, 80))
    x, y = (int(rng.integers(0, length - side)) for length in photo.shape[::-1])
    if any(abs(x - bx) < max(side, b) and abs(y - by) < max(side, b) for bx, by, b, _ in boxes):
        return
    gray, alpha = _seen(drawing, side, rng)
    part = photo[y : y + side, x : x + side]
    part[:] = np.round(alpha * gray + (1 - alpha) * part)
    boxes.append((x, y, side, side))


def _seen(drawing: tuple[ImageArray, ImageArray], side: int, rng: np.random.Generator) -> Sign:
    """Return the sign as seen from a random direction, in random light."""
    corners = np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]], np.float32)
    moved = corners + rng.uniform(-0.06, 0.06, (4, 2)).astype(np.float32) * SIDE
    to_side = cv2.getPerspectiveTransform(corners, np.float32(moved * side / SIDE))
    warped = [cv2.warpPerspective(part, to_side, (side, side)) for part in drawing]
    lit = warped[0] * rng.uniform(0.55, 1.05) + rng.uniform(-10, 25)
    lit += rng.normal(0, rng.uniform(0, 6), lit.shape)
    return cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 1.2)).clip(0, 255), warped[1] / 255
