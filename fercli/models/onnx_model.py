"""Runs expression models from ``.onnx`` files. Needs onnxruntime and NumPy, nothing else.

Files that `fer models export` wrote state their input in their metadata; for other files the user
states it (`ModelSettings`), or it is read from the graph, or assumed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import DependencyError, InputError, OptionError
from fercli.common.files import input_error
from fercli.models.model_card import (
    ModelCard,
    ModelSettings,
    foreign_card,
    from_metadata,
    normalization_for,
    with_normalization,
    with_settings,
)
from fercli.models.onnx_graph import has_external_data, leading_scaling, require_downloaded

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

#: Faces that go through a model at once: more do not stay in a core's cache.
CHUNK = 8

#: Types of inputs that faces are converted to; integers are given pixels as they are.
DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
#: What is noted of a model that scales its input, and of one that answers other than probabilities.
SCALES_ITSELF = "given (pixel - {:g}) / {:g}, as it scales its input itself"
SOFTMAX_ADDED = "softmax added, as its outputs are not probabilities"
#: Types of outputs that are scores or probabilities.
FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


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
        settings = settings or ModelSettings()
        content = _read_file(path)
        self._session = _open_session(content, path, threads)
        given = _only_input(self._session, path)
        self._input, self._dtype = given.name, DTYPES[given.type]
        self._outputs = {output.name: output for output in self._session.get_outputs()}
        self._channels_first = channels_first(given.shape, path)
        self._batch = given.shape[0] if isinstance(given.shape[0], int) else None
        self._answer = _find_output(self._session, settings)
        card = _stated_card(self._session, path)
        if card is None:
            card = _guess_card(given, self._outputs[self._answer], settings, path)
            card = _with_own_scaling(card, given, content)
        self.card = with_settings(card, settings, path)
        self._require_types(path)
        self._logits = self._examine()

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
        return to_probabilities(scores, self._logits, self.card.temperature)

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
        if np.issubdtype(self._dtype, np.integer):
            images = np.rint(images)
        return np.ascontiguousarray(images, self._dtype)

    def _require_types(self, path: Path) -> None:
        """Raise unless integers are given pixels, and the answers are floating point numbers."""
        plain = set(self.card.mean) == {0.0} and set(self.card.std) == {1.0}
        if np.issubdtype(self._dtype, np.integer) and not plain:
            raise OptionError(
                f"The model takes pixels 0…255 as {np.dtype(self._dtype)}, which cannot be "
                "normalized",
                hint="set `mean` to 0 and `std` to 1",
                path=path,
            )
        kind = self._outputs[self._answer].type
        if kind not in FLOATS:
            raise InputError(
                f"Expected an output of floating point numbers, got {kind}",
                hint="export the model with a float output",
                path=path,
            )

    def _examine(self) -> bool:
        """Return whether the output needs a softmax, by trying; the card notes it."""

        def run(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
            return self._run(faces, self._answer, len(self.card.classes))

        hint = "set `classes` and `size_wh` as the authors of the model give them"
        logits = needs_softmax(run, self.card, self.path, hint)
        if logits:
            self.card = replace(self.card, notes=(*self.card.notes, SOFTMAX_ADDED))
        return logits


def needs_softmax(
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


def center_crop(faces: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    """Return the middle part of each face, a square of `side` pixels; all if it is None."""
    if side is None:
        return faces
    top, left = (faces.shape[1] - side) // 2, (faces.shape[2] - side) // 2
    return faces[:, top : top + side, left : left + side]


def scaled(faces: NDArray[np.uint8], card: ModelCard) -> NDArray[np.float32]:
    """Return faces, shape (n, height, width, channels), as a model sees them."""
    faces = center_crop(faces, card.crop)
    if card.channels == 3 and card.color_order == "bgr":
        faces = faces[..., ::-1]
    scale, offset = _scale(card.mean, card.std)
    return np.asarray(faces.astype(np.float32) * scale + offset, np.float32)


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores as probabilities, row by row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def to_probabilities(
    scores: NDArray[np.float32], logits: bool, temperature: float = 1.0
) -> NDArray[np.float32]:
    """Return what a model answers as probabilities, softened or sharpened by a temperature."""
    if not logits:
        if temperature == 1:
            return scores
        scores = np.log(np.maximum(scores, np.float32(1e-12)))
    return softmax(scores / np.float32(temperature))


def has_card(path: Path) -> bool:
    """Return whether an ``.onnx`` file's metadata are fer's; errors as `OnnxModel`."""
    session = _open_session(_read_file(path), path, 1)
    return "fer.classes" in session.get_modelmeta().custom_metadata_map


def _only_input(session: InferenceSession, path: Path) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs) or "none"
        raise InputError(f"Expected a model with one input, the image, got {names}", path=path)
    (given,) = inputs
    if given.type not in DTYPES:
        raise InputError(
            f"The model takes {given.type}; expected one of {', '.join(DTYPES)}",
            hint="export the model with a float input",
            path=path,
        )
    return given


def _find_output(session: InferenceSession, settings: ModelSettings) -> str:
    """Return the output "probabilities", or the first with as many numbers as classes."""
    outputs = {output.name: output for output in session.get_outputs()}
    if "probabilities" in outputs:
        return "probabilities"
    count = len(settings.classes or ())
    fits = [name for name, output in outputs.items() if count and _width(output) == count]
    return str(fits[0] if fits else next(iter(outputs)))


def _width(output: Any) -> int | None:
    """Return the number of classes of an output; some end in 1×1: (n, classes, 1, 1)."""
    sides = (output.shape or [])[:0:-1]
    return next((side for side in sides if isinstance(side, int) and side > 1), None)


def _read_file(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise input_error(error, path, wanted="an .onnx file") from error
    require_downloaded(content, path)
    return content


def _open_session(content: bytes, path: Path, threads: int | None) -> InferenceSession:
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
    # Weights beside the model are found by its path; from bytes, in the working directory.
    source = str(path) if has_external_data(content, path) else content
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
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


def _stated_card(session: InferenceSession, path: Path) -> ModelCard | None:
    """Return the card in a model's metadata, if there is one."""
    try:
        return from_metadata(session.get_modelmeta().custom_metadata_map)
    except ValueError as error:
        raise InputError(str(error), path=path) from error


def _guess_card(given: Any, output: Any, settings: ModelSettings, path: Path) -> ModelCard:
    """Return what the shapes of a model tell; the rest is assumed, and listed as such."""
    shape = given.shape
    first = channels_first(shape, path)
    height, width, channels = (shape[2], shape[3], shape[1]) if first else shape[1:]
    size = (width, height) if isinstance(height, int) and isinstance(width, int) else None
    size = size or settings.size_wh
    if size is None:
        raise OptionError(
            "The model takes inputs of any size, so `size_wh` must be given",
            hint="set `size_wh`",
            path=path,
        )
    count, named = _width(output), len(settings.classes or ())
    if count and named and count != named:
        raise OptionError(
            f"Expected {count} `classes`, one for each output of the model, got {named}", path=path
        )
    count = count or named
    if count < 2:
        raise OptionError(
            "The model does not say how many classes it has", hint="set `classes`", path=path
        )
    card = foreign_card(count, size, channels)
    ambiguous = shape[1] in (1, 3) and shape[3] in (1, 3)
    return replace(card, assumed=(*card.assumed, "layout")) if ambiguous else card


def _with_own_scaling(card: ModelCard, given: Any, content: bytes) -> ModelCard:
    """Return the card with the normalization that the input's type or first operations need."""
    if np.issubdtype(DTYPES[given.type], np.integer):
        return with_normalization(card, 0, 1, f"given pixels 0…255, as its input is {given.type}")
    scaling = leading_scaling(content, given.name)
    wanted = normalization_for(*scaling) if scaling else None
    if wanted is None:
        return card
    return with_normalization(
        card,
        *wanted,
        f"given (pixel - {wanted[0]:g}) / {wanted[1]:g}, as it scales its input itself",
    )
