"""Lists and numbers of a storage's elements, with the place named where one is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeVar
from xml.etree.ElementTree import Element

from fercli.cascade.model.validate import fits_float32, float32
from fercli.common.errors import CascadeFileError

T = TypeVar("T")

#: What both OpenCV and Python read as the same number.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def each(
    parent: Element,
    name: str,
    read: Callable[[Element, str], T],
    kind: str,
    where: str = "",
) -> Iterator[T]:
    """Yield what `read` makes of each element of a list; `kind` is what they are called.

    Raises `CascadeFileError` if there is no such list.
    """
    items = parent.find(name)
    if items is None:
        raise CascadeFileError(f"{before(where)}wanted a list <{name}>, found none")
    for at, item in enumerate(items):
        yield read(item, f"{before(where, ', ')}{kind} {at}")


def text_of(parent: Element, name: str, where: str = "", *, default: str | None = None) -> str:
    """Return what the element `name` in `parent` says.

    Raises `CascadeFileError` if there is none, and no default.
    """
    text = parent.findtext(name)
    if text is None:
        if default is not None:
            return default
        raise CascadeFileError(f"{before(where)}wanted <{name}>, found none")
    return text.strip()


def numbers_of(element: Element, count: int, where: str) -> list[str]:
    """Return the `count` words of an element; raise `CascadeFileError` if there are others."""
    texts = (element.text or "").split()
    if len(texts) != count:
        raise CascadeFileError(f"{where}: wanted {count} numbers, found {len(texts)}")
    return texts


def integer(text: str, where: str) -> int:
    """Return a whole number; OpenCV's storages write some of them as ``2.``.

    Raises `CascadeFileError` for anything else.
    """
    value = _number(text, where)
    if value != int(value):
        raise CascadeFileError(f"{before(where)}wanted a whole number, found {text!r}")
    return int(value)


def real(text: str, where: str) -> float:
    """Return a number as a float32."""
    return float32(_number(text, where))


def before(where: str, mark: str = ": ") -> str:
    """Return `where` with a mark behind it, or nothing."""
    return f"{where}{mark}" if where else ""


def _number(text: str, where: str) -> float:
    value = float(text) if NUMBER.fullmatch(text) else float("nan")
    if not fits_float32(value):
        raise CascadeFileError(f"{before(where)}wanted a finite number, found {text[:40]!r}")
    return value
