"""Compare `fer datasets crop` with the plain loop that most projects have.

usage: python benchmarks/crop.py FOLDER [REPETITIONS]

The loop reads an image, calls detectMultiScale, cuts the largest box, resizes and writes, one
image after the other; cv2 searches each with all cores. fer does the same with one worker and
with all cores, in processes and in threads. FOLDER's images are taken REPETITIONS times
(default 1). Each way runs three times in turn, beginning with its workers cold; medians.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2

from fercli.cascade.model import bundled_cascade
from fercli.common.errors import ImageError
from fercli.common.files import find_files
from fercli.common.images import read_color
from fercli.common.parallel import Workers, available_workers
from fercli.common.tables import format_table
from fercli.datasets.face_boxes import FaceOptions
from fercli.datasets.face_cropping import crop_folder

TURNS = 3


def main(folder: Path, repetitions: int) -> None:
    seconds: dict[str, list[float]] = {}
    crops: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        images = gather(folder, work / "in", repetitions)
        for turn in range(TURNS):
            for title, run in ways(work / "in").items():
                started = time.perf_counter()
                crops[title] = run(work / f"{title} {turn}")
                seconds.setdefault(title, []).append(time.perf_counter() - started)
    rows: list[list[object]] = []
    for title, times in seconds.items():
        ratio = median(seconds["plain loop"]) / median(times)
        rate = images / median(times)
        rows.append([title, f"{median(times):.1f}", f"{rate:.1f}", f"{ratio:.2f}", crops[title]])
    print(format_table(["", "seconds", "images/s", "times the loop", "crops"], rows))


def ways(folder: Path) -> dict[str, Callable[[Path], int]]:
    """Return what is timed, by title: each takes the folder for the crops and returns how many."""
    cores = available_workers()
    return {
        "plain loop": lambda out: plain_loop(folder, out),
        "fer, 1 worker": lambda out: ours(folder, out, Workers(1)),
        f"fer, {cores} processes": lambda out: ours(folder, out, Workers(cores)),
        f"fer, {cores} threads": lambda out: ours(folder, out, Workers(cores, "threads")),
    }


def gather(folder: Path, work: Path, repetitions: int) -> int:
    """Write FOLDER's images as PNG, so that all ways can read them; return how many."""
    images = 0
    work.mkdir()
    for file in find_files(folder, ("",)):
        try:
            data = cv2.imencode(".png", read_color(file))[1].tobytes()
        except ImageError:
            continue
        for repetition in range(repetitions):
            (work / f"{repetition}-{images}.png").write_bytes(data)
        images += 1
    return images * repetitions


def plain_loop(folder: Path, out: Path) -> int:
    detector = cv2.CascadeClassifier(str(bundled_cascade()))
    out.mkdir()
    crops = 0
    for name in sorted(os.listdir(folder)):  # noqa: PTH208
        image = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
        boxes = [] if image is None else detector.detectMultiScale(image, minSize=(24, 24))
        if len(boxes):
            x, y, width, height = max(boxes, key=lambda box: box[2] * box[3])
            crop = cv2.resize(image[y : y + height, x : x + width], (48, 48))
            cv2.imwrite(str(out / f"{Path(name).stem}.png"), crop)
            crops += 1
    return crops


def ours(folder: Path, out: Path, workers: Workers) -> int:
    return crop_folder(folder, out, FaceOptions(bundled_cascade()), workers=workers).crops


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
