"""Options that several commands share: one word for one thing.

Each is a decorator. A command takes the parameter that the option is named after.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from fercli.common.errors import RecipeError
from fercli.common.parallel import Workers
from fercli.common.progress import SILENT, Progress, TerminalProgress
from fercli.common.recipes import HIGHEST_SEED, Kind, bundled_recipes

#: Pixels: no side of an image that OpenCV scales and cuts may be longer.
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


def _read_recipe(
    kind: Kind, ctx: click.Context, param: click.Parameter, name: str | None
) -> Path | None:
    path = None
    if name is not None and not ctx.resilient_parsing:
        from fercli.common.recipes import find_recipe, read_given

        path = find_recipe(name, kind)
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


image_size = click.option(
    "--size",
    "size_wh",
    type=Size(),
    help="Cut about the center and scale to this size.  [default: as they are]",
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


def recipe(kind: Kind) -> Callable[..., Any]:
    """Return the option ``--recipe`` of a command that takes recipes of this kind."""
    names = ", ".join(bundled_recipes(kind))
    return click.option(
        "--recipe",
        type=str,
        is_eager=True,
        callback=functools.partial(_read_recipe, kind),
        metavar="NAME|FILE.toml",
        help=f"Read options from a recipe of fer ({names}) or from a TOML file; options given "
        "here win over it.",
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


# Options that several commands of ``fer cascade`` share.


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


def split_extensions(text: str) -> tuple[str, ...]:
    """Return ``png, .JPG`` as ``(".png", ".jpg")``; ``*`` stands for any."""
    words = (word.strip().lower().lstrip(".") for word in text.split(","))
    return tuple("" if word == "*" else f".{word}" for word in words if word)


#: The names of `fercli.annotations.FORMATS`, which a command does not import for its help.
ANNOTATION_FORMATS = ("csv", "coco", "dlib", "voc", "yolo", "images", "info")


_format = click.option(
    "--format",
    type=click.Choice(ANNOTATION_FORMATS),
    help="Format of the boxes.  [default: what it looks like]",
)

_images = click.option(
    "--images",
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

#: What annotations take.
annotation_options = each((_format, _images, _label))

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
    help="Largest object looked for.  [default: the image]",
)

_equalize = click.option(
    "--equalize", is_flag=True, help="Equalize the histogram of images before the search."
)

#: How images are searched: the fields of `fercli.cascade.detection.detector.DetectionOptions`.
detection_options = each((scale_factor, _min_neighbors, _min_size, _max_size, _equalize))

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


# Options that several commands of ``fer datasets`` share.


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

placing = click.option(
    "--files",
    "placing",
    type=click.Choice(["link", "copy", "symlink"]),
    default="link",
    show_default=True,
    help="How files come into the new tree; link: hard links, which take no space.",
)


# Options that several commands of ``fer models`` share.


data = click.option(
    "--data",
    type=path_type(),
    required=True,
    metavar="DIR",
    help="A tree of `fer datasets`.",
)
split = click.option(
    "--split",
    default="validation",
    show_default=True,
    metavar="NAME",
    help="The split of the tree.",
)
network = click.argument("network", metavar="NETWORK")


#: What a network of others does not say; the command takes **said.
network_settings = each(
    [
        click.option(
            "--classes", metavar="A,B,…", help="Foreign network: its classes, in its order."
        ),
        click.option("--size", type=Size(), help="Foreign network: its input size."),
        click.option(
            "--mean",
            type=float,
            metavar="X",
            help="Foreign network: it sees (pixel - mean) / std.  [default: 127.5]",
        ),
        click.option(
            "--std",
            type=float,
            metavar="X",
            help="Foreign network: see --mean.  [default: 127.5]",
        ),
        click.option(
            "--color-order",
            type=click.Choice(["rgb", "bgr"]),
            help="Foreign network: of its channels.",
        ),
    ]
)


def to_settings(said: dict[str, Any]) -> Any:
    """Return the library's settings for what `network_settings` took."""
    from fercli.models.model_settings import Settings

    classes = said["classes"]
    return Settings(
        classes=[name.strip() for name in classes.split(",")] if classes else None,
        size_wh=said["size"],
        mean=said["mean"],
        std=said["std"],
        color_order=said["color_order"],
    )
