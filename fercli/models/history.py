"""The history of a training: a CSV line and a point of two curves for each epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from fercli.files import write_text

History = Sequence[dict[str, float]]


def write_history(path: Path, history: History) -> None:
    """Write one line an epoch, replacing what is there."""
    text = io.StringIO()
    names = list(history[0]) if history else ["epoch"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rounded(row) for row in history)
    write_text(path, text.getvalue(), overwrite=True)


def draw_curves(path: Path, history: History, title: str) -> None:
    """Draw loss above accuracy, of training and of validation, replacing what is there."""
    from fercli.plots import new_plot, save_plot

    figure, lower = new_plot("", "epoch", "accuracy", size_inches=(7.0, 7.0))
    figure.clear()
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.set_title(title, loc="left", fontweight="bold")
    epochs = [row["epoch"] for row in history]
    for axes, name in ((upper, "loss"), (lower, "accuracy")):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            axes.plot(epochs, [row[key] for row in history], label=label, marker=".")
        axes.set_ylabel(name)
        axes.grid(color="#dddddd", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    upper.legend(frameon=False)
    lower.set_xlabel("epoch")
    save_plot(figure, path, overwrite=True)


def _rounded(row: dict[str, float]) -> dict[str, float | int | str]:
    return {name: int(v) if float(v).is_integer() else f"{v:.6g}" for name, v in row.items()}
