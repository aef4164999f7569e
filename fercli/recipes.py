"""Recipes: the options of a command in a TOML file, one key an option.

A recipe's keys are the long names of the command's options, without the leading dashes:
``num-stages = 20`` is ``--num-stages 20``. Options on the command line win over the recipe.
Paths are relative to the working directory, as they are on the command line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fercli.errors import RecipeError
from fercli.files import read_text, write_text

#: Letters of a recipe; the longest that fer writes have a tenth of it.
LONGEST = 1 << 14


def read_recipe(path: Path, names: Collection[str] | None = None) -> dict[str, Any]:
    """Return the options of a recipe, by parameter name (underscores).

    Parameters
    ----------
    path : Path
        The TOML file.
    names : collection of str, optional
        The parameters that the command has, with underscores. Defaults to taking any.

    Raises
    ------
    RecipeError
        The file is not TOML, or has a key that the command does not.
    InputError
        The file cannot be read.
    """
    try:
        values = tomllib.loads(_bounded(read_text(path), path))
    except ValueError as error:  # what is no TOML, and numbers of thousands of digits
        raise RecipeError(f"not a TOML file: {error}", path=path) from error
    except RecursionError as error:
        raise RecipeError("not a recipe: nested too deeply", path=path) from error
    options = {key.replace("-", "_"): value for key, value in values.items()}
    unknown = [] if names is None else sorted(set(options) - set(names))
    if names is not None and unknown:
        raise RecipeError(
            f"wanted options of this command, found {', '.join(unknown)}",
            hint=_suggestion(unknown[0], names),
            path=path,
        )
    return options


def _bounded(text: str, path: Path) -> str:
    """Return a text as it is unless it is too long: a key of many parts takes minutes to read."""
    if len(text) > LONGEST:
        raise RecipeError(
            f"wanted a recipe of at most {LONGEST} letters, found {len(text)}", path=path
        )
    return text


def write_recipe(path: Path, options: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write options as a recipe that `read_recipe` reads; those that are None are left out."""
    import tomli_w

    plain = {
        name.replace("_", "-"): str(value) if isinstance(value, Path) else value
        for name, value in options.items()
        if value is not None
    }
    write_text(path, tomli_w.dumps(plain), overwrite=overwrite)


def _suggestion(unknown: str, names: Collection[str]) -> str:
    import difflib

    close = difflib.get_close_matches(unknown, names, n=1)
    return (close[0] if close else "one of " + ", ".join(sorted(names))).replace("_", "-")
