"""The description files of OpenCV's programs: the info file and the background list.

The two programs read names differently. In an info file they are relative to the file's folder
and end at white space; in a background list ``opencv_traincascade`` takes each line as it
stands, relative to the working directory, and stops at a blank one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fercli.annotations.base import NOTES, LabeledBox, OnError, Record, raise_it
from fercli.annotations.image_paths import ImageLocator
from fercli.annotations.text_files import UTF_16_MARKS
from fercli.common.errors import AnnotationError, FerError
from fercli.common.files import (
    IMAGE_EXTENSIONS,
    atomic_write,
    find_files,
    input_error,
    is_there,
    relative_name,
)
from fercli.common.tables import counted

if TYPE_CHECKING:
    from fercli.annotations.base import AnnotatedImage


#: How images are named: seen from the list's folder, or from the root of the file system.
Names = Literal["relative", "absolute"]

#: What C's ``isspace`` takes for white space, and with it the programs, whatever the encoding.
WHITE_SPACE = " \t\n\v\f\r"

#: What editors of Windows put before a text; no part of the first name.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: The first two bytes of the formats that OpenCV's programs read however they were built.
PLAIN_FORMATS = (b"\xff\xd8", b"\x89P", b"BM", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")


def read_background_list(path: Path, images: Path | None = None) -> list[Path]:
    """Return the images that a background list names.

    A name a line; ``#`` in the first column begins a comment; blanks, tabs and carriage returns
    at the end of a line are no part of the name. More forgiving than ``opencv_traincascade``,
    which stops at a blank line and looks for names in the working directory alone: blank lines
    are skipped, quotes around a name are dropped, and a name is looked for beside the list first,
    then in the working directory, then as `ImageLocator` does (backslashes, names of another
    machine).

    Parameters
    ----------
    path : Path
        The list.
    images : Path, optional
        The folder that the names are relative to. Defaults to the list's.

    Returns
    -------
    list of Path
        One that is in neither place is given as it would be beside the list.

    Raises
    ------
    AnnotationError
        The file is not a list of names.
    InputError
        The file is missing or cannot be read.
    """
    content = read_list(path, wanted="a list of images")
    if b"\0" in content:
        raise AnnotationError("Expected a list of images, got a binary file", path=path)
    lines = (line.rstrip(b" \t\r") for line in content.split(b"\n"))
    names = [os.fsdecode(line) for line in lines if line and not line.startswith(b"#")]
    locator = ImageLocator(path, images)
    return [_listed(path, name, locator) for name in names]


def _listed(path: Path, name: str, locator: ImageLocator) -> Path:
    beside = (locator.images or path.parent) / name
    if is_there(beside):
        return beside
    if is_there(Path(name)):
        return Path(name)
    unquoted = _unquoted(name)
    if unquoted != name:
        NOTES.add(path, "names in quotes, read without them", name, name)
    found = locator.find(unquoted, extra=(Path(),))
    return found if is_there(found) else beside


def _unquoted(name: str) -> str:
    quoted = len(name) > 2 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1] if quoted else name


def read_list(path: Path, *, wanted: str = "a file") -> bytes:
    """Return the content of an info file or a background list, less a byte-order mark.

    UTF-16 with a mark, as PowerShell writes it, becomes UTF-8, which is noted.

    Raises
    ------
    InputError
        The file is missing or cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise input_error(error, path, wanted=wanted) from error
    if content.startswith(UTF_16_MARKS):
        try:
            text = content.decode("utf-16")
        except UnicodeDecodeError:
            return content
        NOTES.add(path, "the list is UTF-16, which OpenCV's programs do not read", count=0)
        return text.encode()
    return content.removeprefix(BYTE_ORDER_MARK)


def write_info(
    path: Path,
    images: Sequence[AnnotatedImage],
    *,
    separator: str = " ",
    names: Names = "relative",
    overwrite: bool = False,
) -> None:
    """Write an info file, one record a line; images without a box are left out.

    Parameters
    ----------
    path : Path
        The file to write.
    images : sequence of AnnotatedImage
        What to describe; ignored boxes are left out.
    separator : str
        What stands between name and numbers: a space or a tab.
    names : {"relative", "absolute"}
        With absolute names ``opencv_createsamples`` works in the file's folder alone, where
        ``-info`` has no slash: it puts the folder of the file before every name.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Raises
    ------
    AnnotationError
        A name cannot stand in an info file (`fits_info`), or there is no box at all:
        ``opencv_createsamples`` would then search for one for ever.
    OutputError
        The file exists, or cannot be written.
    """
    boxed = [image for image in images if image.boxes_xywh]
    if not boxed:
        raise AnnotationError("An info file needs at least one box, but there is none", path=path)
    named = _named([image.path for image in boxed], path, names, fits_info)
    lines = (
        separator.join([name, str(len(image.boxes_xywh)), *_numbers(image)])
        for name, image in zip(named, boxed, strict=True)
    )
    _write_lines(path, lines, overwrite=overwrite)


def write_background_list(
    path: Path,
    images: Sequence[Path],
    *,
    names: Names = "absolute",
    overwrite: bool = False,
) -> None:
    """Write a background list, a name a line.

    Parameters
    ----------
    path : Path
        The file to write.
    images : sequence of Path
        What to list.
    names : {"relative", "absolute"}
        With relative names, seen from the list's folder, ``opencv_traincascade`` has to be
        started in that folder; with absolute ones anywhere.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Raises
    ------
    AnnotationError
        A name cannot stand in a background list (`fits_background_list`).
    OutputError
        The file exists, or cannot be written.
    """
    lines = _named(images, path, names, fits_background_list)
    _write_lines(path, lines, overwrite=overwrite)


def fits_info(name: str) -> bool:
    """Whether a name can stand in an info file: some UTF-8 without white space, no number."""
    return _is_text(name) and not any(space in name for space in WHITE_SPACE) and not name.isdigit()


def fits_background_list(name: str) -> bool:
    """Whether a name can stand in a background list: one line of UTF-8, blanks not at its end."""
    return (
        _is_text(name)
        and "\n" not in name
        and not name.startswith("#")
        and name == name.rstrip(WHITE_SPACE)
    )


def name_from(
    folder: Path, path: Path, names: Names, resolve: Callable[[Path], Path] = Path.resolve
) -> str:
    """Return the name of a file as it is seen from `folder`, or its absolute name.

    For the former, links to folders are followed, since ``..`` leads to a folder's real parent;
    the file's own name stays, link or not. Who names many gives a `resolve` that remembers, in
    place of asking the disk each time.
    """
    if names == "absolute":
        return path.absolute().as_posix()
    return relative_name(resolve(path.parent) / path.name, resolve(folder))


def names_from(folder: Path, paths: Iterable[Path], names: Names = "relative") -> list[str]:
    """Return the names of many files, as `name_from`; the disk is asked once a folder."""
    resolve = cache(Path.resolve)
    return [name_from(folder, path, names, resolve) for path in paths]


def named_images(
    path: Path, images: Sequence[AnnotatedImage]
) -> Iterator[tuple[str, AnnotatedImage]]:
    """Yield each image with its name as it is seen from the folder of the file `path`."""
    return zip(names_from(path.parent, [image.path for image in images]), images, strict=True)


def programs_read(path: Path) -> bool:
    """Whether OpenCV's programs read this format of image, however they were built."""
    with path.open("rb") as file:
        return file.read(2) in PLAIN_FORMATS


def _is_text(name: str) -> bool:
    try:
        return "\0" not in name and bool(name.encode("utf-8"))
    except UnicodeEncodeError:  # a file name that is not UTF-8, as Python holds it
        return False


def _named(
    images: Sequence[Path], path: Path, names: Names, fits: Callable[[str], bool]
) -> list[str]:
    named = names_from(path.parent, images, names)
    for name in named:
        if not fits(name):
            raise AnnotationError(
                f"The file cannot hold the name {name!r}",
                hint="use `fer cascade build-info`, which gives such files other names",
                path=path,
            )
    return named


def _numbers(image: AnnotatedImage) -> Iterable[str]:
    return (str(number) for box in image.boxes_xywh for number in box)


def _write_lines(path: Path, lines: Iterable[str], *, overwrite: bool) -> None:
    with atomic_write(path, overwrite=overwrite) as temporary:
        text = "".join(f"{line}\n" for line in lines)
        temporary.write_text(text, encoding="utf-8", newline="\n")


# OpenCV's info file: what ``opencv_createsamples -info`` reads, often called positives.dat.
#
# Records of ``name count x y width height x y width height …``, all whole numbers, separated by
# white space of any kind; usually one record a line. Names are relative to the file's folder and
# cannot hold white space.
#
# See: ``cvCreateTrainingSamplesFromInfo`` in OpenCV 3.4, apps/createsamples/utility.cpp.


HINT = "run `fer cascade check-info`, which lists all that is wrong with it"


def looks_like(path: Path) -> bool:
    """Whether a file begins with a name and whole numbers, count of them and all."""
    try:
        with path.open("rb") as file:
            begin = file.read(4096)
    except OSError:
        return False
    if begin.startswith(UTF_16_MARKS):
        begin = begin.decode("utf-16", "replace").encode()
    words = list(_words(begin.removeprefix(BYTE_ORDER_MARK)))[:6]
    return len(words) > 1 and _as_int(words[0]) is None and all(
        _as_int(word) is not None for word in words[1 : 2 + 4 * min(_as_int(words[1]) or 0, 1)]
    )  # fmt: skip


def read(path: Path, images: Path | None = None, on_error: OnError = raise_it) -> list[Record]:
    """Return the records of an info file.

    The first malformed record, whose number is the error's `line`, ends the reading: where the
    next one begins is unknown.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    words = _words(read_list(path))
    locator = ImageLocator(path, images)
    folder = path.parent if images is None else images
    records: list[Record] = []
    try:
        for word in words:
            name = _name(word)
            image = folder / name
            if not is_there(image):
                image = _named_image(path, name, locator)
            records.append(Record(image, _boxes(words, name), path, len(records) + 1))
    except AnnotationError as error:
        on_error(AnnotationError(error.message, hint=HINT, path=path, line=len(records) + 1))
    return records


def _words(content: bytes) -> Iterator[bytes]:
    """Return the words of an info file; one that begins with a quote ends with one."""
    if b'"' not in content:
        return iter(content.split())
    return iter(re.findall(rb'"[^"\r\n]+"(?=\s|$)|\S+', content))


def _named_image(path: Path, name: str, locator: ImageLocator) -> Path:
    """Return the image of a name that leads nowhere as it stands."""
    unquoted = _unquoted(name)
    if unquoted != name:
        NOTES.add(path, "names in quotes, read without them", name, name)
    found = locator.find(unquoted, extra=(Path(),))
    return found if is_there(found) else (locator.images or path.parent) / name


def _name(word: bytes) -> str:
    if b"\0" in word or _as_int(word) is not None:
        raise AnnotationError(f"Expected the name of an image, got {_shown(word)}")
    return os.fsdecode(word)


def _boxes(words: Iterator[bytes], name: str) -> tuple[LabeledBox, ...]:
    count = _number(words, f"the number of boxes of {name}")
    if count < 0:
        raise AnnotationError(f"Expected the number of boxes of {name}, got {count}")
    what = f"4 numbers for each of {counted(count, 'box')} of {name}"
    return tuple(_box(words, what) for _ in range(count))


def _box(words: Iterator[bytes], what: str) -> LabeledBox:
    x, y, width, height = (_number(words, what) for _ in range(4))
    return LabeledBox(x, y, width, height)


def _number(words: Iterator[bytes], what: str) -> int:
    word = next(words, None)
    if word is None:
        raise AnnotationError(f"Expected {what}, got the end of the file")
    number = _as_int(word)
    if number is None:
        raise AnnotationError(f"Expected {what} as integers, got {_shown(word)}")
    return number


def _as_int(word: bytes) -> int | None:
    try:
        return int(word) if b"_" not in word and len(word) < 19 else None
    except ValueError:
        return None


def _shown(word: bytes) -> str:
    text = repr(word[:40].decode("utf-8", "backslashreplace"))
    return text if len(word) <= 40 else f"{text}…"


# A folder of text files, one an image: NAME.txt holds ``count x y width height …`` for the image of
# that stem, as some tools write in place of an info file.


def is_counted(path: Path) -> bool:
    """Whether a text file holds a count and as many boxes, at least one."""
    return bool(_counted(path))


def read_folder(
    path: Path, images: Path | None = None, on_error: OnError = raise_it
) -> list[Record]:
    """Return a record for each image of a folder of text files ``count x y width height …``.

    Parameters and errors as `fercli.annotations.formats.Reader`.
    """
    folder = images or path
    texts = {_stem_key(file, path): file for file in find_files(path, (".txt",))}
    found = [(_stem_key(file, folder), file) for file in find_files(folder, IMAGE_EXTENSIONS)]
    imaged = {key for key, _ in found}
    for key, text in texts.items():
        if key not in imaged and _counted(text) is not None:
            on_error(AnnotationError("There is no image of the same name", path=text))
    records = []
    for key, image in found:
        try:
            boxes = _boxes_of(texts[key]) if key in texts else ()
        except FerError as error:
            on_error(error)
            continue
        records.append(Record(image, boxes, texts.get(key, image)))
    return records


def _stem_key(file: Path, root: Path) -> Path:
    return file.relative_to(root).with_suffix("")


def _boxes_of(path: Path) -> tuple[LabeledBox, ...]:
    try:
        words = iter(read_list(path).split())
        boxes = _boxes(words, path.name)
        extra = next(words, None)
        if extra is not None:
            raise AnnotationError(
                f"Expected {counted(len(boxes), 'box')}, got more: {_shown(extra)}"
            )
        return boxes
    except AnnotationError as error:
        raise AnnotationError(error.message, path=path) from None


def _counted(path: Path) -> int | None:
    """Return the count of boxes of such a text file; None if it is none."""
    try:
        numbers = [_as_int(word) for word in path.read_bytes()[: 1 << 20].split()]
    except OSError:
        return None
    count = numbers[0] if numbers else None
    if count is None or len(numbers) != 1 + 4 * count or None in numbers:
        return None
    return count
