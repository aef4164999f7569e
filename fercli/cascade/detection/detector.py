"""Detection: a cascade run over images, each detection with a score that can be ranked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.model import Cascade, cascade_text, find_cascade, read_cascade
from fercli.common.errors import CascadeFileError, DependencyError, ImageError, OptionError
from fercli.common.images import ImageArray, to_gray
from fercli.common.options import changed

PathName = str | PathLike[str]

#: What cv2 subtracts from the thresholds of stages when it loads them.
EPSILON = 1e-5
#: Pixels of cv2's buffers up to which those of earlier images may stay.
MOST_BUFFERED = 1 << 26


class Detections(NamedTuple):
    """What was found in an image, best first.

    Attributes
    ----------
    boxes_xywh : ndarray of int32, shape (n, 4)
    scores : ndarray of float64, shape (n,)
    neighbors : ndarray of int32, shape (n,)
        How many windows were joined to each.
    """

    boxes_xywh: NDArray[np.int32]
    scores: NDArray[np.float64]
    neighbors: NDArray[np.int32]

    def to_dict(self) -> dict[str, Any]:
        """Return the detections as plain values."""
        return {name: array.tolist() for name, array in self._asdict().items()}


class AcceptedWindows(NamedTuple):
    """The windows of an image that pass all stages, in no order.

    Attributes
    ----------
    boxes_xywh : ndarray of int32, shape (n, 4)
        Rounding may move the last column and row of windows across the right and bottom edge.
    margins : ndarray of float64, shape (n,)
        How far the sum of the last stage is above its threshold.
    image_wh : (int, int)
    several : bool
        Whether they are those of several cascades.
    """

    boxes_xywh: NDArray[np.int32]
    margins: NDArray[np.float64]
    image_wh: tuple[int, int]
    several: bool = False

    def group(self, min_neighbors: int) -> Detections:
        """Join similar windows to detections, clipped to the image as cv2 clips them."""
        # numba takes a moment to import, which those who only load a detector do not wait for.
        from fercli.cascade.detection.grouping import group_windows

        boxes, scores, counts = group_windows(
            self.boxes_xywh, self.margins**2, min_neighbors=min_neighbors, several=self.several
        )
        boxes[:, 2:] = np.minimum(boxes[:, 2:], np.array(self.image_wh, np.int32) - boxes[:, :2])
        return Detections(boxes, np.sqrt(scores), counts)


DEFAULTS = DetectionOptions()


class Detector:
    """Finds the objects of a cascade, or of several, in images. Threads may share a detector.

    Parameters
    ----------
    cascade : path-like, or a sequence of them
        The cascade's file, or the name of one that comes with fer. cv2 is given the cascade that
        was read and checked, not the name of the file: it does not open names with a question mark,
        and prints errors to stderr. Windows of several cascades are grouped together, and groups
        that overlap joined: votes add up.

    Raises
    ------
    CascadeFileError
        The file is not a cascade that a detector may load.
    OptionError
        There is no cascade.
    DependencyError
        This cv2 has no cascades.
    """

    def __init__(self, cascade: PathName | Sequence[PathName]) -> None:
        if not hasattr(cv2, "CascadeClassifier"):
            raise DependencyError(
                f"OpenCV {cv2.__version__} has no CascadeClassifier",
                hint="pip uninstall opencv-python; "
                "pip install --force-reinstall opencv-contrib-python",
            )
        paths = [find_cascade(path) for path in paths_of(cascade)]
        self.path = paths[0]
        self._others = tuple(map(Detector, paths[1:]))
        self.cascade = read_cascade(self.path)
        self._text = cascade_text(_with_two_stages(self.cascade))
        self._own = threading.local()
        self._begin()

    def __getstate__(self) -> tuple[Any, ...]:
        return self.path, self.cascade, self._text, self._others

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.path, self.cascade, self._text, self._others = state
        self._own = threading.local()

    @property
    def cascades(self) -> tuple[Cascade, ...]:
        """All cascades; `cascade` is the first."""
        return self.cascade, *(other.cascade for other in self._others)

    @property
    def window_wh(self) -> tuple[int, int]:
        """Width and height of the narrowest window: the smallest object."""
        return min(cascade.size_wh for cascade in self.cascades)

    @property
    def classifier(self) -> cv2.CascadeClassifier:
        """The classifier of this thread: cv2 keeps its buffers in it."""
        if not hasattr(self._own, "classifier"):
            self._begin()
        return self._own.classifier  # type: ignore[no-any-return]

    def detect(
        self, image: ImageArray, options: DetectionOptions = DEFAULTS, **changes: Any
    ) -> Detections:
        """Return the objects in an image: the boxes of ``detectMultiScale``, with scores.

        The score is the root of the sum of squares, over the windows that were joined, of how far
        the sum of the last stage is above its threshold. It is 0 or more, and only good for
        ranking the detections of one cascade. Of what can be had from cv2 it is the one that
        ranks well both for whole cascades and for short ones, which let much pass. Average
        precision on the 65 images of MIT+CMU, by the number of windows, the largest of these
        margins, their sum and their squares:

        ================================  =======  =======  =====  =======
        cascade                           windows  largest    sum  squares
        ================================  =======  =======  =====  =======
        haarcascade_frontalface_default     0.910    0.907  0.925    0.927
        its first 12 stages                 0.684    0.842  0.796    0.840
        haarcascade_frontalface_alt2        0.926    0.924  0.931    0.929
        its first 8 stages                  0.196    0.687  0.378    0.537
        lbpcascade_frontalface              0.872    0.841  0.883    0.878
        its first 10 stages                 0.435    0.669  0.589    0.654
        ================================  =======  =======  =====  =======

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width) or (height, width, 3)
            Gray, or in cv2's order of colors (BGR).
        options : DetectionOptions, optional
            Defaults to those of ``detectMultiScale``.
        **changes
            Fields of `options`, such as ``min_size=(40, 40)``.
        """
        options = changed(options, changes)
        return self.scan(image, options).group(options.min_neighbors)

    def scan(self, image: ImageArray, options: DetectionOptions = DEFAULTS) -> AcceptedWindows:
        """Return all windows of an image that pass all stages; parameters as `detect`.

        Raises `ImageError` if OpenCV cannot search the image.
        """
        found = [each._scan_alone(image, options) for each in (self, *self._others)]
        return AcceptedWindows(
            np.concatenate([one.boxes_xywh for one in found]),
            np.concatenate([one.margins for one in found]),
            found[0].image_wh,
            several=len(found) > 1,
        )

    def _scan_alone(self, image: ImageArray, options: DetectionOptions) -> AcceptedWindows:
        """Return the windows of the first cascade."""
        gray = to_gray(image)
        if options.equalize:
            gray = cv2.equalizeHist(gray)
        # With outputRejectLevels, the third array is the sum of the last stage; without a
        # grouping (minNeighbors=0) it is that of each window, not the largest of a group.
        image_wh = gray.shape[1], gray.shape[0]
        self._limit_buffers(*image_wh)
        try:
            boxes, _, sums = self.classifier.detectMultiScale3(
                gray,
                scaleFactor=options.scale_factor,
                minNeighbors=0,
                minSize=options.min_size_wh or (0, 0),
                maxSize=options.max_size_wh or (0, 0),
                outputRejectLevels=True,
            )
        except cv2.error as error:
            raise ImageError(
                f"OpenCV cannot search {image_wh[0]} × {image_wh[1]} pixels: {error.err}",
                hint="use a smaller copy",
            ) from error
        threshold = self.cascade.stages[-1].threshold - EPSILON
        return AcceptedWindows(
            self._unclipped(np.asarray(boxes, np.int32).reshape(-1, 4), image_wh, options),
            np.asarray(sums, np.float64).reshape(-1) - threshold,
            image_wh,
        )

    def _begin(self) -> None:
        """Give this thread a classifier without buffers."""
        self._own.classifier, self._own.buffers_wh = self._load(), (0, 0)

    def _limit_buffers(self, width: int, height: int) -> None:
        """Drop this thread's buffers where those of earlier images would make them far too large.

        cv2 makes them as wide as the widest image so far and as high as the highest: a panorama
        after a screenshot of 40,000 rows took 30 GB, or ended the process.
        """
        self.classifier  # noqa: B018  # a new thread begins here
        wide, high = map(max, self._own.buffers_wh, (width, height))
        if wide * high > MOST_BUFFERED and wide * high > width * height:
            self._begin()
            wide, high = width, height
        self._own.buffers_wh = wide, high

    def _load(self) -> cv2.CascadeClassifier:
        classifier = cv2.CascadeClassifier()
        storage = cv2.FileStorage(self._text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        if not classifier.read(storage.getFirstTopLevelNode()):
            raise CascadeFileError(
                f"OpenCV {cv2.__version__} cannot load this cascade", path=self.path
            )
        return classifier

    def _unclipped(
        self, boxes_xywh: NDArray[np.int32], image_wh: tuple[int, int], options: DetectionOptions
    ) -> NDArray[np.int32]:
        """Return windows as large as they were before cv2 clipped them.

        cv2 clips at last, after the grouping; asked for single windows it clips those, and their
        groups would have other means.
        """
        clipped = np.flatnonzero((boxes_xywh[:, :2] + boxes_xywh[:, 2:] == image_wh).any(axis=1))
        if not len(clipped):
            return boxes_xywh
        from fercli.cascade.detection.grid import detector_layers

        layers = detector_layers(
            image_wh, self.cascade.size_wh,
            scale_factor=options.scale_factor,
            min_size=options.min_size_wh, max_size=options.max_size_wh,
        )  # fmt: skip
        found = boxes_xywh.copy()
        for layer in layers:
            windows = layer.nearest(boxes_xywh[clipped, :2])
            ends = np.minimum(windows[:, :2] + windows[:, 2:], image_wh)
            same = (windows[:, :2] == boxes_xywh[clipped, :2]).all(axis=1)
            same &= (ends - windows[:, :2] == boxes_xywh[clipped, 2:]).all(axis=1)
            found[clipped[same]] = windows[same]
            clipped = clipped[~same]
        return found


def paths_of(cascade: PathName | Sequence[PathName]) -> tuple[Path, ...]:
    """Return the files of one or several cascades; raise `OptionError` if there are none."""
    several = [cascade] if isinstance(cascade, str | PathLike) else cascade
    paths = tuple(Path(each) for each in several)
    if not paths:
        raise OptionError("`cascade`: expected at least one file, got none")
    return paths


def _with_two_stages(cascade: Cascade) -> Cascade:
    """Return a cascade that accepts the same windows and has at least two stages.

    With outputRejectLevels, cv2 takes windows without contrast, which it passes over with the
    result -1, for ones that reached the last of one stage.
    """
    if len(cascade.stages) > 1:
        return cascade
    return replace(cascade, stages=cascade.stages * 2)
