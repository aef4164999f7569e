"""Batches: shuffled, augmented, normalized images, prepared in threads while the model trains.

A batch depends only on the seed, the epoch and its number, so that a training that is repeated or
resumed gets the same images whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import FerError
from fercli.models.backend import load_keras
from fercli.models.labeled_faces import Faces
from fercli.models.model_card import MIDDLE
from fercli.models.onnx_model import center_crop

if TYPE_CHECKING:
    from keras.utils import PyDataset

#: Takes images (n, height, width, channels) and random numbers; returns as many, changed.
Augment = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]

#: (images, targets, weights)
Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]

#: The whole of a batch.
ALL_BATCHES = slice(None)

#: Ends of the seeds of the two kinds of random numbers.
SHUFFLING, CHANGING = 1, 2

THREADS = 2
QUEUE = 8


@dataclass(frozen=True)
class BatchOptions:
    """How batches are made.

    Parameters
    ----------
    size : int
        Images a batch.
    seed : int
        Start of all random numbers.
    augment : callable, optional
        Changes the images of a batch. Defaults to None: as they are.
    crop : int, optional
        Side of the random part of each image that the model sees. Defaults to all of it.
    label_smoothing : float
        Share of each target that is spread over all classes.
    mixup : float
        Parameter of the beta distribution that two images are mixed by; 0: not mixed.
        Zhang et al., "mixup: beyond empirical risk minimization", arXiv 1710.09412.
    cutmix : float
        Parameter of the beta distribution of the area that a rectangle of another image takes; 0:
        none. With `mixup` too, either is done, by turns at random. Yun et al., "CutMix", ICCV 2019
        (arXiv 1905.04899).
    balanced : bool
        Whether rare classes weigh more, in inverse proportion to their number.
    """

    size: int
    seed: int = 0
    augment: Augment | None = None
    crop: int | None = None
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    balanced: bool = False


class BatchMaker:
    """Makes any batch of any epoch.

    Parameters
    ----------
    faces : Faces
        The images.
    options : BatchOptions
        How they are changed.
    """

    def __init__(self, faces: Faces, options: BatchOptions) -> None:
        self.faces = faces
        self.options = options
        self.count = max(len(faces) // options.size, 1)
        self.class_weights = balanced_weights(faces) if options.balanced else None

    def make(self, epoch: int, number: int) -> Batch:
        """Return batch `number` of `epoch`, both counted from 0."""
        options = self.options
        indices = self.order(epoch)[number * options.size : (number + 1) * options.size]
        rng = np.random.default_rng((options.seed, epoch, number, CHANGING))
        pixels = self.faces.take(indices)
        if options.augment is not None:
            pixels = options.augment(pixels, rng)
        if options.crop is not None:
            pixels = random_crops(pixels, options.crop, rng)
        targets = self.faces.targets[indices]
        weights = self._weights(targets)
        targets = smooth(targets, options.label_smoothing)
        images = normalize(pixels)
        if options.mixup or options.cutmix:
            # A class weighs as much in a mixture as it does alone.
            weighted = targets * weights[:, None]
            cuts = options.cutmix and (not options.mixup or rng.random() < 0.5)
            combine, alpha = (cut_mix, options.cutmix) if cuts else (mix, options.mixup)
            images, weighted = combine(images, weighted, alpha, rng)
            weights = weighted.sum(axis=1)
            targets = weighted / weights[:, None]
        return images, targets, weights

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the order of the images in an epoch."""
        # NumPy takes (seed, epoch) for (seed, epoch, 0, 0): the last number keeps streams apart.
        rng = np.random.default_rng((self.options.seed, epoch, 0, SHUFFLING))
        return rng.permutation(len(self.faces))

    def _weights(self, targets: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.class_weights is None:
            return np.ones(len(targets), np.float32)
        return targets @ self.class_weights


def normalize(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return gray levels 0…255 as −1…1."""
    return np.asarray(pixels, np.float32) / np.float32(MIDDLE) - np.float32(1)


def smooth(targets: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Return targets of which `share` is spread evenly over all classes."""
    return targets * np.float32(1 - share) + np.float32(share / targets.shape[1])


def mix(
    images: NDArray[np.float32],
    targets: NDArray[np.float32],
    alpha: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a batch mixed with itself in another order, each pair by its own share."""
    share = rng.beta(alpha, alpha, len(images)).astype(np.float32)
    other = rng.permutation(len(images))
    by_image, by_target = share[:, None, None, None], share[:, None]
    return (
        by_image * images + (1 - by_image) * images[other],
        by_target * targets + (1 - by_target) * targets[other],
    )


def cut_mix(
    images: NDArray[np.float32],
    targets: NDArray[np.float32],
    alpha: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a batch with a rectangle of another image in each, targets in proportion to areas."""
    count, height, width = images.shape[:3]
    side = np.sqrt(rng.beta(alpha, alpha, count))
    other = rng.permutation(count)
    mixed, own = images.copy(), np.empty(count, np.float32)
    middles = rng.integers(0, (height, width), (count, 2))
    for at, (row, column) in enumerate(middles.tolist()):  # what is outside of the image is lost
        half_h, half_w = side[at] * height / 2, side[at] * width / 2
        top, bottom = max(round(row - half_h), 0), min(round(row + half_h), height)
        left, right = max(round(column - half_w), 0), min(round(column + half_w), width)
        mixed[at, top:bottom, left:right] = images[other[at], top:bottom, left:right]
        own[at] = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, own[:, None] * targets + (1 - own[:, None]) * targets[other]


def random_crops(
    pixels: NDArray[np.uint8], side: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a random square part of each image, of `side` pixels."""
    count, height, width, channels = pixels.shape
    tops = rng.integers(0, height - side + 1, count)
    lefts = rng.integers(0, width - side + 1, count)
    crops = np.empty((count, side, side, channels), np.uint8)
    for index, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        crops[index] = pixels[index, top : top + side, left : left + side]
    return crops


def balanced_weights(faces: Faces) -> NDArray[np.float32]:
    """Return a weight for each class, inverse to its frequency, 1 on average over the images."""
    totals = faces.targets.sum(axis=0)
    weights = len(faces) / (len(totals) * np.maximum(totals, 1e-9))
    return np.asarray(weights, np.float32)


def training_batches(maker: BatchMaker, share: slice = ALL_BATCHES) -> PyDataset:
    """Return a share of each batch for Keras's ``fit``; set its ``epoch`` before each epoch."""

    class TrainingBatches(_batches()):  # type: ignore[misc]
        epoch = 0

        def __len__(self) -> int:
            return maker.count

        def make(self, number: int) -> Batch:
            images, targets, weights = maker.make(self.epoch, number)
            return images[share], targets[share], weights[share]

    return TrainingBatches(workers=THREADS, max_queue_size=QUEUE)


def plain_batches(faces: Faces, size: int, crop: int | None = None) -> PyDataset:
    """Return all images in order, with the middle crop only, for Keras's ``predict``.

    All batches have one size, so that devices can share them: the last image is repeated to fill
    the last batch.
    """

    class PlainBatches(_batches()):  # type: ignore[misc]
        def __len__(self) -> int:
            return -(-len(faces) // size)

        def make(self, number: int) -> tuple[NDArray[np.float32]]:
            indices = np.minimum(np.arange(number * size, (number + 1) * size), len(faces) - 1)
            return (normalize(center_crop(faces.take(indices), crop)),)

    return PlainBatches()


@contextmanager
def batch_errors(batches: PyDataset) -> Iterator[None]:
    """Raise the `FerError` of batches that cannot be made, not what a backend makes of it."""
    try:
        yield
    except Exception:
        if batches.error is not None:
            raise batches.error from None
        raise


def _batches() -> type[PyDataset]:
    """Return the base class of batches, which keeps the error of one that cannot be made."""

    class Batches(load_keras().utils.PyDataset):  # type: ignore[misc]
        error: FerError | None = None

        def __getitem__(self, number: int) -> Any:
            try:
                return self.make(number)
            except FerError as error:
                self.error = error
                raise

    return Batches
