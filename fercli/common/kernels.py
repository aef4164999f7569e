"""Compile kernels by numba: plain Python functions over arrays.

Kernels run without the GIL, so that threads share them, and are compiled once per machine: numba
keeps the result beside the module, or in the user's cache folder if that cannot be written.
Kernels that call each other stay in one file, since the cache does not notice an edited callee
in another.

numba is imported here alone. Its modules import each other, and two threads that begin at different
ones would see halves of them; all others wait for this module.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numba as numba
import numba.extending

from fercli.common.parallel import available_workers
from fercli.common.progress import Progress

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a kernel with exact, ordered floating-point arithmetic."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def compiled_fast(function: F) -> F:
    """Compile a kernel whose sums may be reordered, so that they are vectorized.

    The order is fixed when it is compiled: results do not depend on the number of threads.
    """
    return numba.njit(  # type: ignore[no-any-return]
        cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"}
    )(function)


def note_compilation(progress: Progress, *kernels: Any) -> None:
    """Note that the first run takes longer, if numba has not compiled some kernels yet."""
    if not all(map(_is_compiled, kernels)):
        progress.note(
            "compiling for this machine: the first run of its kind takes some seconds longer"
        )


@contextmanager
def compiled_beside(module: str, function: str, *kernels: Any) -> Iterator[Callable[[], object]]:
    """Let another process compile kernels while the body runs, and give what waits for it.

    numba compiles one kernel at a time, whatever the number of threads. Nothing is started if its
    cache has the kernels, or on a single core. If the process fails, they are compiled here when
    they are called.

    Parameters
    ----------
    module, function : str
        What to call there, without arguments: it calls the kernels.
    *kernels
        Those of them that tell whether there is something to compile.
    """
    if all(map(_is_compiled, kernels)) or available_workers() == 1:
        yield lambda: None
        return
    nowhere = subprocess.DEVNULL
    command = [sys.executable, "-c", f"from {module} import {function}; {function}()"]
    process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)
    try:
        yield process.wait
    finally:
        process.kill()
        process.wait()


def _is_compiled(kernel: Any) -> bool:
    """Return whether numba's cache has a kernel; so it is if numba is switched off."""
    if not hasattr(kernel, "stats") or kernel.signatures:
        return True
    code = kernel.py_func.__code__
    name = f"{Path(code.co_filename).stem}.{kernel.py_func.__qualname__}-{code.co_firstlineno}"
    folder = kernel.stats.cache_path
    return folder is not None and any(Path(folder).glob(f"{name}.*.nbi"))
