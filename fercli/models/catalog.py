"""The models that there are, by name: found, loaded behind one interface, listed and described."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import InputError, OptionError
from fercli.common.progress import SILENT, Progress
from fercli.common.recipes import Kind, bundled_recipes, recipe_title
from fercli.common.tables import format_table
from fercli.models.architectures import ARCHITECTURES
from fercli.models.backend import load_keras
from fercli.models.keras_model import KerasModel, read_card
from fercli.models.model_card import ASSUMABLE, ModelCard, ModelSettings, describe_assumptions
from fercli.models.onnx_model import OnnxModel, has_card

#: Where the models that come with fer lie.
SHIPPED = Path(__file__).parent / "shipped"

#: Keras's own format, and the one of before Keras 3.
KERAS_FILES = (".keras", ".h5", ".hdf5")

#: Formats of other libraries, which have to be converted where they were written.
UNREADABLE = {".pt": "PyTorch", ".pth": "PyTorch", ".safetensors": "safetensors"}
UNREADABLE |= {".tflite": "TensorFlow Lite", ".pb": "TensorFlow"}

#: The one that is taken when none is named: better labels than FER-2013's own.
DEFAULT = "ferplus"


class Model(Protocol):
    """A model that is ready to run, such as `fercli.models.onnx_model.OnnxModel`."""

    path: Path
    card: ModelCard

    def classify(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, classes)."""

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features, shape (n, width)."""


def open_model(
    name: str,
    settings: ModelSettings | None = None,
    *,
    progress: Progress = SILENT,
) -> Model:
    """Return a model that is ready to run.

    Parameters
    ----------
    name : str
        The name of a shipped model (`bundled_models`), or an ``.onnx``, ``.keras`` or ``.h5``
        file.
    settings : ModelSettings, optional
        What the file does not state.
    progress : Progress
        Gets one line on what was assumed of a file that does not state it.

    Raises
    ------
    InputError
        There is no such model, or the file is not one.
    """
    path = find_model(name)
    model: Model
    if path.suffix.lower() in KERAS_FILES:
        model = KerasModel(path, settings)
    else:
        model = OnnxModel(path, settings)
    line = describe_assumptions(model.card, path)
    if line:
        progress.note(line)
    return model


def open_models(
    names: Sequence[str], settings: ModelSettings | None = None, progress: Progress = SILENT
) -> list[Model]:
    """Return several models, as `open_model`; settings are for those that fer did not write.

    A model alone gets the settings in any case.

    Raises
    ------
    OptionError
        There are settings, and all of several models state their input themselves.
    """
    if len(names) == 1 or settings in (None, ModelSettings()):
        return [open_model(name, settings, progress=progress) for name in names]
    foreign = [_is_foreign(find_model(name)) for name in names]
    if not any(foreign):
        raise OptionError(
            f"All models state their own input, so it cannot be set for {', '.join(names)}",
            hint="remove `classes`, `size_wh`, `mean`, `std` and `color_order`",
        )
    return [
        open_model(name, settings if needs else None, progress=progress)
        for name, needs in zip(names, foreign, strict=True)
    ]


def bundled_models() -> dict[str, Path]:
    """Return the models that come with fer, the default first."""
    names = sorted(SHIPPED.glob("*.onnx"), key=lambda path: (path.stem != DEFAULT, path.stem))
    return {path.stem: path for path in names}


def find_model(name: str) -> Path:
    """Return the file of a shipped model, or `name` itself if it is the name of a file.

    Raises
    ------
    InputError
        Neither.
    """
    shipped = bundled_models()
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if path.suffix.lower() in (".onnx", *KERAS_FILES):
        return path
    if path.suffix.lower() in UNREADABLE:
        raise InputError(
            f"Files of {UNREADABLE[path.suffix.lower()]} cannot be run",
            hint="export the model to .onnx there",
            path=path,
        )
    raise InputError(
        f"There is no model {name!r}",
        hint=f"use {', '.join(shipped)}, or a .keras, .h5 or .onnx file",
    )


def _is_foreign(path: Path) -> bool:
    if path.suffix.lower() in KERAS_FILES:
        return read_card(path) is None
    return not has_card(path)


def require_classes(model: Model, classes: Sequence[str]) -> None:
    """Raise `OptionError` unless the model knows all classes of a data set."""
    unknown = sorted(set(classes) - set(model.card.classes))
    if unknown:
        raise OptionError(
            f"The data have the classes {', '.join(unknown)}, which the model does not know: "
            f"it has {', '.join(model.card.classes)}",
            hint="import the data with the classes of the model, or set `classes`",
            path=model.path,
        )


# Tables and descriptions of architectures, models and recipes.


def summarize(name: str, classes: int | None = None, size_wh: tuple[int, int] | None = None) -> str:
    """Return the layers of an architecture, or the card (and layers) of a model.

    Raises
    ------
    InputError
        There is neither an architecture nor a model of that name.
    OptionError
        The model takes inputs of another size, or of any while none is given.
    """
    if name in ARCHITECTURES:
        return _describe_architecture(name, classes, size_wh)

    path = find_model(name)
    describe = _describe_onnx if path.suffix == ".onnx" else _describe_keras
    return describe(path, size_wh)


def _describe_architecture(name: str, classes: int | None, size_wh: tuple[int, int] | None) -> str:
    one = ARCHITECTURES[name]
    width, height = size_wh or one.size_wh
    load_keras()
    model = one.build((height, width, one.channels), classes or one.classes)
    return f"{name}: {one.source}\n\n{_layers(model)}"


def _describe_keras(path: Path, size_wh: tuple[int, int] | None) -> str:
    from fercli.models.keras_model import load_model

    model, card = load_model(path, size_wh)
    return f"{describe_card(card)}\n\n{_layers(model)}"


def _describe_onnx(path: Path, size_wh: tuple[int, int] | None) -> str:
    from fercli.models.model_card import ModelSettings
    from fercli.models.onnx_model import OnnxModel

    model = OnnxModel(path, ModelSettings(size_wh=size_wh))
    size = path.stat().st_size
    return f"{describe_card(model.card)}\nfile          {size / 1e6:.2f} MB, {path}"


def describe_card(card: ModelCard) -> str:
    """Return a card as lines of names and values."""
    crop = f", of which the middle {card.crop}x{card.crop}" if card.crop else ""
    colors = "gray" if card.channels == 1 else card.color_order
    lines = {
        "architecture": card.architecture or "unknown",
        "classes": ", ".join(card.classes),
        "input": f"{card.size_wh[0]}x{card.size_wh[1]} {colors}{crop}",
        "normalized": f"(pixel - {_numbers(card.mean)}) / {_numbers(card.std)}",
        **({"temperature": f"{card.temperature:g}"} if card.temperature != 1 else {}),
        **(
            {"assumed": ", ".join(ASSUMABLE.get(n, n) for n in card.assumed)}
            if card.assumed
            else {}
        ),
        **_describe_training(card.training),
    }
    return "\n".join(f"{name:<12}  {value}" for name, value in lines.items())


def _describe_training(training: Mapping[str, Any]) -> dict[str, str]:
    if not training:
        return {"training": "unknown"}
    plain = {name.replace("_", " "): value for name, value in training.items()}
    counts = plain.pop("images", {})
    if not isinstance(counts, Mapping):
        counts = {"images": counts}
    return {
        "trained on": ", ".join(f"{count} {name}" for name, count in counts.items()) or "unknown",
        "training": ", ".join(f"{name} {value}" for name, value in plain.items()),
    }


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in dict.fromkeys(values))


def _layers(model: object) -> str:
    layers = model.layers  # type: ignore[attr-defined]
    rows = [
        (layer.name, type(layer).__name__, _shape(layer.output.shape), f"{layer.count_params():,}")
        for layer in layers
    ]
    total = model.count_params()  # type: ignore[attr-defined]
    weights = model.trainable_weights  # type: ignore[attr-defined]
    trained = sum(math.prod(weight.shape) for weight in weights)
    table = format_table(("layer", "kind", "output", "parameters"), rows)
    return f"{table}\n\n{total:,} parameters, {trained:,} of them trained"


def _shape(shape: tuple[int | None, ...]) -> str:
    return "×".join(str(side) for side in shape[1:])


# The shipped models and the architectures.


def architectures_table() -> str:
    """Return the architectures as a table."""
    rows = [
        (one.name, f"{one.parameters:,}", f"{one.size_wh[0]}x{one.size_wh[1]}",
         "gray" if one.channels == 1 else "color", one.classes, one.source)
        for one in ARCHITECTURES.values()
    ]  # fmt: skip
    headers = ("architecture", "parameters", "size", "input", "classes", "source")
    return format_table(headers, rows)


def models_table() -> str:
    """Return the shipped models as a table."""
    models = to_dict()["models"]
    if not models:
        return "no models are shipped"
    rows = [
        (one["name"], f"{one['bytes'] / 1e6:.1f} MB", one["size"], " ".join(one["classes"]))
        for one in models
    ]
    return format_table(("model", "file", "size", "classes"), rows)


def recipes_table() -> str:
    """Return the recipes and the policies of augmentation as two tables."""
    models, policies = (list(_titles(kind).items()) for kind in ("models", "augmentation"))
    return "\n\n".join(
        [format_table(("recipe", "trains"), models), format_table(("policy", "changes"), policies)]
    )


def to_text() -> str:
    """Return models, architectures, recipes and policies as tables."""
    return "\n\n".join([models_table(), architectures_table(), recipes_table()])


def _titles(kind: Kind) -> dict[str, str]:
    return {name: recipe_title(path) for name, path in bundled_recipes(kind).items()}


def to_dict() -> dict[str, Any]:
    """Return models, architectures, recipes and policies as plain values, for JSON."""
    models = []
    for name, path in bundled_models().items():
        card = OnnxModel(path).card
        about = {
            "name": name,
            "path": str(path),
            "bytes": path.stat().st_size,
            "size": f"{card.size_wh[0]}x{card.size_wh[1]}",
            "classes": list(card.classes),
            "training": dict(card.training),
        }
        models.append(about)
    architectures = []
    for one in ARCHITECTURES.values():
        about = asdict(one)
        del about["define"]
        architectures.append(about)
    return {
        "models": models,
        "architectures": architectures,
        "recipes": _titles("models"),
        "policies": _titles("augmentation"),
    }
