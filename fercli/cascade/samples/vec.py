"""The ``.vec`` file: training samples of one size as ``opencv_createsamples`` writes them.

Twelve bytes of header (int32 count, int32 width × height, two int16 without use), then for each
sample one byte without use and width × height int16 gray levels, row by row, all little-endian.
Width and height themselves are not stored. The count in the header is the number requested, not
the number written: only an upper bound. Readers go by the length of the file.

See: ``icvWriteVecHeader`` in OpenCV 3.4, apps/createsamples/utility.cpp, and
``CvCascadeImageReader::PosReader`` in apps/traincascade/imagestorage.cpp.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import VecError
from fercli.common.files import atomic_write, input_error
from fercli.common.progress import SILENT, Progress

Samples = NDArray[np.uint8]

_HEADER = struct.Struct("<iihh")
_MAX_COUNT = 2**31 - 1
#: Longer sides are not suggested.
_MAX_SUGGESTED_SIDE = 1024
#: Samples checked or written at once, which bounds memory.
_CHUNK = 4096


@dataclass(frozen=True)
class VecInfo:
    """The header of a ``.vec`` file, and what the file really holds.

    Parameters
    ----------
    path : Path
        The file.
    count : int
        Samples that can be read: complete ones, no more than the header declares.
    header_count : int
        Samples that the header declares.
    vec_size : int
        Gray levels of a sample: width × height.
    file_size : int
        Length in bytes.
    """

    path: Path
    count: int
    header_count: int
    vec_size: int
    file_size: int

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample in the file."""
        return 1 + 2 * self.vec_size

    @property
    def whole_samples(self) -> int:
        """Complete samples in the file, whatever the header declares."""
        return (self.file_size - _HEADER.size) // self.sample_bytes

    @property
    def sizes_wh(self) -> list[tuple[int, int]]:
        """The possible sizes of the samples, see `guess_sizes`."""
        return guess_sizes(self.vec_size)

    @property
    def problems(self) -> list[str]:
        """Inconsistencies that leave the file usable, one sentence each."""
        found = []
        if self.whole_samples != self.header_count:
            found.append(
                f"the header declares {self.header_count} samples, the file holds "
                f"{self.whole_samples} complete ones; {self.count} are used"
            )
        surplus = (self.file_size - _HEADER.size) % self.sample_bytes
        if surplus:
            found.append(
                f"the file ends with {surplus} of the {self.sample_bytes} bytes of a sample: it "
                f"is truncated, or its samples are not of {self.vec_size} pixels"
            )
        return found


def describe_vec(path: Path) -> VecInfo:
    """Describe a ``.vec`` file from its header and length.

    Raises
    ------
    VecError
        The file is too short for a header, or the header is invalid.
    InputError
        The file is missing, a folder or unreadable.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            file_size = file.seek(0, 2)
    except OSError as error:
        raise input_error(error, path, wanted="a .vec file") from error
    if len(header) < _HEADER.size:
        found = f"has only {len(header)} bytes" if header else "is empty"
        raise VecError(f"The file is not a .vec file: it {found}", path=path)
    header_count, vec_size, _, _ = _HEADER.unpack(header)
    if header_count < 0 or vec_size < 1:
        raise VecError(
            f"The file is not a .vec file: its header would declare {header_count} samples of "
            f"{vec_size} pixels",
            hint="use a file that create-samples wrote",
            path=path,
        )
    whole = (file_size - _HEADER.size) // (1 + 2 * vec_size)
    return VecInfo(path, min(header_count, whole), header_count, vec_size, file_size)


def read_vec(path: Path, size_wh: tuple[int, int], *, progress: Progress = SILENT) -> Samples:
    """Return the samples of a ``.vec`` file as a memory-mapped array.

    The array is a read-only view of the file, so the file may be larger than memory. Its pixels
    are two bytes apart; use ``numpy.ascontiguousarray(samples[a:b])`` where contiguous ones are
    needed (cv2, kernels).

    Parameters
    ----------
    path : Path
        The file.
    size_wh : (int, int)
        Width and height of the samples, which the file does not store.
    progress : Progress
        Receives a note when header and length disagree.

    Returns
    -------
    ndarray of uint8, shape (count, height, width)

    Raises
    ------
    VecError
        The file is not a ``.vec`` file, its samples have another size, or it holds no sample or a
        value that is not a gray level.
    InputError
        The file is missing, a folder or unreadable.
    """
    info = describe_vec(path)
    _require_size(info, size_wh)
    _require_samples(info)
    for problem in info.problems:
        progress.note(f"{path}: {problem}")
    width, height = size_wh
    content = _map(path)
    strides = (info.sample_bytes, 2 * width, 2)
    low = np.ndarray((info.count, height, width), np.uint8, content, _HEADER.size + 1, strides)
    high = np.ndarray((info.count, height, width), np.uint8, content, _HEADER.size + 2, strides)
    _require_gray_levels(high, path)
    return low


def write_vec(path: Path, samples: Samples, *, overwrite: bool = False) -> None:
    """Write samples to a ``.vec`` file atomically.

    Parameters
    ----------
    path : Path
        The file.
    samples : ndarray of uint8, shape (count, height, width)
        At least one sample.
    overwrite : bool
        Whether an existing file may be replaced. Defaults to False.

    Raises
    ------
    VecError
        There is no sample.
    OutputError
        The file exists already or cannot be written.
    """
    with vec_writer(path, (samples.shape[2], samples.shape[1]), overwrite=overwrite) as write:
        for start in range(0, len(samples), _CHUNK):
            write(samples[start : start + _CHUNK])


@contextmanager
def vec_writer(
    path: Path, size_wh: tuple[int, int], *, overwrite: bool = False
) -> Iterator[Callable[[Samples], None]]:
    """Yield a function that appends samples to a ``.vec`` file, written atomically.

    For more samples than fit into memory:
    ``with vec_writer(path, (24, 24)) as write: write(batch)`` with batches of uint8, shape
    (count, height, width). The header declares the true count.

    Raises
    ------
    VecError
        No sample was written, or one of another size, or more than the format can count.
    OutputError
        The file exists already or cannot be written.
    """
    width, height = size_wh
    count = 0

    with atomic_write(path, overwrite=overwrite) as temporary, temporary.open("wb") as file:

        def write(samples: Samples) -> None:
            nonlocal count
            if samples.dtype != np.uint8 or samples.shape[1:] != (height, width):
                raise VecError(
                    f"Expected uint8 samples of {width}x{height}, got {samples.dtype} of shape "
                    f"{samples.shape}",
                    path=path,
                )
            file.write(_packed(samples))
            count += len(samples)

        file.write(_HEADER.pack(0, width * height, 0, 0))
        yield write
        if not 0 < count <= _MAX_COUNT:
            raise VecError(f"A .vec file holds 1 to {_MAX_COUNT} samples, got {count}", path=path)
        file.seek(0)
        file.write(_HEADER.pack(count, width * height, 0, 0))


def guess_sizes(vec_size: int) -> list[tuple[int, int]]:
    """Return the (width, height) that make `vec_size` pixels, the squarest first.

    Sizes with an aspect ratio above 4 are left out, unless there are no others.
    """
    low = [n for n in range(1, math.isqrt(vec_size) + 1) if vec_size % n == 0]
    pairs = list({(vec_size // n, n) for n in low} | {(n, vec_size // n) for n in low})
    pairs.sort(key=lambda size: (max(size) / min(size), -size[0]))
    return [size for size in pairs if max(size) <= 4 * min(size)] or pairs


def _require_size(info: VecInfo, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if width * height == info.vec_size:
        return
    sizes = [size for size in info.sizes_wh[:3] if max(size) <= _MAX_SUGGESTED_SIDE]
    fitting = ", ".join(f"{w}x{h}" for w, h in sizes)
    raise VecError(
        f"Expected samples of {width}x{height} = {width * height} pixels, the file holds samples "
        f"of {info.vec_size}",
        hint=f"set `size` to the one they were made with ({fitting})"
        if sizes
        else "check that it is a .vec file",
        path=info.path,
    )


def _require_samples(info: VecInfo) -> None:
    if info.count:
        return
    found = ""
    if info.whole_samples:
        found = f": the header declares none, before {info.whole_samples} complete ones"
    elif info.header_count:
        found = (
            f": the header declares {info.header_count} of {info.vec_size} pixels in a file of "
            f"{info.file_size} bytes"
        )
    raise VecError(f"The file holds no sample{found}", path=info.path)


def _require_gray_levels(high_bytes: Samples, path: Path) -> None:
    """Raise if a value exceeds 255, so that the file is damaged or not a ``.vec`` file."""
    for start in range(0, len(high_bytes), _CHUNK):
        wrong = high_bytes[start : start + _CHUNK].any(axis=(1, 2))
        if wrong.any():
            raise VecError(
                f"Sample {start + int(wrong.argmax()) + 1} has values above 255: the file is "
                "damaged, or not a .vec file",
                path=path,
            )


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise input_error(error, path, wanted="a .vec file") from error


def _packed(samples: Samples) -> memoryview:
    count, height, width = samples.shape
    packed = np.zeros((count, 1 + 2 * height * width), np.uint8)
    packed[:, 1::2] = samples.reshape(count, height * width)
    return packed.data
