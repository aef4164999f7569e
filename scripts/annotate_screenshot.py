"""Draw a few images of mugs on a table, annotate them in Chromium, and photograph the page.

    python -m scripts.annotate_screenshot docs/images/annotate.png [FOLDER]

The images are made by this script, and stay in FOLDER if one is given.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from scripts.browsing import (
    chromium,
    drag,
    place_on_stage,
    save_screenshot,
    serving,
    wait_until,
)

SIZE = WIDTH, HEIGHT = 960, 640
COLORS = [(60, 70, 190), (170, 110, 40), (70, 150, 80), (40, 150, 210), (150, 80, 140)]


def main() -> None:
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        boxes = make_images(folder / "images", 9)
        options = ("--out", folder / "info.dat", "--window", "24x24", "--port", 0)
        with serving("cascade", "annotate", folder / "images", *options) as address:
            photograph(address, boxes, out)


def make_images(folder: Path, count: int) -> list[list[tuple[int, int, int, int]]]:
    """Write images of mugs, and return the boxes of the mugs in each."""
    folder.mkdir(parents=True, exist_ok=True)
    return [make_image(folder / f"table-{n + 1:02}.jpg", n) for n in range(count)]


def make_image(path: Path, seed: int) -> list[tuple[int, int, int, int]]:
    """Write one image; every fourth has no mug."""
    random = np.random.default_rng(seed)
    image = table(random)
    boxes = []
    for column in range(0 if seed % 4 == 3 else 1 + seed % 3):
        side = int(random.integers(130, 210))
        x, y = 90 + 290 * column + int(random.integers(0, 60)), int(random.integers(240, 380))
        draw_mug(image, x, y, side, COLORS[(seed + column) % len(COLORS)])
        boxes.append((x, y, side, side))
    noise = random.normal(0, 5, image.shape)
    cv2.imwrite(str(path), np.clip(image + noise, 0, 255).astype(np.uint8))
    return boxes


def table(random: np.random.Generator) -> np.ndarray:
    """Return a wall above planks of wood."""
    image = np.full((HEIGHT, WIDTH, 3), (208, 214, 216), np.uint8)
    grain = cv2.GaussianBlur(random.normal(0, 60, (HEIGHT, WIDTH)), (0, 0), 40, sigmaY=1.2)
    wood = np.array([95, 135, 180]) + 2.2 * grain[..., None]
    image[250:] = np.clip(wood, 0, 255)[250:]
    for y in range(330, HEIGHT, 90):
        cv2.line(image, (0, y), (WIDTH, y), (60, 90, 125), 2)
    return image


def draw_mug(image: np.ndarray, x: int, y: int, side: int, color: tuple[int, ...]) -> None:
    """Draw a mug with its handle into a square."""
    body, dark = int(side * 0.72), tuple(int(0.7 * value) for value in color)
    rim = side // 8
    center = x + body // 2
    cv2.ellipse(
        image, (center + side // 8, y + side), (body // 2 + 20, rim), 0, 0, 360, (60, 85, 115), -1
    )
    cv2.ellipse(
        image, (x + body, y + side // 2), (side // 4, side // 4), 0, -90, 90, dark, side // 10
    )
    cv2.rectangle(image, (x, y + rim), (x + body, y + side - rim), color, -1)
    cv2.ellipse(image, (center, y + side - rim), (body // 2, rim), 0, 0, 180, color, -1)
    cv2.rectangle(image, (x, y + rim), (x + body // 7, y + side - rim), dark, -1)
    cv2.ellipse(image, (center, y + rim), (body // 2, rim), 0, 0, 360, (235, 235, 235), -1)
    cv2.ellipse(image, (center, y + rim), (body // 2 - 7, rim - 5), 0, 0, 360, (40, 50, 70), -1)


def photograph(address: str, boxes: list[list[tuple[int, int, int, int]]], out: Path) -> None:
    """Draw the boxes of six images by mouse, and photograph the last with the list of its boxes."""
    with chromium(size_wh=(1180, 820)) as browser:
        browser.get(address)
        for number, some in enumerate(boxes[:6]):
            name = f"table-{number + 1:02}.jpg"
            wait_until(browser, f"document.getElementById('name').textContent === '{name}'")
            time.sleep(0.3)
            for x, y, width, height in some:
                corners = ((x, y), (x + width, y + height))
                drag(browser, *(place_on_stage(browser, SIZE, *corner) for corner in corners))
            if number < 5:
                browser.find_element("id", "stage").send_keys("n" if some else "x")
        browser.find_element("id", "stage").send_keys("v")
        time.sleep(1)
        save_screenshot(browser, out)


if __name__ == "__main__":
    main()
