"""The published forms that fer reads, one module a form (or a kind of form)."""

from __future__ import annotations

from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.files import input_error
from fercli.datasets.entries import DatasetFormat
from fercli.datasets.formats import affectnet, ckplus, fer2013, file_names, generic, rafdb
from fercli.datasets.formats.tables import open_text

#: By name, in the order in which they are tried on a path: the particular before the general.
DATASET_FORMATS = {
    form.name: form
    for form in (
        fer2013.FERPLUS,
        generic.TREE,
        fer2013.FER2013,
        affectnet.FORMAT,
        rafdb.FORMAT,
        ckplus.FORMAT,
        file_names.RAFD,
        file_names.JAFFE,
        file_names.KDEF,
        generic.CSV,
        generic.FOLDER,
    )
}


def require_there(path: Path) -> None:
    """Raise `InputError` if there is nothing at `path`."""
    try:
        path.stat()
    except OSError as error:
        raise input_error(error, path, wanted="a data set") from error


def detect_format(path: Path) -> DatasetFormat:
    """Return the format of what is at `path`.

    FER-2013's CSV is taken for FER+ only if that is asked for: `ferplus` is never guessed.

    Raises
    ------
    InputError
        Nothing is there, or it is of no format that fer knows.
    """
    require_there(path)
    for form in DATASET_FORMATS.values():
        if form is not fer2013.FERPLUS and form.recognizes(path):
            return form
    if path.is_file():
        # That it may not be read, or not be unpacked, says more than that its form is not known.
        with open_text(path) as stream:
            stream.readable()
    for inside in sorted(path.iterdir()) if path.is_dir() else ():
        if inside.is_file() and any(form.recognizes(inside) for form in DATASET_FORMATS.values()):
            raise InputError(
                "The folder is of no format that is known, but holds a table that is",
                hint=f"name it: {inside}",
                path=path,
            )
    raise InputError(
        f"The format is none of those known: {', '.join(DATASET_FORMATS)}",
        hint="use FORMAT=PATH if it is one of them",
        path=path,
    )
