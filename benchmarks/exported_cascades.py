"""Time cascades as exported to C and JavaScript beside OpenCV, and say how large they are.

``python benchmarks/exported_cascades.py [CASCADE…]`` compiles the header with gcc, both ways, runs
the module in Node.js, and prints medians of one image of 320×240, of processor time on one thread.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from skimage import data

from fercli.cascade.model import Cascade, bundled_cascade, read_cascade, write_cascade
from fercli.cascade.model.export.c import c_header, has_whole_numbers, table_bytes, work_bytes
from fercli.cascade.model.export.js import js_module
from fercli.common.tables import format_table

WIDTH, HEIGHT = 320, 240
FLAGS = ["-std=c99", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-pedantic"]
MAIN = """
#include "face.h"
int run(const uint8_t *gray, int neighbors, face_box *boxes, int most, void *work, size_t bytes);
int run(const uint8_t *gray, int neighbors, face_box *boxes, int most, void *work, size_t bytes)
{
    return face_detect(gray, 320, 240, 320, 1.1f, neighbors, 0, boxes, most, work, bytes);
}
"""
IN_NODE = """
import { readFileSync } from "node:fs";
import { detect } from "./face.mjs";
const image = { data: new Uint8Array(readFileSync("face.raw")), width: 320, height: 240 };
const times = [];
for (let at = 0; at < REPEATS + 3; at++) {
  const began = process.cpuUsage().user;
  detect(image);
  times.push((process.cpuUsage().user - began) / 1000);
}
times.splice(0, 3);
console.log(times.sort((a, b) => a - b)[REPEATS >> 1]);
"""


def milliseconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median of the processor time of an action."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        action()
        times.append(1000 * (time.process_time() - began))
    return median(times)


def image() -> np.ndarray:
    """Return a part of scikit-image's astronaut, gray."""
    gray = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[:384]
    return cv2.resize(gray, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def compiled(cascade: Cascade, folder: Path, defined: list[str]) -> tuple[ctypes.CDLL, int, int]:
    """Return the library, the bytes of code (-Os), and those of the stack (-Os)."""
    (folder / "face.h").write_text(c_header(cascade, name="face"))
    (folder / "main.c").write_text(MAIN)
    library = folder / f"face{len(defined)}.so"
    command = ["gcc", *FLAGS, *defined, folder / "main.c"]
    subprocess.run([*command, "-O2", "-fPIC", "-shared", "-o", library], check=True)
    whole = folder / "main.o"
    subprocess.run([*command, "-Os", "-fstack-usage", "-c", "-o", whole], check=True)
    sizes = subprocess.run(["size", "-A", whole], capture_output=True, text=True, check=True).stdout
    code = sum(int(n) for n in re.findall(r"^\.text\S*\s+(\d+)", sizes, re.MULTILINE))
    # The deepest way is at most that of all functions together.
    usage = (folder / "main.su").read_text()
    stack = sum(int(n) for n in re.findall(r"\t(\d+)\t", usage))
    return ctypes.CDLL(str(library)), code, stack


def row(path: Path, repeats: int) -> list[object]:
    """Return the figures of a cascade."""
    cascade, gray = read_cascade(path), image()
    boxes = np.zeros((5000, 5), np.int32)
    work = np.zeros(work_bytes(cascade, WIDTH) // 4, np.int32)
    figures: list[object] = []
    sizes: list[object] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cascade(folder / "cascade.xml", cascade)
        detector = cv2.CascadeClassifier(str(folder / "cascade.xml"))
        for defined in ([], ["-DFACE_INTEGER"]):
            if defined and not has_whole_numbers(cascade):
                figures.append("-")
                continue
            library, code, stack = compiled(cascade, folder, defined)

            def detect(library: ctypes.CDLL = library) -> None:
                library.run(
                    ctypes.c_void_p(gray.ctypes.data), 3, ctypes.c_void_p(boxes.ctypes.data),
                    len(boxes), ctypes.c_void_p(work.ctypes.data), ctypes.c_size_t(work.nbytes),
                )  # fmt: skip

            figures.append(round(milliseconds(detect, repeats), 1))
            sizes = [code, stack]
        (folder / "face.mjs").write_text(js_module(cascade, name="face"))
        gray.tofile(folder / "face.raw")
        (folder / "main.mjs").write_text(IN_NODE.replace("REPEATS", str(repeats)))
        command = ["node", "main.mjs"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        figures.append(round(json.loads(done.stdout), 1))
        figures.append(round(milliseconds(lambda: detector.detectMultiScale(gray), repeats), 1))
        module = (folder / "face.mjs").stat().st_size
    nodes = sum(len(w.nodes) for stage in cascade.stages for w in stage.weak_classifiers)
    return [path.stem, nodes, table_bytes(cascade), work.nbytes, *sizes, module, *figures]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("cascades", nargs="*", type=Path, help="the shipped one if none")
    parser.add_argument("--repeats", type=int, default=15, help="runs of each (15)")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    compiler, node = (
        subprocess.run([name, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
        for name in ("gcc", "node")
    )
    print(f"{platform.machine()}, {compiler}, node {node}, OpenCV {cv2.__version__}")
    headers = [
        "cascade", "nodes", "tables", "work", "code", "stack", "module",
        "C ms", "whole ms", "JS ms", "cv2 ms",
    ]  # fmt: skip
    print(format_table(headers, [row(path, asked.repeats) for path in asked.cascades or DEFAULT]))
    return 0


DEFAULT = [bundled_cascade()]

if __name__ == "__main__":
    sys.exit(main())
