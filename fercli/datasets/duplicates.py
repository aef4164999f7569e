"""Fingerprints: which images of a tree are the same, exactly or nearly.

Exact duplicates have the same pixels. Near duplicates (another compression, size, brightness or a
little noise) are found by the perceptual hash of the discrete cosine transform, in two steps: a
hash of 64 bits finds candidates, and one of 256 bits confirms them. On FER-2013, two different
faces chosen at random differ in at least 10 of the 256 bits, half of them in more than 100; the
same face after JPEG of quality 60 in 18 at most.

See: Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010 (the
hash); Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing",
CVPR 2012 (the search).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import ImageError, image_errors
from fercli.common.images import ImageArray, digest_of, read_color, to_gray
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.datasets.entries import gray_if_it_is

#: The most bits in which near duplicates may differ, of the short hash and of the long one.
SHORT_RADIUS, LONG_RADIUS = 6, 48

#: An image whose gray levels deviate less from their mean has no structure to compare.
LEAST_DEVIATION = 2.0

#: Images that go to a worker at once.
BATCH = 32

Hashes = NDArray[np.uint64]
Pairs = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The size, gray levels and hashes of an image.

    Parameters
    ----------
    size_wh : tuple of int
        Width and height in pixels.
    color : bool
        Whether any pixel is not gray.
    mean, deviation : float
        Of its gray levels, 0 to 255.
    pixels : bytes
        SHA-256 of size and pixels: equal for exact duplicates, whatever the file format.
    short_hash, long_hash : bytes
        Perceptual hashes of 8 and 32 bytes; ``b""`` for an image without structure.
    histogram : bytes
        Pixels in each of 32 equal ranges of gray levels, as uint32: small, for there may be as
        many fingerprints as there are images.
    error : str
        Why it cannot be read; everything else is then empty.
    """

    size_wh: tuple[int, int] = (0, 0)
    color: bool = False
    mean: float = 0.0
    deviation: float = 0.0
    pixels: bytes = b""
    short_hash: bytes = b""
    long_hash: bytes = b""
    histogram: bytes = b""
    error: str = ""

    @property
    def constant(self) -> bool:
        """Whether all pixels are the same."""
        return not self.error and self.deviation == 0


def fingerprint(path: Path) -> Fingerprint:
    """Return the fingerprint of an image file; one with `error` if it cannot be read."""
    try:
        with image_errors(path):
            return fingerprint_of(read_color(path))
    except ImageError as error:
        return Fingerprint(error=error.message)


def fingerprint_of(image: ImageArray) -> Fingerprint:
    """Return the fingerprint of an image, gray (height, width) or BGR (height, width, 3)."""
    image = gray_if_it_is(image)
    gray = to_gray(image)
    mean, deviation = (float(value.item()) for value in cv2.meanStdDev(gray))
    structured = deviation >= LEAST_DEVIATION
    histogram = np.bincount(gray.ravel() >> 3, minlength=32)
    return Fingerprint(
        (image.shape[1], image.shape[0]),
        image.ndim == 3,
        mean,
        deviation,
        digest_of(image),
        perceptual_hash(np.asarray(gray, np.uint8), 8) if structured else b"",
        perceptual_hash(np.asarray(gray, np.uint8), 16) if structured else b"",
        histogram.astype(np.uint32).tobytes(),
    )


def perceptual_hash(gray: ImageArray, side: int) -> bytes:
    """Return a hash of `side` × `side` bits that similar images share most of.

    A bit says whether a coefficient of the cosine transform, among the `side` × `side` lowest
    frequencies of the image scaled to four times that side, is above their median.
    """
    enlarges = min(gray.shape) < 4 * side
    how = cv2.INTER_LINEAR if enlarges else cv2.INTER_AREA
    small = cv2.resize(gray, (4 * side, 4 * side), interpolation=how).astype(np.float32)
    lowest = cv2.dct(small)[:side, :side].ravel()
    return np.packbits(lowest > np.median(lowest[1:])).tobytes()


def fingerprints(
    paths: Sequence[Path],
    *,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> list[Fingerprint]:
    """Return the fingerprints of image files, in their order."""
    found: list[Fingerprint] = []
    with progress.bar("look at images", total=len(paths), unit="image") as bar:
        for some in parallel_map(_fingerprint_batch, _batches(paths), workers=workers):
            found += some
            bar.advance(len(some))
    return found


def near_pairs(prints: Sequence[Fingerprint]) -> Pairs:
    """Return pairs that join near duplicates, exact ones included unless they lack structure.

    Images of equal hashes are each paired with the first of them only, for a thousand copies of
    an image make half a million pairs; `groups` are the same as those of all pairs.

    Returns
    -------
    ndarray of intp, shape (n, 2)
        Positions in `prints`, the smaller first, each pair once, in order.
    """
    at = np.array([i for i, print_ in enumerate(prints) if print_.short_hash], np.intp)
    if len(at) < 2:
        return np.empty((0, 2), np.intp)
    hashes = _words(prints[i].short_hash + prints[i].long_hash for i in at)
    rows, first, inverse = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    short, long = np.ascontiguousarray(rows[:, 0]), rows[:, 1:]
    # A few candidates at a time: there may be many more of them than pairs.
    parts = [
        first[pairs[bit_distances(long[pairs[:, 0]], long[pairs[:, 1]]) <= LONG_RADIUS]]
        for pairs in _candidates(short)
    ]
    equal = np.stack([first[inverse.ravel()], np.arange(len(at))], axis=1)
    found = np.concatenate([equal[equal[:, 0] != equal[:, 1]], *parts])
    return np.asarray(at[np.unique(np.sort(found, axis=1), axis=0)], np.intp)


def bit_distances(a: Hashes, b: Hashes) -> NDArray[np.int64]:
    """Return the number of bits in which rows of 64-bit words differ, shape (n,)."""
    return np.asarray(_count_bits(a ^ b).sum(axis=1), np.int64)


def _words(hashes: Iterable[bytes]) -> Hashes:
    """Return hashes as rows of 64-bit words."""
    rows = list(hashes)
    return np.frombuffer(b"".join(rows), np.uint64).reshape(len(rows), -1)


def _count_bits_by_table(words: Hashes) -> NDArray[np.uint8]:
    parts = _BITS[np.ascontiguousarray(words).view(np.uint16)]
    return np.asarray(parts.reshape(*words.shape, 4).sum(axis=-1), np.uint8)


_BITS = np.array([bin(part).count("1") for part in range(1 << 16)], np.uint8)
_count_bits: Callable[[Hashes], NDArray[np.uint8]]
#: NumPy counts bits itself from version 2 on.
_count_bits = getattr(np, "bitwise_count", _count_bits_by_table)


def _fingerprint_batch(paths: Sequence[Path]) -> list[Fingerprint]:
    return [fingerprint(path) for path in paths]


def _batches(paths: Sequence[Path]) -> list[list[Path]]:
    return [list(paths[at : at + BATCH]) for at in range(0, len(paths), BATCH)]


def _candidates(short: Hashes) -> Iterator[Pairs]:
    """Yield pairs whose short hashes differ in `SHORT_RADIUS` bits at most.

    If they do, they agree in at least one of `SHORT_RADIUS` + 1 parts: only images that agree in
    a part are compared. A pair may come several times.
    """
    edges = np.linspace(0, 64, SHORT_RADIUS + 2).astype(int)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        keys = (short >> np.uint64(low)) & mask
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order])) + 1
        for bucket in np.split(order, starts):
            yield from _within(bucket, short[bucket])


def _within(bucket: NDArray[np.intp], words: Hashes) -> Iterator[Pairs]:
    """Yield pairs of a bucket; its positions ascend, so that the smaller stands first."""
    for at in range(len(bucket) - 1):
        near = np.flatnonzero(_count_bits(words[at + 1 :] ^ words[at]) <= SHORT_RADIUS)
        if len(near):
            others = bucket[at + 1 + near]
            yield np.stack([np.full(len(near), bucket[at]), others], axis=1)
