"""The model of a training: built, compiled, partly frozen, initialized from another model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import OptionError
from fercli.common.progress import SILENT, Progress
from fercli.models.backend import load_keras, with_fused_normalizations
from fercli.models.keras_model import load_model
from fercli.models.labeled_faces import Faces
from fercli.models.loading import find_model
from fercli.models.model_card import MIDDLE, ModelCard
from fercli.models.onnx_weights import measure_normalizations, restore
from fercli.models.training_options import ModelTrainingOptions, RateOptions, learning_rate

if TYPE_CHECKING:
    from keras import Model


#: The moving average of weights covers at most this part of a training (1/5): over more, a short
#: training would keep its first weights.
PARTS = 5


def training_card(training: Faces, options: ModelTrainingOptions) -> ModelCard:
    """Return the card of a model before it is trained."""
    scale = (MIDDLE,) * training.channels
    return ModelCard(
        training.classes,
        training.size_wh,
        training.channels,
        scale,
        scale,
        options.crop,
        architecture=options.architecture,
    )


def compiled_model(training: Faces, steps: int, options: ModelTrainingOptions) -> Model:
    """Return the model, ready for ``fit``.

    Parameters
    ----------
    training : Faces
        The images; their classes are the model's.
    steps : int
        Batches an epoch, which the learning rate goes by.
    options : ModelTrainingOptions
        All else.

    Raises
    ------
    OptionError
        The architecture cannot be built for this size or has no dropout to set, or all of its
        layers would be frozen.
    """
    keras = load_keras()
    keras.utils.set_random_seed(options.seed)
    shape = training_card(training, options).input_shape
    model = options.found.build(shape, len(training.classes))
    if options.dropout is not None:
        _set_dropout(model, options.dropout, options.architecture)
    if _on_tensorflows_cpu():
        model = with_fused_normalizations(model)
    _freeze(model, options.freeze)
    adjusted = options.class_weights == "logit-adjusted"
    optimizer = _optimizer(options, steps)
    if options.frozen_epochs:
        _freeze_at_first(optimizer, model, round(options.frozen_epochs * steps))
    model.compile(
        optimizer,
        loss=logit_adjusted(training) if adjusted else "categorical_crossentropy",
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        # XLA makes convolutions several times slower on TensorFlow's CPU, and faster elsewhere.
        jit_compile=False if _on_tensorflows_cpu() else "auto",
    )
    model.optimizer.build(model.trainable_variables)
    return model


def start(
    model: Model,
    init: str,
    images: Callable[[], Iterable[NDArray[np.float32]]],
    progress: Progress = SILENT,
) -> None:
    """Initialize a model with the weights of a saved one where shapes agree.

    Parameters
    ----------
    model : keras.Model
        Of any last layer.
    init : str
        The name of a shipped model, a ``.keras`` file, or an ``.onnx`` file that fer exported.
    images : callable
        Gives batches as the model sees them, which an ``.onnx`` file's normalizations are
        measured on.

    Raises
    ------
    InputError, OptionError
        There is no such model, or it is of another architecture.
    """
    path = find_model(init)
    taken = _copy_weights(model, path)
    progress.note(f"{taken} layers start from {init}")
    if path.suffix == ".onnx":
        measure_normalizations(model, images())


def _copy_weights(model: Model, path: Path) -> int:
    """Copy the weights of a saved model into `model` and return how many layers were taken.

    Layers are paired in order; one whose shapes differ (the last one, when the classes differ)
    keeps its own weights.

    Raises
    ------
    OptionError
        The models differ in more than their last layer; an ``.onnx`` file cannot be taken back.
    """
    if path.suffix == ".onnx":
        source, _ = restore(path)
    else:
        _, height, width, _ = model.input_shape
        source, _ = load_model(path, (width, height))
    ours = [layer for layer in model.layers if layer.weights]
    theirs = [layer for layer in source.layers if layer.weights]
    pairs = list(zip(ours, theirs, strict=False))
    fits = [_shapes(a) == _shapes(b) for a, b in pairs]
    if len(ours) != len(theirs) or not all(fits[:-1]):
        raise OptionError(
            f"`init` must be a model of the architecture {model.name}, got {source.name}",
            hint="set `architecture` to that of the file, or remove `init`",
            path=path,
        )
    for (mine, its), fit in zip(pairs, fits, strict=True):
        if fit:
            mine.set_weights(its.get_weights())
    return sum(fits)


def _shapes(layer: object) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]  # type: ignore[attr-defined]


def _optimizer(options: ModelTrainingOptions, steps: int) -> Any:
    keras = load_keras()
    warmup = round(min(options.warmup_epochs, options.epochs) * steps)
    total = options.epochs * steps
    rate = RateOptions(options.learning_rate, options.schedule, warmup, total)
    momentum = min(options.average, max(1 - PARTS / total, 0.0))
    common = {
        "learning_rate": learning_rate(rate),
        "weight_decay": options.decay or None,
        "global_clipnorm": options.clip_norm or None,
        "use_ema": bool(options.average),
        "ema_momentum": momentum,
    }
    kinds = {
        "sgd": partial(keras.optimizers.SGD, momentum=options.momentum, nesterov=True),
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
    }
    optimizer = kinds[options.optimizer](**common)
    if options.decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _freeze_at_first(optimizer: Any, model: Model, steps: int) -> None:
    """Let the optimizer change the last layer alone for so many steps.

    Its momenta of the other layers stay 0 until then.
    """
    ops = load_keras().ops
    last = next(layer for layer in reversed(model.layers) if layer.trainable_weights)
    first = len(model.trainable_variables) - len(last.trainable_variables)
    update = optimizer.update_step

    def update_step(gradient: Any, variable: Any, rate: Any) -> None:
        # TensorFlow's optimizers see variables of their own, which are known by their order.
        if optimizer._get_variable_index(variable) < first:
            gradient = gradient * ops.cast(optimizer.iterations >= steps, gradient.dtype)
        update(gradient, variable, rate)

    optimizer.update_step = update_step


def logit_adjusted(training: Faces) -> Callable[[Any, Any], Any]:
    """Return the cross-entropy of logits to which the logarithms of the classes' shares are added.

    What a model learns with it are the logits without these: rare classes are not passed over.
    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021 (arXiv 2007.07314),
    equation 10 with tau = 1.
    """
    keras = load_keras()
    shares = np.maximum(training.targets.mean(axis=0), 1e-6).astype(np.float32)

    def loss(targets: Any, probabilities: Any) -> Any:
        weighted = probabilities * shares
        weighted = weighted / keras.ops.sum(weighted, axis=-1, keepdims=True)
        return keras.losses.categorical_crossentropy(targets, weighted)

    return loss


def _on_tensorflows_cpu() -> bool:
    keras = load_keras()
    return keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")


def _set_dropout(model: Model, rate: float, name: str) -> None:
    layers = [layer for layer in model.layers if isinstance(layer, load_keras().layers.Dropout)]
    if not layers:
        raise OptionError(
            f"The architecture {name} has no dropout layer, so `dropout` cannot be set",
            hint="remove `dropout`",
        )
    for layer in layers:
        layer.rate = rate


def _freeze(model: Model, count: int) -> None:
    layers = [layer for layer in model.layers if layer.weights]
    if count >= len(layers):
        raise OptionError(
            f"`freeze` must be at most {len(layers) - 1}, got {count}: {model.name} has "
            f"{len(layers)} layers with weights, and at least one must be trained",
            hint="set `freeze` to -1 to train the last layer alone",
        )
    for layer in layers[:count] if count else []:
        layer.trainable = False
