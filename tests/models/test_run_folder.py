from pathlib import Path

import pytest

from fercli.common.errors import TrainingError
from fercli.models.run_folder import CHECKPOINT, ModelFolder
from fercli.models.training_options import ModelTrainingOptions, to_recipe


def test_a_recipe_of_an_older_version_lacks_newer_options(tmp_path):
    now = to_recipe(ModelTrainingOptions(epochs=9))
    newer = ("cutmix", "frozen_epochs")
    folder = ModelFolder(tmp_path)
    folder.write_recipe({"data": "tree", **{n: v for n, v in now.items() if n not in newer}})
    (tmp_path / CHECKPOINT).touch()
    assert folder.prepare(ModelTrainingOptions(), Path("other"), overwrite=False)
    with pytest.raises(TrainingError, match=r"other settings: `cutmix` 0\.0 there, 0\.5 here"):
        folder.prepare(ModelTrainingOptions(cutmix=0.5), Path("tree"), overwrite=False)
