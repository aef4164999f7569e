"""The jobs that are disturbed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.interruptions.processes import fer


@dataclass(frozen=True)
class Job:
    """A command, and how what it wrote is compared.

    Parameters
    ----------
    name : str
    command : callable
        From the folder of inputs and the folder of results to the command line.
    tidy : bool
        Whether a second run removes what the first one left under temporary names. Defaults to
        True; nobody can tell to whom those of a single file belong.
    varies : tuple of str
        Files that may have other bytes after an interruption. Defaults to none.
    """

    name: str
    command: Callable[[Path, Path], list[str]]
    tidy: bool = True
    varies: tuple[str, ...] = ()


def create_samples(inputs: Path, out: Path) -> list[str]:
    """Many warped samples of an image."""
    return fer("cascade", "create-samples", "--image", f"{inputs}/face.png", "--bg",
               f"{inputs}/bg.txt", "--num", "4000", "--size", "24x24", "--out", f"{out}/faces.vec",
               "--overwrite")  # fmt: skip


def train(inputs: Path, out: Path, *options: str) -> list[str]:
    """A cascade of a few stages."""
    return fer("cascade", "train", "--vec", f"{inputs}/faces.vec", "--bg", f"{inputs}/bg.txt",
               "--out", f"{out}/trained", "--stages", "5", "--size", "24x24", "--negatives", "150",
               *options)  # fmt: skip


def train_natively(inputs: Path, out: Path) -> list[str]:
    """By fer's own engine, all Haar features."""
    return train(inputs, out, "--mode", "ALL", "--validation", "0", "--variants", "4")


def train_by_program(inputs: Path, out: Path) -> list[str]:
    """By opencv_traincascade."""
    return train(inputs, out, "--engine", "opencv", "--positives", "60", "--feature-type", "LBP")


def import_(inputs: Path, out: Path) -> list[str]:
    """A table of images."""
    return fer("datasets", "import", f"{inputs}/fer2013.csv", "--out", f"{out}/tree")


def crop(inputs: Path, out: Path) -> list[str]:
    """Faces out of photographs."""
    return fer("datasets", "crop", f"{inputs}/photos", "--out", f"{out}/crops",
               "--without-face", "keep")  # fmt: skip


def augment(inputs: Path, out: Path) -> list[str]:
    """Changed copies of a tree."""
    return fer("datasets", "augment", f"{inputs}/tree", "--out", f"{out}/tree", "--copies", "6")


def train_network(inputs: Path, out: Path) -> list[str]:
    """A small network, three epochs."""
    return fer("models", "train", "--architecture", "cnn4", "--data", f"{inputs}/tree", "--out",
               f"{out}/run", "--epochs", "3", "--batch-size", "32", "--validation",
               "train")  # fmt: skip


def classify(inputs: Path, out: Path) -> list[str]:
    """A video, annotated."""
    return fer("classify", f"{inputs}/video.mp4", "--save", f"{out}/video.mp4", "--csv",
               f"{out}/faces.csv", "--jsonl", f"{out}/faces.jsonl", "--overwrite")  # fmt: skip


def annotate(inputs: Path, out: Path) -> list[str]:
    """Boxes of a folder of images, in a page."""
    return [sys.executable, "-m", "scripts.interruptions.annotator", f"{inputs}/scenes", str(out)]


JOBS = {
    job.name: job
    for job in (
        Job("create-samples", create_samples, tidy=False),
        Job("train, native", train_natively),
        # The program, when it goes on, looks at backgrounds from the first one again.
        Job("train, opencv", train_by_program, varies=("cascade.xml",)),
        Job("import", import_),
        Job("crop", crop),
        Job("augment", augment),
        Job("models train", train_network),
        Job("classify", classify, tidy=False),
        Job("annotate", annotate, tidy=False),
    )
}
