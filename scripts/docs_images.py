"""Make the images of the documentation from real runs: ``docs_images.py docs/images``.

Trains small cascades on the stop signs of `fer demo signs`, one setting changed at a time, and
measures them on its test photographs; minutes on two cores. Two plots are arithmetic alone. The
images of the front page are of a clip made from one photograph, in and out of focus.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
COMMON = ["--vec", "signs.vec", "--bg", "lists/bg.txt", "--size", "24x24", "--negatives", "1500",
          "--validation", "0", "--quiet"]  # fmt: skip
USUAL = {"--stages": "16", "--variants": "4"}
#: One setting changed at a time; names are those of the curves.
TRAININGS: dict[str, dict[str, str]] = {
    "usual": {},
    "hit-rate-0.95": {"--min-hit-rate": "0.95"},
    "stages-5": {"--stages": "5"},
    "positives-30": {"--positives": "30", "--variants": "0"},
    "lbp": {"--feature-type": "LBP"},
}
COMPARED = {
    "hit-rates": ("usual", "hit-rate-0.95"),
    "stages": ("usual", "stages-5"),
    "positives": ("usual", "positives-30"),
    "features": ("usual", "lbp"),
}


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    save(draw_whole(), out / "whole.svg")
    save(draw_consumed(), out / "consumed.svg")
    with tempfile.TemporaryDirectory(prefix="fer-docs-") as name:
        work = Path(name)
        fer(work, "demo", "signs", "signs")
        fer(work, "cascade", "build-info", "signs/photos/boxes.csv", "--negatives", "signs/scenes",
            "--size", "24x24", "--out", "lists")  # fmt: skip
        fer(work, "cascade", "create-samples", "--info", "lists/info.dat", "--out", "signs.vec")
        for title, changed in TRAININGS.items():
            options = [word for pair in (USUAL | changed).items() for word in pair]
            fer(work, "cascade", "train", *COMMON, *options, "--out", f"runs/{title}")
            shutil.copy(work / "runs" / title / "cascade.xml", work / f"{title}.xml")
        for name, names in COMPARED.items():
            compare(work, names, out / f"{name}.png")
        copy_run(work, out)
        draw_devices(work, out)
        fer(work, "demo", "faces", "faces")
        copy_front_page(work, out)


def fer(work: Path, *words: str) -> None:
    """Run a command."""
    subprocess.run([sys.executable, "-m", "fercli", *words], cwd=work, check=True)


def compare(work: Path, names: tuple[str, ...], image: Path) -> None:
    """Measure cascades side by side and keep their curves."""
    files = [f"{name}.xml" for name in names]
    report = f"report-{image.stem}"
    fer(work, "cascade", "evaluate", *files, "--truth", "signs/test/boxes.csv", "--out",
        report, "--quiet")  # fmt: skip
    shutil.copy(work / report / "recall.png", image)


def copy_run(work: Path, out: Path) -> None:
    """Keep the images of the usual training."""
    fer(work, "cascade", "samples", "show", "signs.vec", "--size", "24x24", "--per-page", "60",
        "--columns", "20", "--out", "samples.png", "--quiet")  # fmt: skip
    fer(
        work, "cascade", "visualize", "usual.xml", "--vec", "signs.vec", "--out", "drawn", "--quiet"
    )
    fer(work, "cascade", "detect", "usual.xml", "signs/test/00.png", "--out", "found", "--quiet")
    fer(work, "cascade", "evaluate", "usual.xml", "--truth", "signs/test/boxes.csv", "--out",
        "report", "--quiet")  # fmt: skip
    for source, name in (
        ("runs/usual/rates.png", "rates.png"),
        ("report/recall.png", "recall.png"),
        ("drawn/features.png", "drawn.png"),
        ("samples.png", "samples.png"),
        ("found/00.png", "found.png"),
    ):
        shutil.copy(work / source, out / name)
    photo = cv2.imread(str(work / "signs" / "photos" / "00.png"))
    cv2.imwrite(str(out / "photo.png"), photo)


def draw_devices(work: Path, out: Path) -> None:
    """Draw what an OpenMV camera's search and the program of the page on C find in a photograph."""
    from fercli.cascade.detection.openmv import camera_tables, find_features, raise_contrast
    from fercli.cascade.model.export.openmv import read_openmv

    gray = cv2.imread(str(work / "signs/test/00.png"), cv2.IMREAD_GRAYSCALE)
    export = ("cascade", "export", "usual.xml", "--quiet", "--to")
    fer(work, *export, "openmv", "--camera-norm", "--no-measure", "--out", "signs.cascade")
    tables = camera_tables(read_openmv(work / "signs.cascade"))
    panels = []
    for contrast in (1, 2):
        seen = raise_contrast(gray, contrast)
        panels.append(with_boxes(seen, find_features(seen, tables, scale_factor=1.1)))
    cv2.imwrite(str(out / "openmv.png"), np.hstack(panels))

    page = (HERE.parent / "docs/c-header.md").read_text(encoding="utf-8")
    program = page.split("```c\n")[1].split("```")[0]
    (work / "main.c").write_text(program)
    fer(work, *export, "c", "--out", "signs.h")
    subprocess.run(["gcc", "-std=c99", "-O2", "main.c", "-o", "signs-in-c"], cwd=work, check=True)
    cv2.imwrite(str(work / "photo.pgm"), gray)
    printed = subprocess.run(
        [work / "signs-in-c", "photo.pgm"], cwd=work, check=True, capture_output=True, text=True
    ).stdout
    boxes = [[int(word) for word in line.split()] for line in printed.splitlines()]
    cv2.imwrite(str(out / "c-header.png"), with_boxes(gray, np.array(boxes)))


def with_boxes(gray: NDArray[np.uint8], boxes_xywh: NDArray[Any]) -> Any:
    """Return an image in color with boxes in it."""
    drawn = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    for x, y, width, height in boxes_xywh.tolist():
        cv2.rectangle(drawn, (x, y), (x + width, y + height), (0, 200, 0), 3)
    return drawn


def copy_front_page(work: Path, out: Path) -> None:
    """Keep a frame and the timeline of a clip, and features of the shipped cascade on faces."""
    from fercli.cascade.model import bundled_cascade

    write_clip(work / "faces" / "astronaut.png", work / "clip.mp4")
    fer(work, "classify", "clip.mp4", "--save", "saved.mp4", "--timeline", "timeline.png", "--bars")
    fer(work, "cascade", "create-samples", "--info", "faces/faces", "--size", "24x24", "--out",
        "faces.vec")  # fmt: skip
    fer(work, "cascade", "visualize", str(bundled_cascade()), "--vec", "faces.vec", "--out",
        "features")  # fmt: skip
    video = cv2.VideoCapture(str(work / "saved.mp4"))
    video.set(cv2.CAP_PROP_POS_FRAMES, 40)
    cv2.imwrite(str(work / "frame.png"), video.read()[1])
    for source, name in (
        ("frame.png", "frame.png"),
        ("timeline.png", "timeline.png"),
        ("features/stage_01.png", "face-features.png"),
    ):
        with Image.open(work / source) as image:
            image.convert("RGB").save(out / name, optimize=True)


def write_clip(photograph: Path, video: Path) -> None:
    """Write four seconds in which a photograph comes nearer, leans and leaves the focus."""
    image, (width, height) = cv2.imread(str(photograph)), (400, 300)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 25, (width, height))
    for t in np.linspace(0, 1, 100):
        x, y = 240 - 25 * np.cos(2 * np.pi * t), 150 - 20 * t
        scale = height / (300 - 110 * np.sin(np.pi * t))
        moved = cv2.getRotationMatrix2D((x, y), 14 * np.sin(3 * np.pi * t), scale)
        moved[:, 2] += (width / 2 - x, height / 2 - y)
        frame = cv2.warpAffine(image, moved, (width, height), borderMode=cv2.BORDER_REPLICATE)
        writer.write(cv2.GaussianBlur(frame, (0, 0), 0.5 + 9 * np.sin(2.5 * np.pi * t) ** 2))
    writer.release()


def draw_whole() -> plt.Figure:
    """Return what hit rates of stages come to in a whole cascade."""
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    stages = np.arange(1, 31)
    for rate in (0.999, 0.998, 0.995, 0.99, 0.98):
        axes.plot(stages, rate**stages, label=f"{rate:g}")
    axes.set(xlabel="stages", ylabel="hit rate of the whole", ylim=(0.5, 1.01))
    axes.legend(title="hit rate of a stage", fontsize=8, title_fontsize=8)
    axes.grid(alpha=0.3)
    return figure


def draw_consumed() -> plt.Figure:
    """Return how many samples of a .vec are needed for each positive of a stage."""
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    stages = np.arange(1, 31)
    for rate in (0.98, 0.99, 0.995, 0.998, 0.999):
        axes.plot(stages, 1 + (stages - 1) * (1 - rate), label=f"{rate:g}")
    axes.set(xlabel="stages", ylabel="samples in the .vec\nfor each of -numPos")
    axes.legend(title="hit rate of a stage", fontsize=8, title_fontsize=8)
    axes.grid(alpha=0.3)
    return figure


def save(figure: plt.Figure, path: Path) -> None:
    # Without a date and with fixed names, so that the same plot is the same file.
    with plt.rc_context({"svg.hashsalt": "fer"}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
