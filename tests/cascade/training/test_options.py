from pathlib import Path

import pytest

from fercli.cascade.training.options import TrainingOptions
from fercli.common.errors import OptionError

GIVEN = {"vec": "faces.vec", "bg": "bg.txt"}


def test_defaults():
    options = TrainingOptions.from_options(GIVEN)
    assert options.vec == Path("faces.vec").absolute()
    assert options.size_wh == (24, 24)
    assert (options.haar_mode, options.stage.method, options.stages) == ("BASIC", "GAB", 20)
    assert options.jitter.copies == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bg": None}, "wanted --bg, found none"),
        ({"vec": None}, "by --vec or by --info, found neither"),
        ({"info": "info.dat"}, "by --vec or by --info, found both"),
        ({"size": (11, 24)}, "--size: wanted 12 to 64 pixels a side, found 11x24"),
        ({"size": (24, 65)}, "found 24x65"),
        ({"stages": 0}, "--stages: wanted 1 or more, found 0"),
        ({"positives": 10}, "--positives: wanted 11 or more, found 10"),
        ({"negatives": 1}, "--negatives: wanted 11 or more"),
        ({"seed": -1}, "--seed: wanted 0 or more, found -1"),
        ({"workers": 0}, "--workers: wanted 1 or more, found 0"),
        ({"memory": 0}, "--memory: wanted 1 or more, found 0"),
        ({"min_hit_rate": 1.0}, "--min-hit-rate: wanted more than 0 and less than 1, found 1"),
        ({"min_hit_rate": 0.0}, "--min-hit-rate"),
        ({"min_hit_rate": float("nan")}, "--min-hit-rate"),
        ({"max_false_alarm_rate": 1.0}, "--max-false-alarm-rate"),
        ({"max_false_alarm_rate": 0.0}, "--max-false-alarm-rate"),
        ({"min_hit_rate": 0.4}, "a hit rate above the false alarm rate, found --min-hit-rate 0.4"),
        ({"weight_trim_rate": 0.0}, "--weight-trim-rate"),
        ({"weight_trim_rate": 1.01}, "--weight-trim-rate"),
        ({"max_depth": 0}, "--max-depth: wanted 1 to 10, found 0"),
        ({"max_weak_count": 0}, "--max-weak-count"),
        ({"acceptance_ratio_break": 0.0}, "--acceptance-ratio-break"),
        ({"validation": 0.95}, "--validation: wanted a share from 0 to 0.9, found 0.95"),
        ({"feature_type": "LBP", "mode": "ALL"}, "--mode ALL: a choice of Haar features"),
        ({"feature_type": "HOG"}, "--feature-type: wanted HAAR or LBP, found HOG"),
        ({"boost_type": "XYZ"}, "--boost-type: wanted DAB or RAB or LB or GAB, found XYZ"),
        ({"variants": -1}, "--variants: wanted 0 to 1000, found -1"),
        ({"jitter_angle": 200.0}, "--jitter-angle: wanted 0 to 180, found 200"),
        ({"jitter_shift": 0.1}, "--jitter-shift 0.1: how variants differ, found --variants 0"),
        ({"value_buffer": 7}, "--value-buffer cannot be used with --engine native"),
    ],
)
def test_what_is_wrong_is_named(given, words):
    with pytest.raises(OptionError) as raised:
        TrainingOptions.from_options(GIVEN | given)
    assert words in str(raised.value)


def test_options_come_back_from_a_recipe():
    given = {"size": (20, 16), "mode": "ALL", "mirror": True, "variants": 3, "seed": 9}
    options = TrainingOptions.from_options(GIVEN | given)
    assert options.to_options()["size"] == "20x16"
    assert TrainingOptions.from_options(options.to_options()) == options


def test_lbp_has_no_mode():
    assert (
        TrainingOptions.from_options(GIVEN | {"feature_type": "LBP"}).to_options()["mode"] is None
    )


def test_ratio_that_all_stages_would_reach():
    options = TrainingOptions.from_options(GIVEN | {"stages": 3, "max_depth": 2})
    assert options.wanted_ratio == 0.5**3 / 2
    assert options.lowest_ratio == options.wanted_ratio
    given = {"stages": 3, "acceptance_ratio_break": 0.3}
    assert TrainingOptions.from_options(GIVEN | given).lowest_ratio == 0.3
