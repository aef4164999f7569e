"""A place to work on what is fetched: a hidden folder in the one that the results go to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fercli.common.errors import OutputError
from fercli.common.files import make_folder, only_one, output_error


@contextmanager
def workplace(target: Path, doing: str, *, megabytes: int, hint: str) -> Iterator[Path]:
    """Give an empty folder in the target, ours alone, that is gone afterwards.

    Parameters
    ----------
    target : Path
        The folder of results; made where missing, and removed again if it stays empty.
    doing : str
        What is done there, for messages: "an installation".
    megabytes : int
        The free disk that is needed, in 2^20 bytes.
    hint : str
        What to try where there is less.

    Raises
    ------
    OutputError
        The folder cannot be written, has too little room, or another process works there.
    """
    make_folder(target)
    place = target / ".build"
    try:
        with only_one(target, doing):
            _require_room(target, doing, megabytes, hint)
            # A process that was killed may have left its folder.
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise output_error(error, target) from error
    finally:
        with suppress(OSError):  # it is not empty when something was made
            target.rmdir()


def _require_room(target: Path, doing: str, megabytes: int, hint: str) -> None:
    free = shutil.disk_usage(target).free >> 20
    if free < megabytes:
        raise OutputError(
            f"wanted {megabytes} MB of free disk for {doing}, found {free} MB",
            hint=hint,
            path=target,
        )
