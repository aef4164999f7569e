"""Recipes: the options of a command in a TOML file, one key an option.

A recipe's keys are the long names of the command's options, without the leading dashes:
``num-stages = 20`` is ``--num-stages 20``. Options on the command line win over the recipe.
Paths are relative to the working directory, as they are on the command line.

Recipes that come with fer lie in ``fercli/recipes/KIND/NAME.toml`` and are known by their names:
the kinds are ``cascade`` and ``models``, for the training commands of these groups, and
``augmentation``, policies of `fercli.datasets.augment`. A recipe's first comment is its title.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from fercli.common.errors import RecipeError
from fercli.common.files import read_text, write_text
from fercli.common.options import fits, in_words, key_of, quoted_value

#: Letters of a recipe; the longest that fer writes have a tenth of it.
LONGEST = 1 << 14

#: The folder of the recipes that come with fer: a folder for each kind, a file for each recipe.
BUNDLED = Path(__file__).parents[1] / "recipes"

Kind = Literal["cascade", "models", "augmentation"]


def bundled_recipes(kind: Kind) -> dict[str, Path]:
    """Return the recipes of a kind that come with fer, by name, in the order of the alphabet."""
    return {path.stem: path for path in sorted((BUNDLED / kind).glob("*.toml"))}


def find_recipe(name: str | Path, kind: Kind) -> Path:
    """Return the file of a recipe: one that comes with fer, by its name, or any by its path.

    Parameters
    ----------
    name : str or Path
        The name wins: a file or folder of the same name is ``./NAME``.
    kind : {"cascade", "models", "augmentation"}
        What the recipe is for.

    Raises
    ------
    RecipeError
        There is neither a recipe nor a file of this name.
    """
    recipes, path = bundled_recipes(kind), Path(name)
    if str(name) in recipes:
        return recipes[str(name)]
    if path.suffix != ".toml" and not path.is_file():
        names = ", ".join(recipes)
        raise RecipeError(
            f"There is no recipe {str(name)!r}",
            hint=f"use one of {names}, or the path of a TOML file",
        )
    return path


def recipe_title(path: Path) -> str:
    """Return what a recipe says about itself: its first line, without the sign of a comment."""
    first = read_text(path, errors="replace").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def read_recipe(path: Path, names: Collection[str] | None = None) -> dict[str, Any]:
    """Return the options of a recipe, by name with underscores.

    Parameters
    ----------
    path : Path
        The TOML file.
    names : collection of str, optional
        The names that a key may have, with underscores. Defaults to taking any.

    Raises
    ------
    RecipeError
        The file is not TOML, has a key that is none of the names, or two for one of them.
    InputError
        The file cannot be read.
    """
    given = read_given(path, None if names is None else {name: name for name in names})
    return {name: value for name, (_, value) in given.items()}


def read_given(path: Path, names: Mapping[str, str] | None = None) -> dict[str, tuple[str, Any]]:
    """Return what a recipe gives for each option: the key as it stands there, and the value.

    Parameters
    ----------
    path : Path
        The TOML file.
    names : mapping, optional
        The option that each name stands for, both with underscores: an option may have several
        names. Defaults to taking any name for an option.

    Raises
    ------
    RecipeError, InputError
        As `read_recipe`.
    """
    given: dict[str, tuple[str, Any]] = {}
    for key, value in _read_toml(path).items():
        name = key.replace("-", "_")
        if names is not None and name not in names:
            raise RecipeError(
                f"{key} is not an option of this command",
                hint=_suggestion(name, names),
                path=path,
            )
        name = name if names is None else names[name]
        if name in given:
            raise RecipeError(f"{given[name][0]} and {key} are the same option", path=path)
        given[name] = key, value
    return given


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        # Names of files in it may be of any bytes, as `write_recipe` writes them.
        return tomllib.loads(_bounded(read_text(path, errors="surrogateescape"), path))
    except ValueError as error:  # what is no TOML, and numbers of thousands of digits
        raise RecipeError(f"Not a TOML file: {error}", path=path) from error
    except RecursionError as error:
        raise RecipeError("Not a recipe: it is nested too deeply", path=path) from error


def _bounded(text: str, path: Path) -> str:
    """Return a text as it is unless it is too long: a key of many parts takes minutes to read."""
    if len(text) > LONGEST:
        raise RecipeError(
            f"Expected a recipe of at most {LONGEST} characters, got {len(text)}", path=path
        )
    return text


def typed_options(options: Mapping[str, Any], kind: type, path: Path) -> dict[str, Any]:
    """Return the options of a recipe, which have the types of a dataclass's fields.

    Parameters
    ----------
    options : mapping
        Values by option, as `read_recipe` gives them; those without a field are not looked at.
    kind : type
        The dataclass. A field may be a bool, a number, a path, a pair that stands in a recipe as
        WIDTHxHEIGHT, one of several words (`Literal`), or None. The option of a field
        ``size_wh`` is ``size``.
    path : Path
        The recipe, for the message.

    Raises
    ------
    RecipeError
        A value is of another type.
    """
    hints = get_type_hints(kind)
    types = {key_of(field.name): hints[field.name] for field in fields(kind)}
    for name, value in options.items():
        if name in types and not fits(value, types[name]):
            key, found = name.replace("_", "-"), quoted_value(value)
            raise RecipeError(f"{key}: expected {in_words(types[name])}, got {found}", path=path)
    return dict(options)


def write_recipe(path: Path, options: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write options as a recipe that `read_recipe` reads; those that are None are left out."""
    import tomli_w

    plain = {
        name.replace("_", "-"): str(value) if isinstance(value, Path) else value
        for name, value in options.items()
        if value is not None
    }
    write_text(path, tomli_w.dumps(plain), overwrite=overwrite)


def _suggestion(unknown: str, names: Mapping[str, str]) -> str:
    import difflib

    close = difflib.get_close_matches(unknown, names, n=1)
    return (close[0] if close else "one of " + ", ".join(sorted(set(names.values())))).replace(
        "_", "-"
    )
