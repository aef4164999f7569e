"""Exports from files, and what came of them in words."""

from __future__ import annotations

from pathlib import Path

from fercli.common.errors import InputError
from fercli.common.progress import SILENT, Progress
from fercli.datasets.entries import split_of
from fercli.datasets.tree import Tree, read_tree
from fercli.models.export import ExportResult, Storage, export_onnx
from fercli.models.keras_file import load_network, read_card
from fercli.models.labeled_faces import Faces, read_split
from fercli.models.model_card import NetworkCard
from fercli.models.model_settings import Settings, with_settings


def export_file(
    network: Path,
    out: Path,
    data: Path | None = None,
    split: str = "validation",
    settings: Settings | None = None,
    *,
    storage: Storage = "float32",
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> ExportResult:
    """Export a file of Keras; see `fercli.models.export.export_onnx`.

    Raises `InputError` also for a name that does not end in ``.onnx``.
    """
    if out.suffix != ".onnx":
        raise InputError(f"wanted a name that ends in .onnx, found {out}")
    faces = calibration = None
    if data is not None:
        tree = read_tree(data)
        settings = settings or Settings()
        card = read_card(network) or load_network(network, settings.size_wh)[1]
        card = with_settings(card, settings, network)
        faces = _faces(card, tree, split, progress)
        learns = storage == "int8" and has_training(tree)
        calibration = _faces(card, tree, "train", progress) if learns else None
    return export_onnx(
        network, out, settings, faces=faces, calibration=calibration, storage=storage,
        overwrite=overwrite, progress=progress,
    )  # fmt: skip


def describe_export(result: ExportResult) -> str:
    """Return a few lines that say how the exported network compares."""
    on = f"{result.faces} faces" if result.faces else "noise (no --data given)"
    lines = [
        f"wrote {result.path}, {result.size / 1e6:.2f} MB",
        f"largest difference of a probability: {result.difference:.2g}, on {on}",
    ]
    if result.accuracy_before is not None and result.accuracy_after is not None:
        loss = result.accuracy_before - result.accuracy_after
        lines.append(
            f"accuracy on them: {result.accuracy_after:.4f}, {loss:+.4f} lost from "
            f"{result.accuracy_before:.4f}"
        )
    return "\n".join(lines)


def has_training(tree: Tree) -> bool:
    """Return whether there are other faces for calibration than those that are compared on."""
    return any(split_of(name) == "train" for name in tree.splits)


def _faces(card: NetworkCard, tree: Tree, split: str, progress: Progress) -> Faces:
    return read_split(
        tree,
        split,
        card.size_wh,
        channels=card.channels,
        classes=card.classes,
        progress=progress,
    )
