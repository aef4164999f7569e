"""The model of a training: built, compiled, partly frozen, initialized from another model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import DependencyError, InputError, OptionError
from fercli.common.progress import SILENT, Progress
from fercli.models.architectures import ARCHITECTURES
from fercli.models.backend import load_keras, precision_policy, with_fused_normalizations
from fercli.models.catalog import find_model
from fercli.models.keras_model import load_model
from fercli.models.labeled_faces import Faces
from fercli.models.model_card import MIDDLE, ModelCard
from fercli.models.onnx_model import OnnxModel, scaled, to_probabilities
from fercli.models.sharpness import sharpness_aware
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
    if options.sharpness:
        model = sharpness_aware(model, options.sharpness)
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


# Restoring: the weights of an exported ``.onnx`` file in a Keras model.
#
# The export folds each batch normalization into the convolution before it, so the file holds one
# kernel and one bias where Keras has a kernel, a scale, a shift, a mean and a variance. These are
# found again in two steps: `restore` gives a model that answers as the file does, with neutral
# means and variances; `measure_normalizations` replaces those by the ones of real images, and the
# scale and shift so that the answers stay the same. Then the model can be trained on.


Array = NDArray[np.float32]

#: Answers of the file and of the restored model may differ by this much: float32.
TOLERANCE = 1e-4
#: A filter is not shorter, as far as the division by its length goes.
LEAST_PROBABILITY = 1e-12


def restore(path: Path) -> tuple[Model, ModelCard]:
    """Return the Keras model that an ``.onnx`` file was exported from, and its card.

    Raises
    ------
    InputError
        The file is missing or is not an ``.onnx`` model.
    OptionError
        The model is none of fer's architectures, in 8 bits, was exported by another backend
        than TensorFlow, or has a normalization that does not follow a convolution.
    DependencyError
        Keras or the package onnx is not installed.
    """
    card = OnnxModel(path).card
    if card.architecture not in ARCHITECTURES:
        raise _refused(path)
    with precision_policy("float32"):
        model = ARCHITECTURES[card.architecture].build(card.input_shape, len(card.classes))
    try:
        for layer, (kernel, bias) in zip(_layers(model), _weights(path), strict=True):
            _assign(layer, kernel, bias)
    except (KeyError, ValueError) as error:  # no constants, or not as many, or of other shapes
        raise _refused(path) from error
    _check(model, path, card)
    return model, card


def measure_normalizations(model: Model, batches: Iterable[Array]) -> None:
    """Give batch normalizations the means and variances of images, their answers unchanged.

    Parameters
    ----------
    model : keras.Model
        From `restore`, or with its weights.
    batches : iterable of ndarray of float32
        Images as the model sees them.
    """
    keras = load_keras()
    kind = keras.layers.BatchNormalization
    layers = [layer for layer in model.layers if isinstance(layer, kind)]
    if not layers:
        return
    inner = keras.Model(model.inputs, [layer.input for layer in layers])
    measured = [_moments(inner.predict_on_batch(batch)) for batch in batches]
    for at, layer in enumerate(layers):
        means, squares = zip(*(moments[at] for moments in measured), strict=True)
        mean = np.mean(means, axis=0)
        _normalize(layer, mean, np.mean(squares, axis=0) - mean**2)


def _moments(outputs: Sequence[Any]) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    arrays = [np.asarray(output, np.float64) for output in outputs]
    return [(x.mean(axis=(0, 1, 2)), (x**2).mean(axis=(0, 1, 2))) for x in arrays]


def _normalize(layer: Any, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
    """Replace mean and variance; scale and shift follow, so that the layer does what it did."""
    gamma, beta, old_mean, old_variance = (np.asarray(w, np.float64) for w in layer.get_weights())
    factor = gamma / np.sqrt(old_variance + layer.epsilon)
    new_gamma = factor * np.sqrt(variance + layer.epsilon)
    layer.set_weights([new_gamma, beta + factor * (mean - old_mean), mean, variance])


def _refused(path: Path) -> OptionError:
    return OptionError(
        "The weights cannot be restored in Keras: the file must be an export of one of fer's "
        "architectures, not int8, with every batch normalization after a convolution",
        hint="use the .keras file that it was exported from",
        path=path,
    )


def _weights(path: Path) -> list[tuple[Array, Array | None]]:
    """Return kernel and bias of each convolution and dense layer, the last first."""
    graph = _load(path).graph
    from onnx import numpy_helper

    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in arrays:  # of float16
            arrays[node.output[0]] = arrays[node.input[0]].astype(np.float32)
    makers = {name: node for node in graph.node for name in node.output}
    added = [node for node in graph.node if node.op_type == "Add"]
    biases = {node.input[0]: arrays.get(node.input[1]) for node in added}
    found = []
    for node in _backwards("probabilities", makers):
        if node.op_type == "Conv":
            bias = arrays[node.input[2]] if len(node.input) > 2 else None
            found.append((arrays[node.input[1]].transpose(2, 3, 1, 0), bias))
        elif node.op_type == "MatMul":
            found.append((arrays[node.input[1]], biases.get(node.output[0])))
    return found


def _load(path: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise DependencyError(
            f"Reading weights needs the package onnx: {error}", hint='pip install "fercli[train]"'
        ) from error
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's errors share no base class with onnx's
        raise InputError(f"The file is not an ONNX model: {error}", path=path) from error


def _backwards(name: str, makers: dict[str, Any]) -> Iterator[Any]:
    """Yield the nodes that lead to an output, depth first, each once."""
    seen: set[int] = set()
    waiting = [name]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += reversed(list(node.input))


def _layers(model: Model) -> list[Any]:
    """Return pairs of a layer with a kernel and the normalization after it, as `_backwards`."""
    keras = load_keras()
    found: list[Any] = []
    after: Any = None
    seen: set[int] = set()
    waiting = [(model.outputs[0], None)]
    while waiting:
        tensor, after = waiting.pop()
        layer = tensor._keras_history.operation
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if hasattr(layer, "kernel"):
            found.append((layer, after))
        normalizes = isinstance(layer, keras.layers.BatchNormalization)
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        if not isinstance(layer, keras.layers.InputLayer):
            waiting += [(one, layer if normalizes else None) for one in reversed(inputs)]
    return found


def _assign(pair: tuple[Any, Any], kernel: Array, bias: Array | None) -> None:
    layer, normalization = pair
    if normalization is None:
        layer.set_weights([kernel] if bias is None else [kernel, bias])
        return
    # Filters of length 1: what they are multiplied by is left to the normalization's scale.
    length = np.sqrt((kernel**2).sum(axis=(0, 1, 2)))
    ones = np.ones_like(length)
    layer.set_weights([kernel / np.maximum(length, LEAST_PROBABILITY)])
    shift = 0 * ones if bias is None else bias
    normalization.set_weights([length, shift, 0 * ones, ones * (1 - normalization.epsilon)])


def _check(model: Model, path: Path, card: ModelCard) -> None:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (8, card.size_wh[1], card.size_wh[0], card.channels), np.uint8)
    answers = model.predict_on_batch(scaled(faces, card))
    answers = to_probabilities(answers, False, card.temperature)
    if not np.abs(answers - OnnxModel(path).classify(faces)).max() <= TOLERANCE:
        raise _refused(path)
