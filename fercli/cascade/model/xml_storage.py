"""Read OpenCV's XML storages, as ``cv2.FileStorage`` reads them; name files of other kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element

from fercli.cascade.model.cascade import fits_float32, float32
from fercli.common.errors import CascadeFileError
from fercli.common.files import input_error
from fercli.common.xml import MALFORMED, parse_xml

#: The largest cascade that OpenCV ships has 3 MB.
MOST_BYTES = 64 << 20
#: Elements within elements; a cascade has 9.
DEEPEST = 32

#: How files begin that are taken for cascades by mistake, and what to try.
FOREIGN_FILES = (
    (b"\x89PNG", "a PNG image", None),
    (b"\xff\xd8\xff", "a JPEG image", None),
    (b"GIF8", "a GIF image", None),
    (b"PK\x03\x04", "a zip archive", "use the cascade.xml inside it"),
    (b"\x1f\x8b", "a gzip file", "unpack it with gunzip"),
    (b"\x08\x00\x00\x00", "a binary file", None),
    (b"%YAML", "a YAML storage", "save the cascade as XML"),
    (b"{", "JSON", "save the cascade as XML"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch it with git lfs pull"),
)
BOM = b"\xef\xbb\xbf"
DECLARATION = re.compile(rb"\A<\?xml[^>]*\?>")
#: cv2 passes over the bytes of a comment, but not over control characters in it.
COMMENT = re.compile(rb"<!--[^\0-\x08\x0b\x0c\x0e-\x1f]*?-->")
LONE_CR = re.compile(rb"\r(?![\r\n]|\Z)")
HTML_HINT = "download the file itself (the raw one), not the page that shows it"


def read_storage(path: Path, *, repair: bool = False) -> Element:
    """Return the first node of an ``opencv_storage`` in XML.

    What is refused is what ``cv2.FileStorage`` refuses. It reads bytes: a comment may be in any
    encoding, but the file must begin with ``<?xml``.

    Parameters
    ----------
    path : Path
    repair : bool
        Whether to read a file that cv2 refuses only because of its encoding, its line ends or
        the missing XML declaration. Defaults to False.

    Raises
    ------
    CascadeFileError
        The file is missing, a folder, unreadable, empty, too large, truncated, not XML, not a
        storage of OpenCV or one that OpenCV cannot read.
    """
    data = _read_bytes(path)
    _refuse_foreign(data, path)
    content = _content(_repaired(data))
    try:
        document = parse_xml(content, path, error=CascadeFileError, deepest=DEEPEST, plain=True)
    except CascadeFileError as error:
        raise _named(error, content) from error
    root = document.root
    if root.tag != "opencv_storage":
        html = root.tag.lower().endswith("html")
        raise CascadeFileError(
            f"The file is not a cascade: its root element is <{root.tag}>, not <opencv_storage>",
            hint=HTML_HINT if html else None,
            path=path,
        )
    if len(root) == 0:
        raise CascadeFileError("The file is not a cascade but an empty storage", path=path)
    if not repair:
        _refuse_encoding(data, path)
    return root[0]


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        found = input_error(error, path, wanted="a cascade file")
        inside = path / "cascade.xml"
        hint = f"use {inside}" if inside.is_file() else None
        raise CascadeFileError(found.message, hint=hint, path=path) from error
    if len(data) > MOST_BYTES:
        raise CascadeFileError(
            f"The file is larger than the {MOST_BYTES >> 20} MiB that a cascade may have",
            path=path,
        )
    return data


def _refuse_foreign(data: bytes, path: Path) -> None:
    """Raise for files that are better named than by the error of an XML parser."""
    if not data.strip():
        kind = "an empty file" if not data else "a file of blanks"
        raise CascadeFileError(f"The file is not a cascade but {kind}", path=path)
    if data[1:4] == b"\0\0\0" and data[5:8] == b"\0\0\0":
        # Width and height as int32.
        raise CascadeFileError(
            "The file is not an XML cascade but perhaps a cascade of OpenMV",
            hint=f"fer cascade convert {path} --out NEW.xml",
            path=path,
        )
    start = data[:512].removeprefix(BOM).lstrip()
    for signature, kind, hint in FOREIGN_FILES:
        if start.startswith(signature):
            raise CascadeFileError(f"The file is not a cascade but {kind}", hint=hint, path=path)
    if start[:14].lower() == b"<!doctype html":
        raise CascadeFileError(
            "The file is not a cascade but an HTML page", hint=HTML_HINT, path=path
        )
    if not (start.startswith(b"<") or _utf16(data)):
        raise CascadeFileError(
            f"The file is not a cascade (an XML file): it begins with {start[:16]!r}", path=path
        )


def _refuse_encoding(data: bytes, path: Path) -> None:
    """Raise for text that cv2 does not read as XML, and tell how to convert it."""
    if data.startswith(BOM):
        problem = "begins with a byte order mark"
    elif _utf16(data):
        problem = "is in UTF-16"
    elif not data.startswith(b"<?xml"):
        problem = "does not begin with <?xml"
    elif LONE_CR.search(data):
        problem = "has line ends of old Macintoshes (CR alone)"
    else:
        return
    raise CascadeFileError(
        f"The file {problem}, and OpenCV cannot load it",
        hint=f"write it anew by: fer cascade convert {path} --out NEW.xml",
        path=path,
    )


def _utf16(data: bytes) -> bool:
    return data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]


def _repaired(data: bytes) -> bytes:
    """Return XML in UTF-8, without a byte order mark, with a declaration and line feeds."""
    if _utf16(data):
        big = data.startswith((b"\xfe\xff", b"\0"))
        data = data.decode("utf-16-be" if big else "utf-16-le", "replace").encode()
    data = data.removeprefix(BOM).lstrip()
    if not data.startswith(b"<?xml"):
        data = b'<?xml version="1.0"?>' + data
    return LONE_CR.sub(b"\n", data)


def _content(data: bytes) -> str:
    """Return what cv2 makes of a storage: without its declaration and the text of comments."""
    declared = DECLARATION.sub(b"", data.rstrip(b"\0"), count=1)
    emptied = COMMENT.sub(lambda found: b"<!--" + b"\n" * found[0].count(b"\n") + b"-->", declared)
    return emptied.decode("latin-1")


def _named(error: CascadeFileError, content: str) -> CascadeFileError:
    """Return the error for malformed XML; a truncated file is called so."""
    last = content.rstrip().count("\n") + 1
    malformed = error.message.startswith(MALFORMED) and (error.line or 0) >= last
    if malformed and "</opencv_storage" not in content:
        return CascadeFileError(
            "The cascade is truncated",
            hint="copy or download it again",
            path=error.path,
            line=error.line,
        )
    return error


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
        raise CascadeFileError(f"{before(where)}expected a list <{name}>, got none")
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
        raise CascadeFileError(f"{before(where)}expected <{name}>, got none")
    return text.strip()


def numbers_of(element: Element, count: int, where: str) -> list[str]:
    """Return the `count` words of an element; raise `CascadeFileError` if there are others."""
    texts = (element.text or "").split()
    if len(texts) != count:
        raise CascadeFileError(f"{where}: expected {count} numbers, got {len(texts)}")
    return texts


def integer(text: str, where: str) -> int:
    """Return a whole number; OpenCV's storages write some of them as ``2.``.

    Raises `CascadeFileError` for anything else.
    """
    value = _number(text, where)
    if value != int(value):
        raise CascadeFileError(f"{before(where)}expected a whole number, got {text!r}")
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
        raise CascadeFileError(f"{before(where)}expected a finite number, got {text[:40]!r}")
    return value
