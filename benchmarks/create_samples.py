"""Time `fer cascade create-samples` against OpenCV's opencv_createsamples, start-up included.

Four jobs: 7,000 small faces cropped (FER-2013, 48×48 PNG), 3,000 photographs cropped whole, a
small image and a photograph warped 2,000 times over backgrounds. The two take turns, so that
what else the machine does slows both.

    python benchmarks/create_samples.py [--data DIR] [--repeats 5] [--tools DIR]
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fercli.annotations.opencv_lists import read_background_list
from fercli.cascade.opencv3.programs import find_program
from fercli.cascade.samples.vec import describe_vec, read_vec
from fercli.common.parallel import available_workers
from fercli.common.tables import format_table

FACES, PHOTOGRAPHS, WARPED = 7000, 3000, 2000
SIZE = (20, 20)

Timing = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=os.environ.get("FER_DATA", beside))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tools", type=Path)
    given = parser.parse_args()
    program = find_program("opencv_createsamples", given.tools)
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as name:
        folder = Path(name)
        faces = write_faces(given.data, folder / "faces")
        photographs, backgrounds = write_photographs(given.data, folder / "photographs")
        print_machine()
        rows = [
            compare("crop, 7,000 of 48×48", folder, program, ["info", faces], given.repeats),
            compare("crop, photographs", folder, program, ["info", photographs], given.repeats),
            *(
                compare(job, folder, program, ["image", image, backgrounds], given.repeats)
                for job, image in (
                    ("warp, 2,000 of 48×48", faces.parent / "00000.png"),
                    ("warp, 2,000 of a photograph", backgrounds.parent / "00000.jpg"),
                )
            ),
        ]
    headers = ["job", "samples", "native s", "opencv s", "ratio", "native CPU s", "opencv CPU s"]
    headers += ["largest difference"]
    print(format_table(headers, rows))


def write_faces(data: Path, folder: Path) -> Path:
    """Write the first faces of FER-2013 as PNG files, and return their info file."""
    folder.mkdir()
    table = folder / "fer2013.csv"
    subprocess.run([sys.executable, data / "fer2013" / "make_csv.py", table], check=True)
    lines = []
    with table.open() as file:
        rows = csv.DictReader(file)
        for number, row in zip(range(FACES), rows, strict=False):
            image = np.array(row["pixels"].split(), np.uint8).reshape(48, 48)
            cv2.imwrite(str(folder / f"{number:05d}.png"), image)
            lines.append(f"{number:05d}.png 1 0 0 48 48\n")
    (folder / "info.dat").write_text("".join(lines))
    return folder / "info.dat"


def write_photographs(data: Path, folder: Path) -> tuple[Path, Path]:
    """Link photographs, and return an info file of them and a background list."""
    folder.mkdir()
    info, names = [], []
    for number, path in enumerate(sorted((data / "negatives").glob("*.jpg"))[:PHOTOGRAPHS]):
        name = f"{number:05d}.jpg"
        (folder / name).symlink_to(path.resolve())
        height, width = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).shape
        info.append(f"{name} 1 0 0 {width} {height}\n")
        names.append(f"{name}\n")
    (folder / "info.dat").write_text("".join(info))
    (folder / "bg.txt").write_text("".join(names))
    return folder / "info.dat", folder / "bg.txt"


def compare(
    job: str, folder: Path, program: Path, source: list[object], repeats: int
) -> list[object]:
    """Return a row: the medians of both, their ratio, and how far the samples are apart."""
    outs = folder / "native.vec", folder / "opencv.vec"
    ours, theirs = commands(source, program, *outs)
    timings: tuple[list[Timing], list[Timing]] = ([], [])
    for _ in range(repeats + 1):
        for command, kept in zip((ours, theirs), timings, strict=True):
            kept.append(timed(command))
    # The first run of each reads the files from the disk, the others from memory.
    wall, cpu = ([statistics.median(t[at] for t in kept[1:]) for kept in timings] for at in (0, 1))
    count = describe_vec(outs[0]).count
    assert count == describe_vec(outs[1]).count
    difference: object = "-"
    if source[0] == "info":
        native, opencv = (read_vec(out, SIZE).astype(int) for out in outs)
        difference = int(np.abs(native - opencv).max())
    return [job, count, *wall, wall[1] / wall[0], *cpu, difference]


def commands(
    source: list[object], program: Path, native: Path, opencv: Path
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return what runs fer, and what runs OpenCV's program, on the same job."""
    size = ["-w", str(SIZE[0]), "-h", str(SIZE[1])]
    fer = [sys.executable, "-m", "fercli", "cascade", "create-samples", "--overwrite", "-q"]
    fer += ["--size", "x".join(map(str, SIZE)), "--out", str(native)]
    path = Path(str(source[1]))
    if source[0] == "info":
        count = path.read_text().count("\n")
        ours = [*fer, "--info", str(path)]
        theirs = [program, "-info", path.name, "-num", str(count), "-vec", opencv, *size]
    else:
        backgrounds = Path(str(source[2]))
        assert read_background_list(backgrounds)
        ours = [*fer, "--image", str(path), "--bg", str(backgrounds), "--num", str(WARPED)]
        theirs = [program, "-img", path, "-bg", backgrounds, "-num", str(WARPED), "-vec", opencv]
        theirs += ["-bgcolor", "0", "-bgthresh", "-1", *size]
    return (lambda: quietly(ours, path.parent)), (lambda: quietly(theirs, path.parent))


def quietly(command: list[object], folder: Path) -> None:
    subprocess.run(list(map(str, command)), cwd=folder, check=True, capture_output=True)


def timed(work: Callable[[], object]) -> Timing:
    """Return the wall and CPU seconds of child processes."""
    started, cpu = time.perf_counter(), cpu_of_children()
    work()
    return time.perf_counter() - started, cpu_of_children() - cpu


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def print_machine() -> None:
    print(
        f"{platform.machine()}, {available_workers()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, OpenCV {cv2.__version__}, NumPy {np.__version__}"
    )


if __name__ == "__main__":
    main()
