import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from fercli.common.errors import InputError, RecipeError
from fercli.common.recipes import (
    bundled_recipes,
    find_recipe,
    read_given,
    read_recipe,
    recipe_title,
    typed_options,
    write_recipe,
)


def test_a_recipe_comes_back_as_it_was(tmp_path):
    write_recipe(tmp_path / "a.toml", {"max_depth": 2, "mode": "ALL", "none": None})
    assert read_recipe(tmp_path / "a.toml") == {"max_depth": 2, "mode": "ALL"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "Not a TOML file"),
        (f"a = {'9' * 5000}", "Not a TOML file"),
        ("a = " + 10_000 * "[", "Not a recipe: it is nested too deeply"),
        ("a." * 20_000 + "a = 1", "Expected a recipe of at most 16384 characters, got 40005"),
        ("dept = 1", "dept is not an option of this command; try: depth"),
        ("max-dept = 1", "max-dept is not an option of this command; try: max-depth"),
        ("max-depth = 1\nmax_depth = 2", "max-depth and max_depth are the same option"),
    ],
)
def test_what_is_no_recipe_is_named(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(tmp_path / "a.toml", ["depth", "max_depth"])


def test_an_option_may_have_several_names(tmp_path):
    (tmp_path / "a.toml").write_text("num-stages = 3\n")
    names = {"stages": "stages", "num_stages": "stages"}
    assert read_given(tmp_path / "a.toml", names) == {"stages": ("num-stages", 3)}
    (tmp_path / "a.toml").write_text("num-stages = 3\nstages = 3\n")
    with pytest.raises(RecipeError, match="num-stages and stages are the same option"):
        read_given(tmp_path / "a.toml", names)
    (tmp_path / "a.toml").write_text("other = 3\n")
    with pytest.raises(RecipeError, match=r"try: one of stages$"):
        read_given(tmp_path / "a.toml", names)


@dataclass
class Fields:
    """One of each type."""

    bg: Path | None = None
    size_wh: tuple[int, int] = (1, 1)
    depth: int = 1
    rate: float | None = 0.5
    mirror: bool = False
    kind: Literal["HAAR", "LBP"] | None = None


def test_values_of_their_types_are_taken():
    options = {"bg": "a", "size": "12x16", "depth": 2, "rate": 1, "mirror": True, "kind": "LBP"}
    assert typed_options(options, Fields, Path("a.toml")) == options
    assert typed_options({"rate": 0.25}, Fields, Path("a.toml")) == {"rate": 0.25}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bg", 5, "a.toml: bg: expected a path, got 5"),
        ("size", "16", "a.toml: size: expected WIDTHxHEIGHT such as 24x24, got '16'"),
        ("size", "axb", "size: expected .*, got 'axb'"),
        ("size", 9 * "9" + "9x9", "size: expected .*, got '9999999999x9'"),
        ("depth", 1.5, "depth: expected a whole number, got 1.5"),
        ("depth", True, "depth: expected a whole number, got true"),
        ("rate", "0", "rate: expected a number, got '0'"),
        ("rate", False, "rate: expected a number, got false"),
        ("mirror", "no", "mirror: expected true or false, got 'no'"),
        ("kind", "HOG", "kind: expected HAAR or LBP, got 'HOG'"),
        ("kind", [1], "kind: expected HAAR or LBP, got \\[1\\]"),
    ],
)
def test_a_value_of_another_type_is_named(name, value, message):
    with pytest.raises(RecipeError, match=message):
        typed_options({name: value}, Fields, Path("a.toml"))


def test_names_of_files_that_are_not_utf8_come_back(tmp_path):
    vec = os.fsdecode(b"caf\xe9.vec")
    write_recipe(tmp_path / "a.toml", {"vec": Path(vec)})
    assert read_recipe(tmp_path / "a.toml") == {"vec": vec}


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match="nothing of that name"):
        read_recipe(tmp_path / "a.toml")


def test_bundled_recipes_are_known_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = find_recipe("mini-xception", "models")
    assert path == bundled_recipes("models")["mini-xception"]
    assert recipe_title(path).startswith("mini-Xception. Published: 64×64")
    assert read_recipe(path)["size"] == "64x64"
    Path("mini-xception").mkdir()  # a folder of results may have the name
    assert find_recipe("mini-xception", "models") == path
    assert find_recipe("./a/b.toml", "models") == Path("a/b.toml")
    Path("plain").write_text("epochs = 1\n")
    assert find_recipe(Path("plain"), "models") == Path("plain")
    with pytest.raises(RecipeError, match="There is no recipe 'frontalface'; try: use one of aver"):
        find_recipe("frontalface", "models")


def test_a_recipe_without_a_comment_has_no_title(tmp_path):
    (tmp_path / "a.toml").write_text("epochs = 1\n")
    assert recipe_title(tmp_path / "a.toml") == ""
    assert all(recipe_title(path) for path in bundled_recipes("augmentation").values())
