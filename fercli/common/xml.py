"""XML of unknown origin, parsed within bounds by the standard library's parser.

A document cannot name other files, expand entities of its own ("billion laughs") or nest without
end. Each element keeps the line that it begins at, for messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, TreeBuilder, indent
from xml.parsers import expat

from fercli.common.errors import AnnotationError, FerError
from fercli.common.files import atomic_write, input_error

#: Bytes. The XML of 100,000 images has a tenth of it.
LARGEST_FILE = 1 << 28
DEEPEST = 64
#: How messages on XML that is not well-formed begin.
MALFORMED = "The file is not XML"

_DECLARATION = re.compile(rb"""<\?xml[^>]*encoding=["']([\w.-]+)""")
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class Document:
    """A parsed XML file.

    Parameters
    ----------
    path : Path
        The file.
    root : Element
        Its outermost element.
    lines : dict of Element to int
        The line that each element begins at, from 1.
    encoding_ignored : str
        The encoding of single bytes that the file declares though it is UTF-8, as which it was
        read: dlib's imglab writes ISO-8859-1 over the bytes of UTF-8. "" if it declares none such.
    """

    path: Path
    root: Element
    lines: dict[Element, int] = field(default_factory=dict)
    encoding_ignored: str = ""

    def text(self, element: Element, name: str, default: str | None = None) -> str:
        """Return the text of a child, stripped; without `default` the child must be there."""
        child = element.find(name)
        if child is not None and child.text is not None:
            return child.text.strip()
        if default is None:
            raise self.error(element, f"Expected <{name}> in <{element.tag}>, but there is none")
        return default

    def number(self, element: Element, what: str, text: str | None) -> float:
        """Return the number that `text`, found in `element` and called `what`, holds."""
        try:
            return float(text if text is not None else "")
        except ValueError as error:
            found = "none" if text is None else repr(text[:40])
            raise self.error(element, f"Expected a number for {what}, got {found}") from error

    def error(self, element: Element, message: str) -> AnnotationError:
        """Return an error that names this file and the line of `element`."""
        return AnnotationError(message, path=self.path, line=self.lines.get(element))


def read_xml(path: Path) -> Document:
    """Parse an XML file.

    Raises
    ------
    AnnotationError
        It is not well-formed, declares entities, nests deeper than `DEEPEST` or is larger than
        `LARGEST_FILE`.
    InputError
        It is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise input_error(error, path) from error
    if len(content) > LARGEST_FILE:
        raise AnnotationError(
            f"The file is larger than {LARGEST_FILE >> 20} MiB, the most that is read of XML",
            path=path,
        )
    declared = _misleading_encoding(content)
    document = _Parser(path, encoding="utf-8" if declared else None).parse(content)
    document.encoding_ignored = declared
    return document


def _misleading_encoding(content: bytes) -> str:
    """Return the encoding of single bytes that is declared for what is UTF-8 beyond ASCII."""
    found = _DECLARATION.match(content)
    if found is None or content.isascii():
        return ""
    declared = found.group(1).decode("ascii", "replace")
    if not declared.lower().startswith(("iso-8859", "latin", "windows-125", "cp125")):
        return ""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return declared


def parse_xml(
    content: str | bytes,
    path: Path,
    *,
    error: type[FerError] = AnnotationError,
    deepest: int = DEEPEST,
    plain: bool = False,
) -> Document:
    """Parse the content of an XML file.

    Parameters
    ----------
    content : str or bytes
    path : Path
        The file, for messages.
    error : type
        What is raised for malformed content. Defaults to `AnnotationError`.
    deepest : int
        The most elements within each other. Defaults to `DEEPEST`.
    plain : bool
        Whether document types, processing instructions, CDATA sections and names that are not
        ASCII are refused as well. Defaults to False.
    """
    return _Parser(path, error, deepest, plain=plain).parse(content)


def fits_xml(text: str) -> bool:
    """Whether XML can hold a text: no control characters, no bytes that are not UTF-8.

    See: XML 1.0, section 2.2.
    """
    return not _NOT_IN_XML.search(text)


def write_xml(path: Path, root: Element, *, overwrite: bool, declaration: bool = True) -> None:
    """Write an XML file in UTF-8, whole or not at all."""
    indent(root)
    with atomic_write(path, overwrite=overwrite) as temporary:
        ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=declaration)


def require_xml_name(name: str, path: Path) -> str:
    """Return the name of an image that XML can hold.

    Raises
    ------
    AnnotationError
        It cannot, which is said of the file `path`.
    """
    if not fits_xml(name):
        raise AnnotationError(
            f"The file cannot hold the name {name!r}",
            hint="write CSV or COCO, or rename the image",
            path=path,
        )
    return name


def root_tag(path: Path) -> str | None:
    """Return the name of the outermost element of what seems to be XML, or None."""
    found: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: found.append(tag)
    try:
        with path.open("rb") as file:
            parser.Parse(file.read(4096), False)
    except (OSError, expat.ExpatError, ValueError, LookupError):
        pass
    return found[0] if found else None


class _Parser:
    def __init__(
        self,
        path: Path,
        error: type[FerError] = AnnotationError,
        deepest: int = DEEPEST,
        *,
        plain: bool = False,
        encoding: str | None = None,
    ) -> None:
        self.path = path
        self.error_type = error
        self.deepest = deepest
        self.plain = plain
        self.builder = TreeBuilder()
        self.lines: dict[Element, int] = {}
        self.depth = 0
        self.expat = expat.ParserCreate(encoding)
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self.start
        self.expat.EndElementHandler = self.end
        self.expat.CharacterDataHandler = self.builder.data
        self.expat.EntityDeclHandler = self.refusal("declares an entity")
        if plain:
            self.expat.StartDoctypeDeclHandler = self.refusal("has a document type")
            self.expat.ProcessingInstructionHandler = self.refusal("has a processing instruction")
            self.expat.StartCdataSectionHandler = self.refusal("has a CDATA section")

    def parse(self, content: str | bytes) -> Document:
        try:
            self.expat.Parse(content, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise self.error_type(
                f"{MALFORMED}: {reason}", path=self.path, line=error.lineno
            ) from None
        except (ValueError, LookupError) as error:
            raise self.error_type(f"{MALFORMED}: {error}", path=self.path) from error
        return Document(self.path, self.builder.close(), self.lines)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > self.deepest:
            raise self.error(f"Elements are nested more than {self.deepest} deep")
        if self.plain and not tag.isascii():
            raise self.error(f"The name of an element is not ASCII: <{tag}>")
        self.lines[self.builder.start(tag, attributes)] = self.expat.CurrentLineNumber

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.builder.end(tag)

    def refusal(self, what: str) -> Callable[..., None]:
        def refuse(*details: object) -> None:
            raise self.error(f"The file {what}, which is not accepted")

        return refuse

    def error(self, message: str) -> FerError:
        return self.error_type(message, path=self.path, line=self.expat.CurrentLineNumber)
