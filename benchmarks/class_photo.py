"""How many faces of a class photograph are found with the defaults, and how long that takes.

usage: python benchmarks/class_photo.py [--data DIR] [--save FILE.png]

The photograph is made here: 150 faces of the Yale set, 85 to 110 pixels wide, over an enlarged
photograph of 3500×1818 pixels. The faces are those that the cascade finds in the images of the set,
so the figure tells of size and number, not of how well a cascade knows faces. Time is that of the
process, on all of its threads.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import cv2
import numpy as np

from fercli.common.images import ImageArray, read_gray
from fercli.recognition.face_search import Boxes, unlike
from fercli.recognition.recognizer import Recognizer

SIZE_WH, COLUMNS, ROWS, SIDES = (3500, 1818), 15, 10, (85, 110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=os.environ.get("FER_DATA", beside))
    parser.add_argument("--save", type=Path)
    given = parser.parse_args()
    image, boxes = class_photo(Path(given.data))
    if given.save:
        cv2.imwrite(str(given.save), image)
    six = cv2.resize(image, (3000, 2000))
    for name, searched, recognizer in (
        ("3500×1818, defaults", image, Recognizer()),
        ("3000×2000, min face 24", six, Recognizer(min_face=24)),
    ):
        recognizer.load_search()
        start = time.process_time()
        found = recognizer.detect(searched)
        seconds = time.process_time() - start
        least = recognizer.smallest_face(searched)
        text = f"{name}: faces from {least} pixels on, {seconds:.2f} s of CPU, {len(found)} boxes"
        if searched is image:
            missed, false = len(unlike(boxes, found)), len(unlike(found, boxes))
            text += f", {len(boxes) - missed} of {len(boxes)} faces, {false} false"
        print(text)


def class_photo(data: Path) -> tuple[ImageArray, Boxes]:
    """Return the photograph and the boxes of its faces, x, y, width, height."""
    rng = np.random.default_rng(0)
    recognizer = Recognizer()
    background = read_gray(sorted((data / "negatives").rglob("*.jpg"))[5])
    image = cv2.resize(background, SIZE_WH, interpolation=cv2.INTER_CUBIC)
    files = sorted(path for path in (data / "yalefaces").iterdir() if "subject" in path.name)
    rng.shuffle(files)
    boxes: list[tuple[float, ...]] = []
    for path in files:
        gray = read_gray(path)
        found = recognizer.detect(gray, least=1 / 4, quick=False)
        if not len(found) or len(boxes) == COLUMNS * ROWS:
            continue
        x, y, width, height = found[0].tolist()
        margin = width // 4
        left, top = max(x - margin, 0), max(y - margin, 0)
        face = gray[top : y + height + margin, left : x + width + margin]
        scale = rng.uniform(*SIDES) / width
        face = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        at_x, at_y = len(boxes) % COLUMNS * 233 + 20, len(boxes) // COLUMNS * 181 + 5
        face = face[: SIZE_WH[1] - at_y]
        image[at_y : at_y + face.shape[0], at_x : at_x + face.shape[1]] = face
        side = width * scale
        boxes.append((at_x + (x - left) * scale, at_y + (y - top) * scale, side, side))
    return image, np.rint(boxes).astype(np.int32)


if __name__ == "__main__":
    main()
