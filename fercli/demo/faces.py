"""Lay out the demo's images: faces, photographs without faces, and a test with known boxes.

All of it comes from scikit-image's package: 100 faces and 100 other crops of Labeled Faces in the
Wild (25×25), and photographs. Seventy faces are for training; the other thirty are pasted into
photographs that the training does not see, at sizes of 30 to 70 pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image

PACKAGE = Path(skimage.data.__file__).parent
TRAINING_SCENES = [
    "brick.png", "camera.png", "cell.png", "chelsea.png", "chessboard_GRAY.png",
    "clock_motion.png", "coins.png", "color.png", "grass.png", "gravel.png", "horse.png",
    "hubble_deep_field.jpg", "ihc.png", "logo.png", "moon.png", "motorcycle_left.png", "page.png",
    "phantom.png", "retina.jpg", "text.png",
]  # fmt: skip
TEST_SCENES = ["coffee.png", "rocket.jpg", "motorcycle_right.png"]
FACES_A_SCENE = 10


def main(folder: Path) -> None:
    rng = np.random.default_rng(7)
    lfw = np.load(PACKAGE / "lfw_subset.npy")
    crops = np.round(lfw * 255).astype(np.uint8)
    faces = crops[:100][rng.permutation(100)]
    write_crops(folder / "faces", faces[:70])
    write_crops(folder / "scenes", crops[100:])
    for name in TRAINING_SCENES:
        write(folder / "scenes" / Path(name).with_suffix(".png"), read(name))
    write_test(folder / "test", faces[70:], rng)
    write(folder / "astronaut.png", cv2.imread(str(PACKAGE / "astronaut.png")))


def write_crops(folder: Path, crops: np.ndarray) -> None:
    for number, crop in enumerate(crops):
        write(folder / f"{number:03d}.png", crop)


def write_test(folder: Path, faces: np.ndarray, rng: np.random.Generator) -> None:
    lines = []
    for name in TEST_SCENES:
        scene, boxes = read(name), []
        for face in faces[:FACES_A_SCENE]:
            boxes.append(paste(face, scene, boxes, rng))
        faces = faces[FACES_A_SCENE:]
        write(folder / Path(name).with_suffix(".png"), scene)
        numbers = " ".join(str(value) for box in boxes for value in box)
        lines.append(f"{Path(name).stem}.png {len(boxes)} {numbers}\n")
    (folder / "info.dat").write_text("".join(lines))


def paste(
    face: np.ndarray, scene: np.ndarray, taken: list[tuple[int, ...]], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Paste a face at a random free place of the scene, and return its box (x, y, side, side)."""
    while True:
        side = int(rng.integers(30, 71))
        x, y = (int(rng.integers(0, length - side)) for length in scene.shape[::-1])
        if all(
            max(x, bx) >= min(x + side, bx + b) or max(y, by) >= min(y + side, by + b)
            for bx, by, b, _ in taken
        ):
            break
    scene[y : y + side, x : x + side] = cv2.resize(face, (side, side))
    return x, y, side, side


def read(name: str) -> np.ndarray:
    """Return a photograph as gray levels; by Pillow, which keeps quiet about odd profiles."""
    with Image.open(PACKAGE / name) as image:
        return np.array(image.convert("L"))


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
