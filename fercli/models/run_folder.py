"""The folder of a training of a model: what is in it, and whether a training can go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from fercli.common.errors import OutputExistsError, TrainingError
from fercli.common.files import write_text
from fercli.common.recipes import read_recipe
from fercli.models.backend import load_keras
from fercli.models.checkpoint import images_of
from fercli.models.training_options import ModelTrainingOptions, to_recipe
from fercli.run_folder import RECIPE, RunFolder, changes, other_training, versions

CHECKPOINT = "checkpoint.npz"
BEST = "best.keras"
RESULT = "result.json"
HISTORY = "history.csv"
CURVES = "curves.png"


class ModelFolder(RunFolder):
    """The folder of a training of a model."""

    names = (CHECKPOINT, BEST, RECIPE, RESULT, HISTORY, CURVES)
    ignored = frozenset({"epochs", "patience", "stream", "tensorboard", "data", "workers"})

    def prepare(self, options: ModelTrainingOptions, data: Path, *, overwrite: bool) -> bool:
        """Return whether there is a training to go on with; if not, write the recipe of a new one.

        That of one to go on with is `go_on`'s to write, when its images are known.

        Raises
        ------
        TrainingError
            The training that is there has other options.
        OutputExistsError
            There is a model, but no checkpoint to go on from.
        """
        self.clean_up()
        recipe, checkpoint = _recipe(options, data), self.path / CHECKPOINT
        if checkpoint.exists() and not overwrite:
            different = self._changes(recipe)
            if different:
                raise other_training(self.path, different.values(), resumable=False)
            return True
        if not overwrite:
            self._require_no_model(recipe)
        checkpoint.unlink(missing_ok=True)
        self.write_recipe(recipe)
        return False

    def go_on(self, options: ModelTrainingOptions, data: Path, images: Mapping[str, Any]) -> None:
        """Write the recipe of a training that goes on, which the tree may have been moved for.

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
            The training that is there has other classes or labels.
        InputError
            The checkpoint cannot be read.
        """
        before = images_of(self.path / CHECKPOINT)
        other = [name for name in images if before is not None and before.get(name) != images[name]]
        if other:
            raise TrainingError(
                f"The folder holds a training with other {' and '.join(other)} than {data} has",
                hint="use the same --data to continue it, another --out, or --overwrite to start "
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

    def _require_no_model(self, recipe: Mapping[str, Any]) -> None:
        """Raise if there is a model, but for one of this training, killed before its checkpoint."""
        if not any((self.path / name).exists() for name in (BEST, RESULT)):
            return
        ended = (self.path / RESULT).exists() or not self.recipe.exists()
        if ended or self._changes(recipe):
            raise OutputExistsError(
                "The folder holds a model already", hint="use --overwrite", path=self.path
            )

    def _changes(self, recipe: Mapping[str, Any]) -> dict[str, str]:
        # A recipe that an older fer wrote lacks newer options, which had no other value then.
        before = {**to_recipe(ModelTrainingOptions()), **read_recipe(self.recipe, recipe.keys())}
        return changes(_known(before), _known(recipe), self.ignored)


def _known(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in recipe.items() if value is not None}


def _recipe(options: ModelTrainingOptions, data: Path) -> dict[str, Any]:
    return {**to_recipe(options), "data": str(data)}
