"""The folder of a training of a model: what is in it, and whether a training continues from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from fercli.common.errors import TrainingError
from fercli.common.files import write_text
from fercli.models.backend import load_keras
from fercli.models.checkpoint import images_of
from fercli.models.training_options import ModelTrainingOptions, to_recipe
from fercli.run_folder import RECIPE, RunFolder, versions

CHECKPOINT = "checkpoint.npz"
BEST = "best.keras"
RESULT = "result.json"
HISTORY = "history.csv"
CURVES = "curves.png"


class ModelFolder(RunFolder):
    """The folder of a training of a model."""

    names = (CHECKPOINT, BEST, RECIPE, RESULT, HISTORY, CURVES)
    ignored = frozenset({"epochs", "patience", "stream", "tensorboard", "data", "workers"})

    @property
    def ended(self) -> bool:
        """Whether there is a model, but no checkpoint to continue from."""
        return (self.path / RESULT).exists() and not (self.path / CHECKPOINT).exists()

    def read_recipe(self) -> dict[str, Any] | None:
        """Return the settings of the training that is there, by option; None without one.

        A recipe that an older fer wrote lacks newer options, which had no other value then.
        """
        there = super().read_recipe()
        return None if there is None else {**to_recipe(ModelTrainingOptions()), **there}

    def prepare(self, options: ModelTrainingOptions, data: Path, *, overwrite: bool) -> bool:
        """Return whether there is a training to continue; if not, write the recipe of a new one.

        That of one to continue is `continue_with`'s to write, when its images are known. Errors as
        `may_continue`.
        """
        self.clean_up()
        recipe = _recipe(options, data)
        if self.may_continue(recipe, overwrite=overwrite) and (self.path / CHECKPOINT).exists():
            return True
        for name in (CHECKPOINT, RESULT):
            (self.path / name).unlink(missing_ok=True)
        self.write_recipe(recipe)
        return False

    def continue_with(
        self, options: ModelTrainingOptions, data: Path, images: Mapping[str, Any]
    ) -> None:
        """Write the recipe of a training that is continued, perhaps on a tree that was moved.

        Parameters
        ----------
        options : ModelTrainingOptions
        data : Path
            The tree.
        images : mapping
            Its `fercli.models.labeled_faces.identify`.

        Raises
        ------
        TrainingError
            The training that is there has other classes, labels or images.
        InputError
            The checkpoint cannot be read.
        """
        # What an older fer did not note is taken to be the same.
        before = images_of(self.path / CHECKPOINT) or {}
        other = [name for name in images if before.get(name, images[name]) != images[name]]
        if other:
            raise TrainingError(
                f"The folder holds a training with other {other[0]} than {data} has",
                hint="use the same `data` to continue it, another `out`, or `overwrite` to start "
                "anew",
                path=self.path,
            )
        self.write_recipe(_recipe(options, data))

    def write_result(self, about: Mapping[str, Any]) -> None:
        """Write what came of a training, with the versions of what it was made by."""
        keras = load_keras()
        backend = keras.backend.backend()
        used = versions({"keras": keras.__version__, backend: metadata.version(backend)})
        text = json.dumps({**about, "versions": used}, indent=2)
        write_text(self.path / RESULT, text + "\n", overwrite=True)


def _recipe(options: ModelTrainingOptions, data: Path) -> dict[str, Any]:
    return {**to_recipe(options), "data": str(data)}
