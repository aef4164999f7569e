"""How the cost of a training grows, and that of the scanner.

Three tables. Seconds a weak classifier and peak memory by the number of samples, and by the window:
each a training in a process of its own, with all Haar features and the least `--memory` that it
starts with; Python and its libraries come on top. Positives beyond those of the .vec are variants
of them. Then the scanner by the number of stages, beside detectMultiScale of cv2
(`benchmarks/scanner.py`).

    python benchmarks/cascade_growth.py [--data DIR] [--cascade FILE] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scanner import against_cv2, background_paths, chosen_images, print_machine

from fercli.cascade.features.haar import haar_features
from fercli.cascade.model import bundled_cascade, read_cascade
from fercli.cascade.samples.vec import read_vec, write_vec
from fercli.cascade.training.memory import LEAST_FOR_BACKGROUNDS, share_memory
from fercli.cascade.training.native import train
from fercli.cascade.training.options import CascadeTrainingOptions
from fercli.common.progress import Bar, Progress, SilentBar
from fercli.common.tables import format_table

SAMPLES = (5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
SIDES = (16, 20, 24, 32, 48)
STAGES = (1, 5, 10, 15)
#: Of the trainings by window.
SAMPLES_BY_SIDE = 10_000
WEAK_CLASSIFIERS = 10
COLUMNS = ("s a weak classifier", "CPU s", "--memory", "peak MB", "s in all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=os.environ.get("FER_DATA", beside))
    parser.add_argument("--cascade", type=Path, default=bundled_cascade())
    parser.add_argument("--quick", action="store_true", help="the smallest of each")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(run_case(given.data, **json.loads(given.case))))
        return
    images = chosen_images(background_paths(given.data), 20)
    print_machine(images)
    by_samples(given.data, SAMPLES[:2] if given.quick else SAMPLES)
    by_window(given.data, SIDES[:2] if given.quick else SIDES)
    named = [(given.cascade, read_cascade(given.cascade))]
    against_cv2(named, images, repeats=1 if given.quick else 3, stages=STAGES)


def by_samples(data: Path, counts: tuple[int, ...]) -> None:
    rows = [[f"{count:,}", *cost(data, 24, count)] for count in counts]
    headers = ["samples of 24x24", "features", *COLUMNS]
    print(format_table(headers, rows), end="\n\n")


def by_window(data: Path, sides: tuple[int, ...]) -> None:
    rows = [[f"{side}x{side}", *cost(data, side, SAMPLES_BY_SIDE)] for side in sides]
    headers = ["window", "features", *COLUMNS]
    print(f"{SAMPLES_BY_SIDE:,} samples")
    print(format_table(headers, rows), end="\n\n")


def cost(data: Path, side: int, samples: int) -> list[object]:
    """Return the cells of a training in a process of its own."""
    case = json.dumps({"side": side, "samples": samples})
    command = [sys.executable, __file__, "--data", str(data), "--case", case]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return [
        f"{found['features']:,}", *found["seconds"], found["memory"], found["peak"],
        f"{time.perf_counter() - began:.1f}",
    ]  # fmt: skip


def run_case(data: Path, side: int, samples: int) -> dict[str, Any]:
    """Train a stage with as little memory as it takes; half of the samples are positives."""
    clock, used = Clock(), samples // 2
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as name:
        vec, count = resized_faces(data, Path(name), side)
        copies = -(-used // count)
        options = {
            "vec": vec, "bg": data / "negatives", "size": (side, side), "stages": 1,
            "positives": used, "negatives": used, "variants": copies - 1, "validation": 0.0,
            "min_hit_rate": 0.9999, "max_false_alarm_rate": 0.0001, "mode": "ALL",
            "max_weak_count": WEAK_CLASSIFIERS + 1,
        }  # fmt: skip
        features = len(haar_features((side, side), "ALL"))
        memory = least_memory(options, count * copies, features)
        result = train({**options, "memory": memory}, Path(name) / "out", progress=clock)
    assert (result.stages[0].positives, result.stages[0].negatives) == (used, used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6
    return {"features": features, "seconds": clock.seconds_each(), "memory": memory, "peak": peak}


def least_memory(options: dict[str, Any], positives: int, features: int) -> int:
    """Return the least `--memory` that a training starts with, in MB."""
    plenty = CascadeTrainingOptions.from_options({**options, "memory": 10**6})
    share = share_memory(
        plenty, positives=positives, negatives=plenty.negatives or 0, others=0, features=features
    )
    least = share.samples + share.features + share.integrals + LEAST_FOR_BACKGROUNDS
    return -(-least // 10**6)


def resized_faces(data: Path, folder: Path, side: int) -> tuple[Path, int]:
    path = data / "opencv_faces" / "trainingfaces_24-24.vec"
    faces = read_vec(path, (24, 24))
    if side == 24:
        return path, len(faces)
    resized = np.stack([cv2.resize(np.ascontiguousarray(f), (side, side)) for f in faces])
    write_vec(folder / "faces.vec", resized)
    return folder / "faces.vec", len(faces)


class Clock(Progress):
    """Notes when each weak classifier was told of; the first also has what comes before it."""

    def __init__(self) -> None:
        self.moments: list[tuple[float, float]] = []

    def bar(self, description: str, *, total: float | None = None, unit: str = "it") -> Bar:
        """Return one that tells the clock, for the training itself."""
        return _ClockBar(self) if description == "training" else super().bar(description)

    def seconds_each(self) -> tuple[float, float]:
        """Return the mean wall and CPU seconds of a weak classifier, but for the first."""
        spans = zip(self.moments[0], self.moments[-1], strict=True)
        wall, cpu = ((last - first) / (len(self.moments) - 1) for first, last in spans)
        return wall, cpu


class _ClockBar(SilentBar):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def figures(self, text: str) -> None:
        if re.search(r"\d+ weak", text):
            self._clock.moments.append((time.perf_counter(), time.process_time()))


if __name__ == "__main__":
    main()
