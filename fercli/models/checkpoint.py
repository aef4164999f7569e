"""Checkpoints: the whole state of a training in one file, from which it is resumed.

One ``.npz`` file holds the weights, the optimizer's state, the random state of dropout, the epoch
and the history. It is replaced whole after each epoch, so that a kill at any moment leaves one
that is consistent.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import InputError, TrainingError
from fercli.common.files import atomic_write, input_error, parse_json, write_text

if TYPE_CHECKING:
    from keras import Model


#: What is known of each epoch.
FIGURES = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds")


@dataclass
class State:
    """How far a training is.

    Parameters
    ----------
    epoch : int
        Epochs that are done.
    history : list of dict
        The figures of each.
    """

    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def best(self, monitor: str) -> dict[str, float] | None:
        """Return the figures of the best epoch, the first of equals; None before the first."""
        sign = -1 if monitor.endswith("loss") else 1
        return max(self.history, key=lambda row: sign * row[monitor], default=None)


def write_checkpoint(
    path: Path, model: Model, state: State, images: Mapping[str, Any] | None = None
) -> None:
    """Write the model's and its optimizer's variables, the state of the training and its images.

    `images` is what `fercli.models.labeled_faces.identify` returns.
    """
    arrays = {f"{at:04d}": np.asarray(value) for at, value in enumerate(_values(model))}
    about: dict[str, Any] = {
        "architecture": model.name,
        "epoch": state.epoch,
        "history": state.history,
    }
    if images is not None:
        about["images"] = dict(images)
    with atomic_write(path, overwrite=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **{"about": np.array(json.dumps(about)), **arrays})  # type: ignore[arg-type]


def read_checkpoint(path: Path, model: Model) -> State:
    """Give the model and its optimizer the variables in a checkpoint; return the state.

    Raises
    ------
    TrainingError
        The checkpoint is of another architecture, size or number of classes, or of another
        optimizer.
    InputError
        The file cannot be read.
    """
    with _opened(path) as (about, stored):
        state = _state(about)
        arrays = [np.array(stored[name]) for name in sorted(set(stored.files) - {"about"})]
    _assign(model, arrays, about["architecture"], path)
    return state


def epoch_of(path: Path) -> int:
    """Return after which epoch a checkpoint was written.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    with _opened(path) as (about, _):
        return _state(about).epoch


def images_of(path: Path) -> dict[str, Any] | None:
    """Return the `images` that `write_checkpoint` got; None in a file of an older version.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    with _opened(path) as (about, _):
        return about.get("images")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """Give the description in a checkpoint and the open ``.npz`` file, whose arrays load on use.

    Errors of reading within the context become an `InputError`.
    """
    try:
        # NumPy leaves a file that it cannot read open, unless it is given one that is.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            yield _about(parse_json(str(stored["about"]))), stored
    except OSError as error:
        raise input_error(error, path) from error
    except Exception as error:  # NumPy's reader raises what its parts do, of zlib's errors on
        raise InputError(
            "The file is not a checkpoint of a training",
            hint="use --overwrite to start the training anew",
            path=path,
        ) from error


def _about(about: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(about["architecture"], str):
        raise ValueError("the name of the architecture is missing")
    if not isinstance(about.get("images", {}), dict):
        raise ValueError("the entry 'images' is not a mapping")
    return about


def _state(about: Mapping[str, Any]) -> State:
    rows = [{str(name): float(value) for name, value in row.items()} for row in about["history"]]
    if any(name not in row for row in rows for name in FIGURES):
        raise ValueError(f"an epoch lacks one of {', '.join(FIGURES)}")
    if not 0 <= int(about["epoch"]) == len(rows):
        raise ValueError(f"{about['epoch']} epochs but figures of {len(rows)}")
    return State(int(about["epoch"]), rows)


def _assign(model: Model, arrays: list[NDArray[Any]], architecture: str, path: Path) -> None:
    variables = _variables(model)
    expected = [tuple(variable.shape) for variable in variables]
    if architecture != model.name or expected != [array.shape for array in arrays]:
        raise TrainingError(
            f"The checkpoint is of {architecture} with other options, not of {model.name} with "
            "these",
            hint="use the options it was made with, another --out, or --overwrite to start anew",
            path=path,
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _values(model: Model) -> list[Any]:
    from fercli.models.backend import load_keras

    ops = load_keras().ops
    return [ops.convert_to_numpy(variable) for variable in _variables(model)]


def _variables(model: Model) -> list[Any]:
    """Return weights, random state and the optimizer's variables, in an order that is fixed."""
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in metrics]
    return [*own, *model.optimizer.variables]


# The history of a training, as CSV and as curves.


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

    from fercli.common.drawing import new_plots, save_plot

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
