"""Time the scanner against detectMultiScale of cv2, and the miner.

Three tables. The same job for both: all windows that cv2 looks at, with equal results, on one core
and on all. Then the windows of the whole grid a second, as the miner sees them, after so many
stages. Then the miner itself. The two take turns, so that what else the machine does slows both;
figures are medians, and CPU seconds stand beside wall seconds.

    python benchmarks/scanner.py CASCADE... [--data DIR] [--images 40] [--repeats 5]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import cv2
import numba
import numpy as np

from fercli.cascade.detection.scanner import Scanner, detector_layers
from fercli.cascade.model import Cascade, read_cascade, write_cascade
from fercli.cascade.training.checkpoint import first_stages
from fercli.cascade.training.negative_mining import NegativeMiner
from fercli.common.images import ImageArray, read_gray
from fercli.common.parallel import available_workers
from fercli.common.tables import format_table

STAGES = (0, 1, 2, 3, 5, 8, 12, 16, 20, 25, 30)
MINED = 2000

Timing = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("cascades", nargs="+", type=Path, metavar="CASCADE")
    parser.add_argument("--data", type=Path, default=os.environ.get("FER_DATA", beside))
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    paths = background_paths(given.data)
    images = chosen_images(paths, given.images)
    print_machine(images)
    named = [(path, read_cascade(path)) for path in given.cascades]
    against_cv2(named, images, given.repeats)
    by_stages(named, images, given.repeats)
    mining(named, paths)


def background_paths(data: Path) -> list[Path]:
    return sorted((data / "negatives").glob("*.jpg"))


def chosen_images(paths: list[Path], count: int) -> list[ImageArray]:
    """Return some images, evenly out of all."""
    step = max(len(paths) // count, 1)
    return [read_gray(path) for path in paths[::step][:count]]


def against_cv2(
    named: list[tuple[Path, Cascade]],
    images: list[ImageArray],
    repeats: int,
    stages: Collection[int] = (),
) -> None:
    """Print the table of both on the windows that cv2 looks at.

    Of each cascade: its first so many stages, and all.
    """
    rows = [
        [path.name, count, *same_job(first_stages(cascade, count), images, repeats, cores)]
        for path, cascade in named
        for count in sorted({n for n in stages if n < len(cascade.stages)} | {len(cascade.stages)})
        for cores in sorted({1, available_workers()})
    ]
    headers = ["cascade", "stages", "accepted", "cores", "M windows/s", "cv2 M windows/s", "ratio"]
    print(format_table([*headers, "CPU s", "cv2 CPU s"], rows), end="\n\n")


def same_job(cascade: Cascade, images: list[ImageArray], repeats: int, cores: int) -> list[object]:
    """Return the cells of both on one cascade, with equal results."""
    scanner, detector = Scanner(cascade), detector_of(cascade)
    entered = sum(scanner.detect(image).entered for image in images)
    cv2.setNumThreads(cores)

    def ours() -> list[object]:
        return [scanner.detect(image, workers=cores).boxes_xywh for image in images]

    def theirs() -> list[object]:
        return [detector.detectMultiScale(image, minNeighbors=0) for image in images]

    (wall, cpu), (wall_of_cv2, cpu_of_cv2) = in_turns(ours, theirs, repeats)
    assert [len(a) for a in ours()] == [len(b) for b in theirs()]
    windows = entered[0] / 1e6
    return [
        f"{entered[-1] / entered[0]:.2e}", cores, windows / wall, windows / wall_of_cv2,
        wall_of_cv2 / wall, cpu, cpu_of_cv2,
    ]  # fmt: skip


def detector_of(cascade: Cascade) -> cv2.CascadeClassifier:
    """Return the detector of a cascade, by way of a file, as anyone loads one."""
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
        write_cascade(Path(folder) / "cascade.xml", cascade)
        return cv2.CascadeClassifier(f"{folder}/cascade.xml")


def by_stages(named: list[tuple[Path, Cascade]], images: list[ImageArray], repeats: int) -> None:
    """Print the windows a CPU second of one core, after so many stages."""
    rows: list[list[object]] = []
    for path, cascade in named:
        counts = sorted({n for n in STAGES if n < len(cascade.stages)} | {len(cascade.stages)})
        for count in counts:
            scanner = Scanner(first_stages(cascade, count))
            entered = scan_all(scanner, images)
            _, cpu = median(timed(lambda s=scanner: scan_all(s, images)) for _ in range(repeats))
            rows.append([path.name, count, entered[-1] / entered[0], entered[0] / cpu / 1e6])
    headers = ["cascade", "stages", "accepted", "M windows/CPU s"]
    cells = [[*row[:2], f"{row[2]:.2e}", row[3]] for row in rows]
    print(format_table(headers, cells), end="\n\n")


def scan_all(scanner: Scanner, images: list[ImageArray]) -> np.ndarray:
    """Scan the whole grid of images, resizing and integral images included."""
    entered = np.zeros(len(scanner.cascade.stages) + 2, np.int64)
    for image in images:
        size = (image.shape[1], image.shape[0])
        for layer in detector_layers(size, scanner.cascade.size_wh):
            scan = scanner.scan_layer(
                layer.resize(image), layer.step, columns=layer.columns, rows=layer.rows
            )
            entered += scan.entered
    return entered


def mining(named: list[tuple[Path, Cascade]], paths: list[Path]) -> None:
    """Print how long the miner takes for some negatives; the first time it reads the images."""
    rows: list[list[object]] = []
    for path, cascade in named:
        miner = NegativeMiner(paths, cascade.size_wh, refuse_flat=cascade.feature_type == "HAAR")
        for count in (n for n in STAGES if n <= len(cascade.stages)):
            rows.append([path.name, count, *mined(miner, cascade, count)])
    headers = ["cascade", "stages", "negatives", "accepted", "images", "M windows", "s", "CPU s"]
    print(format_table([*headers, "M windows/s"], rows))


def mined(miner: NegativeMiner, cascade: Cascade, count: int) -> list[object]:
    so_far = first_stages(cascade, count) if count else None
    results = []
    wall, cpu = timed(lambda: results.append(miner.mine(so_far, MINED, stage_index=count)))
    (result,) = results
    return [
        len(result.windows),
        f"{result.acceptance_ratio:.2e}",
        len(set(result.images.tolist())),
        result.windows_seen / 1e6,
        wall,
        cpu,
        result.windows_seen / wall / 1e6,
    ]


def in_turns(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[Timing, Timing]:
    """Return the medians of both; a first turn warms up and does not count."""
    timings = [(timed(ours), timed(theirs)) for _ in range(repeats + 1)][1:]
    return median(a for a, _ in timings), median(b for _, b in timings)


def median(timings: Iterable[Timing]) -> Timing:
    wall, cpu = zip(*timings, strict=True)
    return statistics.median(wall), statistics.median(cpu)


def timed(work: Callable[[], object]) -> Timing:
    """Return the wall and CPU seconds that something takes."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


def print_machine(images: list[ImageArray]) -> None:
    pixels = sum(image.size for image in images) / 1e6
    print(
        f"{platform.machine()}, {available_workers()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, OpenCV {cv2.__version__}, "
        f"numba {numba.__version__}; {len(images)} images, {pixels:.1f} megapixels\n"
    )


if __name__ == "__main__":
    main()
