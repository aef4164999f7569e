"""How good the weak classifiers are that a search finds: the training loss, one by one.

Gentle stumps are trained on faces and on false alarms of a cascade's first stages, without weight
trimming, by the exhaustive search, by the fast one, and by shortlists of the features that Fisher's
criterion ranks highest (from means and covariances of the integral images by class: Pham and Cham,
ICCV 2007). The loss is the mean of exp(−label · sum).

    python benchmarks/search_quality.py [--data DIR] [--size 20] [--mode BASIC] [--quick]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.features.haar import haar_features
from fercli.cascade.features.sample_matrix import to_sample_matrix
from fercli.cascade.model import read_cascade
from fercli.cascade.samples.vec import read_vec, write_vec
from fercli.cascade.training.backgrounds import read_backgrounds
from fercli.cascade.training.boosting import train_stage
from fercli.cascade.training.native import train
from fercli.cascade.training.negative_mining import NegativeMiner
from fercli.cascade.training.options import StageOptions
from fercli.cascade.training.split_search import HaarSearch, WeightedSamples, best_indices
from fercli.common.parallel import KernelPool
from fercli.common.progress import TerminalProgress
from fercli.common.tables import format_table

POSITIVES, NEGATIVES = 5950, 3500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=os.environ.get("FER_DATA", beside))
    parser.add_argument("--size", type=int, default=20)
    parser.add_argument("--mode", default="BASIC", choices=["BASIC", "CORE", "ALL"])
    parser.add_argument("--stages", type=int, default=4, help="stages that give the negatives")
    parser.add_argument("--quick", action="store_true", help="a fifth of the samples, 10 rounds")
    given = parser.parse_args()
    share, rounds = (5, 10) if given.quick else (1, 20)
    size_wh = given.size, given.size
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as name:
        samples = hard_samples(given.data, Path(name), size_wh, given.stages, share)
    windows = to_sample_matrix(*samples)
    features = haar_features(size_wh, given.mode)
    print(
        f"{len(features)} features, {len(samples[0])} faces, {len(samples[1])} false alarms of "
        f"{given.stages} stages, load {os.getloadavg()[0]:.1f}"
    )
    shown = [number for number in (1, 2, 5, 10, 15, 20) if number <= rounds]
    rows = []
    with KernelPool() as pool:
        searches = {
            "exhaustive": HaarSearch(features, windows, pool, method="exhaustive"),
            "fast": HaarSearch(features, windows, pool),
            **{
                f"Fisher, best {count}": FisherSearch(features, windows, pool, count)
                for count in (300, 1000, 3000)
            },
        }
        for label, search in searches.items():
            rows.append([label, *measure(search, len(samples[0]), rounds, shown, pool)])
            print(label, file=sys.stderr)
    print(format_table(["search", *map(str, shown), "s each", "CPU s each"], rows))


def hard_samples(
    data: Path, folder: Path, size_wh: tuple[int, int], stages: int, share: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return faces that pass a cascade of a few stages, and false alarms of it."""
    faces = read_vec(data / "opencv_faces" / "trainingfaces_24-24.vec", (24, 24))
    faces = faces[: (POSITIVES + 300) // share]
    resized = [
        cv2.resize(np.ascontiguousarray(f), size_wh, interpolation=cv2.INTER_AREA) for f in faces
    ]
    write_vec(folder / "faces.vec", np.stack(resized))
    options = {
        "vec": folder / "faces.vec", "bg": data / "negatives", "size": size_wh,
        "stages": stages, "negatives": NEGATIVES // share, "validation": 0.0,
        "acceptance_ratio_break": 1e-6, "max_false_alarm_rate": 0.4,
    }  # fmt: skip
    result = train(options, folder / "out", progress=TerminalProgress())
    cascade = read_cascade(result.cascade)
    positives = np.stack(resized)
    positives = positives[Scanner(cascade).accepts(positives)][: POSITIVES // share]
    miner = NegativeMiner(read_backgrounds(data / "negatives").paths, size_wh)
    mined = miner.mine(cascade, NEGATIVES // share, stage_index=stages, progress=TerminalProgress())
    return positives, mined.windows


class FisherSearch(HaarSearch):
    """Ranks by Fisher's criterion, and looks exactly at the best so many."""

    def __init__(self, features, windows, pool, count) -> None:  # type: ignore[no-untyped-def]
        super().__init__(features, windows, pool)
        self.count = count
        kinds, x, y, dx, dy = features.parts.T.astype(np.int64)
        corners = self._table[kinds].astype(np.int64)
        first = y * self._line + x
        self.rows = first[:, None] + corners[:, :, 0]
        self.rows += dx[:, None] * corners[:, :, 1] + dy[:, None] * corners[:, :, 2]
        self.weights = corners[:, :, 3].astype(np.float32)

    def _shortlist(self, samples: WeightedSamples, rng: np.random.Generator) -> NDArray[np.int64]:
        integral = self._images.of(samples.columns, keep=True)
        normed = integral * self.windows.inverse_norms[samples.columns]
        normed -= normed.mean(axis=1, keepdims=True)
        means, variances = [], []
        for side in (slice(0, samples.positives), slice(samples.positives, None)):
            shares = (samples.weights[side] / samples.weights[side].sum()).astype(np.float32)
            mean = normed[:, side] @ shares
            centerd = (normed[:, side] - mean[:, None]) * np.sqrt(shares)
            covariance = centerd @ centerd.T
            means.append((self.weights * mean[self.rows]).sum(axis=1))
            variances.append(self._variances(covariance))
        scores = (means[0] - means[1]) ** 2 / np.maximum(variances[0] + variances[1], 1e-12)
        return np.sort(best_indices(scores, self.count))

    def _variances(self, covariance: NDArray[np.float32]) -> NDArray[np.float32]:
        total = np.zeros(len(self.rows), np.float32)
        for a in range(self.rows.shape[1]):
            for b in range(self.rows.shape[1]):
                product = self.weights[:, a] * self.weights[:, b]
                total += product * covariance[self.rows[:, a], self.rows[:, b]]
        return total


def measure(
    search: HaarSearch, positives: int, rounds: int, shown: list[int], pool: KernelPool
) -> list[str]:
    options = StageOptions(max_weak_count=rounds, false_alarm_rate=0.0, weight_trim_rate=1.0)
    warm_up = StageOptions(max_weak_count=1, false_alarm_rate=0.0)
    train_stage(search, positives, warm_up, seed=(9,), pool=pool)
    wall, cpu = time.perf_counter(), time.process_time()
    trained = train_stage(search, positives, options, seed=(0,), pool=pool)
    assert trained is not None
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    losses = [f"{trained.losses[number - 1]:.4f}" for number in shown]
    return [*losses, f"{wall / rounds:.3f}", f"{cpu / rounds:.3f}"]


if __name__ == "__main__":
    main()
