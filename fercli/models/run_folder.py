"""The folder of a training: what is in it, and whether a training can go on from it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from fercli import __version__
from fercli.common.errors import OutputExistsError, TrainingError
from fercli.common.files import write_text
from fercli.common.recipes import read_recipe, write_recipe
from fercli.common.work_folder import remove_unfinished
from fercli.models.backend import load_keras
from fercli.models.checkpoint import images_of
from fercli.models.training_options import ModelTrainingOptions, differences, to_recipe

CHECKPOINT = "checkpoint.npz"
BEST = "best.keras"
RECIPE = "recipe.toml"
RESULT = "result.json"
HISTORY = "history.csv"
CURVES = "curves.png"


def prepare_folder(
    out: Path, options: ModelTrainingOptions, data: Path, *, overwrite: bool
) -> bool:
    """Return whether there is a training to go on with; if not, write the recipe of a new one.

    That of one to go on with is `continue_folder`'s to write, when its images are known.

    Raises
    ------
    TrainingError
        The training that is there has other options.
    OutputExistsError
        There is a network, but no checkpoint to go on from.
    """
    remove_unfinished(out, (CHECKPOINT, BEST, RECIPE, RESULT, HISTORY, CURVES))
    recipe = _recipe(options, data)
    going_on = (out / CHECKPOINT).exists() and not overwrite
    if going_on:
        _require_same(out, recipe)
    else:
        if not overwrite:
            _require_no_network(out, recipe)
        (out / CHECKPOINT).unlink(missing_ok=True)
        write_recipe(out / RECIPE, recipe, overwrite=True)
    return going_on


def continue_folder(
    out: Path, options: ModelTrainingOptions, data: Path, images: Mapping[str, Any]
) -> None:
    """Write the recipe of a training that goes on, which the tree may have been moved for.

    Parameters
    ----------
    out : Path
        The folder, with a checkpoint.
    options : ModelTrainingOptions
    data : Path
        The tree.
    images : mapping
        Its `fercli.models.labeled_faces.identify`.

    Raises
    ------
    TrainingError
        The training that is there has other classes or labels.
    InputError
        The checkpoint cannot be read.
    """
    before = images_of(out / CHECKPOINT)
    other = [name for name in images if before is not None and before.get(name) != images[name]]
    if other:
        raise TrainingError(
            f"{out} holds a training with other {' and '.join(other)} than {data} has",
            hint="the same --data to go on, another --out, or --overwrite to start anew",
        )
    write_recipe(out / RECIPE, _recipe(options, data), overwrite=True)


def write_result(out: Path, about: Mapping[str, Any]) -> None:
    """Write what came of a training, with the versions of what it was made by."""
    text = json.dumps({**about, "versions": _versions()}, indent=2)
    write_text(out / RESULT, text + "\n", overwrite=True)


def _recipe(options: ModelTrainingOptions, data: Path) -> dict[str, Any]:
    return {**to_recipe(options), "data": str(data)}


def _require_no_network(out: Path, recipe: Mapping[str, Any]) -> None:
    """Raise if there is a network, but for one of this training, killed before its checkpoint."""
    if not any((out / name).exists() for name in (BEST, RESULT)):
        return
    ended = (out / RESULT).exists() or not (out / RECIPE).exists()
    if ended or _changed(out, recipe):
        raise OutputExistsError("holds a model already", hint="--overwrite", path=out)


def _changed(out: Path, recipe: Mapping[str, Any]) -> list[str]:
    before = read_recipe(out / RECIPE, recipe.keys())
    known = {name: value for name, value in recipe.items() if value is not None}
    return differences(before, known)


def _require_same(out: Path, recipe: Mapping[str, Any]) -> None:
    changed = _changed(out, recipe)
    if changed:
        raise TrainingError(
            f"{out} holds a training with other options: {', '.join(changed)}",
            hint="the same options to go on, another --out, or --overwrite to start anew",
        )


def _versions() -> dict[str, str]:
    keras = load_keras()
    backend = keras.backend.backend()
    return {
        "fer": __version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
        backend: metadata.version(backend),
    }
