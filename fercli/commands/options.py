"""Options that several commands share: one word for one thing.

Each is a decorator. A command takes the parameter that the option is named after.
"""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_origin

import click

from fercli.annotations.formats import FORMATS
from fercli.cascade.detection import FACE_CASCADE, DetectionOptions
from fercli.cascade.opencv3 import TOOLS
from fercli.cli import Command, CommandGroup
from fercli.common.errors import RecipeError
from fercli.common.options import (
    SEED,
    WORKERS,
    Option,
    OptionField,
    in_words,
    is_list,
    option_fields,
    quoted_value,
)
from fercli.common.parallel import Workers
from fercli.common.progress import SILENT, Progress, TerminalProgress
from fercli.common.recipes import Kind, bundled_recipes

T = TypeVar("T")

#: Limits above this are those of a processor, which nobody meets: help does not show them.
MOST_SHOWN = 1_000_000

#: Letters of the choices that stand beside an option in its help.
LONGEST_LIST = 80

#: Pixels: no side of an image that OpenCV scales and cuts may be longer.
LARGEST_SIDE = 32_767


def path_type() -> click.Path:
    """Return the type of a path; whether it exists is checked by the library, which names it."""
    return click.Path(path_type=Path)


class CascadeFile(click.Path):
    """The file of a cascade, or the name of one that comes with fer."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; a file of that name comes first."""
        from fercli.cascade.model import find_cascade

        return find_cascade(Path(os.fsdecode(super().convert(value, param, ctx))))


class FiniteRange(click.FloatRange):
    """A number between bounds, neither NaN, which compares with none of them, nor infinite."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"expected a number, got {value!r}", param, ctx)
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
            self.fail(f"expected WIDTHxHEIGHT such as 24x24, got {value!r}", param, ctx)
        if min(size) < 1:
            self.fail(f"expected positive numbers, got {value!r}", param, ctx)
        if max(size) > LARGEST_SIDE:
            found = repr(str(value)[:40])
            self.fail(f"expected at most {LARGEST_SIDE} pixels a side, got {found}", param, ctx)
        return size


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """One number, or several with commas between them, such as one for each channel."""

    name = "X,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"expected numbers with commas between them, got {value!r}", param, ctx)


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
    if isinstance(value, str) or (isinstance(value, bool) and option.is_flag):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        # As a text, which click's types check; some fail in odd ways on numbers.
        return str(value)
    expected = "true or false" if option.is_flag else "a text or a number"
    raise RecipeError(f"{key}: expected {expected}, got {quoted_value(value)}", path=path)


command = functools.partial(click.command, cls=Command)


def group(**attributes: Any) -> Callable[[Callable[..., Any]], CommandGroup]:
    """Return a decorator that makes a group of a function, to which commands are added."""
    return click.group(cls=CommandGroup, **attributes)


class FieldValue(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A number or text of a field, within its bounds.

    Parameters
    ----------
    field : OptionField
    checked : bool
        Whether bounds are checked here; where not, the library does.
    """

    def __init__(self, field: OptionField, checked: bool) -> None:
        self.field = field
        self.checked = checked
        self.kind = field.kind if field.kind in (int, float) else str
        self.name = {int: "integer", float: "float", str: "text"}[self.kind]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value."""
        try:
            typed = self.kind(value)
        except (ValueError, OverflowError):
            self.fail(f"expected {in_words(self.kind)}, got {value!r}", param, ctx)
        fault = self.field.fault(typed) if self.checked else None
        if fault is not None:
            hint = self.field.option.hint
            self.fail(f"{fault}; try: {hint}" if hint else fault, param, ctx)
        return typed


def _none_if_empty(ctx: click.Context, param: click.Parameter, values: Any) -> Any:
    return values or None


class FieldOption(click.Option):
    """The option of a field of an options dataclass; None where it is not given.

    Parameters
    ----------
    field : OptionField
    checked : bool
        See `FieldValue`.
    """

    def __init__(self, field: OptionField, checked: bool = True) -> None:
        self.field = field
        names = [*field.names, field.name]
        attributes: dict[str, Any] = {"metavar": field.option.metavar}
        if field.choices:
            # More names than fit a line of help are elsewhere: the help says where.
            listed = f"[{'|'.join(field.choices)}]"
            attributes["metavar"] = listed if len(listed) < LONGEST_LIST else "NAME"
        if field.kind is bool:
            attributes["is_flag"] = True
            if field.default is True:
                names[0] = f"{names[0]}/--no-{names[0][2:]}"
        elif is_list(field.kind):
            attributes["multiple"] = True
            attributes["callback"] = _none_if_empty
            attributes["type"] = path_type() if field.kind == tuple[Path, ...] else str
        else:
            attributes["type"] = _click_type(field, checked)
        super().__init__(names, default=None, help=_field_help(field), **attributes)

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return what stands in brackets after the help."""
        extra = super().get_help_extra(ctx)
        shown = self.field.shown_default
        if shown is not None:
            extra["default"] = shown
        elif self.field.default is True:
            extra["default"] = self.field.names[0][2:]
        bounds = self.field.option.range_text
        endless = (self.field.option.maximum or 0) > MOST_SHOWN
        if bounds and not endless and bounds not in ("0 or more", "1 or more"):
            extra["range"] = bounds
        return extra


def _click_type(field: OptionField, checked: bool) -> Any:
    if field.choices:
        return click.Choice(field.choices, case_sensitive=False)
    if get_origin(field.kind) is tuple:
        return Size()
    return path_type() if field.kind is Path else FieldValue(field, checked)


def _field_help(field: OptionField) -> str:
    text = field.option.help
    if field.option.engine is None:
        return text
    return f"Engine {field.option.engine}: {text[0].lower()}{text[1:]}"


def from_fields(
    kind: type,
    *,
    only: Collection[str] | None = None,
    but: Collection[str] = (),
    checked: bool = True,
    types: Mapping[str, Any] | None = None,
    engine: bool = True,
) -> Callable[..., Any]:
    """Return a decorator that adds the options of the fields of an options dataclass.

    The command takes each by the name of its field, None where it was not given; `build` makes
    the dataclass of them.

    Parameters
    ----------
    kind : type
        The dataclass.
    only : collection of str, optional
        The fields that the command has. Defaults to all that have a description.
    but : collection of str
        Fields that it does not have.
    checked : bool
        Whether bounds are checked when the command line is read. Defaults to True.
    types : mapping, optional
        Types of fields that the command line reads in a way of its own.
    engine : bool
        Whether the help names the engine of an option that only one has. Defaults to True.
    """
    chosen = [
        field if engine else replace(field, option=replace(field.option, engine=None))
        for name, field in option_fields(kind).items()
        if (only is None or name in only) and name not in but
    ]

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed(chosen):
            made = FieldOption(field, checked)
            if types and field.name in types:
                made.type = types[field.name]
            command = _add_option(command, made)
        return command

    return add


def from_option(name: str, default: Any, kind: Any, about: Option) -> Callable[..., Any]:
    """Return an option that belongs to no dataclass of the library, from its description."""
    field = OptionField(name, kind, default, about)
    made = FieldOption(field)
    made.default = default
    return lambda command: _add_option(command, made)


def _add_option(command: Callable[..., Any], option: click.Option) -> Callable[..., Any]:
    # As click.option does; a command class of its own for each option is not needed.
    command.__click_params__ = [*getattr(command, "__click_params__", []), option]  # type: ignore[attr-defined]
    return command


def echo(result: Any, as_json: bool, text: str | None = None) -> None:
    """Print a result: as JSON, or as a text, by default its own, with the options' names."""
    if as_json:
        click.echo(json.dumps(to_plain(result), indent=2))
        return
    command = click.get_current_context().command
    text = result.to_text() if text is None else text
    click.echo(command.in_its_words(text) if isinstance(command, Command) else text)


def to_plain(value: Any) -> Any:
    """Return a result as values that JSON knows."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def build(kind: type[T], choices: Mapping[str, Any]) -> T:
    """Return an options dataclass of what a command was given; what is None has its default.

    Choices that are no field are not looked at.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    return kind(
        **{name: value for name, value in choices.items() if name in names and value is not None}
    )


def out(metavar: str, help: str, *, required: bool = True) -> Callable[..., Any]:
    """Return the option ``--out``: where the result goes, a file or a folder as `metavar` says."""
    return click.option(
        "-o", "--out", type=path_type(), metavar=metavar, required=required, help=help
    )


workers = from_option("workers", None, int, WORKERS)


def each(decorators: Iterable[Callable[..., Any]]) -> Callable[..., Any]:
    """Return a decorator that adds several options, in their order."""
    several = list(decorators)

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(several):
            command = decorator(command)
        return command

    return add


overwrite = click.option("--overwrite", is_flag=True, help="Replace existing results.")
quiet = click.option(
    "-q",
    "--quiet",
    "progress",
    is_flag=True,
    callback=_to_progress,
    help="Show no progress bars and notes.",
)
#: For commands that show no progress: ``-q`` is taken everywhere.
no_progress = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    help="Show no progress bars and notes.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
seed = from_option("seed", 0, int, SEED)


def recipe(kind: Kind, *names_too: str) -> Callable[..., Any]:
    """Return the option ``--recipe``, perhaps by other names too, for recipes of this kind."""
    names = ", ".join(bundled_recipes(kind))
    return click.option(
        "--recipe",
        *names_too,
        "recipe",
        type=str,
        is_eager=True,
        callback=functools.partial(_read_recipe, kind),
        metavar="NAME|FILE.toml",
        help=f"Read options from a recipe of fer ({names}) or from a TOML file; options given "
        "here win over it.",
    )


# Options that several commands of ``fer cascade`` share.


class FormatName(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """The name of a format of annotations; ``pictures`` is an older name of ``images``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name."""
        return super().convert("images" if value == "pictures" else value, param, ctx)


annotation_format = click.option(
    "--format",
    type=FormatName(list(FORMATS)),
    metavar="FORMAT",
    help=f"Read boxes in this format: {', '.join(FORMATS)}.  [default: what it looks like]",
)

annotation_images = click.option(
    "--images",
    "--pictures",
    "images",
    type=path_type(),
    metavar="DIR",
    help="Look for the images in this folder.  [default: the file's, or beside it]",
)

_label = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="Use only boxes of this label; may be repeated.  [default: all]",
)

_box_format = click.option(
    "--box-format",
    type=click.Choice(["xywh", "xyxy"]),
    help="What the numbers of a table are: corner and size, or two corners."
    "  [default: what its columns are called, else xywh]",
)

#: What annotations take.
annotation_options = each((annotation_format, annotation_images, _label, _box_format))

#: How images are searched.
detection_options = from_fields(DetectionOptions)

tools = from_option("tools", None, Path, TOOLS)

# Options that say where work is done.


def _spread(
    *kinds: str, counted: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds ``--workers``, ``--parallel`` and ``--scheduler`` to a command.

    The command takes `workers`. The first of `kinds` is the default; `counted` says whether there
    is a choice of how many workers.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_workers(
            *args: Any,
            parallel: str,
            scheduler: str | None,
            workers: int | None = None,
            **options: Any,
        ) -> Any:
            if (parallel == "dask") != (scheduler is not None):
                raise click.UsageError("--parallel dask and --scheduler ADDRESS go together")
            prefer: Any = parallel if parallel in ("processes", "threads") else None
            return command(*args, workers=Workers(workers, prefer, scheduler), **options)

        kind = click.option(
            "--parallel",
            type=click.Choice([*kinds, "dask"]),
            default=kinds[0],
            show_default=True,
            help="Spread work over these; dask: a cluster, which must see the same files.",
        )
        for option in (_scheduler, kind, *([workers] if counted else [])):
            with_workers = option(with_workers)
        return with_workers

    return add


_scheduler = click.option(
    "--scheduler", metavar="ADDRESS", help="Use this Dask scheduler, such as tcp://node1:8786."
)

spread = _spread("processes", "threads")
spread_by_threads = _spread("threads", "processes")
#: For commands that know themselves what suits their work.
cores_or_cluster = _spread("cores")
cores_or_cluster_uncounted = _spread("cores", counted=False)


# Options of the commands that detect and classify faces.


face_cascade = from_option("cascade", None, tuple[Path, ...], FACE_CASCADE)
model = click.option(
    "--model",
    default="ferplus",
    show_default=True,
    metavar="NAME|FILE",
    help="Classify faces with this model: one that comes with fer, or an .onnx, .keras or .h5 "
    "file.",
)

#: What the file of a model that fer did not train does not say; the command takes **said.
model_settings = each(
    [
        click.option(
            "--classes",
            metavar="A,B,…",
            help="Foreign model: name its classes, in its order.",
        ),
        click.option("--size", type=Size(), help="Foreign model: give its input size."),
        click.option(
            "--mean",
            type=Numbers(),
            help="Foreign model: feed it (pixel - mean) / std of pixels 0…255; one number, or one "
            "for each channel.  [default: 127.5]",
        ),
        click.option(
            "--std",
            type=Numbers(),
            help="Foreign model: see --mean.  [default: 127.5]",
        ),
        click.option(
            "--color-order",
            "--colour-order",
            type=click.Choice(["rgb", "bgr"]),
            help="Foreign model: give the order of its color channels.",
        ),
    ]
)


def to_settings(said: dict[str, Any]) -> Any:
    """Return the library's settings for what `model_settings` took."""
    from fercli.models.model_card import ModelSettings

    classes = said["classes"]
    return ModelSettings(
        classes=[name.strip() for name in classes.split(",")] if classes else None,
        size_wh=said["size"],
        mean=said["mean"],
        std=said["std"],
        color_order=said["color_order"],
    )
