"""Files: found in a stable order, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fercli.common import windows
from fercli.common.errors import InputError, OutputError, OutputExistsError

#: How the names of files and folders begin that are being written.
UNFINISHED = ".fer-"
#: Suffixes of images, lower case: every command that looks into a folder reads all of these.
IMAGE_EXTENSIONS = (
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2",
    ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff",
    ".webp",
)  # fmt: skip
#: Suffixes of videos, lower case.
VIDEO_EXTENSIONS = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".ogv", ".ts", ".webm", ".wmv",
)  # fmt: skip

#: At most so many names are listed in a note.
MOST_NAMES = 5

_UMASK_LOCK = threading.Lock()


def require_absent(path: Path, *, overwrite: bool) -> None:
    """Raise unless a file or folder may be written under the name `path`.

    Raises
    ------
    OutputExistsError
        It exists and may not be overwritten.
    OutputError
        It is a device or a pipe, which would be replaced by a file; or Windows does not accept
        the name.
    """
    windows.require_usable(path)
    if is_there(path) and not (path.is_file() or path.is_dir()):
        raise OutputError(
            "Expected a file to write, found a device or a pipe", hint="another name", path=path
        )
    if not overwrite and os.path.lexists(path):
        raise OutputExistsError("already exists", hint="--overwrite, or another name", path=path)


def make_folder(path: Path) -> Path:
    """Create the folder `path` and its parents where missing, and return it.

    Raises
    ------
    OutputError
        A parent is a file, or may not be written.
    """
    windows.require_usable(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(
            "Expected a folder to write to, found a file", hint="another name", path=path
        ) from error
    except OSError as error:
        raise output_error(error, path) from error
    return path


@contextmanager
def atomic_write(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` if the body succeeds.

    Whatever happens in the body (an exception, Ctrl-C, a full disk), `path` holds either what it
    held before or the whole new content. Missing parent folders are created.

    Parameters
    ----------
    path : Path
        The final name.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Yields
    ------
    Path
        The temporary name, with the same suffix (so that writers that look at it work).

    Raises
    ------
    OutputExistsError
        `path` exists and `overwrite` is False.
    OutputError
        The folder cannot be written, the disk is full, …
    """
    require_absent(path, overwrite=overwrite)
    make_folder(path.parent)
    try:
        handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=UNFINISHED, dir=path.parent)
    except OSError as error:
        raise output_error(error, path) from error
    temporary = Path(name)
    try:
        os.close(handle)
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        _give_name(temporary, path, overwrite=overwrite)
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _give_name(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Give a file its final name, unless another process was first and it may not be replaced."""
    if not overwrite:
        try:
            path.hardlink_to(temporary)
            return
        except FileExistsError:
            require_absent(path, overwrite=False)
        except OSError:  # this disk has no links
            require_absent(path, overwrite=False)
    windows.replace(temporary, path)


def write_text(
    path: Path, text: str, *, overwrite: bool = False, errors: str = "surrogateescape"
) -> None:
    """Write a text to a file, whole or not at all.

    Parameters
    ----------
    path : Path
    text : str
        In UTF-8, but for names of files in it, which may be of any bytes.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.
    errors : str
        How such names are written, as in `str.encode`. Defaults to the bytes that they are;
        "backslashreplace" suits JSON.

    Raises
    ------
    OutputExistsError, OutputError
        As `atomic_write`.
    """
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors, newline="\n")


@contextmanager
def atomic_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it to `path` if the body succeeds.

    Parameters
    ----------
    path : Path
        The final name.
    overwrite : bool
        Whether an existing folder may be replaced, with all that it holds. Defaults to False.

    Yields
    ------
    Path
        The temporary folder, empty.

    Raises
    ------
    OutputExistsError
        `path` exists and `overwrite` is False.
    OutputError
        The folder cannot be written, the disk is full, …
    """
    require_absent(path, overwrite=overwrite)
    make_folder(path.parent)
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=path.parent))
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        if overwrite and path.is_dir():
            shutil.rmtree(path)
        windows.rename(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another process was first
            require_absent(path, overwrite=False)
        raise output_error(error, path) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def folder_lock(folder: Path, doing: str) -> Iterator[int]:
    """Hold the lock of a folder while the body runs, so that only one process works in it.

    The system drops the lock when the process dies, however it does, so that nothing is left
    to clean up. File systems without locks are trusted.

    Parameters
    ----------
    folder : Path
        An existing folder.
    doing : str
        What is done there, for the message: "a training".

    Yields
    ------
    int
        The descriptor that holds the lock: a child that inherits it holds the lock, too.

    Raises
    ------
    OutputError
        Another process holds the lock, or there is no such folder.
    """
    try:
        handle = windows.lock_folder(folder)
    except OSError as error:
        raise output_error(error, folder) from error
    if handle is None:
        raise OutputError(
            f"{doing} is under way there already", hint="wait for its end", path=folder
        )
    try:
        yield handle
    finally:
        os.close(handle)


def read_text(path: Path, *, errors: str = "strict") -> str:
    """Return the content of a UTF-8 text file (a byte-order mark is dropped).

    Parameters
    ----------
    path : Path
        The file.
    errors : str
        What becomes of bytes that are not UTF-8, as in `bytes.decode`. Defaults to "strict".

    Raises
    ------
    InputError
        The file is missing, a folder, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors=errors)
    except UnicodeDecodeError as error:
        raise InputError(
            f"Expected a UTF-8 text file, found byte 0x{error.object[error.start]:02x} at offset "
            f"{error.start}",
            hint="is this the right file, or one in another encoding?",
            path=path,
        ) from error
    except OSError as error:
        raise input_error(error, path) from error


@dataclass(frozen=True)
class FolderFiles:
    """The files below a folder: those of some suffixes, and all others.

    Parameters
    ----------
    folder : Path
    found, skipped : list of Path
        Each sorted by path. Hidden files are in neither.
    """

    folder: Path
    found: list[Path]
    skipped: list[Path]

    def note(self, what: str = "images") -> str | None:
        """Return a line that counts and lists the files that were skipped; None if there are none.

        Parameters
        ----------
        what : str
            What the files that were found are, in the plural. Defaults to "images".
        """
        if not self.skipped:
            return None
        kinds = Counter(path.suffix.lower() or "no suffix" for path in self.skipped)
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(MOST_NAMES))
        names = [
            shown_name(path.relative_to(self.folder).as_posix())
            for path in self.skipped[:MOST_NAMES]
        ]
        more = ", …" if len(self.skipped) > MOST_NAMES else ""
        total = len(self.found) + len(self.skipped)
        return (
            f"{shown_name(str(self.folder))}: skipped {len(self.skipped)} of {total} files that "
            f"are not {what} by their suffix ({counts}): {', '.join(names)}{more}"
        )


def list_folder(
    folder: Path, extensions: Sequence[str] = IMAGE_EXTENSIONS, *, recursive: bool = True
) -> FolderFiles:
    """Return the files below `folder`, those with one of `extensions` apart from the others.

    Hidden files and folders are left out; links to folders are followed once.

    Raises
    ------
    InputError
        `folder` is missing, not a folder or unreadable.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise input_error(error, folder, wanted="a folder") from error
    wanted = tuple(extension.lower() for extension in extensions)
    found: list[Path] = []
    skipped: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=_refuse_folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [] if not recursive else sorted(d for d in folders if not d.startswith("."))
        for name in names:
            if not name.startswith("."):
                (found if name.lower().endswith(wanted) else skipped).append(Path(parent, name))
    return FolderFiles(folder, sorted(found), sorted(skipped))


def subfolder_of(path: Path, folders: Iterable[Path | str]) -> Path:
    """Return where a file is below the first of `folders` that it is in; "." if it is in none."""
    return next(
        (path.parent.relative_to(one) for one in folders if path.is_relative_to(one)), Path()
    )


def find_files(
    folder: Path, extensions: Sequence[str] = IMAGE_EXTENSIONS, *, recursive: bool = True
) -> list[Path]:
    """Return the files below `folder` with one of `extensions`, sorted; as `list_folder`."""
    return list_folder(folder, extensions, recursive=recursive).found


def is_there(path: Path) -> bool:
    """Whether there is something under this name; False for one too long to be a name."""
    return os.path.exists(path)  # noqa: PTH110  # Path.exists raises for names that are too long


def _refuse_folder(error: OSError) -> None:
    """Name a folder that cannot be listed: to pass over it would lose what is in it unseen."""
    raise input_error(error, Path(error.filename), wanted="a folder") from error


def input_error(error: OSError, path: Path, *, wanted: str = "a file") -> InputError:
    """Return the named error for an operating-system error met while reading `path`."""
    found = {
        errno.ENOENT: "nothing of that name",
        errno.EISDIR: "a folder",
        errno.ENOTDIR: "a file",
        errno.EACCES: "no permission to read it",
    }.get(error.errno or 0, error.strerror or str(error))
    return InputError(f"Expected {wanted}, found {found}", path=path)


def output_error(error: OSError, path: Path) -> OutputError:
    """Return the named error for an operating-system error met while writing `path`."""
    hints = {
        errno.ENOSPC: "free some space, or write to another disk",
        errno.EDQUOT: "free some of your quota, or write to another disk",
        errno.EACCES: "another folder, or its owner's rights",
        errno.EROFS: "another folder: this disk is read-only",
    }
    reason, hint = error.strerror or str(error), hints.get(error.errno or 0)
    if windows.too_long(path):
        hint = "use a folder of a shorter name, or enable long paths in Windows"
    return OutputError(f"cannot be written: {reason}", hint=hint, path=path)


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    with _UMASK_LOCK:  # or a second thread would take what the first one sets for the umask
        current = os.umask(0o022)
        os.umask(current)
    return current


# Names of files: which fit a disk, are free, can be shown, or are of the same file.


def input_among(outputs: Iterable[Path], inputs: Iterable[Path]) -> Path | None:
    """Return the first file to be written that is one of those to be read, whatever its name."""
    read = {_identity(path) for path in inputs} - {None}
    return next((path for path in outputs if _identity(path) in read), None)


def relative_name(path: Path, folder: Path) -> str:
    """Return the name of a file as seen from a folder, with slashes on every system.

    On Windows there is none from one drive to another: then the name is absolute.
    """
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.as_posix()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the number of a file; None if there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def shortened(name: str, most: int) -> str:
    """Return the beginning of a file's name, of at most `most` bytes; no character is halved."""
    content = os.fsencode(name)
    return name if len(content) <= most else content[:most].decode("utf-8", "ignore")


def free_name(stem: str, taken: dict[str, int], suffix: str = "", *, fold: bool = False) -> str:
    """Return a name that is not taken, numbered if its own is, and take it.

    Parameters
    ----------
    stem, suffix : str
        Together the name; a number goes between them.
    taken : dict of str to int
        The names that are taken, each with the last number that was tried for it: thousands of one
        name are numbered at once.
    fold : bool
        Whether names that differ in case alone are one; those of `taken` are case-folded then.
        Defaults to False.
    """

    def key(name: str) -> str:
        return name.casefold() if fold else name

    name = stem + suffix
    wanted = key(name)
    number = taken.get(wanted, 1)
    while key(name) in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken[wanted] = number
    taken.setdefault(key(name), 1)
    return name


def shown_name(name: str) -> str:
    """Return the name of a file for people: bytes that are not UTF-8 replaced by a mark."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


# JSON out of files that anyone may have written.


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    ValueError
        It is not JSON (then a ``json.JSONDecodeError``), is nested too deeply, or holds a whole
        number of thousands of digits.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
