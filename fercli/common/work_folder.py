"""The folder that a command writes to: made where it is missing, and its own while it works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fercli.common.errors import OutputError
from fercli.common.files import UNFINISHED, folder_lock, make_folder, output_error


@contextmanager
def alone_in(folder: Path | None, doing: str, *, clear: bool = False) -> Iterator[int | None]:
    """Keep other processes of fer out of a folder while the body runs.

    A folder that was made here and is still empty at the end is removed.

    Parameters
    ----------
    folder : Path, optional
        Made where it is missing. None: nothing is written, and nothing done here.
    doing : str
        What is done there, for the message of the process that comes second: "an evaluation".
    clear : bool
        Whether an empty folder that was there before is removed as well. Defaults to False.

    Yields
    ------
    int or None
        The descriptor that holds the lock, as `folder_lock`; None without a folder.

    Raises
    ------
    OutputError
        Another process is at work there, or the folder cannot be made.
    """
    if folder is None:
        yield None
        return
    removable = clear or not folder.exists()
    with folder_lock(make_folder(folder), doing) as lock:
        try:
            yield lock
        finally:  # here, where it is certain that nobody else is at work in it
            if removable:
                with suppress(OSError):
                    folder.rmdir()


def remove_unfinished(folder: Path, names: Sequence[str]) -> None:
    """Remove what a killed process left of files that `fercli.common.files.atomic_write` was
    writing.

    Parameters
    ----------
    folder : Path
        Held by `alone_in` or `folder_lock`.
    names : sequence of str
        Of the files. What is left of others, of a single file that another process may be writing
        to the same folder, stays.
    """
    suffixes = {Path(name).suffix for name in names}
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.suffix in suffixes:
            path.unlink(missing_ok=True)


def remove_all_unfinished(root: Path) -> None:
    """Remove what a killed process was writing in a folder and in all below it.

    For trees of images, which nobody else writes to: Keras takes hidden files for images too.
    """
    for path in root.rglob(f"{UNFINISHED}*"):
        path.unlink()


# A place to work on what is fetched: a hidden folder in the one that the results go to.


@contextmanager
def work_folder(target: Path, doing: str, *, megabytes: int, hint: str) -> Iterator[Path]:
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
        with folder_lock(target, doing):
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
            f"Expected {megabytes} MB of free disk for {doing}, found {free} MB",
            hint=hint,
            path=target,
        )
