"""Ten faces in three photographs, annotated in Chromium by events as slow as a hand's.

The pointer takes AIM milliseconds to a corner of a face and DRAW to the opposite one; a key is
pressed after KEY. What is printed is the median of the rounds from the first image on the page to
the last box in the file, once drawn by hand, and once with fer's own cascade suggesting
(`--suggest faces`): all suggestions are accepted, and what is missing is drawn.

    python -m benchmarks.annotate_by_hand --rounds 5
"""

from __future__ import annotations

import argparse
import platform
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data

from scripts.browsing import chromium, drag, place_on_stage, serving, wait_until

AIM, DRAW, KEY = 300, 450, 250
SIZE = WIDTH, HEIGHT = 960, 640
FACES = (3, 3, 4)

#: The astronaut's face, and how large it is in the photographs.
FACE = (176, 60, 100, 100)

Box = tuple[int, int, int, int]


def write_photographs(folder: Path) -> list[list[Box]]:
    """Write three photographs of heads, and return the boxes of the faces."""
    folder.mkdir()
    rng, head = np.random.default_rng(0), skimage.data.astronaut()[10:240, 110:340, ::-1]
    found = []
    for number, count in enumerate(FACES):
        image = np.full((HEIGHT, WIDTH, 3), rng.integers(60, 160, 3), np.uint8)
        boxes = []
        for at in range(count):
            side = int(rng.integers(180, 230))
            x, y = 10 + at * 235, int(rng.integers(20, HEIGHT - side - 20))
            image[y : y + side, x : x + side] = cv2.resize(head, (side, side))
            scale = side / head.shape[0]
            left, top = x + (FACE[0] - 110) * scale, y + (FACE[1] - 10) * scale
            boxes.append((round(left), round(top), *[round(FACE[2] * scale)] * 2))
        cv2.imwrite(str(folder / f"{number}.png"), image)
        found.append(boxes)
    return found


def press(browser: Any, key: str) -> None:
    """Press a key after the time that a hand takes."""
    time.sleep(KEY / 1000)
    browser.switch_to.active_element.send_keys(key)


def annotate(browser: Any, address: str, out: Path, faces: list[list[Box]]) -> float:
    """Annotate all photographs, and return the seconds that it took."""
    suggests = address.endswith("?suggests")
    browser.get(address.removesuffix("?suggests"))
    name = "document.getElementById('name').textContent"
    wait_until(browser, f"{name} === '0.png'")
    began = time.monotonic()
    for number, boxes in enumerate(faces):
        wait_until(browser, f"{name} === '{number}.png'")
        missing = boxes
        if suggests:
            wait_until(browser, "/sugg/i.test(document.getElementById('finding').textContent) && "
                  "!document.querySelector('#finding.busy')")  # fmt: skip
            press(browser, "a")
            held = wait_until(browser, "document.getElementById('state').textContent")
            count = int(re.sub(r"\D", "", held) or 0)
            missing = boxes[: max(0, len(boxes) - count)]
        for x, y, width, height in missing:
            corners = ((x, y), (x + width, y + height))
            drag(browser, *(place_on_stage(browser, SIZE, *one) for one in corners), AIM, DRAW)
        press(browser, "d")
    while out.exists() is False or len(re.findall(r"\d\.png", out.read_text())) < len(faces):
        time.sleep(0.02)
    return time.monotonic() - began


def main() -> None:
    """Print the medians, and what they were measured with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary, chromium(size_wh=(1280, 900)) as browser:
        folder = Path(temporary)
        faces = write_photographs(folder / "photos")
        hand = (sum(FACES) * (AIM + DRAW) + len(FACES) * KEY) / 1000
        version = browser.capabilities["browserVersion"]
        print(f"{platform.platform()}, Chromium {version}; the hand alone takes {hand:.1f} s")
        for words, extra in (("drawn", ()), ("with suggestions", ("--suggest", "faces"))):
            seconds = []
            for number in range(rounds):
                out = folder / words.split()[0] / str(number) / "info.dat"
                options = (folder / "photos", "--out", out, "--port", 0, *extra)
                with serving("cascade", "annotate", *options) as address:
                    mark = "?suggests" if extra else ""
                    seconds.append(annotate(browser, address + mark, out, faces))
            print(f"{words}: {statistics.median(seconds):.1f} s (median of {rounds})")


if __name__ == "__main__":
    main()
