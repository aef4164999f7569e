"""The description files of OpenCV's programs: the info file and the background list.

The two programs read names differently. In an info file they are relative to the file's folder
and end at white space; in a background list ``opencv_traincascade`` takes each line as it
stands, relative to the working directory, and stops at a blank one.
"""

from __future__ import annotations

import os
from pathlib import Path

from fercli.errors import AnnotationError
from fercli.files import input_error


def read_background_list(path: Path) -> list[Path]:
    """Return the pictures that a background list names.

    A name a line; ``#`` in the first column begins a comment; blanks, tabs and carriage returns
    at the end of a line are no part of the name. More forgiving than ``opencv_traincascade``,
    which stops at a blank line and looks for names in the working directory alone: blank lines
    are skipped, and a name is looked for beside the list first, then in the working directory.

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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise input_error(error, path, wanted="a list of pictures") from error
    if b"\0" in content:
        raise AnnotationError("wanted a list of pictures, found a binary file", path=path)
    lines = (line.rstrip(b" \t\r") for line in content.split(b"\n"))
    names = [os.fsdecode(line) for line in lines if line and not line.startswith(b"#")]
    return [_beside_or_here(path.parent, name) for name in names]


def _beside_or_here(folder: Path, name: str) -> Path:
    beside = folder / name
    here = Path(name)
    return here if not beside.exists() and here.exists() else beside
