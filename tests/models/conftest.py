"""A tree whose classes can be told at a glance, and one model that was trained on it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.datasets.tree import read_tree
from fercli.models.labeled_faces import read_split
from fercli.models.training import train
from fercli.models.training_options import ModelTrainingOptions

CLASSES = ("down", "left", "right")


def make_tree(root: Path, counts=(("train", 24), ("validation", 12)), classes=CLASSES, size=48):
    """Write images that are bright on the side their class is named after."""
    rng = np.random.default_rng(1)
    half = size // 2
    sides = {
        "down": np.s_[half:, :],
        "left": np.s_[:, :half],
        "right": np.s_[:, half:],
        "up": np.s_[:half, :],
    }
    for split, count in counts:
        for name in classes:
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                image = rng.integers(0, 90, (size, size), np.uint8)
                image[sides[name]] += 120
                cv2.imwrite(str(folder / f"{number:03d}.png"), image)
    return root


QUICK = ModelTrainingOptions(
    architecture="mini-xception",
    epochs=2,
    batch_size=12,
    learning_rate=0.05,
    warmup_epochs=0,
    average=0.5,
    augment="none",
)


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def run(tree, tmp_path_factory):
    """The folder of a training of two epochs."""
    out = tmp_path_factory.mktemp("run") / "out"
    train(tree, out, QUICK)
    return out


@pytest.fixture(scope="session")
def validation(tree):
    return read_split(read_tree(tree), "validation", (48, 48))
