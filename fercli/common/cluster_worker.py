"""What runs in the workers of a Dask cluster: batches of items, for `fercli.common.cluster`."""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fercli.common.errors import errors_made, last_error
from fercli.common.parallel import with_notes

#: Functions that a worker keeps.
KEPT = 2


@dataclass(frozen=True)
class Requirements:
    """What a worker must have in common with this process.

    Parameters
    ----------
    folder : str
        The working directory, from which relative paths go.
    versions : str
    """

    folder: str
    versions: str

    @classmethod
    def here(cls) -> Requirements:
        """Return that of this process."""
        return cls(str(os.getcwd()), _versions())  # noqa: PTH109

    def fault(self) -> str:
        """Return why this process cannot do the work of another; empty if it can."""
        if self.versions != _versions():
            return f"it has {_versions()}, and this machine {self.versions}"
        if not os.path.isdir(self.folder):  # noqa: PTH112
            return f"it has no folder {self.folder}"
        return ""


@dataclass(frozen=True)
class Done:
    """The result of an item, and what was assumed about the input."""

    result: Any
    notes: Any


@dataclass(frozen=True)
class Failed:
    """An item that failed on a worker, or an error was noted: to be done again elsewhere."""

    reason: str


@dataclass(frozen=True)
class BatchResult:
    """What a worker, whose address is `worker`, made of a batch; nothing if it has a fault."""

    worker: str
    seconds: float
    outcomes: list[Done | Failed]
    fault: str = ""


def run_batch(pickled: bytes, digest: str, items: bytes, required: Requirements) -> BatchResult:
    """Call a function with some items; runs on a worker."""
    from distributed import get_worker

    began, worker = time.perf_counter(), get_worker().address
    fault = required.fault()
    if fault:
        return BatchResult(worker, 0.0, [], fault)
    with _DIRECTORY.entered(required.folder):
        try:
            function, todo = _FUNCTIONS.get(digest, pickled), pickle.loads(items)
        except Exception as error:
            return BatchResult(worker, 0.0, [], f"it cannot load the work: {text_of(error)}")
        outcomes = [_outcome(function, item) for item in todo]
    return BatchResult(worker, time.perf_counter() - began, outcomes)


def same(content: bytes) -> bytes:
    """Return bytes as they are: the task that holds a function, which can be run again."""
    return content


def _outcome(function: Callable[[Any], Any], item: Any) -> Done | Failed:
    before = errors_made()
    try:
        done = Done(*with_notes(function, item))
    except Exception as error:
        return Failed(text_of(error))
    return Failed(last_error()) if errors_made() > before else done


def memory_limit() -> int | None:
    """Return the bytes that this worker may take; None if it has no limit, or is no worker."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        limit: int | None = distributed.get_worker().memory_manager.memory_limit
    except ValueError:
        return None
    return limit


def text_of(error: BaseException) -> str:
    """Return an error in one line, with its kind."""
    return f"{type(error).__name__}: {error}"


@cache
def _versions() -> str:
    """Return the versions on which results depend."""
    import cv2
    import numpy as np

    import fercli

    code = hashlib.blake2b(digest_size=4)
    package = Path(fercli.__file__).parent
    for file in sorted(package.rglob("*.py")):
        code.update(file.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    return (
        f"fercli {fercli.__version__} ({code.hexdigest()}), Python {python}, "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}, numba {version('numba')}"
    )


class _Functions:
    """Functions by digest, so that each is unpickled once in a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Callable[[Any], Any]] = OrderedDict()

    def get(self, digest: str, pickled: bytes) -> Callable[[Any], Any]:
        """Return a function; those used least recently are dropped."""
        with self._lock:
            if digest not in self._known:
                self._known[digest] = pickle.loads(pickled)
            self._known.move_to_end(digest)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return self._known[digest]


class _Directory:
    """The working directory of this process: tasks of one folder run at once, others wait."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._folder = ""
        self._users = 0

    @contextmanager
    def entered(self, folder: str) -> Iterator[None]:
        """Work in a folder."""
        with self._free:
            while self._users and self._folder != folder:
                self._free.wait()
            os.chdir(folder)
            self._folder = folder
            self._users += 1
        try:
            yield
        finally:
            with self._free:
                self._users -= 1
                self._free.notify_all()


_FUNCTIONS = _Functions()
_DIRECTORY = _Directory()
