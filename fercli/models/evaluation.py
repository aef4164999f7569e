"""Evaluation: a model's figures on a split of a tree, as text, JSON and images."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.drawing import save_plot
from fercli.common.files import make_folder, require_absent, write_text
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted, format_table
from fercli.datasets.tree import read_tree, unreadable_lines
from fercli.models.catalog import Model, open_models, require_classes
from fercli.models.labeled_faces import Faces, read_measured
from fercli.models.metrics import Metrics, measure
from fercli.models.model_card import ModelSettings, describe_assumptions

REPORT = "report.json"
CONFUSION = "confusion.png"
MISTAKES = "mistakes.png"

Pixels = NDArray[np.uint8]

#: Faces between two updates of the progress bar.
CHUNK = 256


@dataclass(frozen=True)
class ModelEvaluation:
    """The figures of a model on a split.

    Parameters
    ----------
    model : str
        Its file.
    metrics : Metrics
        On all images.
    without_copies : Metrics, optional
        On those that do not occur, pixel for pixel, among the training images; None if these
        were not given, or all occur.
    probabilities : ndarray of float32, shape (n, classes)
        Face by face.
    milliseconds : float
        Median time for one face alone, from gray levels to probabilities.
    size : int
        Bytes of the file.
    copies : int, optional
        Images that occur among the training images; None if these were not given.
    assumptions : str, optional
        What was assumed of a model that fer did not write.
    unreadable : mapping of str to str
        Images of the split that were left out, and why.
    """

    model: str
    metrics: Metrics
    without_copies: Metrics | None
    probabilities: NDArray[np.float32]
    milliseconds: float
    size: int
    copies: int | None = None
    assumptions: str | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values; what is not a number is None."""
        again = self.without_copies
        return {
            "model": self.model,
            **_plain(self.metrics),
            "without_copies": _plain(again) if again else None,
            "milliseconds_a_face": round(self.milliseconds, 3),
            "bytes": self.size,
            "assumptions": self.assumptions,
            "unreadable": dict(self.unreadable),
        }

    def to_text(self) -> str:
        """Return the figures as tables."""
        rows = [
            (figure.name, figure.support, figure.precision, figure.recall, figure.f1)
            for figure in self.metrics.classes
        ]
        lines = [
            format_table(("class", "images", "precision", "recall", "F1"), rows),
            "",
            _summary(self.metrics),
            *_copies(self),
            *unreadable_lines(self.unreadable),
            f"{self.milliseconds:.2f} ms a face, {self.size / 1e6:.1f} MB: {self.model}",
        ]
        return "\n".join(lines)

    def _repr_png_(self) -> bytes:
        """Draw the confusion table, for Jupyter."""
        from fercli.common.drawing import png_of, save_plot

        figure = draw_confusion(self.metrics, self.model)
        return png_of(lambda path: save_plot(figure, path))


def evaluate(
    model: Model,
    faces: Faces,
    *,
    average: str = "none",
    training: Faces | None = None,
    progress: Progress = SILENT,
) -> ModelEvaluation:
    """Run a model on labeled faces and measure its answers.

    Parameters
    ----------
    model : Model
        What is measured.
    faces : Faces
        Labeled images, with the model's classes.
    average : str
        One of `AVERAGES`: over which versions of a face the probabilities are averaged.
    training : Faces, optional
        If given, the measures are also taken without images that occur among these.
    progress : Progress
        A bar.
    """
    probabilities = classify_all(model, faces, average, progress)
    new = ~copies(faces, training) if training else None
    return ModelEvaluation(
        model=str(model.path),
        metrics=measure(probabilities, faces.labels, faces.classes),
        without_copies=None if new is None else _measure_new(probabilities, faces, new),
        probabilities=probabilities,
        milliseconds=time_one_face(model, faces),
        size=model.path.stat().st_size,
        copies=None if new is None else int(np.count_nonzero(~new)),
        assumptions=describe_assumptions(model.card, model.path),
        unreadable=faces.unreadable,
    )


def classify_all(
    model: Model, faces: Faces, average: str = "none", progress: Progress = SILENT
) -> NDArray[np.float32]:
    """Return probabilities of all faces, shape (n, classes)."""
    versions = AVERAGES[average](model)
    rows = []
    with progress.bar("classifying", total=len(faces), unit="face") as bar:
        for start in range(0, len(faces), CHUNK):
            indices = np.arange(start, min(start + CHUNK, len(faces)))
            pixels = faces.take(indices)
            answers = [model.classify(version(pixels)) for version in versions]
            rows.append(np.mean(answers, axis=0))
            bar.advance(len(indices))
    return np.concatenate(rows)


def time_one_face(model: Model, faces: Faces, repeats: int = 50) -> float:
    """Return the median time in milliseconds that one face takes."""
    face = faces.take(np.arange(1))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.classify(face)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1000


def _measure_new(
    probabilities: NDArray[np.float32], faces: Faces, new: NDArray[np.bool_]
) -> Metrics | None:
    if not new.any():
        return None
    return measure(probabilities[new], faces.labels[new], faces.classes)


def copies(faces: Faces, training: Faces) -> NDArray[np.bool_]:
    """Return for each face whether it occurs, pixel for pixel, among the training images."""
    known = set(_fingerprints(training))
    return np.array([fingerprint in known for fingerprint in _fingerprints(faces)])


def _fingerprints(faces: Faces) -> list[int]:
    return [hash(faces.take(np.array([at])).tobytes()) for at in range(len(faces))]


def _same(pixels: Pixels) -> Pixels:
    return pixels


def _mirrored(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _shifted(x: int, y: int, mirror: bool) -> Callable[[Pixels], Pixels]:
    """Return a function that shifts faces by pixels, repeating their edges."""

    def shift(pixels: Pixels) -> Pixels:
        rows = np.clip(np.arange(pixels.shape[1]) - y, 0, pixels.shape[1] - 1)
        columns = np.clip(np.arange(pixels.shape[2]) - x, 0, pixels.shape[2] - 1)
        moved = pixels[:, rows][:, :, columns]
        return _mirrored(moved) if mirror else moved

    return shift


def _ten(model: Model) -> list[Callable[[Pixels], Pixels]]:
    """Return the middle and the four corners, each as it is and mirrored.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural
    networks", NeurIPS 2012, section 4.1.
    """
    card = model.card
    side = min(card.size_wh)
    # A model that sees the whole image is shown it shifted a little.
    step = (side - (card.crop or side)) // 2 or max(side // 24, 1)
    shifts = [(0, 0), *((x, y) for x in (-step, step) for y in (-step, step))]
    return [_shifted(x, y, mirror) for x, y in shifts for mirror in (False, True)]


#: Over which versions of a face probabilities are averaged.
AVERAGES: dict[str, Callable[[Model], Sequence[Callable[[Pixels], Pixels]]]] = {
    "none": lambda model: [_same],
    "flip": lambda model: [_same, _mirrored],
    "ten": _ten,
}


def surest_mistakes(evaluation: ModelEvaluation, faces: Faces, most: int = 40) -> list[int]:
    """Return the indices of wrong answers, those of the highest probability first."""
    probabilities = evaluation.probabilities
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != faces.labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return [int(at) for at in wrong[order[:most]]]


def draw_confusion(metrics: Metrics, title: str) -> Any:
    """Return a figure with the confusion table as counts and as shares of each row."""
    from matplotlib.figure import Figure

    names = [figure.name for figure in metrics.classes]
    table = metrics.confusion
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 0.75 * len(names))
    figure = Figure(figsize=(2 * side + 1, side + 0.6), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    for axes, values, form in zip(
        figure.subplots(1, 2), (table, shares), ("{:d}", "{:.0%}"), strict=True
    ):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("taken for")
        axes.set_ylabel("truth")
        for (row, column), value in np.ndenumerate(values):
            color = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, form.format(value), ha="center", va="center", color=color)
    return figure


def draw_mistakes(evaluation: ModelEvaluation, faces: Faces, most: int = 40) -> Any:
    """Return a figure of the surest mistakes: what each is, and what it was taken for."""
    from matplotlib.figure import Figure

    chosen = surest_mistakes(evaluation, faces, most)
    columns = 8
    rows = max(-(-len(chosen) // columns), 1)
    figure = Figure(figsize=(1.5 * columns, 1.9 * rows + 0.4), layout="constrained")
    figure.suptitle("the surest mistakes: truth → taken for", x=0.01, ha="left", fontweight="bold")
    for place, axes in enumerate(np.atleast_1d(figure.subplots(rows, columns)).flat):
        axes.axis("off")
        if place >= len(chosen):
            continue
        at = chosen[place]
        answer = evaluation.probabilities[at]
        taken = int(answer.argmax())
        image = faces.take(np.array([at]))[0]
        gray = image if image.shape[2] == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        axes.imshow(gray)
        truth, name = faces.classes[faces.labels[at]], faces.classes[taken]
        axes.set_title(f"{truth} →\n{name} {answer[taken]:.0%}", fontsize=8)
    return figure


# Evaluations from files: models by name, images from a tree.


def evaluate_files(
    names: Sequence[str],
    data: Path,
    split: str | None = None,
    *,
    settings: ModelSettings | None = None,
    average: str = "none",
    check_copies: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Faces, list[ModelEvaluation]]:
    """Measure models on a split of a tree; return the faces for the first, and the measures.

    `settings` are as in `fercli.models.catalog.open_models`, `split` as in
    `fercli.models.labeled_faces.read_measured`.

    Raises
    ------
    InputError, OptionError
        A model or a split is not there, or their classes do not fit.
    """
    tree = read_tree(data)
    models = open_models(names, settings, progress)
    for model in models:
        require_classes(model, tree.classes)
    results = []
    kept = []
    for model in models:
        read = partial(read_measured, tree, card=model.card, workers=workers, progress=progress)
        faces = read(split)
        training = read("train") if check_copies else None
        results.append(
            evaluate(model, faces, average=average, training=training, progress=progress)
        )
        kept.append(faces)
    return kept[0], results


# An evaluation as text, as JSON and as images.


def comparison(evaluations: Sequence[ModelEvaluation]) -> str:
    """Return several models as one table."""
    headers = ("model", "accuracy", "balanced", "F1", "log loss", "calibration error")
    rows = [
        (
            one.model,
            one.metrics.accuracy,
            one.metrics.balanced_accuracy,
            one.metrics.macro_f1,
            one.metrics.log_loss,
            one.metrics.calibration_error,
            one.milliseconds,
            one.size / 1e6,
        )
        for one in evaluations
    ]
    return format_table((*headers, "ms a face", "MB"), rows)


def write_report(
    out: Path, evaluation: ModelEvaluation, faces: Faces, *, overwrite: bool
) -> list[Path]:
    """Write report.json, confusion.png and mistakes.png into a folder and return them."""
    paths = require_no_report(out, overwrite=overwrite)
    make_folder(out)
    text = json.dumps(evaluation.to_dict(), indent=2, ensure_ascii=False)
    write_text(paths[0], text + "\n", overwrite=overwrite, errors="backslashreplace")
    title = (
        f"accuracy {evaluation.metrics.accuracy:.1%} on {counted(evaluation.metrics.count, 'face')}"
    )
    save_plot(draw_confusion(evaluation.metrics, title), paths[1], overwrite=overwrite)
    save_plot(draw_mistakes(evaluation, faces), paths[2], overwrite=overwrite)
    return paths


def require_no_report(out: Path, *, overwrite: bool) -> list[Path]:
    """Return the files of a report; raise `OutputExistsError` for what may not be replaced."""
    paths = [out / name for name in (REPORT, CONFUSION, MISTAKES)]
    for path in paths:
        require_absent(path, overwrite=overwrite)
    return paths


def _copies(evaluation: ModelEvaluation) -> list[str]:
    new = evaluation.without_copies
    if new:
        copies = counted(evaluation.copies or 0, "copy", "copies")
        return [f"without {copies} of training images: accuracy {new.accuracy:.4f} on {new.count}"]
    if evaluation.copies:
        return ["each image is a copy of a training image"]
    return []


def _summary(metrics: Metrics) -> str:
    return (
        f"accuracy {metrics.accuracy:.4f} on {counted(metrics.count, 'image')}, balanced "
        f"{metrics.balanced_accuracy:.4f}, F1 {metrics.macro_f1:.4f}, log loss "
        f"{metrics.log_loss:.4f}, calibration error {metrics.calibration_error:.4f}"
    )


def _plain(metrics: Metrics) -> dict[str, Any]:
    content = asdict(metrics)
    content["confusion"] = metrics.confusion.tolist()
    cleaned: dict[str, Any] = _without_nan(content)
    return cleaned


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
