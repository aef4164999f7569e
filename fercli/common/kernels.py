"""The decorator of the kernels: plain Python functions over arrays, compiled by numba.

Kernels run without the GIL, so that threads share them, and are compiled once per machine: numba
keeps the result beside the module, or in the user's cache folder if that cannot be written.
Kernels that call each other stay in one file, since the cache does not notice an edited callee
in another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

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
