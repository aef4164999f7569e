"""Time the images a second that training gets through, against the older projects' way.

Theirs: Keras's `ImageDataGenerator` reads, warps and scales every file again in each epoch, and
feeds ``fit`` (``flow_from_directory``, as all of them did). Ours: gray levels stay in memory,
batches are made in threads ahead of the network, whose batch normalization is one operation. Both
turn, shift, zoom and mirror at random; the images, the network, its precision and the size of
batches are the same. The two take turns, so that what else the machine does slows both; the first
turn, which compiles, is left out.

    python benchmarks/training_input.py TREE [--images 3840] [--repeats 3] [--networks NAMES]

TREE is from `fer datasets import`. The row "no network" is the input alone: what a network that
takes no time would be fed. It needs SciPy, which the generator warps with.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fercli.common.parallel import available_workers
from fercli.common.tables import format_table
from fercli.datasets.augment import Policy
from fercli.datasets.tree import Tree, read_tree
from fercli.models.architectures import ARCHITECTURES
from fercli.models.backend import (
    load_keras,
    precision_policy,
    quiet_warnings,
    with_fused_normalizations,
)
from fercli.models.batches import BatchMaker, BatchOptions, training_batches
from fercli.models.labeled_faces import read_split

BATCH = 64
NO_NETWORK = "no network"
#: What both ways change; the generator can neither blur nor erase.
CHANGES = Policy(rotation=10, flip=0.5, shift=0.08, zoom=0.1, brightness=0, contrast=0, noise=0,
                 blur=0)  # fmt: skip

Work = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--images", type=int, default=3840)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--networks", default="mini-xception,fernet,five-class")
    parser.add_argument("--precision", default="mixed_bfloat16")
    given = parser.parse_args()
    tree = read_tree(given.tree)
    rows = []
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as name, quiet_warnings():
        folder = link_images(tree, Path(name), given.images)
        for network in [NO_NETWORK, *given.networks.split(",")]:
            rows.append(compare(network, folder, given.precision, given.repeats))
    print_machine(given.precision)
    print(format_table(["network", "images", "ours a s", "theirs a s", "ratio"], rows))


def link_images(tree: Tree, folder: Path, count: int) -> Path:
    """Make a tree of some of the training images, which both ways read."""
    records = [record for record in tree.records if record.split == "train"]
    step = max(len(records) // count, 1)
    for number, record in enumerate(records[::step][:count]):
        target = folder / "train" / record.label / f"{number:05d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(tree.path(record).resolve())
    return folder


def compare(network: str, folder: Path, precision: str, repeats: int) -> list[object]:
    """Return a row: the medians of both ways, and their ratio."""
    tree = read_tree(folder)
    count = len(tree.records) // BATCH * BATCH
    ours, theirs = our_batches(tree), their_batches(folder)
    if network == NO_NETWORK:
        # `fit` with a network of one dense layer of no use: what feeding costs, and little else.
        ways = [fitting(nothing(len(tree.classes)), batches, count) for batches in (ours, theirs)]
    else:
        with precision_policy(precision):
            plain = build(network, tree)
            models = (with_fused_normalizations(plain), plain)
            ways = [
                fitting(compiled(model), batches, count)
                for model, batches in zip(models, (ours, theirs), strict=True)
            ]
    seconds: list[list[float]] = [[], []]
    for _ in range(repeats + 1):
        for way, kept in zip(ways, seconds, strict=True):
            kept.append(timed(way))
    rates = [count / statistics.median(kept[1:]) for kept in seconds]
    return [network, count, *(f"{rate:,.0f}" for rate in rates), rates[0] / rates[1]]


def our_batches(tree: Tree) -> Any:
    """Return fer's batches, images in memory."""
    faces = read_split(tree, "train", (48, 48))
    return training_batches(BatchMaker(faces, BatchOptions(BATCH, 0, CHANGES.apply_batch)))


def their_batches(folder: Path) -> Any:
    """Return Keras's generator of batches from files."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(
        rescale=1 / 255,
        rotation_range=10,
        width_shift_range=0.08,
        height_shift_range=0.08,
        zoom_range=0.1,
        horizontal_flip=True,
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it says how many images it found
        return generator.flow_from_directory(
            str(folder / "train"), (48, 48), color_mode="grayscale", batch_size=BATCH
        )


def build(network: str, tree: Tree) -> Any:
    """Return a network for the classes of a tree."""
    return ARCHITECTURES[network].build((48, 48, 1), len(tree.classes))


def compiled(model: Any) -> Any:
    """Return a network with Adam, as the older projects had it."""
    model.compile("adam", "categorical_crossentropy", jit_compile=False)
    return model


def nothing(classes: int) -> Any:
    """Return a network that hardly takes time."""
    keras = load_keras()
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((48, 48, 1)), layers.GlobalAveragePooling2D(), layers.Dense(classes)]
    )
    model.compile("sgd", "mse", jit_compile=False)
    return model


def fitting(model: Any, batches: Any, count: int) -> Work:
    return lambda: model.fit(batches, steps_per_epoch=count // BATCH, verbose=0)


def timed(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def print_machine(precision: str) -> None:
    keras = load_keras()
    print(
        f"{platform.machine()}, {available_workers()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, {precision}"
    )


if __name__ == "__main__":
    load_keras()
    main()
