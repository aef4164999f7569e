"""Options that several commands share: one word for one thing.

Each is a decorator. A command takes the parameter that the option is named after.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from fercli.errors import RecipeError
from fercli.parallel import Workers
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


class Amount(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A number of things such as ``500``, or a share of them such as ``20%``."""

    name = "N|P%"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """Return a number as an int, a share as a float from 0 to 1."""
        if isinstance(value, int | float):
            return value
        text = str(value).strip()
        try:
            amount = float(text[:-1]) / 100 if text.endswith("%") else int(text)
        except ValueError:
            self.fail(f"wanted a number such as 500 or a share such as 20%, found {value!r}")
        if not 0 < amount <= (1 if isinstance(amount, float) else amount):
            self.fail(f"wanted more than none and at most 100%, found {value!r}", param, ctx)
        return amount


def _to_progress(ctx: click.Context, param: click.Parameter, quiet: bool) -> Progress:
    return SILENT if quiet else TerminalProgress()


def _read_recipe(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not ctx.resilient_parsing:
        from fercli.recipes import read_recipe

        options = {p.name: p for p in ctx.command.params if isinstance(p, click.Option) and p.name}
        read = read_recipe(path, options.keys() - {param.name})
        values = {name: _as_typed(options[name], value, path) for name, value in read.items()}
        ctx.default_map = {**(ctx.default_map or {}), **values}
    return path


def _as_typed(option: click.Option, value: Any, path: Path) -> Any:
    """Return a value of a recipe as it would come from the command line."""
    if isinstance(value, list) and (option.multiple or isinstance(option.type, Size)):
        return [_as_typed_once(option, each, path) for each in value]
    return _as_typed_once(option, value, path)


def _as_typed_once(option: click.Option, value: Any, path: Path) -> str | bool:
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        # As a text, which click's types check; some fail in odd ways on numbers.
        return str(value)
    raise RecipeError(
        f"wanted a text, a number, true or false for {option.opts[-1].lstrip('-')}, "
        f"found {str(value)[:40]}",
        path=path,
    )


workers = click.option(
    "-j",
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many run at once.  [default: all cores]",
)


def spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--workers``, ``--parallel`` and ``--scheduler``; the command takes `workers`."""

    @functools.wraps(command)
    def with_workers(
        *args: Any, workers: int | None, parallel: str, scheduler: str | None, **options: Any
    ) -> Any:
        if (parallel == "dask") != (scheduler is not None):
            raise click.UsageError("--parallel dask and --scheduler ADDRESS go together")
        prefer: Any = "threads" if parallel == "threads" else "processes"
        return command(*args, workers=Workers(workers, prefer, scheduler), **options)

    for option in (_scheduler, _parallel, workers):
        with_workers = option(with_workers)
    return with_workers


_parallel = click.option(
    "--parallel",
    type=click.Choice(["processes", "threads", "dask"]),
    default="processes",
    show_default=True,
    help="What the workers are; dask: a cluster, which must see the same files.",
)
_scheduler = click.option(
    "--scheduler", metavar="ADDRESS", help="The Dask scheduler, such as tcp://node1:8786."
)


def each(decorators: Iterable[Callable[..., Any]]) -> Callable[..., Any]:
    """Return a decorator that adds several options, in their order."""
    several = list(decorators)

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(several):
            command = decorator(command)
        return command

    return add


placing = click.option(
    "--files",
    "placing",
    type=click.Choice(["link", "copy", "symlink"]),
    default="link",
    show_default=True,
    help="How files come into the new tree; link: hard links, which take no space.",
)
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


def split_extensions(text: str) -> tuple[str, ...]:
    """Return ``png, .JPG`` as ``(".png", ".jpg")``; ``*`` stands for any."""
    words = (word.strip().lower().lstrip(".") for word in text.split(","))
    return tuple("" if word == "*" else f".{word}" for word in words if word)


#: The names of `fercli.cascade.annotations.FORMATS`, which a command does not import for its help.
ANNOTATION_FORMATS = ("csv", "coco", "dlib", "voc", "yolo", "pictures", "info")


def annotation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what annotations take: ``--format``, ``--pictures`` and ``--label`` (`labels`)."""
    for option in (_label, _pictures, _format):
        command = option(command)
    return command


_format = click.option(
    "--format",
    type=click.Choice(ANNOTATION_FORMATS),
    help="Format of the boxes.  [default: what it looks like]",
)
_pictures = click.option(
    "--pictures",
    type=path_type(),
    metavar="DIR",
    help="Folder that names in annotations are relative to.  [default: the file's, or beside it]",
)
_label = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="Only boxes of this label; may be repeated.  [default: all]",
)


def detection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add how pictures are searched, the fields of `fercli.cascade.detection.DetectionOptions`."""
    for option in (_equalize, _max_size, _min_size, _min_neighbors, scale_factor):
        command = option(command)
    return command


scale_factor = click.option(
    "--scale-factor",
    type=click.FloatRange(1.01),
    default=1.1,
    show_default=True,
    metavar="X",
    help="Ratio of one window size to the next.",
)
_min_neighbors = click.option(
    "--min-neighbors",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="A detection must be seen by more windows than this.",
)
_min_size = click.option(
    "--min-size",
    "min_size_wh",
    type=Size(),
    help="Smallest object looked for.  [default: the cascade's window]",
)
_max_size = click.option(
    "--max-size",
    "max_size_wh",
    type=Size(),
    help="Largest object looked for.  [default: the picture]",
)
_equalize = click.option(
    "--equalize", is_flag=True, help="Equalise the histogram of pictures before the search."
)
threshold = click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="P",
    help='Call a face "unclear" whose best class has a lower probability.',
)
margin = click.option(
    "--margin",
    type=click.FloatRange(-0.4, 4),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Added to a face's box at each side for the network; 0 suits fer's own cascade.",
)
tools = click.option(
    "--tools",
    type=path_type(),
    metavar="DIR",
    help="Folder with OpenCV's programs.  [default: FER_OPENCV_TOOLS, PATH, fer's cache]",
)
sample_size = click.option(
    "--size",
    type=Size(),
    help="Width and height of the samples.  [default: the squarest that fits the file]",
)
