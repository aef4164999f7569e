"""The benchmarks, with their commands for a folder of data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fercli.cascade.model import bundled_cascade

Command = Sequence[object]

#: OpenCV's own face cascades, where cv2's package has them (OpenCV 5's wheels do not).
OPENCV_CASCADES = ("default", "alt", "alt2")


@dataclass(frozen=True)
class Settings:
    """What all benchmarks are told.

    Parameters
    ----------
    data : Path
        Folder of the development data.
    work : Path
        Where what is made from it is kept.
    minutes : float
        After which a run of opencv_traincascade is stopped.
    quick : bool
        Take the least of each, to see that all works.
    fer_python : Path or None
        A Python that has the package fer of PyPI.
    """

    data: Path
    work: Path
    minutes: float
    quick: bool
    fer_python: Path | None


@dataclass(frozen=True)
class Benchmark:
    """A section of BENCHMARKS.md.

    Parameters
    ----------
    title, about : str
        Its heading, and a sentence on what is compared.
    commands : callable
        From the settings to command lines, without Python's name. Raises FileNotFoundError, which
        says what is missing, if it cannot run.
    """

    title: str
    about: str
    commands: Callable[[Settings], list[Command]]


def there(path: Path) -> Path:
    """Return a path that exists."""
    if not path.exists():
        raise FileNotFoundError(f"wanted {path.name}, which the data folder does not have")
    return path


def fer2013(settings: Settings) -> Path:
    """Return FER-2013's table, made from the data's sheets if it is not there."""
    given, made = settings.data / "fer2013.csv", settings.work / "fer2013.csv"
    if given.exists():
        return given
    maker = there(settings.data / "fer2013" / "make_csv.py")
    if not made.exists():
        subprocess.run([sys.executable, maker, made], check=True, stdout=subprocess.DEVNULL)
    return made


def fer2013_tree(settings: Settings) -> Path:
    """Return FER-2013 as imported by ``fer datasets import``."""
    tree = settings.work / "fer2013"
    if not (tree / "dataset.json").exists():
        command = [sys.executable, "-m", "fercli", "datasets", "import", fer2013(settings)]
        subprocess.run([*command, "--out", tree], check=True, stdout=subprocess.DEVNULL)
    return tree


def training(case: str, seen_as: str) -> Benchmark:
    """Return the benchmark of one training by both engines."""

    def commands(settings: Settings) -> list[Command]:
        quick = ["--quick"] if settings.quick else []
        return [["benchmarks/cascade_training.py", case, "--data", settings.data, "--minutes",
                 f"{settings.minutes:g}", *quick]]  # fmt: skip

    return Benchmark(f"Training a cascade: {case}", seen_as, commands)


def create_samples(settings: Settings) -> list[Command]:
    repeats = 1 if settings.quick else 5
    return [["benchmarks/create_samples.py", "--data", settings.data, "--repeats", repeats]]


def search_quality(settings: Settings) -> list[Command]:
    quick = ["--quick"] if settings.quick else []
    return [["benchmarks/search_quality.py", "--data", settings.data, *quick]]


def cascade_growth(settings: Settings) -> list[Command]:
    quick = ["--quick"] if settings.quick else []
    return [["benchmarks/cascade_growth.py", "--data", settings.data, *quick]]


def scanner(settings: Settings) -> list[Command]:
    few = ["--images", 4, "--repeats", 1] if settings.quick else []
    return [["benchmarks/scanner.py", bundled_cascade(), "--data", settings.data, *few]]


def detection(settings: Settings) -> list[Command]:
    import cv2

    folder = Path(cv2.data.haarcascades) if hasattr(cv2, "data") else Path()
    named = [folder / f"haarcascade_frontalface_{name}.xml" for name in OPENCV_CASCADES]
    cascades = [bundled_cascade(), *(path for path in named if path.exists())]
    images = there(settings.data / "mit_cmu_newtest")
    repeats = 1 if settings.quick else 5
    return [["benchmarks/detection.py", *cascades, "--images", images, "--repeats", repeats]]


def crop(settings: Settings) -> list[Command]:
    return [
        ["benchmarks/crop.py", there(settings.data / "photos" / "dlib_faces"), 4],
        ["benchmarks/crop.py", there(settings.data / "yalefaces"), 1 if settings.quick else 2],
    ]


def import_fer2013(settings: Settings) -> list[Command]:
    rows = 500 if settings.quick else 6000
    return [["benchmarks/import_fer2013.py", fer2013(settings), rows]]


def training_input(settings: Settings) -> list[Command]:
    few = ["--images", 640, "--repeats", 1, "--networks", "mini-xception"]
    more = few if settings.quick else []
    return [["benchmarks/training_input.py", fer2013_tree(settings), *more]]


def video(settings: Settings) -> list[Command]:
    clip = there(settings.data / "videos" / "short_hamilton_clip.mp4")
    peer = ["--fer-python", settings.fer_python] if settings.fer_python else []
    runs = 1 if settings.quick else 3
    return [["benchmarks/video.py", clip, "--runs", runs, *peer]]


def identities(settings: Settings) -> list[Command]:
    there(settings.data / "ck48")
    return [["benchmarks/identities.py", settings.data, "--seeds", 2 if settings.quick else 12]]


def serve_load(settings: Settings) -> list[Command]:
    clients, seconds = (5, 10) if settings.quick else (50, 60)
    return [["benchmarks/serve_load.py", "--clients", clients, "--seconds", seconds]]


#: In the order of BENCHMARKS.md; its names are what `make bench NAMES=…` takes.
BENCHMARKS = {
    "create-samples": Benchmark(
        "Making samples", "`fer cascade create-samples` and `opencv_createsamples`.", create_samples
    ),
    "haar20": training(
        "haar20", "20×20, upright Haar features: fer's engine and `opencv_traincascade`."
    ),
    "haar24": training("haar24", "24×24, all Haar features: the same two."),
    "lbp24": training("lbp24", "24×24, LBP: the same two."),
    "default-buffers": training(
        "default-buffers", "The program with the buffers it has when nobody sets them (`haar20`)."
    ),
    "search-quality": Benchmark(
        "What the fast search finds",
        "Training loss after so many weak classifiers, by the way of searching.",
        search_quality,
    ),
    "cascade-growth": Benchmark(
        "How cost grows", "Time and memory by samples and by window; the scanner by stages.",
        cascade_growth,
    ),
    "scanner": Benchmark(
        "Scanning", "fer's scanner and `detectMultiScale` of cv2, with equal results; mining.",
        scanner,
    ),
    "detection": Benchmark(
        "Detection by cv2", "The cascade that fer brings and OpenCV's, in `detectMultiScale`.",
        detection,
    ),
    "crop": Benchmark(
        "Faces out of photographs", "`fer datasets crop` and the loop that most projects have.",
        crop,
    ),
    "import": Benchmark(
        "Importing FER-2013", "How the import grows with its workers.", import_fer2013
    ),
    "training-input": Benchmark(
        "Feeding a network", "fer's input and a generator-fed `fit`, images a second.",
        training_input,
    ),
    "video": Benchmark("Video", "`fer classify` and what people use.", video),
    "identities": Benchmark(
        "Identities",
        "Who is who, on clips of photographs of known people that move over real backgrounds.",
        identities,
    ),
    "serve": Benchmark("The web page under load", "Many clients at once.", serve_load),
}  # fmt: skip
