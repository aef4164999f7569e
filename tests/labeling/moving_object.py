"""A video of an object that is not where a straight way would have it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (240, 160)
FRAMES, EVERY = 41, 10


def place(number: int) -> tuple[int, int, int, int]:
    """Where the object is in a frame: it accelerates, and grows from 32 to 40 pixels."""
    share = number / (FRAMES - 1)
    side = round(32 + 8 * share)
    return round(10 + 150 * share**2), round(40 + 30 * share), side, side


def scene(number: int, rng: np.random.Generator) -> np.ndarray:
    """A frame: an object with a pattern of its own before a still background."""
    background, pattern = (np.random.default_rng(seed) for seed in (1, 2))
    image = cv2.resize(background.integers(60, 190, (20, 30), np.uint8), SIZE)
    x, y, side, _ = place(number)
    looks = cv2.resize(pattern.integers(0, 256, (4, 4), np.uint8), (side, side))
    image[y : y + side, x : x + side] = looks
    noise = rng.normal(0, 3, image.shape)
    return cv2.cvtColor(np.clip(image + noise, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def write_video(path: Path) -> Path:
    """Write the video, and return its path."""
    rng = np.random.default_rng(3)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, SIZE)
    for number in range(FRAMES):
        writer.write(scene(number, rng))
    writer.release()
    return path
