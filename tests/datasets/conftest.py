"""Trees and tables in the form in which data sets are published, made in code."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

FER_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def texture(seed, width=48, height=48):
    """A picture of smooth random texture: all seeds give different ones."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)


@pytest.fixture
def put(tmp_path):
    """Write a picture of texture: ``put("a/b.png", seed=3)``."""
    seeds = iter(range(1000, 100_000))

    def write(name, seed=None, width=48, height=48, picture=None, root=tmp_path):
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if picture is None:
            picture = texture(next(seeds) if seed is None else seed, width, height)
        _, data = cv2.imencode(path.suffix, picture)
        path.write_bytes(data.tobytes())
        return path

    return write


@pytest.fixture
def fer_csv(tmp_path):
    """Write Kaggle's fer2013.csv of (emotion, usage) rows; the pictures are those of texture()."""

    def write(rows, name="fer2013.csv", pixels=None):
        path = tmp_path / name
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["emotion", "pixels", "Usage"])
            for seed, (emotion, usage) in enumerate(rows):
                text = (pixels or {}).get(seed, " ".join(map(str, texture(seed).ravel())))
                writer.writerow([emotion, text, usage])
        return path

    return write


@pytest.fixture
def small_tree(put, tmp_path):
    """A tree of two splits and two classes, six pictures each, without a manifest."""
    for split in ("train", "validation"):
        for label in ("happy", "sad"):
            for number in range(6):
                put(f"tree/{split}/{label}/{number}.png")
    return tmp_path / "tree"
