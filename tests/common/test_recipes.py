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
        ("a = ", "not a TOML file"),
        (f"a = {'9' * 5000}", "not a TOML file"),
        ("a = " + 10_000 * "[", "not a recipe: nested too deeply"),
        ("a." * 20_000 + "a = 1", "wanted a recipe of at most 16384 letters, found 40005"),
        ("dept = 1", "found dept; try: depth"),
        ("max-dept = 1", "found max-dept; try: max-depth"),
        ("max-depth = 1\nmax_depth = 2", "wanted one key for an option, found max-depth and max_d"),
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
    with pytest.raises(RecipeError, match="found num-stages and stages"):
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
    assert typed_options(options, Fields, Path("a.toml"), {"size": "size_wh"}) == options
    assert typed_options({"rate": 0.25}, Fields, Path("a.toml"), {}) == {"rate": 0.25}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bg", 5, "a.toml: wanted a path for bg, found 5"),
        ("size", "16", "a.toml: wanted WIDTHxHEIGHT such as 24x24 for size, found '16'"),
        ("size", "axb", "for size, found 'axb'"),
        ("size", 9 * "9" + "9x9", "for size, found '9999999999x9'"),
        ("depth", 1.5, "wanted a whole number for depth, found 1.5"),
        ("depth", True, "wanted a whole number for depth, found true"),
        ("rate", "0", "wanted a number for rate, found '0'"),
        ("rate", False, "wanted a number for rate, found false"),
        ("mirror", "no", "wanted true or false for mirror, found 'no'"),
        ("kind", "HOG", "wanted HAAR or LBP for kind, found 'HOG'"),
        ("kind", [1], "wanted HAAR or LBP for kind, found \\[1\\]"),
    ],
)
def test_a_value_of_another_type_is_named(name, value, message):
    with pytest.raises(RecipeError, match=message):
        typed_options({name: value}, Fields, Path("a.toml"), {"size": "size_wh"})


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
