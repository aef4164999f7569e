"""Models to run, whatever file they are in: ``.onnx``, one of Keras, or one that fer ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import InputError, OptionError
from fercli.models.keras_model import KerasModel, read_card
from fercli.models.model_card import ModelCard, ModelSettings
from fercli.models.onnx_model import OnnxModel, has_card

#: Where the models that come with fer lie.
SHIPPED = Path(__file__).parent / "shipped"

#: Keras's own format, and the one of before Keras 3.
KERAS_FILES = (".keras", ".h5", ".hdf5")

#: The one that is taken when none is named: better labels than FER-2013's own.
DEFAULT = "ferplus"


class Model(Protocol):
    """What runs on faces: see `fercli.models.onnx_model.OnnxModel`."""

    path: Path
    card: ModelCard

    def classify(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, classes)."""

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features, shape (n, width)."""


def open_model(name: str, settings: ModelSettings | None = None, *, threads: int = 1) -> Model:
    """Return a model that is ready to run.

    Parameters
    ----------
    name : str
        The name of a shipped model (`bundled_models`), or a ``.onnx``, ``.keras`` or ``.h5``
        file.
    settings : ModelSettings, optional
        What a file of others does not say.
    threads : int
        Threads of onnxruntime. Defaults to 1.

    Raises
    ------
    InputError
        There is no such model, or the file is not one.
    """
    path = find_model(name)
    if path.suffix in KERAS_FILES:
        return KerasModel(path, settings)
    return OnnxModel(path, settings, threads=threads)


def open_models(names: Sequence[str], settings: ModelSettings | None = None) -> list[Model]:
    """Return several models, as `open_model`; settings are for the foreign files.

    Those that say themselves what they take are left as they are. One model alone gets the
    settings whatever it is.

    Raises
    ------
    OptionError
        There are settings, and none of several models is for them.
    """
    if len(names) == 1 or settings in (None, ModelSettings()):
        return [open_model(name, settings) for name in names]
    foreign = [_is_foreign(find_model(name)) for name in names]
    if not any(foreign):
        raise OptionError(
            f"All models state their own input, so it cannot be set for {', '.join(names)}",
            hint="remove `classes`, `size_wh`, `mean`, `std` and `color_order`",
        )
    return [
        open_model(name, settings if needs else None)
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
    if path.suffix not in (".onnx", *KERAS_FILES):
        raise InputError(
            f"There is no model {name!r}",
            hint=f"use {', '.join(shipped)}, or a .keras, .h5 or .onnx file",
        )
    return path


def _is_foreign(path: Path) -> bool:
    if path.suffix in KERAS_FILES:
        return read_card(path) is None
    return not has_card(path)


def require_classes(model: Model, classes: tuple[str, ...]) -> None:
    """Raise `OptionError` unless a data set's classes are a model's."""
    unknown = sorted(set(classes) - set(model.card.classes))
    if unknown:
        raise OptionError(
            f"The data have the classes {', '.join(unknown)}, which the model does not know: "
            f"it has {', '.join(model.card.classes)}",
            hint="import the data with the classes of the model, or set `classes`",
            path=model.path,
        )
