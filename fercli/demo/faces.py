"""Faces, photographs without faces, and a test with known boxes.

All of it comes from scikit-image's package: 100 faces and 100 other crops of Labeled Faces in the
Wild (25×25), and photographs. Seventy faces are for training; the other thirty are pasted into
photographs that the training does not see, at sizes of 30 to 70 pixels.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fercli.cascade.downloads import skimage_file
from fercli.common.files import write_text
from fercli.common.images import ImageArray, read_color
from fercli.demo.images import Box, ImageWriter, read_photograph

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
