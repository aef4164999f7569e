"""Networks to run, whatever file they are in: ``.onnx``, one of Keras, or one that fer ships."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import InputError, OptionError
from fercli.models.model_card import ModelCard
from fercli.models.model_settings import Settings, with_settings
from fercli.models.onnx_model import OnnxModel, gives_scores, has_card, scaled, with_channels

if TYPE_CHECKING:
    from keras import Model

#: Where the networks that come with fer lie.
SHIPPED = Path(__file__).parent / "shipped"

#: Faces that go through a network of Keras at once.
BATCH = 256

#: Keras's own format, and the one of before Keras 3.
KERAS_FILES = (".keras", ".h5", ".hdf5")

#: The one that is taken when none is named: better labels than FER-2013's own.
DEFAULT = "ferplus"


class Network(Protocol):
    """What runs on faces: see `fercli.models.onnx_model.OnnxModel`."""

    path: Path
    card: ModelCard

    def classify(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, classes)."""

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features, shape (n, width)."""


class KerasModel:
    """A file of Keras that is ready to run; the same methods as `OnnxModel`."""

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        from fercli.models.export import with_one_output
        from fercli.models.keras_model import load_model

        self.path = path
        settings = settings or Settings()
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
        from fercli.models.export import with_features

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


def open_model(name: str, settings: Settings | None = None, *, threads: int = 1) -> Network:
    """Return a network that is ready to run.

    Parameters
    ----------
    name : str
        The name of a shipped network (`bundled_models`), or a ``.onnx``, ``.keras`` or ``.h5``
        file.
    settings : Settings, optional
        What a file of others does not say.
    threads : int
        Threads of onnxruntime. Defaults to 1.

    Raises
    ------
    InputError
        There is no such network, or the file is not one.
    """
    path = find_model(name)
    if path.suffix in KERAS_FILES:
        return KerasModel(path, settings)
    return OnnxModel(path, settings, threads=threads)


def open_models(names: Sequence[str], settings: Settings | None = None) -> list[Network]:
    """Return several networks, as `open_model`; settings are for the foreign files.

    Those that say themselves what they take are left as they are. One network alone gets the
    settings whatever it is.

    Raises
    ------
    OptionError
        There are settings, and none of several networks is for them.
    """
    if len(names) == 1 or settings in (None, Settings()):
        return [open_model(name, settings) for name in names]
    foreign = [_is_foreign(find_model(name)) for name in names]
    if not any(foreign):
        raise OptionError(
            f"wanted a foreign network for what is said of one, found {', '.join(names)}",
            hint="no --classes, --size, --mean, --std or --color-order",
        )
    return [
        open_model(name, settings if needs else None)
        for name, needs in zip(names, foreign, strict=True)
    ]


def bundled_models() -> dict[str, Path]:
    """Return the networks that come with fer, the default first."""
    names = sorted(SHIPPED.glob("*.onnx"), key=lambda path: (path.stem != DEFAULT, path.stem))
    return {path.stem: path for path in names}


def find_model(name: str) -> Path:
    """Return the file of a shipped network, or `name` itself if it is the name of a file.

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
            f"wanted a network, found {name!r}",
            hint=f"{', '.join(shipped) or 'none is shipped'}; a .keras, .h5 or .onnx file",
        )
    return path


def _is_foreign(path: Path) -> bool:
    if path.suffix in KERAS_FILES:
        from fercli.models.keras_model import read_card

        return read_card(path) is None
    return not has_card(path)


def require_classes(network: Network, classes: tuple[str, ...]) -> None:
    """Raise `OptionError` unless a data set's classes are a network's."""
    unknown = sorted(set(classes) - set(network.card.classes))
    if unknown:
        raise OptionError(
            f"wanted the classes {', '.join(network.card.classes)} of {network.path}, found "
            f"{', '.join(unknown)} too",
            hint="`fer datasets import --classes …` as the network has them",
        )
