"""The scanner: a cascade over windows, decided as cv2's detector decides, and faster.

A window is accepted here exactly if cv2 accepts it: the same types in the same order (see
`scanner_kernels`). Besides, the scanner says how far each window came.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.grid import ImageArray, Layer, detector_layers
from fercli.cascade.detection.scanner_kernels import (
    LANES,
    Grid,
    Tables,
    pass_windows,
    sample_tiles,
    scan,
    scan_tiles,
)
from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    LbpFeature,
    Node,
    WeakClassifier,
    bundled_cascade,
    check_cascade,
    read_cascade,
)
from fercli.cascade.model.cascade import MOST_RECTANGLES
from fercli.common.parallel import parallel_map

#: Windows of an image that are scanned at a time, about: it bounds the memory.
BAND = 1 << 17
#: Windows of an array that a thread takes at a time.
BATCH = 256
#: Places that `Scanner.scan_tiles` evaluates at a time, at most.
TILES = 256
#: What the detector takes off a stage's threshold, in float32.
EPSILON = np.float32(1e-5)

Corner = tuple[int, int]


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

    def __reduce__(self) -> tuple[object, ...]:
        """Travel as the cascade, which is smaller."""
        return Scanner, (self.cascade,)

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
        found = self.scan_layers(image, layers, workers=workers)
        return replace(found, boxes_xywh=_clipped(found.boxes_xywh, (width, height)))

    def scan_layers(
        self, image: ImageArray, layers: list[Layer], *, workers: int | None = None
    ) -> ScannedImage:
        """Return what the detector accepts in some layers of an image, not cut at its border.

        Parameters as in `detect`.
        """

        def look(layer: Layer) -> Scan:
            return self.scan_layer(
                layer.resize(image), layer.step,
                columns=layer.columns, rows=layer.rows, skips=True,
            )  # fmt: skip

        scans = list(parallel_map(look, layers, workers=workers, prefer="threads"))
        boxes = [layer.boxes(scan.positions_xy) for layer, scan in zip(layers, scans, strict=True)]
        entered = sum((scan.entered for scan in scans), np.zeros(len(self.cascade.stages) + 2, int))
        return ScannedImage(np.concatenate([np.empty((0, 4), np.int32), *boxes]), entered)

    def scan_tiles(
        self, image: ImageArray, corners_xy: NDArray[np.int64], scales_xy: NDArray[np.float64],
        *, positions: int, step: int = 2,
    ) -> NDArray[np.int32]:  # fmt: skip
        """Evaluate a few windows at each of many places and sizes of an image, in one call.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width)
        corners_xy : ndarray of int64, shape (n, 2)
            The first window's corner at each place, in pixels of the image resized to its layer.
        scales_xy : ndarray of float64, shape (n, 2)
            Width and height of the image by those of the layer.
        positions : int
            Windows across and down at each place.
        step : int
            1 or 2 pixels of the cascade's window from one to the next. Defaults to 2.

        Returns
        -------
        ndarray of int32, shape (m, 3)
            Of each accepted window the place, and the column and the row there.
        """
        width, height = (side + step * (positions - 1) for side in self.cascade.size_wh)
        found = [np.empty((0, 3), np.int32)]
        for first in range(0, len(scales_xy), TILES):
            part = slice(first, first + TILES)
            count = len(scales_xy[part])
            tiles = np.zeros((count, height + height % step, width), np.uint8)
            outside = np.zeros(count, np.bool_)
            sample_tiles(image, corners_xy[part], scales_xy[part], tiles, outside)
            accepted = np.empty((count * positions**2, 3), np.int32)
            n = scan_tiles(tiles, outside, step, self._tables, self._offsets(), accepted)
            found.append(accepted[:n] + np.array([first, 0, 0], np.int32))
        return np.concatenate(found)

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


def _clipped(boxes: NDArray[np.int32], image_wh: tuple[int, int]) -> NDArray[np.int32]:
    """Return boxes, cut where rounding has moved them across the image's border."""
    sizes = np.minimum(boxes[:, 2:], np.array(image_wh) - boxes[:, :2])
    return np.hstack([boxes[:, :2], sizes]).astype(np.int32)


# A cascade as the flat arrays that the kernels take.


def compile_kernels() -> None:
    """Compile the scanner's kernels for this machine, by use."""
    scanner = Scanner(read_cascade(bundled_cascade()))
    width, height = scanner.cascade.size_wh
    scanner.accepts(np.zeros((1, height, width), np.uint8), workers=1)
    scanner.scan_layer(np.zeros((height, width), np.uint8), 1, columns=1, rows=1)


def compile_cascade(cascade: Cascade) -> Tables:
    """Return a cascade as the kernels take it.

    Parameters
    ----------
    cascade : Cascade
        It may have no stage.

    Raises
    ------
    CascadeFileError
        The cascade is one that no detector may load: kernels do not check what they read.
    """
    if cascade.stages:
        check_cascade(cascade)
    rows = _Rows(cascade.features)
    stage_first = [0]
    for stage in cascade.stages:
        for weak in stage.weak_classifiers:
            rows.add_tree(weak)
        stage_first.append(len(rows.features))
    lbp = cascade.feature_type == "LBP"
    count = len(rows.features)
    corners = np.array([feature_corners(feature) for feature in rows.features], np.int32)
    corners = corners.reshape(count, 16 if lbp else 4 * MOST_RECTANGLES, 2)
    tilted = np.array([getattr(f, "tilted", False) for f in rows.features], np.bool_)
    thresholds = np.array([stage.threshold for stage in cascade.stages], np.float32)
    return Tables(
        *cascade.size_wh,
        lbp=lbp,
        normalized=not lbp,
        corners=corners,
        packed_corners=_packed(corners, tilted, cascade.size_wh),
        tilted=tilted,
        weights=np.array([_weights(f) for f in rows.features], np.float32).reshape(
            -1, MOST_RECTANGLES
        ),
        thresholds=np.array([node.threshold or 0 for node in rows.nodes], np.float32),
        subsets=np.array([node.subset or (0,) * 8 for node in rows.nodes], np.int32).reshape(-1, 8),
        roots=np.array(rows.roots, np.bool_),
        children=np.array(rows.children, np.int32).reshape(-1, 2),
        # As in the file, float32; they are added up in float64.
        leaves=np.array(rows.leaves, np.float32).reshape(-1, 2).astype(np.float64),
        stage_first=np.array(stage_first, np.int64),
        stage_thresholds=(thresholds - EPSILON).astype(np.float64),
    )


def _packed(
    corners: NDArray[np.int32], tilted: NDArray[np.bool_], size_wh: tuple[int, int]
) -> NDArray[np.uint32]:
    """Return where corners are in the integral images of packed windows, the tilted one below."""
    width, height = size_wh[0] + 1, size_wh[1] + 1
    rows = corners[..., 1] + tilted[:, np.newaxis] * height
    return np.asarray((rows * width + corners[..., 0]) * LANES, np.uint32)


def feature_corners(feature: HaarFeature | LbpFeature) -> list[Corner]:
    """Return x, y of the corners in the integral image that a feature is computed from.

    Returns
    -------
    list of 12 or 16 (int, int)
        Haar: for each of three rectangles the corners a, b, c, d of its sum a − b − c + d.
        LBP: the corners of the 3×3 blocks, row by row.
    """
    if isinstance(feature, LbpFeature):
        steps = [(x, y) for y in range(4) for x in range(4)]
        return [(feature.x + x * feature.width, feature.y + y * feature.height) for x, y in steps]
    corners: list[Corner] = []
    for r in feature.rectangles:
        # The two ways along its sides; a tilted rectangle stands on a corner.
        across = (r.width, r.width) if feature.tilted else (r.width, 0)
        down = (-r.height, r.height) if feature.tilted else (0, r.height)
        sides = ((0, 0), across, down, (across[0] + down[0], across[1] + down[1]))
        corners += [(r.x + x, r.y + y) for x, y in sides]
    return corners + [(0, 0)] * (4 * MOST_RECTANGLES - len(corners))


def _weights(feature: HaarFeature | LbpFeature) -> tuple[float, ...]:
    weights = (
        tuple(r.weight for r in feature.rectangles) if isinstance(feature, HaarFeature) else ()
    )
    return weights + (0.0,) * (MOST_RECTANGLES - len(weights))


class _Rows:
    """The nodes of all trees in one row, parents before children."""

    def __init__(self, features: tuple[HaarFeature | LbpFeature, ...]) -> None:
        self._features = features
        self.nodes: list[Node] = []
        self.features: list[HaarFeature | LbpFeature] = []
        self.roots: list[bool] = []
        self.children: list[tuple[int, int]] = []
        self.leaves: list[tuple[float, float]] = []

    def add_tree(self, weak: WeakClassifier) -> None:
        order = weak.from_the_root()
        start = len(self.nodes)
        position = {number: start + at for at, number in enumerate(order)}
        for number in order:
            node = weak.nodes[number]
            left, right = node.left, node.right
            self.nodes.append(node)
            self.features.append(self._features[node.feature])
            self.roots.append(number == 0)
            self.children.append(
                (position[left] if left > 0 else -1, position[right] if right > 0 else -1)
            )
            self.leaves.append((_leaf(weak, left), _leaf(weak, right)))


def _leaf(weak: WeakClassifier, child: int) -> float:
    return weak.leaves[-child] if child <= 0 else 0.0
