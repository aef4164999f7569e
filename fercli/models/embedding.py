"""Embedding: features of a model's last layer for each face, their clusters and a map."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import DependencyError, OptionError
from fercli.common.files import atomic_write, make_folder, require_absent, write_text
from fercli.common.options import HIGHEST_SEED
from fercli.common.plots import COLORS, new_plot, save_plot
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import format_table
from fercli.datasets.tree import read_tree
from fercli.models.labeled_faces import Faces, choose_split, read_split
from fercli.models.loading import Model, open_model
from fercli.models.model_card import ModelSettings

CHUNK = 256
#: The most faces on a map: more overlap, and t-SNE takes minutes.
MAPPED = 2000
PROJECTIONS = ("tsne", "pca")
#: Eight colors, one for each class of FER+.
MAP_COLORS = (*COLORS, "#999999")


@dataclass(frozen=True)
class Embedding:
    """Faces as points, and their clusters.

    Parameters
    ----------
    features : ndarray of float32, shape (n, width)
        The input of the model's last layer, scaled to length 1.
    clusters : ndarray of int64, shape (n,)
        The cluster of each face.
    purity : float
        Share of the faces that are of the most frequent class of their cluster.
    table : ndarray of int64, shape (clusters, classes)
        Faces by cluster and class.
    """

    features: NDArray[np.float32]
    clusters: NDArray[np.int64]
    purity: float
    table: NDArray[np.int64]


def embed(
    model: Model,
    faces: Faces,
    *,
    clusters: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Embedding:
    """Return the features of faces and their k-means clusters.

    Parameters
    ----------
    model : Model
        One that gives features beside its probabilities.
    faces : Faces
        The images.
    clusters : int, optional
        How many. Defaults to the number of classes.
    seed : int
        Of k-means' first centers. Defaults to 0.

    Raises
    ------
    OptionError
        More clusters than faces; a model that gives no features; a seed above `HIGHEST_SEED`.
    DependencyError
        scikit-learn is not installed.
    """
    _require_seed(seed)
    count = clusters or len(faces.classes)
    if not 2 <= count <= len(faces):
        raise OptionError(
            f"`clusters` must be from 2 to {len(faces)}, the number of faces, got {count}"
        )
    features = _features(model, faces, progress)
    progress.note(f"finding {count} clusters")
    found = _sklearn("cluster").KMeans(count, n_init=4, random_state=seed).fit_predict(features)
    clusters_found = np.asarray(found, np.int64)
    table = contingency(clusters_found, faces.labels, count, len(faces.classes))
    return Embedding(features, clusters_found, purity(table), table)


def contingency(
    clusters: NDArray[np.int64], labels: NDArray[np.int64], count: int, classes: int
) -> NDArray[np.int64]:
    """Return faces by cluster (row) and class (column)."""
    flat = np.bincount(clusters * classes + labels, minlength=count * classes)
    return flat.reshape(count, classes)


def purity(table: NDArray[np.int64]) -> float:
    """Return the share of faces that are of their cluster's most frequent class."""
    return float(table.max(axis=1).sum() / table.sum())


def write_embedding(
    out: Path,
    embedding: Embedding,
    faces: Faces,
    *,
    projection: str = "tsne",
    seed: int = 0,
    overwrite: bool = False,
) -> list[Path]:
    """Write features.npz, clusters.csv and map.png into a folder and return them."""
    paths = _results(out, overwrite)
    make_folder(out)
    labels = faces.labels
    with atomic_write(paths[0], overwrite=overwrite) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream, features=embedding.features, labels=labels, classes=np.array(faces.classes)
        )
    write_text(paths[1], _as_csv(embedding, faces), overwrite=overwrite)
    save_plot(_draw_map(embedding, faces, projection, seed), paths[2], overwrite=overwrite)
    return paths


def embed_tree(
    name: str,
    data: Path,
    split: str | None,
    out: Path,
    *,
    settings: ModelSettings | None = None,
    clusters: int | None = None,
    projection: str = "tsne",
    seed: int = 0,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> tuple[Embedding, tuple[str, ...]]:
    """Embed a split of a tree and write the results; return the embedding and the classes.

    The model's classes need not be the tree's.
    """
    _results(out, overwrite)
    _require_seed(seed)
    model = open_model(name, settings, progress=progress)
    card = model.card
    tree = read_tree(data)
    faces = read_split(
        tree,
        choose_split(tree, split, progress),
        card.size_wh,
        channels=card.channels,
        workers=workers,
        progress=progress,
    )
    embedding = embed(model, faces, clusters=clusters, seed=seed, progress=progress)
    write_embedding(out, embedding, faces, projection=projection, seed=seed, overwrite=overwrite)
    return embedding, faces.classes


def describe_embedding(embedding: Embedding, classes: Sequence[str]) -> str:
    """Return the clusters as a table, and how pure they are."""
    rows = [(at, *map(int, row)) for at, row in enumerate(embedding.table)]
    table = format_table(("cluster", *classes), rows)
    return f"{table}\n\npurity {embedding.purity:.4f} on {len(embedding.clusters)} faces"


def _results(out: Path, overwrite: bool) -> list[Path]:
    """Return the files of an embedding; raise `OutputExistsError` for what may not be replaced."""
    paths = [out / name for name in ("features.npz", "clusters.csv", "map.png")]
    for path in paths:
        require_absent(path, overwrite=overwrite)
    return paths


def _require_seed(seed: int) -> None:
    if not 0 <= seed <= HIGHEST_SEED:
        raise OptionError(f"`seed` must be from 0 to {HIGHEST_SEED}, got {seed}")


def _as_csv(embedding: Embedding, faces: Faces) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "class", "cluster"])
    for path, label, cluster in zip(faces.paths, faces.labels, embedding.clusters, strict=True):
        writer.writerow([path, faces.classes[label], cluster])
    return text.getvalue()


def _features(model: Model, faces: Faces, progress: Progress) -> NDArray[np.float32]:
    rows = []
    with progress.bar("embedding", total=len(faces), unit="face") as bar:
        for start in range(0, len(faces), CHUNK):
            indices = np.arange(start, min(start + CHUNK, len(faces)))
            rows.append(model.features(faces.take(indices)))
            bar.advance(len(indices))
    features = np.concatenate(rows)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-9))


def _draw_map(embedding: Embedding, faces: Faces, projection: str, seed: int) -> Any:
    order = np.random.default_rng(seed).permutation(len(faces))[:MAPPED]
    points = _project(embedding.features[order], projection, seed)
    title = f"{len(order)} faces by {projection}; clusters are {embedding.purity:.0%} pure"
    figure, axes = new_plot(title, "", "", size_inches=(8.0, 7.0))
    axes.set_xticks([])
    axes.set_yticks([])
    for at, name in enumerate(faces.classes):
        chosen = points[faces.labels[order] == at]
        color = MAP_COLORS[at % len(MAP_COLORS)]
        marker = "osv^"[at // len(MAP_COLORS) % 4]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], s=9, color=color, marker=marker, label=name, alpha=0.7
        )
    axes.legend(frameon=False, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _project(features: NDArray[np.float32], projection: str, seed: int) -> NDArray[np.float32]:
    if projection == "pca" or len(features) < 10:
        model = _sklearn("decomposition").PCA(2, random_state=seed)
    else:
        perplexity = min(30.0, len(features) / 4)
        model = _sklearn("manifold").TSNE(2, perplexity=perplexity, random_state=seed)
    return np.asarray(model.fit_transform(features), np.float32)


def _sklearn(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise DependencyError(
            f"Clusters and maps need scikit-learn: {error}", hint='pip install "fercli[train]"'
        ) from error
