"""An evaluation as text, as JSON and as images."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fercli.common.files import make_folder, require_absent, write_text
from fercli.common.plots import save_plot
from fercli.common.tables import format_table
from fercli.models.evaluation import Evaluation, draw_confusion, draw_mistakes
from fercli.models.labeled_faces import Faces
from fercli.models.metrics import Metrics

REPORT = "report.json"
CONFUSION = "confusion.png"
MISTAKES = "mistakes.png"


def to_text(evaluation: Evaluation) -> str:
    """Return the measures of one network as tables."""
    metrics = evaluation.metrics
    rows = [
        (figure.name, figure.support, figure.precision, figure.recall, figure.f1)
        for figure in metrics.classes
    ]
    lines = [
        format_table(("class", "images", "precision", "recall", "F1"), rows),
        "",
        _summary(metrics),
    ]
    lines += _copies(evaluation)
    lines.append(
        f"{evaluation.milliseconds:.2f} ms a face, {evaluation.size / 1e6:.1f} MB: "
        f"{evaluation.network}"
    )
    return "\n".join(lines)


def comparison(evaluations: Sequence[Evaluation]) -> str:
    """Return several networks as one table."""
    headers = ("network", "accuracy", "balanced", "F1", "log loss", "calibration error")
    rows = [
        (
            one.network,
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


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain values, for JSON; what is not a number is None."""
    again = evaluation.without_copies
    return {
        "network": evaluation.network,
        **_plain(evaluation.metrics),
        "without_copies": _plain(again) if again else None,
        "milliseconds_a_face": round(evaluation.milliseconds, 3),
        "bytes": evaluation.size,
    }


def write_report(out: Path, evaluation: Evaluation, faces: Faces, *, overwrite: bool) -> list[Path]:
    """Write report.json, confusion.png and mistakes.png into a folder and return them."""
    paths = require_no_report(out, overwrite=overwrite)
    make_folder(out)
    text = json.dumps(to_dict(evaluation), indent=2, ensure_ascii=False)
    write_text(paths[0], text + "\n", overwrite=overwrite, errors="backslashreplace")
    title = f"accuracy {evaluation.metrics.accuracy:.1%} on {evaluation.metrics.count} faces"
    save_plot(draw_confusion(evaluation.metrics, title), paths[1], overwrite=overwrite)
    save_plot(draw_mistakes(evaluation, faces), paths[2], overwrite=overwrite)
    return paths


def require_no_report(out: Path, *, overwrite: bool) -> list[Path]:
    """Return the files of a report; raise `OutputExistsError` for what may not be replaced."""
    paths = [out / name for name in (REPORT, CONFUSION, MISTAKES)]
    for path in paths:
        require_absent(path, overwrite=overwrite)
    return paths


def _copies(evaluation: Evaluation) -> list[str]:
    new = evaluation.without_copies
    if new:
        return [
            f"without {evaluation.copies} copies of training images: accuracy "
            f"{new.accuracy:.4f} on {new.count}"
        ]
    if evaluation.copies:
        return [f"all {evaluation.copies} images are copies of training images"]
    return []


def _summary(metrics: Metrics) -> str:
    return (
        f"accuracy {metrics.accuracy:.4f} on {metrics.count} images, balanced "
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
