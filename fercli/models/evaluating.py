"""Evaluations from files: networks by name, pictures from a tree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fercli.common.progress import SILENT, Progress
from fercli.datasets.tree import Tree, read_tree
from fercli.models.evaluation import Evaluation, evaluate
from fercli.models.labeled_faces import Faces, read_split
from fercli.models.loading import Network, open_networks, require_classes
from fercli.models.model_settings import Settings


def evaluate_files(
    names: Sequence[str],
    data: Path,
    split: str,
    *,
    settings: Settings | None = None,
    average: str = "none",
    check_copies: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Faces, list[Evaluation]]:
    """Measure networks on a split of a tree; return the faces for the first, and the measures.

    `settings` are as in `fercli.models.loading.open_networks`.

    Raises
    ------
    InputError, OptionError
        A network or a split is not there, or their classes do not fit.
    """
    tree = read_tree(data)
    networks = open_networks(names, settings)
    for network in networks:
        require_classes(network, tree.classes)
    results = []
    kept = []
    for network in networks:
        faces = _faces(tree, split, network, workers, progress)
        training = _faces(tree, "train", network, workers, progress) if check_copies else None
        results.append(
            evaluate(network, faces, average=average, training=training, progress=progress)
        )
        kept.append(faces)
    return kept[0], results


def _faces(
    tree: Tree, split: str, network: Network, workers: int | None, progress: Progress
) -> Faces:
    card = network.card
    return read_split(
        tree, split, card.size_wh, channels=card.channels, classes=card.classes, workers=workers,
        progress=progress,
    )  # fmt: skip
