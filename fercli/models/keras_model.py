"""Models as ``.keras`` files that carry their card.

A ``.keras`` file is a zip archive; fer adds a member ``fer.json``, which Keras ignores.
"""

from __future__ import annotations

import json
import textwrap
import zipfile
from functools import cached_property
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
    from_metadata,
    to_metadata,
    with_settings,
)
from fercli.models.onnx_model import gives_scores, scaled, with_channels
from fercli.models.onnx_weights import restore

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
        self.model = with_one_output(model)
        if gives_scores(self.classify, self.card, path):
            self.model = with_one_output(model, softmax=True)

    def classify(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, classes)."""
        return self._predict(self.model, faces)

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
        with quiet_warnings():
            model = keras.saving.load_model(path, compile=False, custom_objects=_of_keras_2())
    except Exception as error:  # Keras raises ValueError, TypeError, KeyError, OSError, …
        reason = str(error).rpartition("Exception encountered: ")[2]
        raise InputError(
            f"Keras {keras.__version__} cannot load the model: "
            f"{textwrap.shorten(reason, 300, placeholder=' …')}",
            hint="save it as .h5 or .onnx where it can be loaded",
            path=path,
        ) from error
    answers = _require_shapes(model, path)
    card = card or _card_of(model, answers, size_wh, path)
    _require_fit(model, answers, card, path)
    return model, card


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
            if file.read(len(HDF5)) == HDF5:
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
        raise InputError("The file is a zip archive without a Keras model in it", path=path)
    return from_metadata(parse_json(archive.read(CARD))) if CARD in archive.namelist() else None


def rebuild(model: Model, card: ModelCard) -> Model:
    """Return the model in float32, whatever precision it was trained in."""
    with precision_policy("float32"):
        fresh = ARCHITECTURES[card.architecture].build(card.input_shape, len(card.classes))
    fresh.set_weights(model.get_weights())
    return fresh


def start_from(model: Model, path: Path) -> int:
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


def _card_of(model: Model, answers: int, size_wh: tuple[int, int] | None, path: Path) -> ModelCard:
    _, height, width, count = model.input_shape
    if None not in (height, width):
        size_wh = (int(width), int(height))
    if size_wh is None:
        raise OptionError(
            "The model takes inputs of any size, so `size_wh` must be given",
            hint="set `size_wh`",
            path=path,
        )
    if answers < 2:
        raise InputError(f"Expected a model of 2 classes or more, got {answers} output", path=path)
    channels = int(count)
    classes = tuple(f"class {at}" for at in range(answers))
    scale = (127.5,) * channels
    return ModelCard(classes, size_wh, channels, scale, scale)
