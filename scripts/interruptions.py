"""Interrupt fer at random moments, and see that nothing half-written stands under a final name.

``python scripts/interruptions.py --rounds 20 --seed 1``: each round of a job kills it, sends it
Ctrl-C, fills its disk (a small tmpfs) or takes its folder's rights (``chattr +i``; both as root
alone); then it is run again, and must end with the bytes of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fercli.cascade.cascade_file import read_cascade
from fercli.cascade.vec import describe_vec
from fercli.errors import FerError
from fercli.tables import format_table

FER = [sys.executable, "-m", "fercli"]
ENVIRONMENT = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}

#: Files that grow line by line, and files with times in them, which differ from run to run.
LOGS = ("training.log", ".unfinished.csv", "crops.csv")
TIMES = ("result.json", "stages.csv", "versions.json", "training.json", "history.csv", "rates.png",
         "curves.png", "checkpoint.npz", "best.keras", "dataset.json", "recipe.toml", "crop.json",
         "training.log")  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A command, and how what it wrote is compared.

    Parameters
    ----------
    name : str
    command : callable
        From the folder of inputs and the folder of results to the arguments of ``fer``.
    tidy : bool
        Whether a second run removes what the first one left under temporary names. Defaults to
        True; nobody can tell to whom those of a single file belong.
    """

    name: str
    command: Callable[[Path, Path], list[str]]
    tidy: bool = True


def create_samples(inputs: Path, out: Path) -> list[str]:
    """Many warped samples of a picture."""
    return ["cascade", "create-samples", "--image", f"{inputs}/face.png", "--bg",
            f"{inputs}/bg.txt", "--num", "4000", "--size", "24x24", "--out", f"{out}/faces.vec",
            "--overwrite"]  # fmt: skip


def train(inputs: Path, out: Path, *options: str) -> list[str]:
    """A cascade of a few stages."""
    return ["cascade", "train", "--vec", f"{inputs}/faces.vec", "--bg", f"{inputs}/bg.txt", "--out",
            f"{out}/trained", "--stages", "5", "--size", "24x24", "--negatives", "150",
            *options]  # fmt: skip


def train_natively(inputs: Path, out: Path) -> list[str]:
    """By fer's own engine, all Haar features."""
    return train(inputs, out, "--mode", "ALL", "--validation", "0", "--variants", "4")


def train_by_program(inputs: Path, out: Path) -> list[str]:
    """By opencv_traincascade."""
    return train(inputs, out, "--engine", "opencv", "--positives", "60", "--feature-type", "LBP")


def import_(inputs: Path, out: Path) -> list[str]:
    """A table of pictures."""
    return ["datasets", "import", f"{inputs}/fer2013.csv", "--out", f"{out}/tree"]


def crop(inputs: Path, out: Path) -> list[str]:
    """Faces out of photographs."""
    return [
        "datasets",
        "crop",
        f"{inputs}/photos",
        "--out",
        f"{out}/crops",
        "--without-face",
        "keep",
    ]


def augment(inputs: Path, out: Path) -> list[str]:
    """Changed copies of a tree."""
    return ["datasets", "augment", f"{inputs}/tree", "--out", f"{out}/tree", "--copies", "6"]


def train_network(inputs: Path, out: Path) -> list[str]:
    """A small network, three epochs."""
    return ["models", "train", "--architecture", "cnn4", "--data", f"{inputs}/tree", "--out",
            f"{out}/run", "--epochs", "3", "--batch-size", "32", "--validation",
            "train"]  # fmt: skip


def classify(inputs: Path, out: Path) -> list[str]:
    """A video, annotated."""
    return ["classify", f"{inputs}/video.mp4", "--save", f"{out}/video.mp4", "--csv",
            f"{out}/faces.csv", "--jsonl", f"{out}/faces.jsonl", "--overwrite"]  # fmt: skip


JOBS = {
    job.name: job
    for job in (
        Job("create-samples", create_samples, tidy=False),
        Job("train, native", train_natively),
        Job("train, opencv", train_by_program),
        Job("import", import_),
        Job("crop", crop),
        Job("augment", augment),
        Job("models train", train_network),
        Job("classify", classify, tidy=False),
    )
}


def make_inputs(folder: Path) -> None:
    """Lay small inputs for all jobs."""
    sys.path.insert(0, str(Path(__file__).parent))
    import demo_data

    demo_data.main(folder)
    shutil.copyfile(folder / "faces" / "000.png", folder / "face.png")
    scenes = sorted((folder / "scenes").glob("*.png"))
    (folder / "bg.txt").write_text("".join(f"{path}\n" for path in scenes if path.stem.isalpha()))
    run(["cascade", "build-info", f"{folder}/faces", "--negatives", f"{folder}/scenes", "--size",
         "24x24", "--out", f"{folder}/lists"])  # fmt: skip
    run(["cascade", "create-samples", "--info", f"{folder}/lists/info.dat", "--size", "24x24",
         "--out", f"{folder}/faces.vec"])  # fmt: skip
    _table(folder / "fer2013.csv")
    run(["datasets", "import", f"{folder}/fer2013.csv", "--out", f"{folder}/tree"])
    for number in range(8):
        shutil.copytree(folder / "test", folder / "photos" / str(number))
    _video(folder)


def _table(path: Path) -> None:
    rng = np.random.default_rng(1)
    with path.open("w") as stream:
        stream.write("emotion,pixels,Usage\n")
        for number in range(600):
            noise = cv2.GaussianBlur(rng.integers(0, 256, (48, 48), np.uint8), (0, 0), 2)
            pixels = " ".join(map(str, noise.ravel()))
            stream.write(f"{number % 7},{pixels},Training\n")


def _video(folder: Path) -> None:
    import av

    picture = cv2.resize(cv2.imread(str(folder / "astronaut.png")), (320, 320))
    with av.open(str(folder / "video.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuv420p"
        for at in range(150):
            moved = np.ascontiguousarray(np.roll(picture, at % 40, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="bgr24")))
        container.mux(stream.encode(None))


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Start fer in a process group of its own, with Ctrl-C as a terminal gives it."""
    return subprocess.Popen(
        [*FER, *arguments, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=ENVIRONMENT, start_new_session=True, preexec_fn=_take_interrupts,
    )  # fmt: skip


def _take_interrupts() -> None:
    # A shell lets what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(arguments: Sequence[str]) -> str:
    """Run fer to its end, which must be a good one; return what it said."""
    process = start(arguments)
    said = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"fer {' '.join(arguments)} ends with {process.returncode}: {said}")
    return said


def kill(process: subprocess.Popen[str], after: float, folder: Path) -> None:
    """End the process, and all that it started, without a word."""
    _signal_after(process, after, signal.SIGKILL)


def interrupt(process: subprocess.Popen[str], after: float, folder: Path) -> None:
    """Press Ctrl-C."""
    _signal_after(process, after, signal.SIGINT)


def _signal_after(process: subprocess.Popen[str], after: float, number: signal.Signals) -> None:
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)


def take_rights(process: subprocess.Popen[str], after: float, folder: Path) -> None:
    """Let nothing more be written to the folder of results."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        subprocess.run(["chattr", "+i", *map(str, folders)], stderr=subprocess.DEVNULL)


def wait_for_end(process: subprocess.Popen[str], after: float, folder: Path) -> None:
    """Do nothing: the disk will be full."""


WAYS = {"kill -9": kill, "Ctrl-C": interrupt, "full disk": wait_for_end, "no rights": take_rights}


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a disk of so many bytes over a folder; what is on it is copied out of it at the end."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    kept = folder.with_name("kept")
    try:
        yield
        shutil.copytree(folder, kept, symlinks=True)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(kept)


def disturb(job: Job, way: str, after: float, size: int, inputs: Path, out: Path) -> list[str]:
    """Run a job, disturbed; return what is wrong with how it ends and with what it leaves."""
    out.mkdir()
    if way == "full disk":
        with small_disk(out, size):
            process = start(job.command(inputs, out))
            said = process.communicate()[1]
    else:
        process = start(job.command(inputs, out))
        WAYS[way](process, after, out)
        said = process.communicate()[1]
        subprocess.run(["chattr", "-R", "-i", str(out)], stderr=subprocess.DEVNULL)
    problems = [f"a traceback: {said[-1500:]}"] if "Traceback" in said else []
    allowed = {"kill -9": (0, -9), "Ctrl-C": (0, 130, -2)}.get(way, (0, 1))
    if process.returncode not in allowed:
        problems.append(f"status {process.returncode}: {said[-500:]}")
    return problems + broken(out)


def broken(out: Path) -> list[str]:
    """Return the files under final names that are not whole."""
    files = [path for path in out.rglob("*") if path.is_file()]
    finals = (path for path in files if not _is_temporary(path.relative_to(out)))
    return [f"{path.relative_to(out)} is not whole" for path in finals if not is_whole(path)]


def _is_temporary(path: Path) -> bool:
    # What opencv_traincascade itself writes in `engine` is examined before it is gone on with.
    return any(part.startswith(".fer-") or part == "engine" for part in path.parts)


def is_whole(path: Path) -> bool:
    """Whether a file is complete, as far as its format tells."""
    if path.name in LOGS:
        return True
    try:
        return bool(_CHECKS.get(path.suffix, Path.stat)(path))
    except (ValueError, OSError, FerError, zipfile.BadZipFile):
        return False


def _is_video(path: Path) -> bool:
    import av

    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0)) == 150


_CHECKS: dict[str, Callable[[Path], object]] = {
    ".png": lambda path: cv2.imread(str(path)) is not None and path.read_bytes()[-8:-4] == b"IEND",
    ".vec": lambda path: not describe_vec(path).problems,
    ".xml": read_cascade,
    ".json": lambda path: json.loads(path.read_text()) is not None,
    ".npz": lambda path: zipfile.ZipFile(path).testzip() is None,
    ".keras": lambda path: zipfile.ZipFile(path).testzip() is None,
    ".mp4": _is_video,
    ".csv": lambda path: path.read_bytes().endswith(b"\n"),
    ".jsonl": lambda path: all(json.loads(line) for line in path.read_text().splitlines()),
}


def finish(job: Job, inputs: Path, out: Path) -> list[str]:
    """Run a disturbed job again, to its end; return what is wrong."""
    process = start(job.command(inputs, out))
    said = process.communicate()[1]
    ended = "has ended" in said or "already" in said or "holds a network" in said
    if process.returncode and not ended:
        return [f"the second run ends with {process.returncode}: {said[-500:]}"]
    left = [path for path in out.rglob(".fer-*") if job.tidy and "engine" not in path.parts]
    return broken(out) + [f"{path.relative_to(out)} is left over" for path in left]


def digests(out: Path) -> dict[str, str]:
    """Return the digest of each file that is the same in each run; of others, that it is there."""
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = str(path.relative_to(out))
        if ".fer-" in name or "/engine/" in name:
            continue
        same = path.name not in TIMES
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if same else "there"
    return found


def differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return in what files two runs differ."""
    names = sorted(name for name in wanted.keys() | found.keys()
                   if wanted.get(name) != found.get(name))  # fmt: skip
    return [f"differs from an undisturbed run: {', '.join(names[:5])}"] if names else []


def rounds_of(
    job: Job, ways: Sequence[str], rounds: int, rng: random.Random, inputs: Path
) -> tuple[int, list[str]]:
    """Disturb a job in each way in turn; return how often it was, and all that was wrong."""
    found, disturbed = [], 0
    with tempfile.TemporaryDirectory(prefix="fer-whole-") as place:
        # Results must stand under the same path each time: some name it.
        out = Path(place, "out")
        out.mkdir()
        begun = time.monotonic()
        run(job.command(inputs, out))
        seconds = time.monotonic() - begun
        wanted = digests(out)
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        for number in range(rounds):
            shutil.rmtree(out)
            way = ways[number % len(ways)]
            after, share = rng.uniform(0.2, 1) * seconds, rng.uniform(0, 1)
            problems = disturb(job, way, after, max(int(size * share), 1 << 14), inputs, out)
            disturbed += digests(out) != wanted
            problems += finish(job, inputs, out) + differences(wanted, digests(out))
            moment = f"{share:.0%} of the disk" if way == "full disk" else f"after {after:.2f} s"
            print(f"{job.name}, {way}, {moment}: {'; '.join(problems) or 'whole'}", flush=True)
            found += [f"{job.name}, {way}, {moment}: {problem}" for problem in problems]
    return disturbed, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as asked for; 1 if something was not whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each job")
    parser.add_argument("--seed", type=int, default=None, help="of the moments; printed")
    parser.add_argument("--jobs", default=";".join(JOBS), help="names, with ; between them")
    parser.add_argument("--ways", default=None, help="names, with ; between them")
    asked = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    able = list(WAYS) if os.geteuid() == 0 else ["kill -9", "Ctrl-C"]
    ways = asked.ways.split(";") if asked.ways else able
    print(f"seed {seed}")
    rows, found = [], []
    with tempfile.TemporaryDirectory(prefix="fer-inputs-") as folder:
        make_inputs(Path(folder))
        for name in asked.jobs.split(";"):
            rng = random.Random(f"{seed}:{name}")
            disturbed, wrong = rounds_of(JOBS[name], ways, asked.rounds, rng, Path(folder))
            rows.append([name, asked.rounds, disturbed, len(wrong)])
            found += wrong
    print(format_table(["job", "rounds", "disturbed before the end", "problems"], rows))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
