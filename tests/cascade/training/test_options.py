from pathlib import Path

import pytest

from fercli.cascade.training.options import CascadeTrainingOptions
from fercli.common.errors import OptionError

GIVEN = {"vec": "faces.vec", "bg": "bg.txt"}


def test_defaults():
    options = CascadeTrainingOptions.from_options(GIVEN)
    assert options.vec == Path("faces.vec").absolute()
    assert options.size_wh == (24, 24)
    assert (options.haar_mode, options.stage.method, options.stages) == ("BASIC", "GAB", 20)
    assert options.jitter.copies == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bg": None}, "`bg` is missing"),
        ({"vec": None}, "Expected positives by `vec` or by `info`, got neither"),
        ({"info": "info.dat"}, "Expected positives by `vec` or by `info`, got both"),
        ({"size": (11, 24)}, "`size_wh`: expected 12 to 64 pixels a side, got 11x24"),
        ({"size": (24, 65)}, "got 24x65"),
        ({"stages": 0}, "`stages`: expected 1 or more, got 0"),
        ({"positives": 10}, "`positives`: expected 11 or more, got 10"),
        ({"negatives": 1}, "`negatives`: expected 11 or more"),
        ({"seed": -1}, "`seed`: expected 0 to 4294967295, got -1"),
        ({"workers": 0}, "`workers`: expected 1 or more, got 0"),
        ({"memory": 0}, "`memory`: expected 1 or more, got 0"),
        ({"min_hit_rate": 1.0}, "`min_hit_rate`: expected more than 0 and less than 1, got 1"),
        ({"min_hit_rate": 0.0}, "`min_hit_rate`"),
        ({"min_hit_rate": float("nan")}, "`min_hit_rate`"),
        ({"max_false_alarm_rate": 1.0}, "`max_false_alarm_rate`"),
        ({"max_false_alarm_rate": 0.0}, "`max_false_alarm_rate`"),
        ({"min_hit_rate": 0.4}, "`min_hit_rate` 0.4 must exceed `max_false_alarm_rate` 0.5"),
        ({"weight_trim_rate": 0.0}, "`weight_trim_rate`"),
        ({"weight_trim_rate": 1.01}, "`weight_trim_rate`"),
        ({"max_depth": 0}, "`max_depth`: expected 1 or more, got 0"),
        ({"max_depth": 11}, "`max_depth`: expected 1 to 10, got 11"),
        ({"max_weak_count": 0}, "`max_weak_count`"),
        ({"acceptance_ratio_break": 0.0}, "`acceptance_ratio_break`"),
        ({"budget_kb": 0}, "`budget_kb`: expected more than 0, got 0"),
        ({"budget_kb": 8, "nested_from": 3}, "`budget_kb` and `nested_from` cannot be used"),
        ({"validation": 0.95}, "`validation`: expected 0 to 0.9, got 0.95"),
        (
            {"feature_type": "LBP", "mode": "ALL"},
            "`mode` ALL chooses Haar features",
        ),
        ({"feature_type": "HOG"}, "`feature_type`: expected HAAR or LBP, got HOG"),
        ({"boost_type": "XYZ"}, "`boost_type`: expected DAB, RAB, LB or GAB, got XYZ"),
        ({"label": ("face",)}, "`label` chooses boxes of `info`"),
        ({"variants": -1}, "`variants`: expected 0 to 1000, got -1"),
        ({"jitter_angle": 200.0}, "`jitter_angle`: expected 0 to 180, got 200"),
        ({"jitter_shift": 0.1}, "`jitter_shift` 0.1 has no effect without `variants`"),
        ({"value_buffer": 7}, "`value_buffer` cannot be used with `engine` native"),
    ],
)
def test_what_is_wrong_is_named(given, words):
    with pytest.raises(OptionError) as raised:
        CascadeTrainingOptions.from_options(GIVEN | given)
    assert words in str(raised.value)


def test_options_come_back_from_a_recipe():
    given = {"size": (20, 16), "mode": "ALL", "mirror": True, "variants": 3, "seed": 9}
    options = CascadeTrainingOptions.from_options(GIVEN | given)
    assert options.to_options()["size"] == "20x16"
    assert CascadeTrainingOptions.from_options(options.to_options()) == options


def test_lbp_has_no_mode():
    assert (
        CascadeTrainingOptions.from_options(GIVEN | {"feature_type": "LBP"}).to_options()["mode"]
        is None
    )


def test_ratio_that_all_stages_would_reach():
    options = CascadeTrainingOptions.from_options(GIVEN | {"stages": 3, "max_depth": 2})
    assert options.wanted_ratio == 0.5**3 / 2
    assert options.lowest_ratio == options.wanted_ratio
    given = {"stages": 3, "acceptance_ratio_break": 0.3}
    assert CascadeTrainingOptions.from_options(GIVEN | given).lowest_ratio == 0.3
