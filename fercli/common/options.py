"""Options: one description of each, from which the command, the recipe and the check follow.

A field of an options dataclass that is made by `option` carries its description. The command line
makes its options of these fields (`fercli.commands.options.from_fields`), recipes take their keys
and types from them, and `check` refuses values out of range.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fercli.common.errors import OptionError

T = TypeVar("T")

#: Keras and scikit-learn take seeds of 32 bits.
HIGHEST_SEED = 2**32 - 1

#: What to call the types that a value may have.
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    tuple: "WIDTHxHEIGHT such as 24x24",
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is said of an option.

    Parameters
    ----------
    help : str
        The text of ``--help``: an imperative sentence.
    names : tuple of str
        Names on the command line, the usual one first. Defaults to the field's.
    metavar : str, optional
        The placeholder of the value in ``--help``.
    minimum, maximum : float, optional
        The least and the greatest value; of a size, of each side.
    above, below : float, optional
        Bounds that a value may not reach.
    choices : tuple of str
        The values that a text may have. Defaults to those of the field's `Literal`.
    default_text : str, optional
        How ``--help`` shows the default. Defaults to the value.
    engine : str, optional
        The only engine that takes the option.
    hint : str, optional
        What to try when a value is out of range.
    """

    help: str
    names: tuple[str, ...] = ()
    metavar: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    default_text: str | None = None
    engine: str | None = None
    hint: str | None = None

    @property
    def range_text(self) -> str:
        """The range of values in words; empty if there is no bound."""
        low = None if self.minimum is None else _plain(self.minimum)
        high = None if self.maximum is None else _plain(self.maximum)
        if low and high:
            return f"{low} to {high}"
        if low and self.below is None:
            return f"{low} or more"
        if high and self.above is None:
            return f"at most {high}"
        parts = [
            f"at least {low}" if low else "",
            f"more than {_plain(self.above)}" if self.above is not None else "",
            f"at most {high}" if high else "",
            f"less than {_plain(self.below)}" if self.below is not None else "",
        ]
        return " and ".join(filter(None, parts))

    def holds(self, number: Any) -> bool:
        """Return whether a number is finite and within the bounds."""
        return (
            abs(number) <= sys.float_info.max  # not NaN either; whole numbers may be longer
            and (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )


@dataclass(frozen=True)
class OptionField:
    """A field of an options dataclass, with its description.

    Parameters
    ----------
    name : str
        Of the field.
    kind : type
        Its type, without None.
    default : object
        `dataclasses.MISSING` for a field that must be given.
    option : Option
    """

    name: str
    kind: Any
    default: Any
    option: Option

    @property
    def key(self) -> str:
        """The name of the option, with underscores, as recipes have it."""
        return key_of(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names on the command line, the usual one first."""
        return self.option.names or (f"--{self.key.replace('_', '-')}",)

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that a text may have; empty for any."""
        literal = get_args(self.kind) if get_origin(self.kind) is Literal else ()
        return self.option.choices or literal

    @property
    def shown_default(self) -> str | None:
        """How the default is shown; None where there is nothing to show."""
        if self.option.default_text is not None:
            return self.option.default_text
        if self.default is MISSING or self.default is None or isinstance(self.default, bool):
            return None
        return shown_value(self.default) or None

    def fault(self, value: Any) -> str | None:
        """Return what is wrong with a value; None if nothing is."""
        if value is None or value == self.default:
            return None
        if self.choices:
            expected = " or ".join(filter(None, [", ".join(self.choices[:-1]), self.choices[-1]]))
            return None if value in self.choices else f"expected {expected}, got {value}"
        if not fits(value, self.kind):
            return f"expected {in_words(self.kind)}, got {quoted_value(value)}"
        numbers = value if isinstance(value, tuple) else [value]
        if not self.option.range_text and self.name.endswith("_wh") and min(value) < 1:
            return f"expected 1 or more pixels a side, got {shown_value(value)}"
        if not self.option.range_text and not any(isinstance(each, float) for each in numbers):
            return None
        if all(self.option.holds(each) for each in numbers if isinstance(each, Real)):
            return None
        unit = " pixels a side" if isinstance(value, tuple) else ""
        expected = f"{self.option.range_text or 'a finite number'}{unit}"
        return f"expected {expected}, got {shown_value(value)}"


def option(default: Any, described: Option | None = None, /, **attributes: Any) -> Any:
    """Return a field of an options dataclass.

    Parameters
    ----------
    default : object
        `dataclasses.MISSING` for a field that must be given.
    described : Option, optional
        A description that several fields share.
    **attributes
        The parameters of `Option`, which win over those of `described`.
    """
    about = Option(**attributes) if described is None else replace(described, **attributes)
    return field(default=default, metadata={"option": about})


SEED = Option(
    help="Start the random numbers here: the same seed gives the same result.",
    metavar="N",
    minimum=0,
    maximum=HIGHEST_SEED,
)
WORKERS = Option(
    help="Run on this many cores at once.",
    names=("-j", "--workers"),
    metavar="N",
    minimum=1,
    default_text="all cores",
)


def key_of(name: str) -> str:
    """Return the name of the option of a field: the order of a size is not in it."""
    return name.removesuffix("_wh")


def option_fields(kind: type) -> dict[str, OptionField]:
    """Return the fields of a dataclass that have a description, by name."""
    if kind not in _KNOWN:
        hints = get_type_hints(kind)
        _KNOWN[kind] = {
            one.name: OptionField(one.name, _without_none(hints[one.name]), one.default, about)
            for one in fields(kind)
            if (about := _described(one)) is not None
        }
    return _KNOWN[kind]


#: What `option_fields` has found: types take long to find out.
_KNOWN: dict[type, dict[str, OptionField]] = {}


def _described(one: Field[Any]) -> Option | None:
    about = one.metadata.get("option")
    return about if isinstance(about, Option) else None


def check(options: Any) -> None:
    """Raise `OptionError` for the first field of an options dataclass that is out of range."""
    for name, one in option_fields(type(options)).items():
        fault = one.fault(getattr(options, name))
        if fault is not None:
            raise OptionError(f"`{name}`: {fault}", hint=one.option.hint)


def from_options(kind: type[T], given: Mapping[str, Any]) -> T:
    """Return an options dataclass of values by the names of options or of fields.

    Values that are None keep the default. A size may be a text such as "24x24", as recipes have
    it, and a path a text.

    Raises
    ------
    OptionError
        A name is none of the dataclass's, a field that has no default is missing, or a value is
        out of range.
    """
    hints = get_type_hints(kind)
    names = {key_of(name): name for name in hints} | {name: name for name in hints}
    values = {name: value for name, value in given.items() if value is not None}
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise OptionError(f"{', '.join(f'`{name}`' for name in unknown)}: no such option here")
    typed = {
        names[name]: _typed(value, _without_none(hints[names[name]]))
        for name, value in values.items()
    }
    for one in fields(kind):  # type: ignore[arg-type]  # a dataclass
        if one.default is MISSING and one.default_factory is MISSING and one.name not in typed:
            raise OptionError(f"`{one.name}` is missing")
    made = kind(**typed)
    check(made)
    return made


def changed(options: T, values: Mapping[str, Any]) -> T:
    """Return an options dataclass with some values changed, by the names of options or of fields.

    Raises
    ------
    OptionError
        A name is none of the dataclass's, or a value is out of range.
    """
    if not values:
        return options
    kept = {one.name: getattr(options, one.name) for one in fields(options)}  # type: ignore[arg-type]
    named = {key_of(name): name for name in kept}
    return from_options(type(options), {**kept, **{named.get(n, n): v for n, v in values.items()}})


def to_options(options: Any) -> dict[str, Any]:
    """Return the values of an options dataclass by the names of its options, as recipes have."""
    return {key_of(one.name): _as_plain(getattr(options, one.name)) for one in fields(options)}


def fits(value: Any, wanted: Any) -> bool:
    """Return whether a value, of a recipe say, is of a type; true is no number.

    A size is a pair of numbers, or a text such as "24x24".
    """
    origin = get_origin(wanted) or wanted
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in get_args(wanted))
    if origin is Literal:
        return value in get_args(wanted)
    if is_list(wanted):
        kind = get_args(wanted)[0]
        return isinstance(value, tuple | list) and all(isinstance(each, kind) for each in value)
    if origin is tuple and not isinstance(value, str):
        numbers = isinstance(value, tuple) and len(value) == 2
        return numbers and all(fits(each, get_args(wanted)[0]) for each in value)
    if origin is tuple:
        return bool(re.fullmatch(r"\d{1,9}x\d{1,9}", value))
    if isinstance(value, bool):
        return origin is bool
    return isinstance(value, {int: Integral, float: Real, Path: str | Path}.get(origin, origin))


def is_list(wanted: Any) -> bool:
    """Return whether a type is that of any number of texts or paths."""
    return bool(wanted in (tuple[str, ...], tuple[Path, ...]))


def in_words(wanted: Any) -> str:
    """Return what to call a type in a message."""
    wanted = _without_none(wanted)
    if get_origin(wanted) in (Union, UnionType):
        return " or ".join(map(in_words, get_args(wanted)))
    if is_list(wanted):
        return "a list of texts" if wanted == tuple[str, ...] else "a list of paths"
    if get_origin(wanted) is Literal:
        return " or ".join(get_args(wanted))
    return _WORDS[get_origin(wanted) or wanted]


def shown_value(value: Any) -> str:
    """Return a value as the command line and recipes have it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def quoted_value(value: Any) -> str:
    """Return a value for a message: texts in quotes, and nothing that is longer than a line."""
    return (repr(value) if isinstance(value, str) else shown_value(value))[:40]


def _as_plain(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return (
        (list(value) or None)
        if all(isinstance(each, str) for each in value)
        else shown_value(value)
    )


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


def _typed(value: Any, kind: Any) -> Any:
    origin = get_origin(kind) or kind
    if origin is tuple and isinstance(value, str) and fits(value, kind):
        return tuple(map(int, value.split("x")))
    if origin is tuple and isinstance(value, list):
        return tuple(value)
    return Path(value) if origin is Path and isinstance(value, str) else value


def _without_none(wanted: Any) -> Any:
    if get_origin(wanted) in (Union, UnionType):
        return Union[tuple(one for one in get_args(wanted) if one is not NoneType)]  # noqa: UP007
    return wanted
