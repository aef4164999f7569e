"""The history of a training: a CSV line and a point of two curves for each epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from fercli.common.files import write_text

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
    """Draw loss beside accuracy, of training and of validation, replacing what is there."""
    from matplotlib.ticker import MaxNLocator

    from fercli.common.plots import new_plots, save_plot

    labels = [(title, "epoch", "loss"), ("", "epoch", "accuracy")]
    figure, plots = new_plots(labels, size_inches=(5.5, 4.5))
    epochs = [row["epoch"] for row in history]
    for axes, name in zip(plots, ("loss", "accuracy"), strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            axes.plot(epochs, [row[key] for row in history], label=label, marker=".")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plots[0].legend(frameon=False)
    save_plot(figure, path, overwrite=True)


def _rounded(row: dict[str, float]) -> dict[str, float | int | str]:
    return {name: int(v) if float(v).is_integer() else f"{v:.6g}" for name, v in row.items()}
