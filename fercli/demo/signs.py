"""Draw the images of docs/own-object.md: stop signs in photographs, and where they are.

``object_data.py FOLDER`` writes ``photos/`` with ``boxes.csv`` (to train with), ``scenes/``
(photographs without a sign), ``test/`` with ``boxes.csv`` (other photographs, other signs) and
``sign.png``. The photographs are scikit-image's; a sign is turned, tilted, lit and blurred at
random, so that no two are alike.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import cv2
import numpy as np
from demo_data import TEST_SCENES, TRAINING_SCENES, read, write

SIDE = 96
PHOTOS, SIGNS_A_PHOTO = 60, 5
TEST_PHOTOS = 6
PHOTO_WH = (400, 300)
RED, WHITE = 90, 235

Box = tuple[int, int, int, int]


def main(folder: Path) -> None:
    rng = np.random.default_rng(3)
    sign, mask = draw_sign()
    write(folder / "sign.png", sign)
    training = [read(name) for name in TRAINING_SCENES]
    for number, scene in enumerate(training):
        write(folder / "scenes" / f"{number:02d}.png", scene)
    write_photos(folder / "photos", training, PHOTOS, sign, mask, rng)
    write_photos(
        folder / "test", [read(name) for name in TEST_SCENES], TEST_PHOTOS, sign, mask, rng
    )


def draw_sign() -> tuple[np.ndarray, np.ndarray]:
    """Return a sign as gray levels, and the octagon that it covers."""
    sign, mask = np.full((SIDE, SIDE), 128, np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [octagon(0.49)], 255, cv2.LINE_AA)
    cv2.fillPoly(sign, [octagon(0.49)], WHITE, cv2.LINE_AA)
    cv2.fillPoly(sign, [octagon(0.44)], RED, cv2.LINE_AA)
    cv2.putText(
        sign, "STOP", (12, 59), cv2.FONT_HERSHEY_DUPLEX, 0.95, WHITE, 3, cv2.LINE_AA
    )  # fmt: skip
    return sign, mask


def octagon(radius: float) -> np.ndarray:
    """Return the corners of an octagon whose sides are `radius` sign widths from the middle."""
    angles = np.deg2rad(22.5 + 45 * np.arange(8))
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius / np.cos(np.pi / 8)
    return np.round((0.5 + corners) * (SIDE - 1)).astype(np.int32)


def write_photos(
    folder: Path,
    scenes: list[np.ndarray],
    count: int,
    sign: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Write so many photographs with signs in them, and the table of their boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "boxes.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "x", "y", "w", "h"])
        for number in range(count):
            photo = view(scenes[number % len(scenes)], rng)
            boxes: list[Box] = []
            while len(boxes) < SIGNS_A_PHOTO:
                place_sign(photo, sign, mask, boxes, rng)
            write(folder / f"{number:02d}.png", photo)
            table.writerows([f"{number:02d}.png", *box] for box in boxes)


def view(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a part of a photograph, at the size of all of them."""
    height, width = scene.shape
    share = rng.uniform(0.6, 1)
    h, w = int(share * height), int(share * width)
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    return cv2.resize(scene[y : y + h, x : x + w], PHOTO_WH, interpolation=cv2.INTER_AREA)


def place_sign(
    photo: np.ndarray,
    sign: np.ndarray,
    mask: np.ndarray,
    boxes: list[Box],
    rng: np.random.Generator,
) -> None:
    """Put a sign at a random place, if it touches no other."""
    side = int(rng.integers(30, 80))
    x, y = (int(rng.integers(0, length - side)) for length in photo.shape[::-1])
    if any(abs(x - bx) < max(side, b) and abs(y - by) < max(side, b) for bx, by, b, _ in boxes):
        return
    gray, alpha = seen(sign, mask, side, rng)
    part = photo[y : y + side, x : x + side]
    part[:] = np.round(alpha * gray + (1 - alpha) * part)
    boxes.append((x, y, side, side))


def seen(
    sign: np.ndarray, mask: np.ndarray, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a sign and its mask (0 to 1) as seen from somewhere, in some light."""
    corners = np.float32([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]])
    moved = corners + rng.uniform(-0.06, 0.06, (4, 2)).astype(np.float32) * SIDE
    to_side = cv2.getPerspectiveTransform(corners, np.float32(moved * side / SIDE))
    warped = [cv2.warpPerspective(part, to_side, (side, side)) for part in (sign, mask)]
    lit = warped[0] * rng.uniform(0.55, 1.05) + rng.uniform(-10, 25)
    lit += rng.normal(0, rng.uniform(0, 6), lit.shape)
    return cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 1.2)).clip(0, 255), warped[1] / 255


if __name__ == "__main__":
    main(Path(sys.argv[1]))
