"""Options that several commands share: one word for one thing.

Each is a decorator. A command takes the parameter that the option is named after.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fercli.progress import SILENT, Progress, TerminalProgress


def path_type() -> click.Path:
    """Return the type of a path; whether it exists is checked by the library, which names it."""
    return click.Path(path_type=Path)


class Size(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """``WIDTHxHEIGHT`` in pixels, or one number for a square."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (width, height)."""
        if isinstance(value, tuple):
            return value
        if isinstance(value, list):
            value = "x".join(map(str, value))
        width, _, height = str(value).lower().replace("×", "x").partition("x")
        try:
            size = int(width), int(height or width)
        except ValueError:
            self.fail(f"wanted WIDTHxHEIGHT such as 24x24, found {value!r}", param, ctx)
        if min(size) < 1:
            self.fail(f"wanted positive numbers, found {value!r}", param, ctx)
        return size


def _to_progress(ctx: click.Context, param: click.Parameter, quiet: bool) -> Progress:
    return SILENT if quiet else TerminalProgress()


def _read_recipe(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not ctx.resilient_parsing:
        from fercli.recipes import read_recipe

        names = {p.name for p in ctx.command.params if isinstance(p, click.Option)} - {param.name}
        defaults = dict(ctx.default_map or {})
        defaults.update(read_recipe(path, {name for name in names if name}))
        ctx.default_map = defaults
    return path


workers = click.option(
    "-j",
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many run at once.  [default: all cores]",
)
overwrite = click.option("--overwrite", is_flag=True, help="Replace what exists already.")
quiet = click.option(
    "-q",
    "--quiet",
    "progress",
    is_flag=True,
    callback=_to_progress,
    help="No progress bars and notes on stderr.",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON, for programs."
)
seed = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Start of the random numbers: the same seed gives the same result.",
)
recipe = click.option(
    "--recipe",
    type=path_type(),
    is_eager=True,
    callback=_read_recipe,
    metavar="FILE.toml",
    help="Read options from a TOML file; options given here win over it.",
)
