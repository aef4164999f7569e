"""The images of ``fer demo``: faces, and stop signs in photographs, with their boxes.

All of it comes from the package scikit-image.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fercli.cascade.downloads import skimage_file
from fercli.common.boxes import Box
from fercli.common.files import write_text
from fercli.common.images import ImageArray, read_color, write_image


class ImageWriter:
    """Writes images below a folder and counts them by subfolder.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        Whether existing files may be replaced.
    """

    def __init__(self, folder: Path, overwrite: bool) -> None:
        self._folder = folder
        self._overwrite = overwrite
        self.counts: Counter[str] = Counter()

    def write(self, name: str, image: ImageArray) -> None:
        """Write one image; `name` is relative to the folder."""
        write_image(self._folder / name, image, overwrite=self._overwrite)
        self.counts[name.rpartition("/")[0] or "."] += 1


def read_photograph(name: str) -> ImageArray:
    """Return a photograph of scikit-image's as gray levels, shape (height, width).

    By Pillow, which prints no warning about unusual color profiles.
    """
    with Image.open(skimage_file(name)) as image:
        return np.array(image.convert("L"))


# Faces, photographs without faces, and a test with known boxes.
#
# All of it comes from scikit-image's package: 100 faces and 100 other crops of Labeled Faces in the
# Wild (25×25), and photographs. Seventy faces are for training; the other thirty are pasted into
# photographs that the training does not see, at sizes of 30 to 70 pixels.


TRAINING_SCENES = (
    "brick.png", "camera.png", "cell.png", "chelsea.png", "chessboard_GRAY.png",
    "clock_motion.png", "coins.png", "color.png", "grass.png", "gravel.png", "horse.png",
    "hubble_deep_field.jpg", "ihc.png", "logo.png", "moon.png", "motorcycle_left.png", "page.png",
    "phantom.png", "retina.jpg", "text.png",
)  # fmt: skip
TEST_SCENES = ("coffee.png", "rocket.jpg", "motorcycle_right.png")

TRAINING_FACES = 70
FACES_IN_A_SCENE = 10


def write_faces(folder: Path, *, overwrite: bool = False) -> dict[str, int]:
    """Write ``faces/``, ``scenes/``, ``test/`` with its ``info.dat``, and ``astronaut.png``.

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
    rng = np.random.default_rng(7)
    crops: ImageArray = np.round(np.load(skimage_file("lfw_subset.npy")) * 255).astype(np.uint8)
    faces = crops[:100][rng.permutation(100)]
    writer = ImageWriter(folder, overwrite)
    for kind, images in (("faces", faces[:TRAINING_FACES]), ("scenes", crops[100:])):
        for number, image in enumerate(images):
            writer.write(f"{kind}/{number:03d}.png", image)
    for name in TRAINING_SCENES:
        writer.write(f"scenes/{Path(name).stem}.png", read_photograph(name))
    lines = _write_test(writer, faces[TRAINING_FACES:], rng)
    write_text(folder / "test" / "info.dat", "".join(lines), overwrite=overwrite)
    writer.write("astronaut.png", read_color(skimage_file("astronaut.png")))
    return writer.counts


def _write_test(writer: ImageWriter, faces: ImageArray, rng: np.random.Generator) -> list[str]:
    """Write the photographs of the test with faces in them, and return the lines of info.dat."""
    lines = []
    for number, name in enumerate(TEST_SCENES):
        scene = read_photograph(name)
        boxes: list[Box] = []
        for face in faces[number * FACES_IN_A_SCENE :][:FACES_IN_A_SCENE]:
            boxes.append(_paste(face, scene, boxes, rng))
        stem = Path(name).stem
        writer.write(f"test/{stem}.png", scene)
        numbers = " ".join(str(value) for box in boxes for value in box)
        lines.append(f"{stem}.png {len(boxes)} {numbers}\n")
    return lines


def _paste(
    face: ImageArray,
    scene: ImageArray,
    taken: list[Box],
    rng: np.random.Generator,
) -> Box:
    """Paste a face at a random free position of the scene, and return its box."""
    while True:
        side = int(rng.integers(30, 71))
        x, y = (int(rng.integers(0, length - side)) for length in scene.shape[::-1])
        box = (x, y, side, side)
        if not any(_overlaps(box, other) for other in taken):
            break
    scene[y : y + side, x : x + side] = cv2.resize(face, (side, side))
    return box


def _overlaps(one: Box, other: Box) -> bool:
    """Return whether two boxes (x, y, width, height) share a pixel."""
    return all(
        max(one[axis], other[axis]) < min(one[axis] + one[axis + 2], other[axis] + other[axis + 2])
        for axis in (0, 1)
    )


# Drawn stop signs in photographs, and the table of their boxes.
#
# The photographs are scikit-image's; each sign is turned, tilted, lit and blurred at random, so
# that no two are alike.


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
