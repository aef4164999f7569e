"""The folder of a training: what is in it, and whether a training can go on from it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from fercli import __version__
from fercli.errors import OutputExistsError, TrainingError
from fercli.files import write_text
from fercli.models.backend import load_keras
from fercli.models.training_options import TrainingOptions, differences, to_recipe
from fercli.recipes import read_recipe, write_recipe
from fercli.working_folder import remove_unfinished

CHECKPOINT = "checkpoint.npz"
BEST = "best.keras"
RECIPE = "recipe.toml"
RESULT = "result.json"
HISTORY = "history.csv"
CURVES = "curves.png"


def prepare_folder(out: Path, options: TrainingOptions, data: Path, *, overwrite: bool) -> bool:
    """Return whether there is a training to go on with; if not, write the recipe of a new one.

    Raises
    ------
    TrainingError
        The training that is there has other options.
    OutputExistsError
        There is a network, but no checkpoint to go on from.
    """
    remove_unfinished(out, (CHECKPOINT, BEST, RECIPE, RESULT, HISTORY, CURVES))
    recipe = {**to_recipe(options), "data": str(data)}
    going_on = (out / CHECKPOINT).exists() and not overwrite
    if going_on:
        _require_same(out, recipe)
    else:
        if not overwrite:
            _require_no_network(out, recipe)
        (out / CHECKPOINT).unlink(missing_ok=True)
    write_recipe(out / RECIPE, recipe, overwrite=True)
    return going_on


def write_result(out: Path, about: Mapping[str, Any]) -> None:
    """Write what came of a training, with the versions of what it was made by."""
    text = json.dumps({**about, "versions": _versions()}, indent=2)
    write_text(out / RESULT, text + "\n", overwrite=True)


def _require_no_network(out: Path, recipe: Mapping[str, Any]) -> None:
    """Raise if there is a network, but for one of this training, killed before its checkpoint."""
    if not any((out / name).exists() for name in (BEST, RESULT)):
        return
    ended = (out / RESULT).exists() or not (out / RECIPE).exists()
    if ended or _changed(out, recipe):
        raise OutputExistsError("holds a network already", hint="--overwrite", path=out)


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
