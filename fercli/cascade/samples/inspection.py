"""Statistics of the samples in a ``.vec`` file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fercli.cascade import HIT_RATE, STAGES
from fercli.cascade.samples.vec import Samples, VecInfo, describe_vec, read_vec
from fercli.common.progress import SILENT, Progress

#: Samples processed at once, which bounds memory.
CHUNK = 1024

#: OpenCV's detectors refuse windows whose standard deviation (without the 1-pixel border) is not
#: more than this, before the first stage: see ``FeatureEvaluator::updateScaleData`` and
#: ``HaarEvaluator::setWindow``. A Haar detector never evaluates a window like such a sample.
MIN_DEVIATION = 10.0

#: Sample numbers listed as text.
MAX_LISTED = 10


@dataclass(frozen=True)
class SampleStatistics:
    """Statistics of a ``.vec`` file.

    Parameters
    ----------
    info : VecInfo
        What the header says and what the file holds.
    size_wh : (int, int)
        The width and height it was read with.
    mean, deviation : float
        Mean and standard deviation of all gray levels.
    constant : list of int
        The samples (from 1) whose pixels are all equal.
    flat : list of int
        Samples that are not constant but too flat for a detector: see `MIN_DEVIATION`.
    duplicates : list of (int, int)
        Samples that equal an earlier one, and the first that they equal.
    """

    info: VecInfo
    size_wh: tuple[int, int]
    mean: float
    deviation: float
    constant: list[int]
    flat: list[int]
    duplicates: list[tuple[int, int]]

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON-compatible values."""
        return {
            "path": str(self.info.path),
            "count": self.info.count,
            "header_count": self.info.header_count,
            "whole_samples": self.info.whole_samples,
            "pixels": self.info.vec_size,
            "size": list(self.size_wh),
            "possible_sizes": [list(size) for size in self.info.sizes_wh],
            "file_size": self.info.file_size,
            "mean": round(self.mean, 3),
            "deviation": round(self.deviation, 3),
            "constant": self.constant,
            "flat": self.flat,
            "duplicates": [list(pair) for pair in self.duplicates],
            "problems": self.info.problems,
        }

    def to_text(self) -> str:
        """Return the statistics as text."""
        width, height = self.size_wh
        others = ", ".join(
            f"{w}x{h}" for w, h in self.info.sizes_wh[:6] if (w, h) != (width, height)
        )
        rows = [
            ("samples", f"{self.info.count}"),
            ("header", f"{self.info.header_count} samples of {self.info.vec_size} pixels"),
            ("size", f"{width}x{height}" + (f" (or {others})" if others else "")),
            ("file", f"{self.info.file_size / 1e6:.1f} MB"),
            ("gray levels", f"mean {self.mean:.1f}, deviation {self.deviation:.1f}"),
            ("duplicates", _listed([number for number, _ in self.duplicates])),
            ("constant", _listed(self.constant)),
            ("too flat", _listed(self.flat)),
        ]
        lines = [f"{name:<12} {value}" for name, value in rows]
        return "\n".join(lines + [f"warning: {problem}" for problem in self.info.problems])


def assumed_size(path: Path, size_wh: tuple[int, int] | None) -> tuple[int, int]:
    """Return the given size, else the squarest one with the file's number of pixels.

    Raises
    ------
    VecError
        The file is not a ``.vec`` file.
    """
    return size_wh or describe_vec(path).sizes_wh[0]


def examine_vec(
    path: Path, size_wh: tuple[int, int] | None = None, *, progress: Progress = SILENT
) -> SampleStatistics:
    """Return statistics of a ``.vec`` file.

    Parameters
    ----------
    path : Path
        The file.
    size_wh : (int, int), optional
        Width and height of its samples. Defaults to the squarest that fits.

    Raises
    ------
    VecError
        The file is not a ``.vec`` file, of another size, or holds no sample.
    InputError
        The file cannot be read.
    """
    size = assumed_size(path, size_wh)
    samples = read_vec(path, size)
    constant: list[int] = []
    flat: list[int] = []
    total = squares = 0
    for start, chunk in chunks_of(samples, progress, "examining"):
        total += int(chunk.sum(dtype=np.int64))
        squares += int(np.square(chunk, dtype=np.uint16).sum(dtype=np.int64))
        spread = chunk.reshape(len(chunk), -1)
        same = spread.min(axis=1) == spread.max(axis=1)
        dull = ~same & (_inner(chunk).std(axis=(1, 2)) <= MIN_DEVIATION)
        constant += (np.flatnonzero(same) + start + 1).tolist()
        flat += (np.flatnonzero(dull) + start + 1).tolist()
    mean = total / samples.size
    deviation = max(squares / samples.size - mean**2, 0.0) ** 0.5
    return SampleStatistics(
        describe_vec(path), size, mean, deviation, constant, flat, find_duplicates(samples)
    )


def chunks_of(
    samples: Samples, progress: Progress = SILENT, description: str = ""
) -> Iterator[tuple[int, Samples]]:
    """Yield samples, contiguous and some at a time, with the index of the first of them."""
    with progress.bar(description, total=len(samples), unit="sample") as bar:
        for start in range(0, len(samples), CHUNK):
            chunk = np.ascontiguousarray(samples[start : start + CHUNK])
            yield start, chunk
            bar.advance(len(chunk))


def digests(samples: Samples, progress: Progress = SILENT) -> list[bytes]:
    """Return a digest (16 bytes) of each sample's pixels."""
    return [
        hashlib.blake2b(sample.data, digest_size=16).digest()
        for _, chunk in chunks_of(samples, progress, "comparing")
        for sample in chunk
    ]


def find_duplicates(samples: Samples) -> list[tuple[int, int]]:
    """Return each sample (from 1) that equals an earlier one, with the first that it equals."""
    first: dict[bytes, int] = {}
    return [
        (number, first[digest])
        for number, digest in enumerate(digests(samples), 1)
        if first.setdefault(digest, number) != number
    ]


def _inner(samples: Samples) -> Samples:
    """Return samples without the 1-pixel border that OpenCV leaves out of the deviation."""
    _, height, width = samples.shape
    return samples[:, 1:-1, 1:-1] if min(height, width) > 2 else samples


def _listed(numbers: list[int]) -> str:
    if not numbers:
        return "0"
    shown = ", ".join(map(str, numbers[:MAX_LISTED]))
    return f"{len(numbers)} (sample {shown}{', …' if len(numbers) > MAX_LISTED else ''})"


# How many of the samples of a ``.vec`` a training may use in each stage.


def usable_positives(samples: int, *, stages: int = STAGES, hit_rate: float = HIT_RATE) -> int:
    """Return the largest number of positives per stage that `samples` can fill all stages with.

    Each stage may reject ``1 - hit_rate`` of its positives, which the next one replaces:
    ``samples >= positives + (stages - 1) * (1 - hit_rate) * positives``. Atypical samples that
    earlier stages reject beyond that come on top.

    Parameters
    ----------
    samples : int
        Number of samples in the file.
    stages : int
        Number of stages to train. Defaults to 20.
    hit_rate : float
        Least hit rate of a stage. Defaults to 0.995.
    """
    return int(samples / (1 + (stages - 1) * (1 - hit_rate)))
