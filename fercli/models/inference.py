"""A model run on images of faces: probabilities as CSV; features, their clusters and a map."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.drawing import COLORS, new_plot, save_plot
from fercli.common.errors import DependencyError, ImageError, InputError, OptionError
from fercli.common.files import atomic_write, find_files, make_folder, require_absent, write_text
from fercli.common.images import ImageArray
from fercli.common.options import HIGHEST_SEED
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted, format_table
from fercli.datasets.tree import read_tree, unreadable_lines
from fercli.models.catalog import Model, open_model
from fercli.models.labeled_faces import (
    Faces,
    choose_split,
    read_face_or_error,
    read_split,
)
from fercli.models.model_card import ModelSettings

#: Images that are in memory at once.
CHUNK = 256


@dataclass(frozen=True)
class Prediction:
    """The answer of a model for one face.

    Parameters
    ----------
    path : Path
        The image.
    label : str
        The most probable class.
    probabilities : tuple of float
        Of each class.
    """

    path: Path
    label: str
    probabilities: tuple[float, ...]


def find_faces(sources: Sequence[Path]) -> list[Path]:
    """Return image files: those given, and those in folders given.

    Raises
    ------
    InputError
        There is none.
    """
    found: list[Path] = []
    for source in sources:
        found.extend(find_files(source) if source.is_dir() else [source])
    if not found:
        raise InputError("There is no image in the input", path=sources[0])
    return found


def predict(
    model: Model,
    paths: Sequence[Path],
    *,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Iterator[Prediction | ImageError]:
    """Yield the answer for each image, or why it cannot be read, in order.

    Images are taken as faces, whole, and resized to the model's input.
    """
    card = model.card
    read = partial(read_face_or_error, size_wh=card.size_wh, channels=card.channels)
    with progress.bar("classifying", total=len(paths), unit="image") as bar:
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK]
            images = list(parallel_map(read, chunk, workers=workers, prefer="threads"))
            yield from _answers(model, chunk, images)
            bar.advance(len(chunk))


class ChunkClassifier:
    """A model for chunks of image files, which a worker of a cluster opens itself.

    Parameters
    ----------
    name : str
        As `open_model`.
    settings : ModelSettings, optional
    """

    def __init__(self, name: str, settings: ModelSettings | None) -> None:
        self._opened_by = name, settings
        self._model: Model | None = None
        self._lock = threading.Lock()  # Keras may not be called by two threads at once

    def __reduce__(self) -> tuple[object, ...]:
        """Leave out the model."""
        return ChunkClassifier, self._opened_by

    def __call__(self, paths: Sequence[Path]) -> list[Prediction | ImageError]:
        """Return the answer for each image, or why it cannot be read."""
        with self._lock:
            self._model = self._model or open_model(*self._opened_by)
            card = self._model.card
            images = [read_face_or_error(path, card.size_wh, card.channels) for path in paths]
            return list(_answers(self._model, paths, images))


@dataclass(frozen=True)
class Predictions:
    """The answers of a model for images, and what could not be read.

    Parameters
    ----------
    classes : tuple of str
        The model's.
    faces : list of Prediction
        The answers, in the order of the images.
    unreadable : list of ImageError
        One for each image that was left out.
    """

    classes: tuple[str, ...]
    faces: list[Prediction]
    unreadable: list[ImageError]

    def to_csv(self) -> str:
        """Return a header and a row an image: its path, the class, all probabilities."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file", "class", *self.classes])
        writer.writerows(row.values() for row in self._rows())
        return text.getvalue()

    def to_dict(self) -> list[dict[str, str]]:
        """Return the rows by column, and the images that could not be read with the reason."""
        bad = [{"file": str(one.path), "error": one.message} for one in self.unreadable]
        return [*self._rows(), *bad]

    def _rows(self) -> Iterator[dict[str, str]]:
        for one in self.faces:
            probabilities = (f"{p:.6f}" for p in one.probabilities)
            named = dict(zip(self.classes, probabilities, strict=True))
            yield {"file": str(one.path), "class": one.label, **named}


def predict_files(
    model: str,
    sources: Sequence[Path],
    settings: ModelSettings | None = None,
    out: Path | None = None,
    *,
    overwrite: bool = False,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> Predictions:
    """Run a model on images, and on those in folders; write the answers to a CSV file if given.

    `workers` read the images, and on a cluster run the model too.

    Raises
    ------
    InputError
        There is no image.
    OutputError
        The file exists, or cannot be written.
    """
    if out is not None:
        require_absent(out, overwrite=overwrite)
    opened = open_model(model, settings, progress=progress)
    where, paths = Workers.of(workers), find_faces(sources)
    if where.scheduler is None:
        answers = list(predict(opened, paths, workers=where.count, progress=progress))
    else:
        # The same images go through the model together as on one machine.
        chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
        classified = parallel_map(
            ChunkClassifier(model, settings), chunks, workers=where,
            progress=progress, description="classifying", unit=f"{CHUNK} images",
        )  # fmt: skip
        answers = [answer for chunk in classified for answer in chunk]
    found = Predictions(
        opened.card.classes,
        [answer for answer in answers if isinstance(answer, Prediction)],
        [answer for answer in answers if isinstance(answer, ImageError)],
    )
    if out is not None:
        write_text(out, found.to_csv(), overwrite=overwrite)
    return found


def _answers(
    model: Model, paths: Sequence[Path], images: Sequence[ImageArray | ImageError]
) -> Iterator[Prediction | ImageError]:
    readable = [image for image in images if not isinstance(image, ImageError)]
    answers = iter(model.classify(np.stack(readable)) if readable else np.empty((0, 2)))
    for path, image in zip(paths, images, strict=True):
        if isinstance(image, ImageError):
            yield image
            continue
        answer = next(answers)
        label = model.card.classes[int(answer.argmax())]
        yield Prediction(path, label, tuple(answer.tolist()))


# Embedding: features of a model's last layer for each face, their clusters and a map.


#: The most faces on a map: more overlap, and t-SNE takes minutes.
MAPPED = 2000
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
    classes : tuple of str
        The classes of the table.
    unreadable : mapping of str to str
        Images that were left out, and why.
    out : Path, optional
        The folder that the results were written to.
    """

    features: NDArray[np.float32]
    clusters: NDArray[np.int64]
    purity: float
    table: NDArray[np.int64]
    classes: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    out: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the clusters as plain values."""
        return {
            "out": None if self.out is None else str(self.out),
            "faces": len(self.features),
            "clusters": len(self.table),
            "purity": float(self.purity),
            "classes": list(self.classes),
            "table": self.table.tolist(),
            "unreadable": dict(self.unreadable),
        }

    def to_text(self) -> str:
        """Return the clusters as a table, and how pure they are."""
        rows = [(at, *map(int, row)) for at, row in enumerate(self.table)]
        faces = counted(len(self.clusters), "face")
        lines = [
            format_table(("cluster", *self.classes), rows),
            "",
            f"purity {self.purity:.4f} on {faces}",
            *unreadable_lines(self.unreadable),
            *([] if self.out is None else [f"wrote {self.out}"]),
        ]
        return "\n".join(lines)


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
    return Embedding(
        features, clusters_found, purity(table), table, faces.classes, faces.unreadable
    )


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
) -> Embedding:
    """Embed a split of a tree and write the results.

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
    return replace(embedding, out=out)


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
    title = (
        f"{counted(len(order), 'face')} by {projection}; clusters are {embedding.purity:.0%} pure"
    )
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
