"""Trees and tables in the form in which data sets are published, made in code."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.datasets.entries import Dropped, Entry, Note, ReadOptions
from fercli.datasets.expressions import expression_of
from fercli.datasets.formats import DATASET_FORMATS, detect_format

FER_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
    "valence,arousal\n"
)

OPTIONS = ReadOptions(label_of=expression_of)


def read(path, options=OPTIONS, form=None):
    """Return {name: (label, split, subject)} and [reason, …] as the found-out format reads it."""
    form = DATASET_FORMATS[form] if form else detect_format(path)
    items = list(form.read(path, options))
    entries = {e.name: (e.label, e.split, e.subject) for e in items if isinstance(e, Entry)}
    return form.name, entries, [e.reason for e in items if isinstance(e, Dropped)]


def texture(seed, width=48, height=48):
    """An image of smooth random texture: all seeds give different ones."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)


def notes(path, options=OPTIONS, form=None):
    """Return what the found-out format notes."""
    form = DATASET_FORMATS[form] if form else detect_format(path)
    return [item.text for item in form.read(path, options) if isinstance(item, Note)]


@pytest.fixture
def put(tmp_path):
    """Write an image of texture: ``put("a/b.png", seed=3)``."""
    seeds = iter(range(1000, 100_000))

    def write(name, seed=None, width=48, height=48, image=None, root=tmp_path):
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if image is None:
            image = texture(next(seeds) if seed is None else seed, width, height)
        _, data = cv2.imencode(path.suffix, image)
        path.write_bytes(data.tobytes())
        return path

    return write


@pytest.fixture
def fer_csv(tmp_path):
    """Write Kaggle's fer2013.csv of (emotion, usage) rows; the images are those of texture()."""

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
    """A tree of two splits and two classes, six images each, without a manifest."""
    for split in ("train", "validation"):
        for label in ("happy", "sad"):
            for number in range(6):
                put(f"tree/{split}/{label}/{number}.png")
    return tmp_path / "tree"
