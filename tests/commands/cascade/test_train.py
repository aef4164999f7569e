"""The command line of ``fer cascade train``; what the engines do is tested beside them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.cascade import HAAR_MODES
from fercli.cascade.model import bundled_cascade
from fercli.cascade.training.engines import DEFAULT, ENGINES, engine_there, find_engine
from fercli.cascade.training.options import CascadeTrainingOptions
from fercli.commands.cascade import train as command
from fercli.common.errors import OptionError
from fercli.common.recipes import write_recipe


def test_modes_are_those_of_the_library():
    choice = next(one for one in command.train.params if one.name == "mode").type
    assert tuple(choice.choices) == HAAR_MODES


def test_the_command_knows_all_engines(fer):
    assert tuple(ENGINES) == command.ENGINES
    assert f"[default: {DEFAULT}]" in fer("cascade", "train", "--help").out


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_has_what_it_needs(name):
    engine = find_engine(name)
    assert all(callable(f) for f in (engine.train, engine.finish, engine.options_there))


def test_an_unknown_engine_is_named():
    with pytest.raises(OptionError, match="`engine`: expected native or opencv, got 'other'"):
        find_engine("other")


def test_a_folder_tells_its_engine(tmp_path):
    assert engine_there(tmp_path) == DEFAULT
    (tmp_path / "params.xml").touch()
    assert engine_there(tmp_path) == "opencv"
    (tmp_path / "recipe.toml").write_text('engine = "native"\n')
    assert engine_there(tmp_path) == "native"


def test_features_that_no_opencv_loads_are_refused_with_the_reason(fer, tmp_path):
    result = fer("cascade", "train", "--feature-type", "HOG", "--out", tmp_path / "out")
    assert result.status == 2
    assert "OpenCV cannot load cascades of HOG features since 3.0" in result.err


def test_upper_and_lower_case_are_the_same(fer, tmp_path):
    result = fer("cascade", "train", "--feature-type", "lbp", "--boost-type", "gab",
                 "--out", tmp_path / "out")  # fmt: skip
    assert result.status == 1
    assert "--bg is missing" in result.err


@pytest.mark.parametrize("engine", ENGINES)
def test_resume_and_overwrite_contradict_each_other(fer, tmp_path, engine):
    result = fer("cascade", "train", "--resume", "--overwrite", "--engine", engine,
                 "--out", tmp_path / "out")  # fmt: skip
    assert result.status == 1
    assert "--resume and --overwrite cannot be used together" in result.err


def test_a_recipe_with_a_key_that_is_no_option_is_refused(fer, tmp_path):
    (tmp_path / "recipe.toml").write_text('num-stage = 3\nvec = "a.vec"\n')
    result = fer("cascade", "train", "--recipe", tmp_path / "recipe.toml", "--out", tmp_path)
    assert result.status == 1
    assert "recipe.toml: num-stage is not an option of this command; try" in result.err
    assert result.err.endswith("try: num-stages\n")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("stages", [0, -1])
def test_to_finish_less_than_a_stage_is_refused(fer, tmp_path, engine, stages):
    result = fer("cascade", "train", "--finish", "--engine", engine, "--stages", stages,
                 "--out", tmp_path)  # fmt: skip
    assert result.status == 1
    assert f"--stages: expected 1 or more, got {stages}" in result.err


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('size = "16"', "recipe.toml: size: expected WIDTHxHEIGHT such as 24x24, got '16'"),
        ("bg = 5", "recipe.toml: bg: expected a path, got 5"),
        ("max-depth = 1.5", "recipe.toml: max-depth: expected a whole number, got 1.5"),
        ("stages = true", "recipe.toml: stages: expected a whole number, got true"),
    ],
)
def test_a_folder_whose_recipe_was_spoilt_is_not_resumed(fer, tmp_path, engine, line, message):
    (tmp_path / "recipe.toml").write_text(f'engine = "{engine}"\n{line}\n')
    result = fer("cascade", "train", "--resume", "--out", tmp_path)
    assert result.status == 1
    assert message in result.err


def test_a_folder_whose_recipe_was_spoilt_is_not_finished(fer, tmp_path):
    (tmp_path / "recipe.toml").write_text('validation = "0"\n')
    result = fer("cascade", "train", "--finish", "--out", tmp_path)
    assert result.status == 1
    assert "recipe.toml: validation: expected a number, got '0'" in result.err


@pytest.mark.parametrize("text", ["num-stages = 0", "num_stages = 0", "json = true\nstages = 0"])
def test_a_recipe_takes_every_long_name(fer, tmp_path, text):
    (tmp_path / "recipe.toml").write_text(f'{text}\nquiet = true\nvec = "a.vec"\nbg = "bg"\n')
    result = fer("cascade", "train", "--recipe", tmp_path / "recipe.toml", "--out", tmp_path)
    assert "--stages: expected 1 or more, got 0" in result.err


def test_all_that_a_folder_holds_is_read_as_a_recipe(fer, tmp_path):
    options = CascadeTrainingOptions.from_options({"vec": "a.vec", "bg": "b", "size": (20, 16)})
    known = {**options.to_options(), "mirror": True, "memory": 99, "engine": "native"}
    write_recipe(tmp_path / "recipe.toml", known)
    result = fer("cascade", "train", "--recipe", tmp_path / "recipe.toml", "--out", tmp_path / "o")
    assert f"{Path('b').absolute()}: " in result.err  # the first that is looked for


def test_options_of_the_other_engine_are_refused(fer, tmp_path):
    result = fer("cascade", "train", "--engine", "opencv", "--seed", 3, "--vec", "a.vec",
                 "--bg", "bg.txt", "--out", tmp_path / "out")  # fmt: skip
    assert result.status == 1
    assert "--seed cannot be used with --engine opencv" in result.err


@pytest.mark.parametrize(
    ("value", "status", "message"),
    [
        ("[1]", 1, "recipe.toml: stages: expected a text or a number, got [1]"),
        ("1979-05-27", 1, ", got 1979-05-27"),
        ("{a = 1}", 1, ", got {'a': 1}"),
        ("true", 1, "stages: expected a text or a number, got true"),
        ("3\nmirror = [true]", 1, "mirror: expected true or false, got [True]"),
        ("inf", 2, "expected a whole number, got 'inf'"),
        ("2.5", 2, "expected a whole number, got '2.5'"),
    ],
)
def test_a_recipe_with_a_value_of_another_kind_is_refused(fer, tmp_path, value, status, message):
    (tmp_path / "recipe.toml").write_text(f"stages = {value}\n")
    result = fer("cascade", "train", "--recipe", tmp_path / "recipe.toml", "--out", tmp_path)
    assert result.status == status
    assert message in result.err


def test_a_recipe_may_give_a_size_in_numbers(fer, tmp_path):
    (tmp_path / "recipe.toml").write_text("size = [24, 20]\nmin-hit-rate = 0.9\n")
    cv2.imwrite(str(tmp_path / "scene.png"), np.zeros((40, 40), np.uint8))
    result = fer("cascade", "train", "--recipe", tmp_path / "recipe.toml", "--vec",
                 tmp_path / "none.vec", "--bg", tmp_path, "--out", tmp_path / "out")  # fmt: skip
    assert "none.vec" in result.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--old-format"], "--old-format"),
        (["--resume", "--overwrite"], "--resume, --overwrite"),
        (["--vec", "a.vec", "-j", 2, "--num-pos", 3], "--vec, --positives, --workers"),
    ],
)
def test_what_means_nothing_to_finish_is_refused(fer, tmp_path, words, named):
    result = fer("cascade", "train", "--finish", "--stages", 2, *words, "--out", tmp_path)
    assert result.status == 2
    assert f"--finish cannot be used with {named}\n" in result.err


def test_to_finish_a_recipe_may_say_what_it_likes(fer, tmp_path):
    (tmp_path / "recipe.toml").write_text('vec = "a.vec"\nstages = 3\n')
    words = ("--recipe", tmp_path / "recipe.toml", "--tools", tmp_path, "--engine", "native")
    result = fer("cascade", "train", "--finish", *words, "--out", tmp_path / "o", "--json", "-q")
    assert result.status == 1
    assert "no training with at least one finished stage" in result.err


@pytest.mark.parametrize("engine", [[], ["--engine", "native"], ["--engine", "opencv"]])
def test_to_resume_where_no_training_is_says_so(fer, tmp_path, engine):
    result = fer("cascade", "train", "--resume", "--out", tmp_path / "nowhere", *engine)
    assert result.status == 1
    assert f"{tmp_path / 'nowhere'}: There is no training to continue" in result.err
    assert "leave out --resume" in result.err
    assert not (tmp_path / "nowhere").exists()


def test_to_resume_with_other_features_names_the_features(fer, tmp_path, make_image):
    """The set of Haar features that is there is none of LBP's: it is not what contradicts."""
    make_image("scene.png")
    (tmp_path / "bg.txt").write_text("scene.png\n")
    given = {"bg": tmp_path / "bg.txt", "vec": "a.vec", "mode": "ALL"}
    options = CascadeTrainingOptions.from_options(given).to_options()
    write_recipe(tmp_path / "run/recipe.toml", {"engine": "native", **options})
    result = fer("cascade", "train", "--resume", "--feature-type", "LBP", "--out", tmp_path / "run")
    assert result.status == 1
    assert "other settings: --feature-type HAAR there, LBP here; --mode ALL there" in result.err


def test_a_cascade_with_all_stages_leaves_none_to_train(fer, tmp_path, make_image):
    make_image("scene.png")
    (tmp_path / "bg.txt").write_text("scene.png\n")
    result = fer("cascade", "train", "--vec", "a.vec", "--bg", tmp_path / "bg.txt", "--out",
                 tmp_path / "run", "--stages", 14, "--continue-from",
                 bundled_cascade())  # fmt: skip
    assert result.status == 1
    assert "There is no new stage to train" in result.err
    assert "try: set --stages to 15 or more" in result.err
