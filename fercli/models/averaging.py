"""Averaged weights: what a training ends with in place of the last step's.

The optimiser keeps a moving average of the weights (Polyak and Juditsky, "Acceleration of
stochastic approximation by averaging", 1992). Batch normalisation's means and variances belong
to the weights of the moment, though, and are wrong for averaged ones; they are measured anew on
some training pictures, as Izmailov et al. do ("Averaging weights leads to wider optima and better
generalization", UAI 2018, arXiv 1803.05407, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.models.backend import load_keras

if TYPE_CHECKING:
    from keras import Model

#: Batches on which means and variances are measured.
MEASURED = 16


@contextmanager
def averaged(model: Model, pictures: Iterable[NDArray[np.float32]]) -> Iterator[None]:
    """Let the model have its averaged weights for a while, normalised on `pictures`.

    Does nothing if the optimiser keeps no average, or has none before the first step.
    """
    # With mixed_float16, Keras puts the optimiser into one that scales the loss.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema or not int(optimizer.iterations):
        yield
        return
    swap = load_keras().callbacks.SwapEMAWeights()
    swap.set_model(model)
    layers = _normalisations(model)
    kept = [layer.get_weights() for layer in layers]
    swap.on_test_begin()
    try:
        _measure(model, layers, pictures)
        yield
    finally:
        swap.on_test_end()
        for layer, (*_, mean, variance) in zip(layers, kept, strict=True):
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)


def _normalisations(model: Model) -> list[Any]:
    kind = load_keras().layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind) and layer.trainable]


def _measure(model: Model, layers: list[Any], pictures: Iterable[NDArray[np.float32]]) -> None:
    """Run batches through the model so that each counts alike in the means and variances."""
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    try:
        for number, batch in enumerate(pictures):
            for layer in layers:
                layer.momentum = number / (number + 1)
            model(batch, training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
