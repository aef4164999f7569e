"""OpenCV's XML storages: parsed within bounds, and named when they are not what was wanted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from fercli.cascade.model.validate import fits_float32, float32
from fercli.common.errors import CascadeFileError
from fercli.common.files import input_error

#: The largest cascade that OpenCV ships has 3 MB.
MOST_BYTES = 64 << 20
#: Elements within elements; a cascade has 9.
DEEPEST = 32

#: How files begin that are taken for cascades by mistake, and what to try.
FOREIGN_FILES = (
    (b"\x89PNG", "a PNG image", None),
    (b"\xff\xd8\xff", "a JPEG image", None),
    (b"GIF8", "a GIF image", None),
    (b"PK\x03\x04", "a zip archive", "the cascade.xml inside it"),
    (b"\x1f\x8b", "a gzip file", "gunzip"),
    (b"\x08\x00\x00\x00", "a binary file", None),
    (b"%YAML", "a YAML storage", "save the cascade as XML"),
    (b"{", "JSON", "save the cascade as XML"),
    (b"version https://git-lfs", "a pointer of Git LFS", "git lfs pull"),
)
HTML_HINT = "download the file itself (the raw one), not the page that shows it"


def read_storage(path: Path) -> Element:
    """Return the first node of an ``opencv_storage`` in XML.

    A document type is refused, and with it every definition of entities.

    Raises
    ------
    CascadeFileError
        The file is missing, a folder, unreadable, empty, too large, truncated, not XML or no
        storage of OpenCV's.
    """
    data = _read_bytes(path)
    _refuse_foreign(data, path)
    root = _parse(data, path)
    if root.tag != "opencv_storage":
        html = root.tag.lower().endswith("html")
        raise CascadeFileError(
            f"wanted a cascade (XML that begins with <opencv_storage>), "
            f"found {'an HTML page' if html else f'<{root.tag}>'}",
            hint=HTML_HINT if html else None,
            path=path,
        )
    if len(root) == 0:
        raise CascadeFileError("wanted a cascade, found an empty storage", path=path)
    return root[0]


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        found = input_error(error, path, wanted="a cascade file")
        inside = path / "cascade.xml"
        hint = str(inside) if inside.is_file() else None
        raise CascadeFileError(found.message, hint=hint, path=path) from error
    if len(data) > MOST_BYTES:
        raise CascadeFileError(
            f"wanted a cascade of at most {MOST_BYTES >> 20} MiB, found a larger file", path=path
        )
    return data


def _refuse_foreign(data: bytes, path: Path) -> None:
    """Raise for what is better named than by the complaint of an XML parser."""
    if not data.strip():
        found = "an empty file" if not data else "a file of blanks"
        raise CascadeFileError(f"wanted a cascade, found {found}", path=path)
    start = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, found, hint in FOREIGN_FILES:
        if start.startswith(signature):
            raise CascadeFileError(f"wanted a cascade, found {found}", hint=hint, path=path)
    if start[:14].lower() == b"<!doctype html":
        raise CascadeFileError("wanted a cascade, found an HTML page", hint=HTML_HINT, path=path)
    if not start.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        raise CascadeFileError(
            f"wanted a cascade (an XML file), found a file that begins with {start[:16]!r}",
            path=path,
        )


def _parse(data: bytes, path: Path) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise CascadeFileError(
                f"wanted a cascade, found elements nested more than {DEEPEST} deep", path=path
            )
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*declaration: object) -> None:
        raise CascadeFileError(
            "wanted a cascade, found a document type, which no cascade has", path=path
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _xml_error(error, data, path) from error


def _xml_error(error: Exception, data: bytes, path: Path) -> CascadeFileError:
    """Return the error for a file that is not well-formed, or of an unknown encoding."""
    line = getattr(error, "lineno", None)
    if (
        line is not None
        and line >= data.rstrip().count(b"\n") + 1
        and b"</opencv_storage" not in data
    ):
        return CascadeFileError(
            "wanted a whole cascade, found a truncated one",
            hint="copy or download it again",
            path=path,
            line=line,
        )
    return CascadeFileError(f"wanted a cascade, found broken XML: {error}", path=path, line=line)


# Lists and numbers of a storage's elements, with the place named where one is wrong.


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
