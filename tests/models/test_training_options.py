import tomllib

import pytest

from fercli.common.errors import OptionError
from fercli.common.recipes import bundled_recipes
from fercli.models.training_options import (
    SCHEDULES,
    ModelTrainingOptions,
    RateOptions,
    check_options,
    learning_rate,
    to_recipe,
)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", {10: 1, 60: 1, 110: 1}),
        ("cosine", {10: 1, 60: 0.5, 110: 0}),
        ("linear", {10: 1, 60: 0.5, 110: 0}),
        ("trapezoid", {10: 1, 76: 1, 85: 0.75, 110: 0}),
        # 0.04 at first, halfway up after 15 of 100 steps, up after 30, halfway down after 65.
        ("onecycle", {10: 0.04, 25: 0.52, 40: 1, 75: 0.5, 110: 0}),
        ("steps", {10: 1, 59: 1, 61: 0.1, 86: 0.01}),
    ],
)
def test_shapes(schedule, expected):
    rate = learning_rate(RateOptions(0.2, schedule, 10, 110))
    for step, share in expected.items():
        assert float(rate(step)) == pytest.approx(0.2 * share, abs=1e-6), step


@pytest.mark.parametrize("schedule", sorted(set(SCHEDULES) - {"onecycle"}))
def test_all_warm_up(schedule):
    rate = learning_rate(RateOptions(1.0, schedule, 10, 1000))
    assert [float(rate(step)) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0], rel=1e-3)


@pytest.mark.parametrize(
    ("chosen", "decay"),
    [({}, 5e-4), ({"optimizer": "adamw"}, 5e-4), ({"optimizer": "adam"}, 0.0),
     ({"optimizer": "adam", "weight_decay": 0.0}, 0.0), ({"weight_decay": 0.0}, 0.0),
     ({"optimizer": "adamw", "weight_decay": 0.01}, 0.01)],
)  # fmt: skip
def test_adam_has_no_weight_decay(chosen, decay):
    options = ModelTrainingOptions(**chosen)
    check_options(options)
    assert options.decay == to_recipe(options)["weight_decay"] == decay


def test_adam_with_a_weight_decay_is_adamw():
    with pytest.raises(OptionError, match=r"adam has none, got 0\.01; try: set `optimizer`"):
        check_options(ModelTrainingOptions(optimizer="adam", weight_decay=0.01))


def test_recipes_of_older_projects_mean_what_they_did():
    """They all name adam, and none of them decays."""
    for name, path in bundled_recipes("models").items():
        recipe = tomllib.loads(path.read_text())
        if recipe.get("optimizer") == "adam":
            assert recipe["weight-decay"] == 0.0, name
