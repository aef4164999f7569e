"""Compile kernels by numba: plain Python functions over arrays.

Kernels run without the GIL, so that threads share them, and are compiled once per machine: numba
keeps the result beside the module, or in the user's cache folder if that cannot be written.
Kernels that call each other stay in one file, since the cache does not notice an edited callee
in another.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

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
    """Note that the first run takes seconds longer, if numba has not compiled some kernels yet."""
    if not all(map(_is_compiled, kernels)):
        progress.note(
            "compiling for this machine: the first run of its kind takes about 10 seconds longer"
        )


def _is_compiled(kernel: Any) -> bool:
    """Return whether numba's cache has a kernel; so it is if numba is switched off."""
    if not hasattr(kernel, "stats") or kernel.signatures:
        return True
    code = kernel.py_func.__code__
    name = f"{Path(code.co_filename).stem}.{kernel.py_func.__qualname__}-{code.co_firstlineno}"
    folder = kernel.stats.cache_path
    return folder is not None and any(Path(folder).glob(f"{name}.*.nbi"))
