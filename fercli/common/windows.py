"""What Windows does differently: names, files in use, locks of folders, ends of processes.

On other systems each function here does the usual thing.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PureWindowsPath

from fercli.common.errors import OutputError

#: Names of devices; with any suffix (``nul.txt``) they are no files either.
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"]
)
#: What a name cannot hold; a colon would name a drive or a second content of the file.
REFUSED_CHARACTERS = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
#: Characters of a path, unless long paths were enabled in Windows.
LONGEST_PATH = 259

#: Seconds between attempts to replace a file that another program has open.
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


def usable_name(name: str) -> str:
    """Return a file name made of data (a label, a name in a table) as the system accepts it."""
    return windows_name(name) if sys.platform == "win32" else name


def windows_name(name: str) -> str:
    """Return a file name with what Windows refuses replaced by underscores."""
    name = REFUSED_CHARACTERS.sub("_", name)
    end = len(name.rstrip(". "))
    name = name[:end] + "_" * (len(name) - end)
    return f"_{name}" if _is_device(name) else name


def _is_device(name: str) -> bool:
    return name.partition(".")[0].rstrip(" ").casefold() in DEVICES


def require_usable(path: Path) -> None:
    """Raise unless the system accepts a path to be written.

    Raises
    ------
    OutputError
        Windows would write to a device or a drive, or store the file under another name.
    """
    if sys.platform == "win32":
        reason = refusal(str(path))
        if reason is not None:
            raise OutputError(reason, hint="use another name", path=path)


def refusal(path: str) -> str | None:
    """Return why Windows does not accept a path as it stands; None if it does."""
    parsed = PureWindowsPath(path)
    if parsed.drive and not parsed.root:
        return f"A drive without a folder: {parsed.drive}"
    for name in parsed.parts[1:] if parsed.anchor else parsed.parts:
        if name in (".", ".."):
            continue
        if _is_device(name):
            return f"The name {name!r} is that of a device of Windows"
        if REFUSED_CHARACTERS.search(name):
            return f'Windows does not allow the characters <>:"/\\|?* in the name {name!r}'
        if name != name.rstrip(". "):
            return f"Windows does not allow a dot or a blank at the end of the name {name!r}"
    return None


def too_long(path: Path) -> bool:
    """Return whether a path is longer than Windows usually accepts."""
    return sys.platform == "win32" and len(str(path.absolute())) > LONGEST_PATH


def replace(temporary: Path, path: Path) -> None:
    """Rename a file, replacing the file `path`.

    Windows refuses while another program has one of them open, as virus scanners and viewers do
    for a moment: it is tried again for about three seconds.
    """
    _patiently(lambda: temporary.replace(path))


def rename(temporary: Path, path: Path) -> None:
    """Rename a folder; see `replace`."""
    _patiently(lambda: temporary.rename(path))


def _patiently(action: Callable[[], object]) -> None:
    for pause in PAUSES if sys.platform == "win32" else ():
        try:
            action()
            return
        except PermissionError:
            time.sleep(pause)
    action()


def lock_folder(folder: Path) -> int | None:
    """Return a descriptor that holds the lock of a folder until it is closed.

    The system drops the lock when the process dies, however it does, and nothing is left on the
    disk: elsewhere than on Windows the folder itself is locked, there a file beside it, which the
    system removes with its last descriptor. (The library filelock leaves its file behind, and does
    not give the descriptor, which a child must inherit to hold the lock on.)

    Returns
    -------
    int or None
        None: another process holds the lock. File systems without locks are trusted.

    Raises
    ------
    OSError
        There is no such folder, or it cannot be read.
    """
    if sys.platform == "win32":
        return _lock_beside(folder.resolve())
    else:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:  # this file system has no locks
            pass
        return handle


if sys.platform == "win32":
    import msvcrt

    def _lock_beside(folder: Path) -> int | None:
        os.scandir(folder).close()  # an error that names the folder, if it is none
        handle = _open_lock(folder.parent / f".{folder.name}.fer-lock")
        if handle is None:
            return os.open(os.devnull, os.O_RDWR)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            os.close(handle)
            return None
        return handle

    def _open_lock(path: Path) -> int | None:
        """Open the file of a lock; None where nothing may be written."""
        for pause in PAUSES[:4]:
            with suppress(PermissionError):  # it may be about to be removed by another process
                return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TEMPORARY | os.O_NOINHERIT)
            time.sleep(pause)
        return None
