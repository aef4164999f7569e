"""Whether what stands under a final name is whole, and the same as of an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path

import cv2

from fercli.cascade.model import read_cascade
from fercli.cascade.samples.vec import describe_vec
from fercli.common.errors import FerError
from fercli.common.files import UNFINISHED

#: Files that grow line by line, and files with times in them, which differ from run to run.
LOGS = ("training.log", ".unfinished.csv", "crops.csv")
TIMES = ("result.json", "stages.csv", "versions.json", "training.json", "history.csv", "rates.png",
         "curves.png", "checkpoint.npz", "best.keras", "dataset.json", "recipe.toml", "crop.json",
         "training.log")  # fmt: skip


def broken(out: Path) -> list[str]:
    """Return the files under final names that are not whole."""
    files = [path for path in out.rglob("*") if path.is_file()]
    finals = (path for path in files if not _is_temporary(path.relative_to(out)))
    return [f"{path.relative_to(out)} is not whole" for path in finals if not is_whole(path)]


def _is_temporary(path: Path) -> bool:
    # What opencv_traincascade itself writes in `engine` is examined before it is gone on with.
    return any(part.startswith(UNFINISHED) or part == "engine" for part in path.parts)


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

    # Ctrl-C ends a video in good order, with the frames that there were.
    with av.open(str(path)) as container:
        decoded = sum(1 for _ in container.decode(video=0))
        return 0 < decoded == container.streams.video[0].frames


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


def digests(out: Path, varies: Collection[str] = ()) -> dict[str, str]:
    """Return the digest of each file that is the same in each run; of others, that it is there."""
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = str(path.relative_to(out))
        if UNFINISHED in name or "/engine/" in name:
            continue
        same = path.name not in (*TIMES, *varies)
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if same else "there"
    return found


def differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return in what files two runs differ."""
    names = sorted(name for name in wanted.keys() | found.keys()
                   if wanted.get(name) != found.get(name))  # fmt: skip
    return [f"differs from an undisturbed run: {', '.join(names[:5])}"] if names else []
