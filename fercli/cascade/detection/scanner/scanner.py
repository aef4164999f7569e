"""The scanner: a cascade over windows, decided as cv2's detector decides, and faster.

A window is accepted here exactly if cv2 accepts it: the same types in the same order (see
`kernels`). Besides, the scanner says how far each window came.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.scanner.grid import ImageArray, Layer, detector_layers
from fercli.cascade.detection.scanner.kernels import LANES, Grid, pass_windows, scan
from fercli.cascade.detection.scanner.tables import compile_cascade
from fercli.cascade.model import Cascade
from fercli.common.parallel import parallel_map

#: Windows of an image that are scanned at a time, about: it bounds the memory.
BAND = 1 << 17
#: Windows of an array that a thread takes at a time.
BATCH = 256


@dataclass(frozen=True)
class Scan:
    """The result of scanning an image, or a part of one.

    Parameters
    ----------
    positions_xy : ndarray of int32, shape (n, 2)
        The accepted windows, in pixels of the layer.
    entered : ndarray of int64, shape (stages + 2,)
        How many windows were looked at, entered each stage, and were accepted. The first two
        differ by the flat windows, which the detector refuses at once (Haar only).
    """

    positions_xy: NDArray[np.int32]
    entered: NDArray[np.int64]


@dataclass(frozen=True)
class ScannedImage:
    """The windows of an image that are accepted, not grouped, and how far all windows came.

    Parameters
    ----------
    boxes_xywh : ndarray of int32, shape (n, 4)
    entered : ndarray of int64, shape (stages + 2,)
        As `Scan.entered`.
    """

    boxes_xywh: NDArray[np.int32]
    entered: NDArray[np.int64]


class Scanner:
    """A cascade compiled for evaluation. Threads may share it.

    Parameters
    ----------
    cascade : Cascade
        One without a stage accepts all windows, but for flat ones if its features are Haar's.

    Raises
    ------
    CascadeFileError
        The cascade is one that no detector may load.
    """

    def __init__(self, cascade: Cascade) -> None:
        self.cascade = cascade
        self._tables = compile_cascade(cascade)
        self._scratch = threading.local()

    def stages_passed(
        self, windows: NDArray[np.uint8], *, workers: int | None = None
    ) -> NDArray[np.int32]:
        """Return how many stages in a row each window passes.

        Parameters
        ----------
        windows : ndarray of uint8, shape (n, height, width)
        workers : int, optional
            How many threads. Defaults to all cores.

        Returns
        -------
        ndarray of int32, shape (n,)
            -1 for windows that the detector refuses as flat before the first stage: gray levels
            with a standard deviation of 10 or less (Haar only).
        """
        width, height = self.cascade.size_wh
        assert windows.shape[1:] == (height, width), "windows of the cascade's size"
        passed = np.empty(len(windows), np.int32)

        def evaluate(start: int) -> None:
            batch = np.ascontiguousarray(windows[start : start + BATCH])
            pass_windows(batch, self._tables, passed[start : start + BATCH])

        starts = range(0, len(windows), BATCH)
        for _ in parallel_map(evaluate, starts, workers=workers, prefer="threads"):
            pass
        return passed

    def accepts(
        self, windows: NDArray[np.uint8], *, workers: int | None = None
    ) -> NDArray[np.bool_]:
        """Return which windows the detector accepts; parameters as `stages_passed`."""
        passed = self.stages_passed(windows, workers=workers)
        return passed == len(self.cascade.stages)  # type: ignore[no-any-return]

    def scan_layer(
        self, pixels: ImageArray, step: int, *, start_xy: tuple[int, int] = (0, 0),
        columns: int, rows: int, skips: bool = False,
    ) -> Scan:  # fmt: skip
        """Evaluate windows of an image at its own size.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width)
        step : int
            1 or 2 pixels from a window to the next, across and down.
        start_xy : tuple of 2 int
            The first window.
        columns, rows : int
            How many windows.
        skips : bool
            Whether to leave out, as cv2 does, the window after one that the first stage rejects.
            Defaults to False.
        """
        positions = []
        entered = np.zeros(len(self.cascade.stages) + 2, np.int64)
        x, y = start_xy
        depth = max(BAND // max(columns, 1), 1)
        for top in range(0, rows if columns > 0 else 0, depth):
            first = y + top * step
            band = pixels[first : first + (min(depth, rows - top) - 1) * step + self._tables.height]
            found = self._scan_band(band, step, x, columns, min(depth, rows - top), skips, entered)
            positions.append(found * step + np.array([x, first], np.int32))
        empty = np.empty((0, 2), np.int32)
        return Scan(np.concatenate([empty, *positions]), entered)

    def detect(
        self,
        image: ImageArray,
        *,
        scale_factor: float = 1.1,
        min_size: tuple[int, int] | None = None,
        max_size: tuple[int, int] | None = None,
        workers: int | None = None,
    ) -> ScannedImage:
        """Return what ``detectMultiScale`` of cv2 finds with ``minNeighbors=0``, in its own order.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width)
        scale_factor, min_size, max_size
            As `detector_layers` describes.
        workers : int, optional
            How many threads. Defaults to all cores.
        """
        height, width = image.shape
        layers = detector_layers(
            (width, height), self.cascade.size_wh,
            scale_factor=scale_factor, min_size=min_size, max_size=max_size,
        )  # fmt: skip

        def look(layer: Layer) -> Scan:
            return self.scan_layer(
                layer.resize(image), layer.step,
                columns=layer.columns, rows=layer.rows, skips=True,
            )  # fmt: skip

        scans = list(parallel_map(look, layers, workers=workers, prefer="threads"))
        boxes = [layer.boxes(scan.positions_xy) for layer, scan in zip(layers, scans, strict=True)]
        entered = sum((scan.entered for scan in scans), np.zeros(len(self.cascade.stages) + 2, int))
        return ScannedImage(_clipped(boxes, (width, height)), entered)

    def _scan_band(
        self, pixels: ImageArray, step: int, x: int, columns: int, rows: int, skips: bool,
        entered: NDArray[np.int64],
    ) -> NDArray[np.int32]:  # fmt: skip
        """Evaluate windows from the top of `pixels` on; return their columns and rows."""
        height, width = pixels.shape
        plane = width // step + 1
        stride = plane * step
        size = (height + 1) * stride
        tilted_at = size if self._tables.tilted.any() else 0
        grid = Grid(step, x, 0, columns, rows, skips, plane, stride, tilted_at)
        found = self._array("found", columns * rows * 2).reshape(-1, 2)
        count = scan(
            np.ascontiguousarray(pixels), grid, self._tables, self._offsets(),
            self._array("sums", size + tilted_at + 2 * LANES),
            self._array("squares", size + 2 * LANES),
            self._array("lines", 5 * (width + 3)).reshape(5, -1),
            entered, found,
        )  # fmt: skip
        return found[:count].copy()

    def _array(self, name: str, size: int) -> NDArray[np.int32]:
        """Return a scratch array of this thread's, grown when it has to be."""
        array: NDArray[np.int32] | None = getattr(self._scratch, name, None)
        if array is None or array.size < size:
            array = np.zeros(size, np.int32)
            setattr(self._scratch, name, array)
        return array[:size]

    def _offsets(self) -> NDArray[np.uint32]:
        if not hasattr(self._scratch, "offsets"):
            self._scratch.offsets = np.zeros(self._tables.corners.shape[:2], np.uint32)
        offsets: NDArray[np.uint32] = self._scratch.offsets
        return offsets


def _clipped(boxes: list[NDArray[np.int32]], image_wh: tuple[int, int]) -> NDArray[np.int32]:
    """Return all boxes, cut where rounding has moved them across the image's border."""
    together = np.concatenate([np.empty((0, 4), np.int32), *boxes])
    together[:, 2:] = np.minimum(together[:, 2:], np.array(image_wh) - together[:, :2])
    return together
