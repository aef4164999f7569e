import pytest

from fercli.errors import RecipeError
from fercli.recipes import read_recipe, write_recipe


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
    ],
)
def test_what_is_no_recipe_is_named(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(tmp_path / "a.toml", ["depth"])
