"""Time steps of training with Keras's batch normalization and with TensorFlow's fused operation.

Both train the same network on the same batch, in turns, so that what else the machine does slows
both. The second is what `fer models train` does on TensorFlow's processor backend.

    python benchmarks/fused_normalization.py [--seconds 4] [--repeats 3] [--networks NAMES]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from typing import Any

import numpy as np

from fercli.common.parallel import available_workers
from fercli.common.tables import format_table
from fercli.models.architectures import ARCHITECTURES
from fercli.models.backend import (
    load_keras,
    precision_policy,
    quiet_warnings,
    with_fused_normalizations,
)

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--networks", default="fernet,mini-xception,five-class,vgg-like")
    parser.add_argument("--precision", default="mixed_bfloat16")
    given = parser.parse_args()
    with quiet_warnings(), precision_policy(given.precision):
        rows = [compare(name, given.seconds, given.repeats) for name in given.networks.split(",")]
    keras = load_keras()
    print(
        f"{platform.machine()}, {available_workers()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, {given.precision}, batches of {BATCH}"
    )
    print(format_table(["network", "fused a s", "Keras's a s", "ratio"], rows))


def compare(name: str, seconds: float, repeats: int) -> list[object]:
    """Return a row: the median images a second of both, and their ratio."""
    architecture = ARCHITECTURES[name]
    plain = architecture.build(architecture.input_shape, architecture.classes)
    models = [compiled(with_fused_normalizations(plain)), compiled(plain)]
    rates: list[list[float]] = [[], []]
    for _ in range(repeats):
        for model, kept in zip(models, rates, strict=True):
            kept.append(rate(model, seconds))
    fused, theirs = (statistics.median(kept) for kept in rates)
    return [name, f"{fused:,.0f}", f"{theirs:,.0f}", fused / theirs]


def compiled(model: Any) -> Any:
    """Return a model that has made its first steps."""
    model.compile("adam", "categorical_crossentropy", jit_compile=False)
    rate(model, 0.0)
    return model


def rate(model: Any, seconds: float) -> float:
    """Return the images a second of at least one step."""
    rng = np.random.default_rng(1)
    images = rng.random((BATCH, *model.input_shape[1:]), np.float32)
    targets = np.eye(model.output_shape[1], dtype=np.float32)[
        rng.integers(0, model.output_shape[1], BATCH)
    ]
    steps, started = 0, time.perf_counter()
    while not steps or time.perf_counter() - started < seconds:
        model.train_on_batch(images, targets)
        steps += 1
    return steps * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    load_keras()
    main()
