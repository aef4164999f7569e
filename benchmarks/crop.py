"""Compare `fer datasets crop` with the plain loop that most projects have.

usage: python benchmarks/crop.py CASCADE.xml FOLDER [REPETITIONS]

The loop reads a picture, calls detectMultiScale, cuts the largest box, resizes and writes, one
picture after the other. fer does the same with one worker and with all cores, in processes and in
threads. FOLDER's pictures are taken REPETITIONS times (default 1).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from fercli.datasets.cropping import crop_folder
from fercli.datasets.faces import FaceOptions
from fercli.files import find_files
from fercli.parallel import Workers, available_workers
from fercli.tables import format_table


def main(cascade: Path, folder: Path, repetitions: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        pictures = gather(folder, work / "in", repetitions)
        cores = available_workers()
        runs: dict[str, Callable[[Path], object]] = {
            "plain loop": lambda out: plain_loop(cascade, work / "in", out),
            "fer, 1 worker": lambda out: ours(cascade, work / "in", out, Workers(1)),
            f"fer, {cores} processes": lambda out: ours(cascade, work / "in", out, Workers(cores)),
            f"fer, {cores} threads": lambda out: ours(
                cascade, work / "in", out, Workers(cores, "threads")
            ),
        }
        rows: list[list[object]] = []
        for title, run in runs.items():
            started = time.perf_counter()
            crops = run(work / title)
            seconds = time.perf_counter() - started
            rows.append([title, f"{seconds:.1f}", f"{pictures / seconds:.1f}", crops])
    print(format_table(["", "seconds", "pictures/s", "crops"], rows))


def gather(folder: Path, work: Path, repetitions: int) -> int:
    files = find_files(folder)
    for repetition in range(repetitions):
        for number, file in enumerate(files):
            target = work / f"{repetition}-{number}{file.suffix}"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target)
    return len(files) * repetitions


def plain_loop(cascade: Path, folder: Path, out: Path) -> int:
    detector = cv2.CascadeClassifier(str(cascade))
    out.mkdir()
    crops = 0
    for name in sorted(os.listdir(folder)):  # noqa: PTH208
        picture = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
        boxes = [] if picture is None else detector.detectMultiScale(picture, minSize=(24, 24))
        if len(boxes):
            x, y, width, height = max(boxes, key=lambda box: box[2] * box[3])
            crop = cv2.resize(picture[y : y + height, x : x + width], (48, 48))
            cv2.imwrite(str(out / f"{Path(name).stem}.png"), crop)
            crops += 1
    return crops


def ours(cascade: Path, folder: Path, out: Path, workers: Workers) -> int:
    return crop_folder(folder, out, FaceOptions(cascade), workers=workers).crops


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
