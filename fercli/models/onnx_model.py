"""Runs expression models from ``.onnx`` files. Needs onnxruntime and NumPy, nothing else.

Files that `fer models export` wrote say in their metadata what they take; for those of others
the user says it (`ModelSettings`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import DependencyError, InputError, OptionError
from fercli.common.files import input_error
from fercli.models.model_card import MIDDLE, ModelCard, ModelSettings, from_metadata, with_settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

#: Faces that go through a model at once: more do not stay in a core's cache.
CHUNK = 8


class OnnxModel:
    """An expression model that is ready to run.

    Parameters
    ----------
    path : Path
        The ``.onnx`` file.
    settings : ModelSettings, optional
        What the file does not say.
    threads : int, optional
        Threads for one call. Defaults to 1: callers that have many faces run many calls.

    Attributes
    ----------
    card : ModelCard
        Classes, input size and so on.

    Raises
    ------
    InputError
        The file is missing, not a model, or not one from an image to classes.
    OptionError
        The number of classes given is not the number of outputs.
    DependencyError
        onnxruntime is not installed.
    """

    def __init__(
        self, path: Path, settings: ModelSettings | None = None, *, threads: int | None = 1
    ) -> None:
        self.path = path
        self._session = _open_session(path, threads)
        given = _first_input(self._session, path)
        self._input = given.name
        self._dtype = np.float16 if given.type == "tensor(float16)" else np.float32
        self._outputs = {output.name: output for output in self._session.get_outputs()}
        self._channels_first = channels_first(given.shape, path)
        self._batch = given.shape[0] if isinstance(given.shape[0], int) else None
        self.card = _read_card(self._session, settings or ModelSettings(), given.shape, path)
        self._answer, self._logits = self._examine()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.card.classes

    @property
    def has_features(self) -> bool:
        """Whether the model gives the features of its last layer too, shape (n, width)."""
        shape = self._outputs["features"].shape if "features" in self._outputs else []
        return len(shape) == 2 and isinstance(shape[1], int)

    def classify(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of each class for each face.

        Parameters
        ----------
        faces : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
            Faces of the card's size; three channels are red, green, blue.

        Returns
        -------
        ndarray of float32, shape (n, number of classes)
        """
        scores = self._run(faces, self._answer, len(self.classes))
        return softmax(scores) if self._logits else scores

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the last layer sees of each face, shape (n, width of the layer).

        Raises
        ------
        OptionError
            The model does not give it.
        """
        if not self.has_features:
            raise OptionError(
                "The model has no output 'features' of a known width: its outputs are "
                f"{', '.join(self._outputs)}",
                hint="use a model that `fer models export` wrote, or the .keras file",
                path=self.path,
            )
        return self._run(faces, "features", int(self._outputs["features"].shape[-1]))

    def _run(self, faces: NDArray[np.uint8], output: str, width: int) -> NDArray[np.float32]:
        faces = with_channels(faces, self.card)
        answers = np.empty((len(faces), width), np.float32)
        step = self._batch or CHUNK
        for start in range(0, len(faces), step):
            chunk = self._prepare(faces[start : start + step])
            missing = step - len(chunk) if self._batch else 0
            if missing:
                chunk = np.concatenate([chunk, np.zeros((missing, *chunk.shape[1:]), chunk.dtype)])
            (answer,) = self._session.run([output], {self._input: chunk})
            answers[start : start + step] = answer.reshape(len(chunk), width)[
                : len(chunk) - missing
            ]
        return answers

    def _prepare(self, faces: NDArray[np.uint8]) -> NDArray[Any]:
        images = scaled(faces, self.card)
        if self._channels_first:
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images, self._dtype)

    def _examine(self) -> tuple[str, bool]:
        """Return the name of the output and whether it needs a softmax, by trying."""
        name = "probabilities" if "probabilities" in self._outputs else next(iter(self._outputs))

        def run(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
            return self._run(faces, name, len(self.card.classes))

        hint = "set `classes` and `size_wh` as the authors of the model give them"
        return name, gives_scores(run, self.card, self.path, hint)


def gives_scores(
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    card: ModelCard,
    path: Path,
    hint: str | None = None,
) -> bool:
    """Return whether a model's answers are no probabilities yet and need a softmax.

    Parameters
    ----------
    run : callable
        Faces to answers, shape (n, number of classes); it is tried on noise.
    card : ModelCard
        What the faces and the answers are to be.
    path : Path
        The model's file, for messages.
    hint : str, optional
        What to try if it cannot run.

    Raises
    ------
    InputError
        The model cannot run on such faces, or answers NaN.
    """
    shape = (2, card.size_wh[1], card.size_wh[0], card.channels)
    faces = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    try:
        scores = run(faces)
    except Exception as error:  # onnxruntime and Keras raise their own kinds; NumPy ValueError
        raise InputError(
            f"The model cannot run on an image of {shape[2]}x{shape[1]} to give "
            f"{len(card.classes)} classes: {error}",
            hint=hint,
            path=path,
        ) from error
    if not np.isfinite(scores).all():
        raise InputError(
            "The output of the model is NaN or infinite: its weights are broken", path=path
        )
    return bool(scores.min() < 0 or np.abs(scores.sum(axis=1) - 1).max() > 1e-2)


def middle(faces: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    """Return the middle part of each face, a square of `side` pixels; all if it is None."""
    if side is None:
        return faces
    top, left = (faces.shape[1] - side) // 2, (faces.shape[2] - side) // 2
    return faces[:, top : top + side, left : left + side]


def scaled(faces: NDArray[np.uint8], card: ModelCard) -> NDArray[np.float32]:
    """Return faces, shape (n, height, width, channels), as a model sees them."""
    faces = middle(faces, card.crop)
    if card.channels == 3 and card.color_order == "bgr":
        faces = faces[..., ::-1]
    scale, offset = _scale(card.mean, card.std)
    return np.asarray(faces.astype(np.float32) * scale + offset, np.float32)


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores as probabilities, row by row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def has_card(path: Path) -> bool:
    """Return whether an ``.onnx`` file's metadata are fer's; errors as `OnnxModel`."""
    return "fer.classes" in _open_session(path, 1).get_modelmeta().custom_metadata_map


def _first_input(session: InferenceSession, path: Path) -> Any:
    inputs = session.get_inputs()
    if not inputs or not session.get_outputs():
        raise InputError("The model has no input", path=path)
    return inputs[0]


def _open_session(path: Path, threads: int | None) -> InferenceSession:
    # From 1.29 on onnxruntime tells its makers what it runs, unless this is set before its import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError(
            f"Running a model needs onnxruntime: {error}", hint="pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        content = path.read_bytes()
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise input_error(error, path, wanted="an .onnx file") from error
    except Exception as error:  # onnxruntime's errors share no base class
        reason = str(error).splitlines()[0]
        raise InputError(
            f"The file is not an ONNX model that onnxruntime can load: {reason}", path=path
        ) from error


@lru_cache(maxsize=8)  # once a model, not once a face
def _scale(
    mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return factor and summand of the normalization, which is one multiplication less."""
    means, stds = (np.array(values, np.float32) for values in (mean, std))
    return np.float32(1) / stds, -means / stds


def with_channels(faces: NDArray[np.uint8], card: ModelCard) -> NDArray[np.uint8]:
    """Return faces with an axis of channels, gray ones repeated for a model of colors."""
    if faces.ndim == 3:
        faces = faces[..., None]
    if faces.shape[3:] == (1,) and card.channels == 3:
        faces = np.repeat(faces, 3, axis=3)
    wanted = (card.size_wh[1], card.size_wh[0], card.channels)
    if faces.ndim != 4 or faces.shape[1:] != wanted:
        raise ValueError(f"Expected faces of shape (n, {wanted}), got {faces.shape}")
    return faces


def channels_first(shape: Sequence[Any], path: Path) -> bool:
    """Return whether an input of this shape has its channels before its rows and columns.

    Raises
    ------
    InputError
        It is no shape of images in one or three channels.
    """
    if len(shape) == 4 and shape[3] in (1, 3):
        return False
    if len(shape) == 4 and shape[1] in (1, 3):
        return True
    raise InputError(
        f"The model does not take images in 1 or 3 channels: its input shape is {list(shape)}",
        path=path,
    )


def _read_card(
    session: InferenceSession, settings: ModelSettings, shape: Sequence[Any], path: Path
) -> ModelCard:
    """Return the card in a model's metadata, or one guessed, with what the user says.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        The model.
    settings : ModelSettings
        What the user says; it wins over the metadata.
    shape : sequence
        The shape of the model's input.
    path : Path
        Its file, for messages.

    Raises
    ------
    InputError
        The metadata are fer's but cannot be understood.
    OptionError
        What the user says does not fit the model, or not enough is said.
    """
    try:
        card = from_metadata(session.get_modelmeta().custom_metadata_map)
    except ValueError as error:
        raise InputError(str(error), path=path) from error
    return with_settings(card or _guess_card(session, settings, shape, path), settings, path)


def _guess_card(
    session: InferenceSession, settings: ModelSettings, shape: Sequence[Any], path: Path
) -> ModelCard:
    """Return what can be told from the shapes of a model without metadata of fer's."""
    first = channels_first(shape, path)
    height, width, channels = (shape[2], shape[3], shape[1]) if first else shape[1:]
    if isinstance(height, int) and isinstance(width, int):
        size = (width, height)
    elif settings.size_wh:
        size = settings.size_wh
    else:
        raise OptionError(
            "The model takes inputs of any size, so `size_wh` must be given",
            hint="set `size_wh`",
            path=path,
        )
    outputs = session.get_outputs()[0].shape or []
    # Some end in a convolution of 1×1, and give (n, classes, 1, 1).
    count = next((side for side in outputs[:0:-1] if isinstance(side, int) and side > 1), None)
    given = len(settings.classes or ())
    if count and given and count != given:
        raise OptionError(
            f"Expected {count} `classes`, one for each output of the model, got {given}", path=path
        )
    count = count or given
    if count < 2:
        raise OptionError(
            "The model does not say how many classes it has", hint="set `classes`", path=path
        )
    classes = tuple(settings.classes or (f"class {at}" for at in range(count)))
    return ModelCard(classes, size, channels, (MIDDLE,) * channels, (MIDDLE,) * channels)
