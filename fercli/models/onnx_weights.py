"""Restoring: the weights of an exported ``.onnx`` file in a Keras model.

The export folds each batch normalization into the convolution before it, so the file holds one
kernel and one bias where Keras has a kernel, a scale, a shift, a mean and a variance. These are
found again in two steps: `restore` gives a model that answers as the file does, with neutral
means and variances; `measure_normalizations` replaces those by the ones of real images, and the
scale and shift so that the answers stay the same. Then the model can be trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import DependencyError, InputError, OptionError
from fercli.models.architectures import ARCHITECTURES
from fercli.models.backend import load_keras, precision_policy
from fercli.models.model_card import ModelCard
from fercli.models.onnx_model import OnnxModel, scaled, to_probabilities

if TYPE_CHECKING:
    from keras import Model

Array = NDArray[np.float32]

#: Answers of the file and of the restored model may differ by this much: float32.
TOLERANCE = 1e-4
#: A filter is not shorter, as far as the division by its length goes.
TINY = 1e-12


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
    layer.set_weights([kernel / np.maximum(length, TINY)])
    shift = 0 * ones if bias is None else bias
    normalization.set_weights([length, shift, 0 * ones, ones * (1 - normalization.epsilon)])


def _check(model: Model, path: Path, card: ModelCard) -> None:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (8, card.size_wh[1], card.size_wh[0], card.channels), np.uint8)
    answers = model.predict_on_batch(scaled(faces, card))
    answers = to_probabilities(answers, False, card.temperature)
    if not np.abs(answers - OnnxModel(path).classify(faces)).max() <= TOLERANCE:
        raise _refused(path)
