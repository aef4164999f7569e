"""Networks to run, whatever file they are in: ``.onnx``, ``.keras``, or one that fer ships."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from fercli.errors import InputError, OptionError
from fercli.models.card import NetworkCard
from fercli.models.classifier import Classifier, middle
from fercli.models.settings import Settings

if TYPE_CHECKING:
    from keras import Model

#: Where the networks that come with fer lie.
SHIPPED = Path(__file__).parent / "shipped"

#: The one that is taken when none is named: better labels than FER-2013's own.
DEFAULT = "ferplus"


class Network(Protocol):
    """What runs on faces: see `fercli.models.classifier.Classifier`."""

    path: Path
    card: NetworkCard

    def classify(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, classes)."""

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features, shape (n, width)."""


class KerasNetwork:
    """A ``.keras`` file that is ready to run; the same methods as `Classifier`."""

    def __init__(self, path: Path) -> None:
        from fercli.models.network_file import load_network

        self.path = path
        self.model, self.card = load_network(path)

    def classify(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, classes)."""
        return self._predict(self.model, faces)

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the last layer sees, shape (n, width)."""
        from fercli.models.export import with_features

        return self._predict(with_features(self.model), faces, "features")

    def _predict(
        self, model: Model, faces: NDArray[np.uint8], output: str = ""
    ) -> NDArray[np.float32]:
        from fercli.models.batches import normalise

        faces = faces[..., None] if faces.ndim == 3 else faces
        pictures = normalise(middle(faces, self.card.crop))
        answers = model.predict(pictures, batch_size=256, verbose=0)
        return np.asarray(answers[output] if output else answers, np.float32)


def open_network(name: str, settings: Settings | None = None, *, threads: int = 1) -> Network:
    """Return a network that is ready to run.

    Parameters
    ----------
    name : str
        The name of a shipped network (`shipped_networks`), or a ``.onnx`` or ``.keras`` file.
    settings : Settings, optional
        What an ``.onnx`` file of others does not say.
    threads : int
        Threads of onnxruntime. Defaults to 1.

    Raises
    ------
    InputError
        There is no such network, or the file is not one.
    """
    path = find_network(name)
    if path.suffix == ".keras":
        return KerasNetwork(path)
    return Classifier(path, settings, threads=threads)


def shipped_networks() -> dict[str, Path]:
    """Return the networks that come with fer, the default first."""
    names = sorted(SHIPPED.glob("*.onnx"), key=lambda path: (path.stem != DEFAULT, path.stem))
    return {path.stem: path for path in names}


def find_network(name: str) -> Path:
    """Return the file of a shipped network, or `name` itself if it is the name of a file.

    Raises
    ------
    InputError
        Neither.
    """
    shipped = shipped_networks()
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if path.suffix not in (".onnx", ".keras"):
        raise InputError(
            f"wanted a network, found {name!r}",
            hint=f"{', '.join(shipped) or 'none is shipped'}; a .keras or an .onnx file",
        )
    return path


def require_classes(network: Network, classes: tuple[str, ...]) -> None:
    """Raise `OptionError` unless a data set's classes are a network's."""
    unknown = sorted(set(classes) - set(network.card.classes))
    if unknown:
        raise OptionError(
            f"wanted the classes {', '.join(network.card.classes)} of {network.path}, found "
            f"{', '.join(unknown)} too",
            hint="`fer datasets import --classes …` as the network has them",
        )
