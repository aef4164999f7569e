"""Train cascades by fer's own engine and by opencv_traincascade, side by side.

Both get the same .vec, the same backgrounds in the same order, and as many positives and negatives
a stage. The program runs at its best, both of its buffers large enough for all features, and in a
case of its own with its default buffers. Run it on an idle machine: the load before each training
is in the table.

    python benchmarks/cascade_training.py [CASE…] [--data DIR] [--quick] [--minutes N]

Cases: haar20 (20×20 BASIC, FER-2013), haar24 (24×24 ALL, the faces of OpenCV's .vec), lbp24 (the
same faces), default-buffers (haar20 by the program with its default buffers). `--quick` takes a
tenth of the samples and a third of the stages, to see that all works. `--minutes` stops the program
after so long: what it has come to is then compared with as many stages of fer's (wall seconds of
whole stages; its CPU seconds are reduced in proportion).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.annotations.reading import read_annotations
from fercli.cascade.evaluation.evaluate import evaluate
from fercli.cascade.model.write import convert_cascade
from fercli.cascade.samples.vec import read_vec, write_vec
from fercli.cascade.training.report import StageRecord, read_stages
from fercli.common.parallel import available_workers
from fercli.common.tables import format_table


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
    "haar24": Case("opencv", 24, 16520, 4000, 2000, 12, ("--mode", "ALL")),
    "lbp24": Case("opencv", 24, 16520, 14000, 7000, 15, ("--feature-type", "LBP")),
    "default-buffers": Case(
        "fer2013", 20, 7000, 5950, 3500, 12, BASIC,
        ("--value-buffer", "1024", "--index-buffer", "1024"), ("opencv",),
    ),
}  # fmt: skip

#: Fewer stages let so many windows pass that their precision says nothing.
FEWEST_STAGES = 6

HEADERS = ["case", "engine", "stages", "weak", "wall s", "CPU s", "peak MB", "s a weak",
           "AP", "precision", "recall", "load"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--data", type=Path, default=os.environ.get("FER_DATA", beside))
    parser.add_argument("--engines", default="native,opencv")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, help="stop the program after so long")
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
                    limit = given.minutes if engine == "opencv" else None
                    rows += train(name, case, engine, work, given.data, limit)
                    print(format_table(HEADERS, rows[-1:]), file=sys.stderr)
            rows += fewer_stages(name, rows, work, given.data)
    print(format_table(HEADERS, rows))
    for name in sorted({row[0] for row in rows}):
        walls = {row[2]: {} for row in rows if row[0] == name}
        for row in rows:
            if row[0] == name:
                walls[row[2]][row[1]] = float(row[4])
        for stages, by_engine in walls.items():
            if len(by_engine) == 2:
                ratio = by_engine["opencv"] / by_engine["native"]
                print(f"{name}, {stages} stages: native is {ratio:.1f} times faster")


def prepare(case: Case, data: Path, folder: Path) -> None:
    """Write ``faces.vec`` and ``bg.txt``."""
    faces = fer2013_faces(data) if case.faces == "fer2013" else opencv_faces(data)
    size = (case.side, case.side)
    resized = [
        face if face.shape == size else cv2.resize(face, size, interpolation=cv2.INTER_AREA)
        for face in faces[: case.taken]
    ]
    write_vec(folder / "faces.vec", np.stack(resized), overwrite=True)
    images = sorted((data / "negatives").glob("*.jpg"))
    # In random order: the program goes through the list, window by window.
    order = np.random.default_rng(0).permutation(len(images))
    names = [f"{images[number].resolve()}\n" for number in order]
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


def train(
    name: str, case: Case, engine: str, folder: Path, data: Path, minutes: float | None
) -> list[list[object]]:
    """Return a row: what a training took and what its cascade is worth."""
    out = folder / engine
    fer = [sys.executable, "-m", "fercli", "cascade", "train", "--quiet", "--out", str(out)]
    command = [
        *fer, "--engine", engine, "--overwrite", "--vec", str(folder / "faces.vec"), "--bg",
        str(folder / "bg.txt"), "--size", f"{case.side}x{case.side}",
        "--stages", str(case.stages), "--positives", str(case.positives),
        "--negatives", str(case.negatives), *case.options,
    ]  # fmt: skip
    command += ["--validation", "0"] if engine == "native" else [*case.program_options]
    load = os.getloadavg()[0]
    wall, cpu, peak = watched(command, None if minutes is None else minutes * 60)
    if not (out / "stages.csv").exists():
        print(f"{name}: {engine} was stopped within its first stage, after {wall:.0f} s")
        return []
    stages = read_stages(out / "stages.csv")
    if not (out / "cascade.xml").exists():  # stopped: the last stage is not whole
        subprocess.run([*fer, "--finish"], check=True, stdout=subprocess.DEVNULL)
        whole = sum(stage.seconds or 0 for stage in stages)
        wall, cpu = whole, cpu * whole / wall
    figures = [f"{wall:.1f}", f"{cpu:.1f}", f"{peak:.0f}"]
    return [row(name, engine, stages, figures, out / "cascade.xml", data, f"{load:.1f}")]


def fewer_stages(
    name: str, rows: list[list[object]], folder: Path, data: Path
) -> list[list[object]]:
    """Return a row for fer's training up to the stage at which the program was stopped."""
    counts = {engine: count for case, engine, count, *_ in rows if case == name}
    if len(counts) < 2 or counts["opencv"] >= counts["native"]:
        return []
    stages = read_stages(folder / "native" / "stages.csv")[: counts["opencv"]]
    cut = folder / "first.xml"
    convert_cascade(folder / "native" / "cascade.xml", cut, stages=len(stages), overwrite=True)
    figures = [f"{sum(stage.seconds or 0 for stage in stages):.1f}", "", ""]
    return [row(name, "native", stages, figures, cut, data, "")]


def row(
    name: str, engine: str, stages: list[StageRecord], figures: list[str], cascade: Path,
    data: Path, load: str,
) -> list[object]:  # fmt: skip
    weak = sum(stage.weak_classifiers for stage in stages)
    quality: list[object] = ["", "", ""]
    if len(stages) >= FEWEST_STAGES:
        truth = read_annotations(data / "mit_cmu_newtest/info.dat")
        found = evaluate([cascade], truth).cascades[0]
        quality = [found.average_precision, found.counts.precision, found.counts.recall]
    per_weak = f"{float(figures[0]) / weak:.3f}"
    return [name, engine, len(stages), weak, *figures, per_weak, *quality, load]


def watched(command: list[str], limit: float | None) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and the largest resident size in MB of a training.

    In a process of its own, whose only children these are: the system tells the peak of the
    largest child there ever was. After `limit` seconds the training is interrupted.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        started = time.perf_counter()
        training = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            training.wait(limit)
        stopped = training.poll() is None
        if stopped:
            training.send_signal(signal.SIGTERM)
            training.wait()
        wall = time.perf_counter() - started
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures = [wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
        with os.fdopen(writer, "w") as pipe:
            json.dump([0 if stopped else training.returncode, *figures], pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        status, wall, cpu, peak = json.load(pipe)
    os.waitpid(child, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return wall, cpu, peak


def print_machine() -> None:
    print(
        f"{platform.machine()}, {available_workers()} cores, Python {platform.python_version()}, "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}"
    )


if __name__ == "__main__":
    main()
