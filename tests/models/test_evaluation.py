from types import SimpleNamespace

import numpy as np
import pytest

from fercli.models.evaluation import AVERAGES
from fercli.models.model_card import ModelCard


@pytest.mark.parametrize(("crop", "step"), [(40, 4), (48, 2), (None, 2)])
def test_ten_versions_are_ten_for_whole_images_too(crop, step):
    model = SimpleNamespace(card=ModelCard(("a", "b"), (48, 48), crop=crop))
    image = np.random.default_rng(0).integers(0, 256, (1, 48, 48), np.uint8)
    versions = [version(image) for version in AVERAGES["ten"](model)]
    assert len({version.tobytes() for version in versions}) == 10
    assert (versions[0] == image).all()
    assert (versions[1] == image[:, :, ::-1]).all()
    assert (versions[2][:, :-step, :-step] == image[:, step:, step:]).all()
