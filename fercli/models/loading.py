"""Loading: shipped models, ``.onnx`` files and files of Keras behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import InputError, OptionError
from fercli.common.progress import SILENT, Progress
from fercli.models.keras_model import KerasModel, read_card
from fercli.models.model_card import ModelCard, ModelSettings, describe_assumptions
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
    threads: int = 1,
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
    threads : int
        Threads of onnxruntime. Defaults to 1.
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
        model = OnnxModel(path, settings, threads=threads)
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
