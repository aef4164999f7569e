"""Face search: detect the faces of an image, exactly or quickly, or track some from the last frame.

The exact search gives the boxes of ``detectMultiScale`` and its grouping. It is that of OpenCV
until `FaceSearch.load` has made the own scanner ready, whose boxes are the same and come several
times sooner: a single small image need not wait for numba.

The quick search goes from coarse to fine: the first stages of the cascade find where faces may be,
in a few sizes; only there all stages decide, on the windows that the exact search would look at. It
finds nearly all faces of the exact one in a fraction of the time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection.detector import Detector
from fercli.common.boxes import Box, intersections
from fercli.common.images import ImageArray, resize

if TYPE_CHECKING:
    from fercli.cascade.model import Cascade, Node, Stage

Boxes = NDArray[np.int32]

#: Coarse search: the first stages decide, which hold this share of the cascade's different weak
#: classifiers, and the next one, whose threshold may be missed by a share of the difference that
#: its weak classifiers make in all; then the factor from one size to the next, and the step of the
#: window. Chosen, as those below, on the same clips that BENCHMARKS.md tells of.
COARSE, MARGIN, COARSE_FACTOR, STEP = 0.27, 0.015, 1.3, 2

#: Candidates whose edges are no farther apart than this share of their side are of one place.
SAME_PLACE = 0.2

#: How much larger and smaller than a candidate, than a face that is tracked, and than one in doubt
#: the sizes are that all stages look at, and at how many positions across and down, a `STEP` apart.
FINE_RATIO, TRACK_RATIO, DOUBT_RATIO, POSITIONS, DOUBT_POSITIONS = 1.22, 1.11, 1.34, 8, 9

#: Two boxes that overlap by more than this share of the smaller are of one face.
SAME_FACE = 0.5

NO_BOXES: Boxes = np.empty((0, 4), np.int32)


class FaceSearch:
    """Searches images for the faces of a cascade, or of several. Threads may share it.

    All threads may call all methods at once, each for an image of its own: what is shared is only
    read, and scratch arrays belong to a thread. Kernels run without the GIL, so that two threads
    use two cores. Results do not depend on the number of threads. A program that will search many
    images calls `load` first, in a thread of its own if it has something else to do meanwhile.

    Parameters
    ----------
    detector : Detector
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._several = len(detector.cascades) > 1
        self._lock = threading.Lock()
        self._searches: tuple[_WindowSearch, ...] | None = None

    def __getstate__(self) -> Detector:
        return self._detector

    def __setstate__(self, detector: Detector) -> None:
        self.__init__(detector)  # type: ignore[misc]

    @property
    def window_wh(self) -> tuple[int, int]:
        """Width and height of the narrowest window of a cascade: the smallest face."""
        return self._detector.window_wh

    def load(self) -> None:
        """Make the own scanner ready; the first time takes a second, once a machine ten."""
        levels = np.random.default_rng(0).integers(0, 255, (2 * self.window_wh[1],) * 2, np.uint8)
        self.quick(levels, side=640, min_face=1, scale_factor=1.1, min_neighbors=0)
        self.track(levels, [(0, 0, *self.window_wh)], scale_factor=1.1, min_neighbors=0)

    def exact(
        self,
        gray: ImageArray,
        *,
        side: int,
        min_face: int,
        scale_factor: float,
        min_neighbors: int,
        workers: int = 1,
    ) -> Boxes:
        """Detect the faces that ``detectMultiScale`` detects, those of most windows first.

        Parameters
        ----------
        gray : ndarray of uint8, shape (height, width)
        side : int
            Longer side that a larger image is resized to.
        min_face : int
            Width of the smallest face, in pixels of `gray`.
        scale_factor, min_neighbors
            As in `fercli.cascade.detection.detector.DetectionOptions`.
        workers : int
            How many threads. Defaults to 1.

        Returns
        -------
        ndarray of int32, shape (n, 4)
            x, y, width, height in pixels of `gray`.
        """
        scale, small = _reduced(gray, side)
        least_wh = _window_size(max(round(min_face * scale), 1), self.window_wh)
        if small.shape[1] < least_wh[0] or small.shape[0] < least_wh[1]:
            return NO_BOXES  # cv2 would look for smaller ones
        if not self._several and (self._searches is None or not min_neighbors):
            found = self._detect_with_cv2(small, scale_factor, min_neighbors, least_wh)
        else:
            found = self._detect(small, scale_factor, min_neighbors, least_wh[0], workers)
        return np.asarray(np.rint(found / scale), np.int32)

    def quick(
        self,
        gray: ImageArray,
        *,
        side: int,
        min_face: int,
        scale_factor: float,
        min_neighbors: int,
    ) -> Boxes:
        """Detect faces from coarse to fine, those of most windows first.

        Parameters and result as in `exact`.
        """
        scale, small = _reduced(gray, side)
        candidates = self._candidates(small, min_face * scale)
        least = max(round(min_face * scale), 1)
        found = self._confirmed(small, candidates, FINE_RATIO, scale_factor, min_neighbors, least)
        return np.asarray(np.rint(found / scale), np.int32)

    def track(
        self,
        gray: ImageArray,
        boxes_xywh: Sequence[Box] | Boxes,
        *,
        scale_factor: float,
        min_neighbors: int,
    ) -> Boxes:
        """Detect faces where some were a moment before, those of most windows first.

        Parameters
        ----------
        gray : ndarray of uint8, shape (height, width)
        boxes_xywh : array-like of int32, shape (n, 4)
        scale_factor, min_neighbors
            As in `exact`.

        Returns
        -------
        ndarray of int32, shape (m, 4)
        """
        boxes = np.asarray(boxes_xywh, np.int32).reshape(-1, 4)
        return self._confirmed(gray, boxes, TRACK_RATIO, scale_factor, min_neighbors)

    def _ready(self) -> tuple[_WindowSearch, ...]:
        """Return what searches for the windows of each cascade."""
        if self._searches is None:
            with self._lock:
                if self._searches is None:
                    self._searches = tuple(map(_WindowSearch, self._detector.cascades))
        return self._searches

    def _detect_with_cv2(
        self, gray: ImageArray, scale_factor: float, min_neighbors: int, least_wh: tuple[int, int]
    ) -> Boxes:
        boxes, neighbors = self._detector.classifier.detectMultiScale2(
            gray, scale_factor, min_neighbors, minSize=least_wh
        )
        if not len(boxes):
            return NO_BOXES
        found = np.asarray(boxes, np.int32).reshape(-1, 4)
        if not min_neighbors:  # cv2 does not join windows then
            return merge_windows(found)
        return _surest(found, np.asarray(neighbors).ravel())

    def _detect(
        self,
        gray: ImageArray,
        scale_factor: float,
        min_neighbors: int,
        least: int,
        workers: int,
    ) -> Boxes:
        """Detect with the scanner what `_detect_with_cv2` detects."""
        windows = np.concatenate(
            [each.all(gray, scale_factor, least, workers) for each in self._ready()]
        )
        if not min_neighbors:
            return merge_windows(_inside(windows, gray))
        boxes, counts = self._grouped(windows, min_neighbors)
        image_wh = np.array((gray.shape[1], gray.shape[0]), np.int32)
        boxes[:, 2:] = np.minimum(boxes[:, 2:], image_wh - boxes[:, :2])
        return _surest(boxes, counts)

    def _candidates(self, gray: ImageArray, min_face: float) -> Boxes:
        """Return where faces may be."""
        from fercli.cascade.detection.grouping import label_similar

        windows = np.concatenate([each.candidates(gray, min_face) for each in self._ready()])
        ordered = windows[np.lexsort(windows.T[::-1])].astype(np.int64, order="C")
        labels = label_similar(ordered, SAME_PLACE)
        counts = np.bincount(labels)
        means = [np.bincount(labels, part) / counts for part in ordered.T]
        return np.rint(np.stack(means, axis=1)).astype(np.int32)

    def _confirmed(
        self,
        gray: ImageArray,
        places_xywh: Boxes,
        ratio: float,
        scale_factor: float,
        min_neighbors: int,
        least: int = 1,
    ) -> Boxes:
        """Detect faces at some places with all stages, in sizes about theirs and from `least` on.

        Windows are two pixels of the cascade's apart, as those of the exact search are for small
        faces. For others it makes steps of one pixel: so do we where too few windows agree.
        """
        windows = self._windows(gray, places_xywh, ratio, scale_factor, STEP, least)
        boxes, neighbors = self._grouped(windows, min_neighbors)
        doubtful = unlike(places_xywh[places_xywh[:, 2] >= 2 * self.window_wh[0]], boxes)
        if len(doubtful):
            again = self._windows(gray, doubtful, DOUBT_RATIO, scale_factor, STEP // 2, least)
            more, counts = self._grouped(again, min_neighbors)
            boxes = np.concatenate([boxes, more])
            neighbors = np.concatenate([neighbors * (STEP * STEP), counts])
        return _surest(_inside(boxes, gray), neighbors)

    def _windows(self, *where: Any) -> Boxes:
        """Return the windows of all cascades at some places; arguments as `_WindowSearch.near`."""
        return np.concatenate([each.near(*where) for each in self._ready()])

    def _grouped(self, windows_xywh: Boxes, min_neighbors: int) -> tuple[Boxes, NDArray[np.int32]]:
        from fercli.cascade.detection.grouping import group_windows

        ones = np.ones(len(windows_xywh))
        groups = group_windows(
            windows_xywh, ones, min_neighbors=min_neighbors, several=self._several
        )
        return groups.boxes_xywh, groups.counts


class _WindowSearch:
    """Searches images for the windows that one cascade accepts."""

    def __init__(self, cascade: Cascade) -> None:
        from fercli.cascade.detection.scanner import Scanner

        self._window_wh = cascade.size_wh
        self._whole = Scanner(cascade)
        self._coarse = Scanner(replace(cascade, stages=_coarse_stages(cascade)))

    def all(self, gray: ImageArray, scale_factor: float, least: int, workers: int) -> Boxes:
        """Return all windows from a width on."""
        from fercli.cascade.detection.grid import detector_layers

        layers = detector_layers(
            (gray.shape[1], gray.shape[0]), self._window_wh,
            scale_factor=scale_factor, min_size=_window_size(least, self._window_wh),
        )  # fmt: skip
        return self._whole.scan_layers(gray, layers, workers=workers).boxes_xywh

    def candidates(self, gray: ImageArray, min_face: float) -> Boxes:
        """Return windows in a few sizes that the stages of the coarse search accept."""
        from fercli.cascade.detection.grid import layer_at

        image_wh = gray.shape[1], gray.shape[0]
        scale = max(min_face / self._window_wh[0], 1.0)
        found = [NO_BOXES]
        while (layer := layer_at(scale, image_wh, self._window_wh)).columns > 0 < layer.rows:
            sides = zip(layer.size_wh, self._window_wh, strict=True)
            columns, rows = ((side - window) // STEP + 1 for side, window in sides)
            scanned = self._coarse.scan_layer(layer.resize(gray), STEP, columns=columns, rows=rows)
            found.append(layer.boxes(scanned.positions_xy))
            scale *= COARSE_FACTOR
        return np.concatenate(found)

    def near(
        self,
        gray: ImageArray,
        places_xywh: Boxes,
        ratio: float,
        scale_factor: float,
        step: int,
        least: int,
    ) -> Boxes:
        """Return the windows at some places that all stages accept.

        They are windows of the exact search, so that what both look at is decided alike.
        """
        image_wh = gray.shape[1], gray.shape[0]
        scales, sizes = _layers(image_wh, self._window_wh, scale_factor)
        ratios = np.array(image_wh) / sizes
        positions = POSITIONS if step == STEP else DOUBT_POSITIONS
        reach, last = math.log(ratio) / math.log(scale_factor), len(scales) - 1
        smallest = int(np.searchsorted(np.rint(scales * self._window_wh[0]), least))
        tiles = set()
        for x, y, width, height in places_xywh.tolist():
            level = math.log(max(width / self._window_wh[0], 1)) / math.log(scale_factor)
            lowest = min(max(math.ceil(level - reach), smallest), last)
            for at in range(max(lowest, 0), max(min(int(level + reach), last), lowest) + 1):
                across, down = ratios[at].tolist()
                left = _first((x + width / 2) / across, self._window_wh[0], positions, step)
                top = _first((y + height / 2) / down, self._window_wh[1], positions, step)
                tiles.add((at, left, top))
        places = np.array(sorted(tiles), np.int64).reshape(-1, 3)
        found = self._whole.scan_tiles(
            gray, places[:, 1:], ratios[places[:, 0]], positions=positions, step=step
        )
        windows = places[found[:, 0]]
        windows[:, 1:] += found[:, 1:] * step
        windows = _distinct(windows)
        layers, corners = windows[:, 0], windows[:, 1:]
        inside = ((corners >= 0) & (corners <= sizes[layers] - self._window_wh)).all(axis=1)
        boxes = np.empty((len(windows), 4), np.float32)
        boxes[:, :2], boxes[:, 2:] = corners, self._window_wh
        boxes *= scales[layers, np.newaxis]
        return np.rint(boxes[inside]).astype(np.int32)


def _first(center: float, side: int, positions: int, step: int) -> int:
    """Return where the first of some windows is that lie around a center, in whole steps."""
    return round((center - side / 2) / step - (positions - 1) / 2) * step


@lru_cache(maxsize=8)
def _layers(
    image_wh: tuple[int, int], window_wh: tuple[int, int], scale_factor: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scale and size (width, height) of all layers of the exact search."""
    from fercli.cascade.detection.grid import detector_scales, layer_at

    scales = list(detector_scales(image_wh, window_wh, scale_factor))
    sizes = [layer_at(scale, image_wh, window_wh).size_wh for scale in scales]
    return np.array(scales, np.float32), np.array(sizes, np.int64).reshape(-1, 2)


def _coarse_stages(cascade: Cascade) -> tuple[Stage, ...]:
    """Return the stages of the coarse search, at least one; the last has a lower threshold."""
    seen: set[tuple[Node, ...]] = set()
    counts = []
    for stage in cascade.stages:
        seen.update(weak.nodes for weak in stage.weak_classifiers)
        counts.append(len(seen))
    *first, last = cascade.stages[: sum(count <= COARSE * counts[-1] for count in counts) + 1]
    span = sum(max(weak.leaves) - min(weak.leaves) for weak in last.weak_classifiers)
    return *first, replace(last, threshold=last.threshold - MARGIN * span)


def _window_size(width: int, window_wh: tuple[int, int]) -> tuple[int, int]:
    """Return a window's size at a width."""
    return width, round(width * window_wh[1] / window_wh[0])


def overlap(box_xywh: NDArray[np.int32], boxes_xywh: Boxes) -> NDArray[np.float64]:
    """Return the intersection of a box with each of others, as a share of the smaller box."""
    common = intersections(box_xywh[np.newaxis], boxes_xywh)[0]
    smaller = np.minimum(np.prod(box_xywh[2:]), np.prod(boxes_xywh[:, 2:], axis=1))
    return common / np.maximum(smaller, 1)  # type: ignore[no-any-return]


def without_duplicates(boxes_xywh: Boxes) -> Boxes:
    """Return boxes without those that are of the same face as an earlier one."""
    if len(boxes_xywh) < 2:
        return boxes_xywh
    kept: list[NDArray[np.int32]] = []
    for box in boxes_xywh:
        if not kept or overlap(box, np.array(kept)).max() <= SAME_FACE:
            kept.append(box)
    return np.array(kept, np.int32).reshape(-1, 4)


def unlike(boxes_xywh: Boxes, others_xywh: Boxes) -> Boxes:
    """Return the boxes that are not of a face of one of others."""
    if not len(others_xywh) or not len(boxes_xywh):
        return boxes_xywh
    kept = [overlap(box, others_xywh).max() <= SAME_FACE for box in boxes_xywh]
    return boxes_xywh[kept]


def merge_windows(windows_xywh: Boxes) -> Boxes:
    """Return the mean box of each group of windows of one face, the largest group first."""
    means: list[NDArray[np.float64]] = []
    same = np.array([overlap(box, windows_xywh) > SAME_FACE for box in windows_xywh], bool)
    left = np.ones(len(same), bool)
    counts = same.reshape(len(same), len(same)).sum(axis=1)
    while left.any():
        largest = same[int(np.where(left, counts, -1).argmax())] & left
        means.append(windows_xywh[largest].mean(axis=0))
        counts -= same[:, largest].sum(axis=1)
        left &= ~largest
    return np.rint(np.array(means).reshape(-1, 4)).astype(np.int32)


def _reduced(gray: ImageArray, side: int) -> tuple[float, ImageArray]:
    """Return an image whose longer side is at most `side`, and its scale."""
    scale = min(side / max(gray.shape), 1.0)
    if scale == 1:
        return scale, gray
    height, width = (max(round(length * scale), 1) for length in gray.shape)
    return scale, resize(gray, (width, height))


def _distinct(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the different rows, in order."""
    rows = rows[np.lexsort(rows.T[::-1])]
    differs = np.ones(len(rows), np.bool_)
    differs[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[differs]


def _surest(boxes_xywh: Boxes, neighbors: NDArray[np.int32]) -> Boxes:
    """Return boxes without duplicates, those of most windows first."""
    order = np.lexsort((*boxes_xywh.T[::-1], -neighbors))
    return without_duplicates(boxes_xywh[order])


def _inside(boxes_xywh: Boxes, gray: ImageArray) -> Boxes:
    """Return boxes cut at the border of an image."""
    ends = np.minimum(boxes_xywh[:, :2] + boxes_xywh[:, 2:], (gray.shape[1], gray.shape[0]))
    corners = np.maximum(boxes_xywh[:, :2], 0)
    return np.hstack([corners, ends - corners]).astype(np.int32)
