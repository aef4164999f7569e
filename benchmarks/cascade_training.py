"""Train cascades by fer's own engine and by opencv_traincascade, side by side.

Both get the same .vec, the same backgrounds in the same order, and as many positives and negatives
a stage; each trains to its own end. The program runs at its best, both of its buffers large enough
for all features, and in a case of its own with its default buffers. Run it on an idle machine: the
load before each training is in the table.

    python benchmarks/cascade_training.py [CASE…] [--data DIR] [--quick] [--engines native,opencv]

Cases: haar20 (20×20 BASIC, FER-2013), haar24 (24×24 ALL, the faces of OpenCV's .vec; as many
samples and stages as the program trains within half an hour), lbp24 (the same faces),
default-buffers (the first four stages of haar20 by the program with its defaults). `--quick` takes
a tenth of the samples and a third of the stages, to see that all works.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.annotations import read_annotations
from fercli.cascade.evaluation.measuring import evaluate
from fercli.cascade.vec import read_vec, write_vec
from fercli.parallel import available_workers
from fercli.tables import format_table


@dataclass(frozen=True)
class Case:
    """What is trained.

    Parameters
    ----------
    faces : str
        "fer2013" or "opencv".
    side : int
        Of the window.
    taken, positives, negatives, stages : int
        Samples of the .vec, samples a stage, stages.
    options : tuple of str
        More options of both engines.
    program_options : tuple of str
        More options of the program alone.
    engines : tuple of str
        Who is to train it.
    """

    faces: str
    side: int
    taken: int
    positives: int
    negatives: int
    stages: int
    options: tuple[str, ...] = ()
    program_options: tuple[str, ...] = ()
    engines: tuple[str, ...] = ("native", "opencv")

    def reduced(self) -> Case:
        """Return the case for a quick look."""
        return Case(
            self.faces, self.side, self.taken // 10, self.positives // 10, self.negatives // 10,
            max(self.stages // 3, 2), self.options, self.program_options, self.engines,
        )  # fmt: skip


BASIC = ("--mode", "BASIC")
CASES = {
    "haar20": Case("fer2013", 20, 7000, 5950, 3500, 12, BASIC),
    "haar24": Case("opencv", 24, 16520, 4000, 2000, 10, ("--mode", "ALL")),
    "lbp24": Case("opencv", 24, 16520, 14000, 7000, 15, ("--feature-type", "LBP")),
    "default-buffers": Case(
        "fer2013", 20, 7000, 5950, 3500, 4, BASIC,
        ("--value-buffer", "1024", "--index-buffer", "1024"), ("opencv",),
    ),
}  # fmt: skip

HEADERS = ["case", "engine", "stages", "weak", "wall s", "CPU s", "peak MB", "s a weak",
           "AP", "precision", "recall", "load"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--data", type=Path, default=os.environ.get("FER_DATA", beside))
    parser.add_argument("--engines", default="native,opencv")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, help="keep the trainings here")
    given = parser.parse_args()
    unknown = set(given.cases) - set(CASES)
    if unknown:
        parser.error(f"wanted cases out of {', '.join(CASES)}, found {', '.join(unknown)}")
    print_machine()
    rows = []
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as temporary:
        folder = given.out or Path(temporary)
        for name in given.cases or CASES:
            case = CASES[name].reduced() if given.quick else CASES[name]
            work = folder / name
            work.mkdir(parents=True, exist_ok=True)
            prepare(case, given.data, work)
            for engine in case.engines:
                if engine in given.engines.split(","):
                    rows.append([name, engine, *train(case, engine, work, given.data)])
                    print(format_table(HEADERS, rows[-1:]), flush=True)
    print(format_table(HEADERS, rows))
    for name in sorted({row[0] for row in rows}):
        walls = {row[1]: float(row[4]) for row in rows if row[0] == name}
        if len(walls) == 2:
            print(f"{name}: native is {walls['opencv'] / walls['native']:.1f} times faster")


def prepare(case: Case, data: Path, folder: Path) -> None:
    """Write ``faces.vec`` and ``bg.txt``."""
    faces = fer2013_faces(data) if case.faces == "fer2013" else opencv_faces(data)
    size = (case.side, case.side)
    resized = [
        face if face.shape == size else cv2.resize(face, size, interpolation=cv2.INTER_AREA)
        for face in faces[: case.taken]
    ]
    write_vec(folder / "faces.vec", np.stack(resized), overwrite=True)
    pictures = sorted((data / "negatives").glob("*.jpg"))
    # In random order: the program goes through the list, window by window.
    order = np.random.default_rng(0).permutation(len(pictures))
    names = [f"{pictures[number].resolve()}\n" for number in order]
    (folder / "bg.txt").write_text("".join(names))


def opencv_faces(data: Path) -> NDArray[np.uint8]:
    return np.ascontiguousarray(
        read_vec(data / "opencv_faces" / "trainingfaces_24-24.vec", (24, 24))
    )


def fer2013_faces(data: Path) -> NDArray[np.uint8]:
    with tempfile.NamedTemporaryFile(suffix=".csv") as table:
        maker = data / "fer2013" / "make_csv.py"
        subprocess.run([sys.executable, maker, table.name], check=True)
        with open(table.name) as file:  # noqa: PTH123
            rows = [
                row["pixels"] for _, row in zip(range(7000), csv.DictReader(file), strict=False)
            ]
    return np.array([row.split() for row in rows], np.uint8).reshape(-1, 48, 48)


def train(case: Case, engine: str, folder: Path, data: Path) -> list[object]:
    """Return what a training took and what its cascade is worth."""
    out = folder / engine
    command = [
        sys.executable, "-m", "fercli", "cascade", "train", "--engine", engine, "--quiet",
        "--json", "--overwrite", "--vec", str(folder / "faces.vec"), "--bg",
        str(folder / "bg.txt"), "--out", str(out), "--size", f"{case.side}x{case.side}",
        "--stages", str(case.stages), "--positives", str(case.positives),
        "--negatives", str(case.negatives), *case.options,
    ]  # fmt: skip
    command += ["--validation", "0"] if engine == "native" else [*case.program_options]
    load = os.getloadavg()[0]
    wall, cpu, peak, text = watched(command)
    result = json.loads(text)
    weak = result["weak_classifiers"]
    figures = evaluate([out / "cascade.xml"], read_annotations(data / "mit_cmu_newtest/info.dat"))
    of_cascade = figures.cascades[0]
    return [
        len(result["stages"]), weak, f"{wall:.1f}", f"{cpu:.1f}", f"{peak:.0f}",
        f"{wall / weak:.3f}", of_cascade.average_precision, of_cascade.tally.precision,
        of_cascade.tally.recall, f"{load:.1f}",
    ]  # fmt: skip


def watched(command: list[str]) -> tuple[float, float, float, str]:
    """Return wall seconds, CPU seconds, the largest resident size in MB, and the output.

    In a process of its own, whose only children these are: the system tells the peak of the
    largest child there ever was.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        started = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        wall = time.perf_counter() - started
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures = [wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
        with os.fdopen(writer, "w") as pipe:
            json.dump([done.returncode, *figures, done.stdout.decode()], pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        status, wall, cpu, peak, text = json.load(pipe)
    os.waitpid(child, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return wall, cpu, peak, text


def print_machine() -> None:
    print(
        f"{platform.machine()}, {available_workers()} cores, Python {platform.python_version()}, "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}"
    )


if __name__ == "__main__":
    main()
