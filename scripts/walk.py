"""List the files of fer whose functions a command calls: its walk through the package.

    python -m scripts.walk cascade train --info info.dat --bg bg.txt --out run --stages 3

What a module does while it is imported does not count, and compiled kernels and other processes
are not seen.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import fercli
from fercli.cli import main

PACKAGE = f"{Path(fercli.__file__).parent}/"


def walk(arguments: list[str]) -> list[str]:
    """Run a command; return the files that it passes through, relative to the package."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if (
            event == "call"
            and code.co_filename.startswith(PACKAGE)
            and code.co_filename[len(PACKAGE) :] not in found
            and code.co_flags & inspect.CO_OPTIMIZED  # no module's or class's body
            and not _while_importing(frame)
        ):
            found.add(code.co_filename[len(PACKAGE) :])

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        main(arguments)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]  # as its documentation says
    return sorted(found)


def _while_importing(frame: FrameType) -> bool:
    caller = frame.f_back
    while caller is not None:
        if caller.f_code.co_name == "_find_and_load":
            return True
        caller = caller.f_back
    return False


if __name__ == "__main__":
    files = walk(sys.argv[1:])
    rooms = Counter(file.partition("/")[0] for file in files)
    print(*files, sep="\n")
    print(f"{len(files)} files:", ", ".join(f"{room} {n}" for room, n in rooms.most_common()))
