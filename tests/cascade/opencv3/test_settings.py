from pathlib import Path

import pytest

from fercli.cascade.opencv3.settings import ProgramSettings
from fercli.common.errors import OptionError
from fercli.common.recipes import read_recipe, write_recipe

GIVEN = {"vec": Path("a.vec"), "bg": Path("bg.txt")}


def settings(**options):
    return ProgramSettings.from_options({**GIVEN, **options})


def test_paths_become_absolute():
    made = settings(tools=Path("bin"))
    assert (made.vec, made.bg, made.tools) == (
        Path.cwd() / "a.vec",
        Path.cwd() / "bg.txt",
        Path.cwd() / "bin",
    )


def test_what_is_none_keeps_its_default():
    assert settings(stages=None).stages == 20
    assert settings().mode == "BASIC"


def test_a_recipe_gives_the_settings_back(tmp_path):
    made = settings(size=(20, 16), min_hit_rate=0.999, mode="ALL", index_buffer=7)
    write_recipe(tmp_path / "recipe.toml", made.to_options())
    assert ProgramSettings.from_options(read_recipe(tmp_path / "recipe.toml")) == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vec": None}, "`vec` is missing"),
        ({"seed": 3}, "`seed` cannot be used with `engine` opencv"),
        ({"min_hit_rate": 1.0}, "`min_hit_rate`: expected more than 0 and less than 1, got 1;"),
        ({"min_hit_rate": float("nan")}, "`min_hit_rate`"),
        ({"max_false_alarm_rate": 0.0}, "`max_false_alarm_rate`"),
        ({"weight_trim_rate": 1.01}, "`weight_trim_rate`: expected more than 0 and at most 1"),
        ({"acceptance_ratio_break": 1.5}, "`acceptance_ratio_break`"),
        ({"stages": 0}, "`stages`: expected 1 or more, got 0"),
        ({"max_weak_count": -1}, "`max_weak_count`"),
        ({"workers": 0}, "`workers`: expected 1 or more, got 0"),
        ({"value_buffer": -1}, "`value_buffer`: expected 0 or more, got -1"),
        ({"size": (24, 2)}, "`size_wh`: expected 3 or more pixels a side, got 24x2"),
        ({"mode": "RINGS"}, "`mode`: expected BASIC, CORE or ALL, got RINGS"),
        ({"feature_type": "LBP", "mode": "ALL"}, "`mode` ALL chooses Haar features"),
        ({"feature_type": "LBP", "old_format": True}, "`old_format`"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        settings(**options)


def test_no_trimming_is_allowed():
    assert settings(weight_trim_rate=1.0).weight_trim_rate == 1.0
