"""Keras, imported when it is first needed, without the noise of its backends.

TensorFlow is the default backend; ``KERAS_BACKEND=jax`` or ``torch`` in the environment chooses
another, as everywhere with Keras.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fercli.common.errors import DependencyError

if TYPE_CHECKING:
    from keras import Model
    from keras.layers import BatchNormalization


#: The package that provides each backend, and how to get it.
_INSTALL = {
    "tensorflow": 'pip install "fercli[train]"',
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
        hint = _INSTALL.get(backend, "set KERAS_BACKEND to tensorflow, jax or torch")
        raise DependencyError(
            f"Keras with {backend} cannot be imported: {error}", hint=hint
        ) from error


@contextmanager
def precision_policy(name: str) -> Iterator[None]:
    """Build models within the context in a precision of Keras ("mixed_bfloat16", …)."""
    keras = load_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def emulates_bfloat16(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the processor is known to lack arithmetic in bfloat16.

    Parameters
    ----------
    cpu_info : Path
        Linux's description of the processor; of others and without it, nothing is known.
    """
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpu_info.read_text(), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and not {"avx512_bf16", "amx_bf16"} & set(flags[1].split())


def has_gpu() -> bool:
    """Return whether Keras's backend computes on a GPU; False where it cannot tell."""
    try:
        return bool(load_keras().distribution.list_devices("gpu"))
    except Exception:  # each backend has its own
        return False


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


# Batch normalization in one operation, for training on TensorFlow's CPU.
#
# Keras computes means, variances and the normalization one after the other, in float32;
# TensorFlow's fused operation does all in one pass, and its gradient in another. The results are
# the same but for rounding (in mixed precision, the output is rounded to it a step earlier).


def with_fused_normalizations(model: Model) -> Model:
    """Return a model of new weights whose batch normalizations are `fused_normalization`'s.

    Only for TensorFlow. Layers keep their names, their order and the shapes of their weights.
    """
    keras = load_keras()

    def fused(layer: Any) -> Any:
        normalizes = type(layer) is keras.layers.BatchNormalization
        kind = fused_normalization() if normalizes else type(layer)
        return kind.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=fused)


@cache
def fused_normalization() -> type[BatchNormalization]:
    """Return the layer, a subclass of Keras's own with the same options and weights."""
    import tensorflow as tf

    class FusedBatchNormalization(load_keras().layers.BatchNormalization):  # type: ignore[misc]
        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            renormalizes = getattr(self, "renorm", False)  # an option of later Keras alone
            plain = not (self.scale and self.center and self.axis in (-1, 3)) or renormalizes
            if not (training and self.trainable) or len(inputs.shape) != 4 or plain:
                return super().call(inputs, training=training, mask=mask)
            outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=tf.convert_to_tensor(self.gamma),
                offset=tf.convert_to_tensor(self.beta),
                mean=tf.zeros(0),
                variance=tf.zeros(0),
                epsilon=self.epsilon,
                is_training=True,
            )
            count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], variance.dtype)
            self._follow(self.moving_mean, mean)
            self._follow(self.moving_variance, variance * (count - 1) / count)
            return outputs

        def _follow(self, average: Any, value: Any) -> None:
            average.assign(average * self.momentum + value * (1 - self.momentum))

    return FusedBatchNormalization
