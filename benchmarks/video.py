"""Compare `fer classify` on a video with what people use, on the same frames in one run.

usage: python benchmarks/video.py VIDEO [--fer-python PATH] [--cascade FILE] [--runs N]

The rows:

decode alone      PyAV reads the frames and throws them away: the limit.
script            what most scripts do: read a frame, detectMultiScale of all of it at full size,
                  then the network once for each face.
PyPI fer          the package of that name, if --fer-python names the Python of an environment
                  that has it (pip install fer==25.10.3).
fer, whole        our pipeline, each frame searched whole: the truth that faces are compared with.
fer               our pipeline as `fer classify` runs it.

CPU is that of the process with all of its threads. Found again: of the faces of "fer, whole", the
share that the row has too (boxes that share more than half of the smaller one, in the same frame);
besides: faces that it does not have. All look for faces from 50 pixels on (PyPI fer's default).
Each run is a process of its own; medians of --runs (default 3).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Runs in the environment of PyPI's fer, which has nothing of ours.
PYPI_FER = """
import json, os, sys, time
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import cv2
from fer.fer import FER
detector = FER()
capture = cv2.VideoCapture(sys.argv[1])
first = capture.read()[1]
detector.detect_emotions(first)  # the first call builds the graph
capture = cv2.VideoCapture(sys.argv[1])
faces = []
wall, cpu = time.perf_counter(), time.process_time()
while True:
    read, frame = capture.read()
    if not read:
        break
    faces.append([[int(n) for n in face["box"]] for face in detector.detect_emotions(frame)])
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print("RESULT", json.dumps({"wall": wall, "cpu": cpu, "faces": faces}))
"""

OURS = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[4])
import video
wall, cpu, faces = video.WAYS[sys.argv[2]](Path(sys.argv[1]), sys.argv[3])
print("RESULT", json.dumps({"wall": wall, "cpu": cpu, "faces": faces}))
"""

MIN_FACE = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--fer-python", type=Path)
    parser.add_argument("--cascade", default="")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {}
    for _ in range(given.runs):
        for way in WAYS:
            command = [sys.executable, "-c", OURS, str(given.video), way, given.cascade]
            results.setdefault(way, []).append(run([*command, str(Path(__file__).parent)]))
        if given.fer_python:
            command = [str(given.fer_python), "-c", PYPI_FER, str(given.video)]
            results.setdefault("PyPI fer", []).append(run(command))
    show(results)


def run(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
    return result


def show(results: dict[str, list[dict[str, Any]]]) -> None:
    from fercli.common.tables import format_table

    truth = results["fer, whole"][0]["faces"]
    frames = len(truth)
    rows = []
    for way, runs in results.items():
        wall, cpu = (statistics.median(one[key] for one in runs) for key in ("wall", "cpu"))
        row = [way, f"{frames / wall:.0f}", f"{1000 * cpu / frames:.2f}"]
        rows.append([*row, *agreement(truth, runs[0]["faces"])])
    print(format_table(["", "frames/s", "CPU ms/frame", "faces", "found again", "besides"], rows))


def agreement(truth: list[Any], faces: list[Any]) -> list[str]:
    import numpy as np

    from fercli.recognition.face_search import SAME_FACE, overlap

    if not faces:
        return ["-", "-", "-"]
    again = besides = 0
    for wanted, found in zip(truth, faces, strict=True):
        a, b = (np.array(one, np.int32).reshape(-1, 4) for one in (wanted, found))
        again += sum(len(b) > 0 and overlap(box, b).max() > SAME_FACE for box in a)
        besides += sum(not len(a) or overlap(box, a).max() <= SAME_FACE for box in b)
    total = sum(map(len, truth))
    return [str(sum(map(len, faces))), f"{again / max(total, 1):.1%}", str(besides)]


def measured(work: Any) -> tuple[float, float, list[Any]]:
    import time

    wall, cpu = time.perf_counter(), time.process_time()
    faces = work()
    return time.perf_counter() - wall, time.process_time() - cpu, faces


def decode_alone(video: Path, cascade: str) -> tuple[float, float, list[Any]]:
    from fercli.recognition.sources.video_file import VideoFile

    def work() -> list[Any]:
        with VideoFile(video) as opened:
            for _ in opened.frames():
                pass
        return []

    return measured(work)


def script(video: Path, cascade: str) -> tuple[float, float, list[Any]]:
    import cv2
    import numpy as np

    from fercli.cascade.detection.detector import Detector
    from fercli.cascade.model import bundled_cascade
    from fercli.models.catalog import open_model

    detector = Detector(Path(cascade) if cascade else bundled_cascade()).classifier
    network = open_model("ferplus")

    def work() -> list[Any]:
        capture, faces = cv2.VideoCapture(str(video)), []
        while (frame := capture.read()[1]) is not None:
            gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            boxes = detector.detectMultiScale(gray, 1.1, 3, minSize=(MIN_FACE, MIN_FACE))
            for x, y, w, h in boxes:
                face = cv2.resize(gray[y : y + h, x : x + w], (48, 48))
                network.classify(np.ascontiguousarray(face)[None])
            faces.append(np.asarray(boxes).reshape(-1, 4).tolist())
        return faces

    return measured(work)


def ours(video: Path, cascade: str, **options: float) -> tuple[float, float, list[Any]]:
    from fercli.recognition.options import RecognitionOptions, VideoOptions
    from fercli.recognition.pipeline import recognize_frames
    from fercli.recognition.recognizer import Recognizer
    from fercli.recognition.sources.video_file import VideoFile

    chosen = RecognitionOptions(min_face=MIN_FACE)
    recognizer = Recognizer(Path(cascade) if cascade else None, options=chosen)

    def work() -> list[Any]:
        with VideoFile(video) as opened:
            seen = recognize_frames(recognizer, opened.frames(), VideoOptions(**options))
            return [[face.box_xywh for face in one.found] for one in seen]

    return measured(work)


def whole(video: Path, cascade: str) -> tuple[float, float, list[Any]]:
    return ours(video, cascade, search_interval=0)


WAYS = {"decode alone": decode_alone, "script": script, "fer, whole": whole, "fer": ours}

if __name__ == "__main__":
    main()
