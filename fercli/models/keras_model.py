"""Models in files of Keras: saving with a card, loading, running.

A ``.keras`` file is a zip archive; fer adds a member ``fer.json``, which Keras ignores. Files of
HDF5, the format before it, have no card.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import InputError, OptionError
from fercli.common.files import atomic_write, input_error, parse_json
from fercli.models.architectures import ARCHITECTURES
from fercli.models.backend import load_keras, precision_policy, quiet_warnings
from fercli.models.model_card import (
    ModelCard,
    ModelSettings,
    foreign_card,
    from_metadata,
    normalization_for,
    to_metadata,
    with_normalization,
    with_settings,
)
from fercli.models.onnx_graph import require_downloaded
from fercli.models.onnx_model import (
    SCALES_ITSELF,
    SOFTMAX_ADDED,
    needs_softmax,
    scaled,
    to_probabilities,
    with_channels,
)

if TYPE_CHECKING:
    from keras import Model

#: Faces that go through a model of Keras at once.
BATCH = 256

CARD = "fer.json"
#: How files of HDF5 begin.
HDF5 = b"\x89HDF\r\n\x1a\n"


class KerasModel:
    """A file of Keras that is ready to run; the same methods as `OnnxModel`."""

    def __init__(self, path: Path, settings: ModelSettings | None = None) -> None:
        self.path = path
        settings = settings or ModelSettings()
        model, card = load_model(path, settings.size_wh)
        self.card = with_settings(card, settings, path)
        _require_pixels(model, self.card, path)
        self.model = with_one_output(model)
        if needs_softmax(partial(self._predict, self.model), self.card, path):
            self.model = with_one_output(model, softmax=True)
            self.card = replace(self.card, notes=(*self.card.notes, SOFTMAX_ADDED))

    def classify(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, classes)."""
        answers = self._predict(self.model, faces)
        return to_probabilities(answers, False, self.card.temperature)

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the last layer sees, shape (n, width)."""
        return self._predict(self._with_features, faces, "features")

    @cached_property
    def _with_features(self) -> Model:
        return with_features(self.model, self.path)

    def _predict(
        self, model: Model, faces: NDArray[np.uint8], output: str = ""
    ) -> NDArray[np.float32]:
        faces = with_channels(faces, self.card)
        answers = []
        for start in range(0, max(len(faces), 1), BATCH):
            # Keras's `predict` takes a tenth of a second to begin.
            answer = model.predict_on_batch(scaled(faces[start : start + BATCH], self.card))
            answers.append(np.asarray(answer[output] if output else answer, np.float32))
        return np.concatenate(answers)


def with_features(model: Model, path: Path) -> Model:
    """Return the model with two outputs: probabilities, and what its last layer sees.

    Raises
    ------
    InputError
        Its last layer, in the file `path`, is a model of its own.
    """
    keras = load_keras()
    last = next(layer for layer in reversed(model.layers) if layer.weights)
    if isinstance(last, keras.Model):
        raise InputError(
            f"The last layer is itself a model, {last.name}, which cannot be exported",
            hint="save its layers as layers of the outer model",
            path=path,
        )
    features = last.input
    # Names that no layer of others has: the usual ones may be taken.
    if len(features.shape) > 2:  # mini-Xception ends in a convolution
        features = keras.layers.GlobalAveragePooling2D(name="fer_pooling")(features)
    flat = keras.layers.Identity(name="fer_features")(features)
    return keras.Model(model.inputs[0], {"probabilities": model.outputs[0], "features": flat})


def with_one_output(model: Model, *, softmax: bool = False) -> Model:
    """Return the model from one tensor to one tensor, perhaps with a softmax at its end."""
    keras = load_keras()
    answers = model.outputs[0]
    if softmax:
        answers = keras.layers.Softmax(dtype="float32", name="fer_softmax")(answers)
    return keras.Model(model.inputs[0], answers)


def save_model(path: Path, model: Model, card: ModelCard, *, overwrite: bool = False) -> None:
    """Write a model with its card, whole or not at all."""
    with atomic_write(path, overwrite=overwrite) as temporary:
        with quiet_warnings():
            model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(CARD, json.dumps(to_metadata(card), indent=2, ensure_ascii=False))


def load_model(path: Path, size_wh: tuple[int, int] | None = None) -> tuple[Model, ModelCard]:
    """Return a model, not compiled, and its card.

    A file that Keras wrote without fer gets a card with classes "class 0", "class 1", …

    Parameters
    ----------
    path : Path
        The file.
    size_wh : (int, int), optional
        Width and height of inputs, for models of others that take any. Defaults to None.

    Raises
    ------
    OptionError
        A model of others takes inputs of any size, and none is given.
    InputError
        The file is missing, is not a ``.keras`` or ``.h5`` file that Keras can load, is not a
        model from images to classes, or its card is another model's.
    DependencyError
        Keras is not installed.
    """
    card = read_card(path)
    keras = load_keras()
    try:
        with quiet_warnings(), _as_keras_takes_it(path) as file:
            model = keras.saving.load_model(file, compile=False, custom_objects=_of_keras_2())
    except Exception as error:  # Keras raises ValueError, TypeError, KeyError, OSError, …
        raise _explained(error, path) from error
    outputs = _require_shapes(model, path)
    card = card or _guess_card(model, outputs, size_wh, path)
    _require_fit(model, outputs, card, path)
    return model, card


@contextmanager
def _as_keras_takes_it(path: Path) -> Iterator[Path]:
    """Give the file, or a copy of one whose name or architecture Keras 3 does not understand.

    Files of HDF5 must be named so; of Sequential models, see `_sequential_of_keras_2`.
    """
    config = _hdf5_architecture(path) if _is_hdf5(path) else None
    changed = _sequential_of_keras_2(config)
    if config is None or (path.suffix in (".h5", ".hdf5") and not changed):
        yield path
        return
    h5py = importlib.import_module("h5py")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, Path(folder, "model.h5")))
        if changed:
            with h5py.File(copy, "r+") as file:
                file.attrs["model_config"] = json.dumps(changed)
        yield copy


def _sequential_of_keras_2(config: Any) -> dict[str, Any] | None:
    """Return a Sequential model's architecture as Keras 3 takes it; None if it is so already.

    Keras before 2.2.3 wrote its layers as a bare list, and none before 2.4 wrote its input as a
    layer of its own.
    """
    if not isinstance(config, dict) or config.get("class_name") != "Sequential":
        return None
    inner = config["config"] if isinstance(config["config"], dict) else {}
    layers: Any = inner.get("layers", config["config"])
    first: Any = layers[0] if layers else {"class_name": "InputLayer"}
    shape = first.get("config", {}).get("batch_input_shape")
    if inner and (first["class_name"] == "InputLayer" or shape is None):
        return None
    if shape is not None:
        first = {**first, "config": {**first["config"]}}
        del first["config"]["batch_input_shape"]
        given = {"batch_shape": shape, "dtype": "float32", "name": "fer_input"}
        layers = [{"class_name": "InputLayer", "config": given}, first, *layers[1:]]
    return {**config, "config": {"name": "sequential", **inner, "layers": layers}}


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HDF5)) == HDF5


def _hdf5_architecture(path: Path) -> Any:
    """Return the architecture in a file of HDF5 as JSON gives it; None if there is none."""
    h5py = importlib.import_module("h5py")
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
    return None if text is None else json.loads(text)


def _explained(error: Exception, path: Path) -> InputError:
    """Return what is wrong with a file that Keras cannot load, in plain words where known."""
    reason = str(error)
    if "No model config found" in reason:
        return InputError(
            "The file holds weights without an architecture",
            hint="save the whole model with `model.save`, not `save_weights`",
            path=path,
        )
    if "Lambda" in reason or "__lambda__" in reason:
        return InputError(
            "The model has a Lambda layer, whose Python code is not run for safety",
            hint="export it to .onnx where it was made, or replace the layer, for instance by "
            "Rescaling",
            path=path,
        )
    reason = reason.rpartition("Exception encountered: ")[2]
    return InputError(
        f"Keras {load_keras().__version__} cannot load the model: "
        f"{textwrap.shorten(reason, 300, placeholder=' …')}",
        hint="save it as .h5 or .onnx where it can be loaded",
        path=path,
    )


def read_card(path: Path) -> ModelCard | None:
    """Return the card in a ``.keras`` file without loading the model; None if there is none.

    The format before it, HDF5, has none.

    Raises
    ------
    InputError
        The file is missing, not a ``.keras`` file, or its card cannot be understood.
    """
    try:
        with path.open("rb") as file:
            start = file.read(200)
            require_downloaded(start, path)
            if start.startswith(HDF5):
                return None
            return _card_in(zipfile.ZipFile(file), path)
    except OSError as error:
        raise input_error(error, path) from error
    except (zipfile.BadZipFile, ValueError) as error:
        raise InputError(
            f"The file is neither a .keras nor an HDF5 file: {error}", path=path
        ) from error


def _card_in(archive: zipfile.ZipFile, path: Path) -> ModelCard | None:
    if "config.json" not in archive.namelist():
        if "model.weights.h5" in archive.namelist():
            raise InputError("The file holds weights without an architecture", path=path)
        raise InputError("The file is a zip archive without a Keras model in it", path=path)
    return from_metadata(parse_json(archive.read(CARD))) if CARD in archive.namelist() else None


def rebuild(model: Model, card: ModelCard) -> Model:
    """Return the model in float32, whatever precision it was trained in."""
    with precision_policy("float32"):
        fresh = ARCHITECTURES[card.architecture].build(card.input_shape, len(card.classes))
    fresh.set_weights(model.get_weights())
    return fresh


def _of_keras_2() -> dict[str, Any]:
    """Return the layers that Keras 2 wrote more of than Keras 3 takes, each with a way to do so."""
    layers = load_keras().layers
    unknown = {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"}

    def lenient(kind: Any) -> Any:
        class Lenient(kind):  # type: ignore[misc]
            @classmethod
            def from_config(cls, config: dict[str, Any]) -> Any:
                return kind.from_config(
                    {name: value for name, value in config.items() if name not in unknown}
                )

        return Lenient

    return {
        kind.__name__: lenient(kind) for kind in (layers.SeparableConv2D, layers.DepthwiseConv2D)
    }


def _require_shapes(model: Model, path: Path) -> int:
    """Return the number of answers; raise `InputError` unless images go in and one row comes."""
    shape = getattr(model, "input_shape", None)  # a model that was never built has none
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(f"The model does not take images: its input shape is {shape}", path=path)
    answers = model.output_shape
    if not isinstance(answers, tuple) or len(answers) != 2 or not answers[1]:
        raise InputError(
            f"Expected one output of shape (None, classes), got {answers}",
            path=path,
        )
    return int(answers[1])


def _require_fit(model: Model, answers: int, card: ModelCard, path: Path) -> None:
    """Raise `InputError` if a card's input or number of classes is not the model's."""
    sides = zip(model.input_shape[1:], card.input_shape, strict=True)
    if any(side not in (None, wanted) for side, wanted in sides):
        raise InputError(
            f"The card ({CARD}) says that inputs are {card.input_shape}, but the model takes "
            f"{model.input_shape[1:]}",
            path=path,
        )
    if answers != len(card.classes):
        raise InputError(
            f"The card ({CARD}) lists {len(card.classes)} classes, but the model has "
            f"{answers} outputs",
            path=path,
        )


def _guess_card(
    model: Model, outputs: int, size_wh: tuple[int, int] | None, path: Path
) -> ModelCard:
    """Return what a model of others shows; the rest is assumed, and listed as such."""
    _, height, width, channels = model.input_shape
    if None not in (height, width):
        size_wh = (int(width), int(height))
    if size_wh is None:
        raise OptionError(
            "The model takes inputs of any size, so `size_wh` must be given",
            hint="set `size_wh`",
            path=path,
        )
    if outputs < 2:
        raise InputError(f"Expected a model of 2 classes or more, got {outputs} output", path=path)
    card = foreign_card(outputs, size_wh, int(channels))
    if _takes_integers(model):
        kind = model.inputs[0].dtype
        return with_normalization(card, 0, 1, f"given pixels 0…255, as its input is {kind}")
    scaling = leading_scaling(model)
    suited = normalization_for(*scaling) if scaling else None
    return with_normalization(card, *suited, SCALES_ITSELF.format(*suited)) if suited else card


def _takes_integers(model: Model) -> bool:
    return "int" in str(model.inputs[0].dtype)


def _require_pixels(model: Model, card: ModelCard, path: Path) -> None:
    """Raise `OptionError` if a model that takes integers would be given anything but pixels."""
    if _takes_integers(model) and (set(card.mean), set(card.std)) != ({0.0}, {1.0}):
        raise OptionError(
            f"The model takes pixels 0…255 as {model.inputs[0].dtype}, which cannot be normalized",
            hint="set `mean` to 0 and `std` to 1",
            path=path,
        )


#: Layers and operations that only add and multiply, and those that leave the values as they are.
_SCALES = {"Rescaling", "Normalization", "BatchNormalization", "Add", "Subtract", "Multiply"}
_SCALES |= {"Divide", "TrueDivide"}
_PASSES = {"InputLayer", "Identity", "Cast", "Resizing", "CenterCrop", "ZeroPadding2D", "Dropout"}
_PASSES |= {"GaussianNoise", "GetItem", "Flip"}


def leading_scaling(model: Model) -> tuple[float, float] | None:
    """Return slope and offset that the first layers of a model apply to its input.

    Returns
    -------
    (float, float), optional
        Medians over the channels; None if the input goes into a layer as it is.
    """
    graph = _graph(model)
    scaling, _ = _follow_scaling(graph) if graph else ((1.0, 0.0), False)
    return None if scaling == (1.0, 0.0) else scaling


def _graph(model: Any) -> Any:
    """Return the model as a graph of operations; None for a layer, or a subclass of Model."""
    functional = getattr(model, "_functional", model)  # a Sequential model keeps one
    return functional if hasattr(functional, "operations") else None


def _follow_scaling(model: Model) -> tuple[tuple[float, float], bool]:
    """Return slope and offset, and whether there is nothing else in the model."""
    tensors, inner, is_all = [model.inputs[0]], (1.0, 0.0), False
    while True:
        users: dict[Any, list[Any]] = {}  # a layer may be called on one tensor more than once
        for operation in model.operations:
            for node in operation._inbound_nodes:
                if any(one is tensor for one in node.input_tensors for tensor in tensors):
                    users.setdefault(operation, []).extend(node.output_tensors)
        is_all = not users
        if len(users) != 1:
            break
        ((operation, outputs),) = users.items()
        kind = type(operation).__name__
        part = _graph(operation)
        if part is not None:
            inner, whole = _follow_scaling(part)
            if not whole:
                break
        elif kind not in _SCALES | _PASSES and not kind.startswith("Random"):
            break
        tensors, inner = outputs, (1.0, 0.0)
    slope, offset = _measure_scaling(model, tensors[0])
    return (slope * inner[0], inner[0] * offset + inner[1]), is_all


def _measure_scaling(model: Model, tensor: Any) -> tuple[float, float]:
    """Return slope and offset between the input of a model and one of its tensors."""
    if tensor is model.inputs[0]:
        return 1.0, 0.0
    _, height, width, channels = model.inputs[0].shape
    shape = (1, height or 32, width or 32, channels)
    part = load_keras().Model(model.inputs, tensor)
    at_0, at_1 = (
        float(np.median(part.predict_on_batch(np.full(shape, value, np.float32))))
        for value in (0, 1)
    )
    return at_1 - at_0, at_0
