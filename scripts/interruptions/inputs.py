"""Small inputs for all jobs."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np

from scripts.interruptions.processes import fer, run


def make_inputs(folder: Path, *, small: bool = False) -> None:
    """Write images, samples, tables, a tree and a video; `small` ones for a short check."""
    run(fer("demo", "faces", str(folder), "--overwrite"))
    shutil.copyfile(folder / "faces" / "000.png", folder / "face.png")
    scenes = sorted((folder / "scenes").glob("*.png"))
    (folder / "bg.txt").write_text("".join(f"{path}\n" for path in scenes if path.stem.isalpha()))
    run(fer("cascade", "build-info", f"{folder}/faces", "--negatives", f"{folder}/scenes",
            "--size", "24x24", "--out", f"{folder}/lists"))  # fmt: skip
    run(fer("cascade", "create-samples", "--info", f"{folder}/lists/info.dat", "--size", "24x24",
            "--out", f"{folder}/faces.vec"))  # fmt: skip
    _table(folder / "fer2013.csv", 140 if small else 600)
    run(fer("datasets", "import", f"{folder}/fer2013.csv", "--out", f"{folder}/tree"))
    for number in range(2 if small else 8):
        shutil.copytree(folder / "test", folder / "photos" / str(number))
    _video(folder, 30 if small else 150)


def _table(path: Path, rows: int) -> None:
    rng = np.random.default_rng(1)
    with path.open("w") as stream:
        stream.write("emotion,pixels,Usage\n")
        for number in range(rows):
            noise = cv2.GaussianBlur(rng.integers(0, 256, (48, 48), np.uint8), (0, 0), 2)
            pixels = " ".join(map(str, noise.ravel()))
            stream.write(f"{number % 7},{pixels},Training\n")


def _video(folder: Path, frames: int) -> None:
    import av

    image = cv2.resize(cv2.imread(str(folder / "astronaut.png")), (320, 320))
    with av.open(str(folder / "video.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuv420p"
        for at in range(frames):
            moved = np.ascontiguousarray(np.roll(image, at % 40, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="bgr24")))
        container.mux(stream.encode(None))
