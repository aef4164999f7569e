"""Keras, imported when it is first needed, without the noise of its backends.

TensorFlow is the default backend; ``KERAS_BACKEND=jax`` or ``torch`` in the environment chooses
another, as everywhere with Keras.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from fercli.common.errors import DependencyError

#: The package that provides each backend, and how to get it.
_INSTALL = {
    "tensorflow": 'pip install "fer[train]"',
    "jax": "pip install keras jax",
    "torch": "pip install keras torch",
}


def load_keras() -> ModuleType:
    """Return the module ``keras``.

    Raises
    ------
    DependencyError
        Keras or its backend is not installed or cannot be imported.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with quiet_stderr(), quiet_warnings():
            keras = importlib.import_module("keras")
            keras.ops.zeros(1)  # the search for devices is noisy too
            return keras
    except Exception as error:  # ImportError, or whatever a broken backend raises
        hint = _INSTALL.get(backend, "KERAS_BACKEND=tensorflow, jax or torch")
        raise DependencyError(
            f"training needs Keras with {backend}, which cannot be imported: {error}", hint=hint
        ) from error


@contextmanager
def precision_policy(name: str) -> Iterator[None]:
    """Let networks be built in a precision of Keras's ("float32", "mixed_bfloat16", …)."""
    keras = load_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Hide what Keras warns its own developers of, such as NumPy's deprecations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hide what libraries in C++ write to file descriptor 2 while they start.

    TensorFlow announces missing GPUs and oneDNN there before any setting of its own is read.
    """
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
