"""Export: a model of Keras to one ``.onnx`` file with its card in the metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import DependencyError, InputError, OptionError, TrainingError
from fercli.common.files import atomic_write, require_absent
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted
from fercli.datasets.entries import split_of
from fercli.datasets.tree import Tree, read_tree, unreadable_lines
from fercli.models.backend import quiet_stderr, quiet_warnings
from fercli.models.evaluation import classify_all
from fercli.models.keras_model import KerasModel, load_model, read_card, with_features
from fercli.models.labeled_faces import Faces, read_measured
from fercli.models.metrics import Calibration, accuracy
from fercli.models.metrics import calibrate as calibration_of
from fercli.models.model_card import (
    ModelCard,
    ModelSettings,
    describe_assumptions,
    to_metadata,
    with_settings,
)
from fercli.models.onnx_model import OnnxModel, scaled

#: How weights are stored; float16 is converted to float32 for computing, int8 is computed as such.
Storage = Literal["float32", "float16", "int8"]
#: How far probabilities of the two files may differ: with float32 by the order of sums, with
#: float16 by the 11 bits of each weight; for int8 there is no bound.
TOLERANCES: dict[Storage, float] = {"float32": 1e-4, "float16": 0.02, "int8": 1.0}
#: Faces that the calibration of int8 takes.
CALIBRATED = 256


@dataclass(frozen=True)
class ExportResult:
    """The file that was written, and how it compares with its source.

    Parameters
    ----------
    path : Path
        The ``.onnx`` file.
    size : int
        Bytes.
    faces : int
        Faces that both files were compared on; 0: noise, because no data were given.
    difference : float
        The largest difference of a probability.
    accuracy_before, accuracy_after : float, optional
        On those faces; None without labels.
    calibration : Calibration, optional
        The temperature that was written, and what it does; None if none was asked for.
    assumptions : str, optional
        What was written into the card although neither the file nor the user stated it.
    unreadable : mapping of str to str
        Images of the data that were left out, and why.
    """

    path: Path
    size: int
    faces: int
    difference: float
    accuracy_before: float | None = None
    accuracy_after: float | None = None
    calibration: Calibration | None = None
    assumptions: str | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {**asdict(self), "path": str(self.path)}

    def to_text(self) -> str:
        """Return a few lines that say how the exported model compares."""
        on = counted(self.faces, "face") if self.faces else "noise (no --data given)"
        lines = [
            f"wrote {self.path}, {self.size / 1e6:.2f} MB",
            f"largest difference of a probability: {self.difference:.2g}, on {on}",
        ]
        if self.accuracy_before is not None and self.accuracy_after is not None:
            loss = self.accuracy_before - self.accuracy_after
            lines.append(
                f"accuracy on them: {self.accuracy_after:.4f}, {loss:+.4f} lost from "
                f"{self.accuracy_before:.4f}"
            )
        lines += unreadable_lines(self.unreadable)
        if self.calibration is not None:
            lines.append(self.calibration.to_text())
        if self.assumptions is not None:
            lines.append(f"warning: {self.assumptions}")
        return "\n".join(lines)


def export_onnx(
    model: Path,
    out: Path,
    settings: ModelSettings | None = None,
    *,
    faces: Faces | None = None,
    calibration: Faces | None = None,
    calibrate: bool = False,
    storage: Storage = "float32",
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> ExportResult:
    """Write a model of Keras as ``.onnx``, and compare the two.

    The file has two outputs, "probabilities" and "features" (what the last layer sees), and the
    model's card in its metadata.

    Parameters
    ----------
    model, out : Path
        The file of Keras and the new ``.onnx`` file.
    settings : ModelSettings, optional
        What the file does not state.
    faces : Faces, optional
        Real faces for the comparison. Defaults to None: noise.
    calibration : Faces, optional
        Real faces that the ranges of int8 are measured on. Defaults to `faces`, whose figures are
        then slightly optimistic.
    calibrate : bool
        Find a temperature on half of `faces`, check it on the other half, and write it into the
        card. Defaults to False.
    storage : {"float32", "float16", "int8"}
        float16: kernels in half the size, answers nearly the same. int8: weights and activations
        in 8 bits, a quarter of the size.
    overwrite : bool
        Whether `out` may be replaced.

    Raises
    ------
    TrainingError
        The two models answer differently by more than `TOLERANCES` allow.
    OptionError
        int8 or `calibrate` without faces.
    DependencyError
        What Keras needs to write ONNX is not installed.
    """
    require_absent(out, overwrite=overwrite)
    calibration = calibration or faces
    if storage == "int8" and calibration is None:
        raise OptionError(
            "int8 needs faces to measure the ranges of activations on", hint="give `data`"
        )
    if calibrate and faces is None:
        raise OptionError("`calibrate` needs labeled faces", hint="give `data`")
    source = KerasModel(model, settings)
    card = source.card
    assumptions = describe_assumptions(card, model)
    with atomic_write(out, overwrite=overwrite) as temporary:
        progress.note(f"writing {out}")
        _write(source, temporary)
        if storage == "float16":
            _halve(temporary)
        elif storage == "int8" and calibration is not None:
            progress.note("calibrating int8")
            _quantize(temporary, _calibrating(calibration), card)
        card = replace(card, training={**card.training, "storage": storage})
        _add_metadata(temporary, card)
        found = None
        if calibrate and faces is not None:
            found = _calibrate(temporary, card, faces, progress)
            card = replace(card, temperature=found.temperature)
            _add_metadata(temporary, card)
        source.card = replace(source.card, temperature=card.temperature)
        result = _compare(source, temporary, faces, progress)
        if not result.difference <= TOLERANCES[storage]:
            raise TrainingError(
                f"The probabilities of the exported model differ by {result.difference:.2g}, more "
                f"than the tolerance of {TOLERANCES[storage]:g}",
                hint="export as float32"
                if storage == "float16"
                else "set KERAS_BACKEND=tensorflow",
                path=model,
            )
    result = replace(result, calibration=found, assumptions=assumptions)
    return replace(result, path=out, size=out.stat().st_size)


def _calibrate(path: Path, card: ModelCard, faces: Faces, progress: Progress) -> Calibration:
    """Return the temperature of an exported file, found with its own answers."""
    exported = OnnxModel(path)
    exported.card = replace(card, temperature=1.0)
    return calibration_of(classify_all(exported, faces, progress=progress), faces.labels)


def _calibrating(faces: Faces) -> NDArray[np.uint8]:
    """Return faces to measure the ranges of activations on, drawn at random."""
    order = np.random.default_rng(0).permutation(len(faces))
    return faces.take(np.sort(order[:CALIBRATED]))


def _write(source: KerasModel, path: Path) -> None:
    both = with_features(source.model, source.path)
    both(np.zeros((1, *source.card.input_shape), np.float32))  # Keras exports what has run once
    try:
        with quiet_stderr(), quiet_warnings():
            both.export(path, format="onnx", verbose=False)
    except ImportError as error:
        raise DependencyError(
            f"Exporting to ONNX needs another package: {error}",
            hint='pip install "fercli[train]", and set KERAS_BACKEND=tensorflow',
        ) from error
    _name_outputs(path)


def _name_outputs(path: Path) -> None:
    """Give the outputs their names: Keras's own depend on its version and backend."""
    import onnx

    model = onnx.load(path)
    widths = {output.name: output.type.tensor_type.shape.dim for output in model.graph.output}
    assert len(widths) == 2
    features, probabilities = (output.name for output in model.graph.output)
    _rename(model, {features: "features", probabilities: "probabilities"})
    onnx.save(model, path)


def _rename(model: Any, names: dict[str, str]) -> None:
    for values in (model.graph.output, model.graph.input):
        for value in values:
            value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        for places in (node.input, node.output):
            places[:] = [names.get(name, name) for name in places]


def _add_metadata(path: Path, card: ModelCard) -> None:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, to_metadata(card))
    model.producer_name = "fer"
    onnx.save(model, path)


def _halve(path: Path) -> None:
    """Store kernels as float16; a Cast, which runtimes do once when they load, undoes it."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    casts = []
    for item in model.graph.initializer:
        array = numpy_helper.to_array(item)
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if array.dtype != np.float32 or array.ndim < 2 or not np.isfinite(half).all():
            continue
        name = item.name
        item.CopyFrom(numpy_helper.from_array(half, f"{name}_float16"))
        casts.append(onnx.helper.make_node("Cast", [item.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def _quantize(path: Path, sample: NDArray[np.uint8], card: ModelCard) -> None:
    from onnxruntime import quantization

    images = scaled(sample, card)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            self.rows: Iterator[Any] = iter({name: image[None]} for image in images)

        def get_next(self) -> Any:
            return next(self.rows, None)

    import onnx

    name = onnx.load(path).graph.input[0].name
    with quiet_stderr(), quiet_warnings():
        quantization.quantize_static(path, path, Reader(name), per_channel=True)


def _compare(
    source: KerasModel, path: Path, faces: Faces | None, progress: Progress
) -> ExportResult:
    exported = OnnxModel(path)
    if faces is None:
        card = source.card
        shape = (32, card.size_wh[1], card.size_wh[0], card.channels)
        noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        difference = np.abs(source.classify(noise) - exported.classify(noise)).max()
        return ExportResult(path, 0, 0, float(difference))
    before, after = (classify_all(model, faces, progress=progress) for model in (source, exported))
    return ExportResult(
        path,
        0,
        len(faces),
        float(np.abs(before - after).max()),
        accuracy(before, faces.labels),
        accuracy(after, faces.labels),
        unreadable=faces.unreadable,
    )


# Exports from files, and what came of them in words.


def export_file(
    model: Path,
    out: Path,
    data: Path | None = None,
    split: str | None = None,
    settings: ModelSettings | None = None,
    *,
    calibrate: bool = False,
    storage: Storage = "float32",
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> ExportResult:
    """Export a file of Keras; see `fercli.models.export.export_onnx`.

    Raises `InputError` also for a name that does not end in ``.onnx``.
    """
    if out.suffix != ".onnx":
        raise InputError(f"The name of the output must end in .onnx, got {out}")
    faces = calibration = None
    if data is not None:
        tree = read_tree(data)
        settings = settings or ModelSettings()
        card = read_card(model) or load_model(model, settings.size_wh)[1]
        card = with_settings(card, settings, model)
        faces = read_measured(tree, split, card, progress=progress)
        learns = storage == "int8" and has_training(tree)
        if learns:
            calibration = read_measured(tree, "train", card, progress=progress)
    return export_onnx(
        model, out, settings, faces=faces, calibration=calibration, calibrate=calibrate,
        storage=storage,
        overwrite=overwrite, progress=progress,
    )  # fmt: skip


def has_training(tree: Tree) -> bool:
    """Return whether there are other faces for calibration than those that are compared on."""
    return any(split_of(name) == "train" for name in tree.splits)
