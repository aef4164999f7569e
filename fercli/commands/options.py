"""Options that several commands share: one word for one thing.

Each is a decorator. A command takes the parameter that the option is named after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from fercli.common.errors import RecipeError
from fercli.common.progress import SILENT, Progress, TerminalProgress
from fercli.seeds import HIGHEST_SEED

#: Pixels: no side of a picture that OpenCV scales and cuts may be longer.
LARGEST_SIDE = 32_767


def path_type() -> click.Path:
    """Return the type of a path; whether it exists is checked by the library, which names it."""
    return click.Path(path_type=Path)


class FiniteRange(click.FloatRange):
    """A number between bounds, neither NaN, which compares with none of them, nor infinite."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"wanted a number, found {value!r}", param, ctx)
        return float(number)


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
        if max(size) > LARGEST_SIDE:
            found = repr(str(value)[:40])
            self.fail(f"wanted at most {LARGEST_SIDE} pixels a side, found {found}", param, ctx)
        return size


def _to_progress(ctx: click.Context, param: click.Parameter, quiet: bool) -> Progress:
    return SILENT if quiet else TerminalProgress()


def _read_recipe(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not ctx.resilient_parsing:
        from fercli.common.recipes import read_given

        options = {
            _long_names(option)[0]: option
            for option in ctx.command.params
            if isinstance(option, click.Option) and option is not param
        }
        names = {alias: name for name, option in options.items() for alias in _long_names(option)}
        values = {
            str(options[name].name): _as_typed(options[name], key, value, path)
            for name, (key, value) in read_given(path, names).items()
        }
        ctx.default_map = {**(ctx.default_map or {}), **values}
    return path


def _long_names(option: click.Option) -> list[str]:
    """Return the names that a recipe may call an option by, the usual one first."""
    return [name[2:].replace("-", "_") for name in option.opts if name.startswith("--")]


def _as_typed(option: click.Option, key: str, value: Any, path: Path) -> Any:
    """Return a value of a recipe as it would come from the command line."""
    if isinstance(value, list) and (option.multiple or isinstance(option.type, Size)):
        return [_as_typed_once(option, key, each, path) for each in value]
    return _as_typed_once(option, key, value, path)


def _as_typed_once(option: click.Option, key: str, value: Any, path: Path) -> str | bool:
    from fercli.common.recipes import shown_value

    if isinstance(value, str) or (isinstance(value, bool) and option.is_flag):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        # As a text, which click's types check; some fail in odd ways on numbers.
        return str(value)
    wanted = "true or false" if option.is_flag else "a text or a number"
    raise RecipeError(f"wanted {wanted} for {key}, found {shown_value(value)}", path=path)


def out(metavar: str, help: str, *, required: bool = True) -> Callable[..., Any]:
    """Return the option ``--out``: where the result goes, a file or a folder as `metavar` says."""
    return click.option(
        "-o", "--out", type=path_type(), metavar=metavar, required=required, help=help
    )


workers = click.option(
    "-j",
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many run at once.  [default: all cores]",
)


def each(decorators: Iterable[Callable[..., Any]]) -> Callable[..., Any]:
    """Return a decorator that adds several options, in their order."""
    several = list(decorators)

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(several):
            command = decorator(command)
        return command

    return add


picture_size = click.option(
    "--size",
    "size_wh",
    type=Size(),
    help="Cut about the centre and scale to this size.  [default: as they are]",
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
    type=click.IntRange(0, HIGHEST_SEED),
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


scale_factor = click.option(
    "--scale-factor",
    type=FiniteRange(1.01),
    default=1.1,
    show_default=True,
    metavar="X",
    help="Ratio of one window size to the next.",
)
threshold = click.option(
    "--threshold",
    type=FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="P",
    help='Call a face "unclear" whose best class has a lower probability.',
)
margin = click.option(
    "--margin",
    type=FiniteRange(-0.4, 4),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Added to a face's box at each side for the network; 0 suits fer's own cascade.",
)
