"""YuNet: a network that detects faces and their landmarks, run by OpenCV's `cv2.FaceDetectorYN`.

Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research
2023. Boxes are made of the landmarks, as fer's own cascade boxes a face, which is what models were
trained on: the file's own boxes are taller than they are wide.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.boxes import Box
from fercli.common.errors import DependencyError, InputError
from fercli.common.files import input_error
from fercli.common.images import ImageArray, resize

#: Where people get such a file.
HINT = (
    "get face_detection_yunet_2023mar.onnx from OpenCV's model zoo, "
    "https://github.com/opencv/opencv_zoo, folder models/face_detection_yunet"
)

#: Faces of one place whose boxes overlap by more than this share of their union are one.
OVERLAP, MOST = 0.3, 5000

#: A face that is tracked needs so much less of a score than one that is detected.
TRACKING_LOWER_SCORE = 0.2

#: Tracking and landmarks: the surroundings of a face, as a share of its side on each side, and
#: the size at which the network sees them.
REACH, REGION = 0.75, 160

#: The side of a box as a multiple of the mean of the distances between the eyes and from eyes to
#: mouth, and its center on the line from eyes to mouth: medians of 35 faces of dlib's examples, by
#: their landmarks and the boxes of fer's cascade.
SIDE, CENTER = 3.16, 0.34

#: cv2's level of messages at which it writes none.
SILENT_LEVEL = 0

#: Eyes and corners of the mouth among the five landmarks; between them is the nose.
EYES, MOUTH = [0, 1], [3, 4]

Landmarks = NDArray[np.float32]


class LandmarkDetector:
    """Detects faces by a YuNet file. Threads may share one.

    Parameters
    ----------
    path : Path
        An .onnx file with the outputs cls, obj, bbox and kps at strides of 8, 16 and 32.
    min_score : float
        The least score of a face, 0…1.

    Raises
    ------
    InputError
        The file is missing or no such detector.
    DependencyError
        This cv2 has no FaceDetectorYN.
    """

    #: Width of the smallest face that is detected, in pixels of the image that the network sees.
    window = 10

    def __init__(self, path: Path, min_score: float) -> None:
        self.path = path
        self._min_score = min_score
        self._own = threading.local()
        _require_file(path)
        blank = np.zeros((REGION, REGION, 3), np.uint8)
        try:
            self._found(blank, min_score, "region")
        except (cv2.error, ValueError) as error:
            reason = str(error).strip().splitlines()[-1][:200]
            raise InputError(
                f"The file is not a YuNet face detector that cv2 {cv2.__version__} can run "
                f"({reason})",
                path=path,
                hint=HINT,
            ) from error

    def detect(self, image: ImageArray, *, side: int, min_face: int) -> NDArray[np.int32]:
        """Return the faces of a whole image, the surest first.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width) or (height, width, 3)
            Gray or BGR.
        side : int
            Longer side that a larger image is resized to.
        min_face : int
            Side of the smallest face, in pixels of `image`.

        Returns
        -------
        ndarray of int32, shape (n, 4)
            x, y, width, height of squares.
        """
        scale = min(side / max(image.shape[:2]), 1.0)
        height, width = (max(round(length * scale), 1) for length in image.shape[:2])
        points = self._found(resize(image, (width, height)), self._min_score, "whole") / scale
        boxes = np.array([box_of(one) for one in points], np.int32).reshape(-1, 4)
        return boxes[boxes[:, 2] >= min_face]

    def landmarks(
        self, image: ImageArray, box_xywh: Box, *, strict: bool = False
    ) -> Landmarks | None:
        """Return the landmarks of the face in a box, in pixels of the image, or None.

        `strict` says whether it needs the score of a face that is detected.

        Returns
        -------
        ndarray of float32, shape (5, 2), or None
            x, y of the right eye, the left eye, the nose, and the right and left corner of the
            mouth, of the person.
        """
        x, y, width, height = box_xywh
        half = max(width, height) * (0.5 + REACH)
        left, top = max(round(x + width / 2 - half), 0), max(round(y + height / 2 - half), 0)
        region = image[top : max(round(y + height / 2 + half), 0),
                       left : max(round(x + width / 2 + half), 0)]  # fmt: skip
        if min(region.shape[:2]) < 4:
            return None
        scale = REGION / max(region.shape[:2])
        size = (max(round(region.shape[1] * scale), 1), max(round(region.shape[0] * scale), 1))
        seen = np.zeros((REGION, REGION, *region.shape[2:]), np.uint8)  # of one size: see _found
        seen[: size[1], : size[0]] = resize(region, size)
        score = max(self._min_score - (0.0 if strict else TRACKING_LOWER_SCORE), 0.0)
        points = self._found(seen, score, "region") / scale + np.array((left, top), np.float32)
        distances = [math.dist(one.mean(axis=0), (x + width / 2, y + height / 2)) for one in points]
        if not distances or min(distances) > max(width, height) / 2:
            return None
        nearest: Landmarks = points[int(np.argmin(distances))]
        return nearest

    def track(
        self, image: ImageArray, boxes_xywh: NDArray[np.int32], *, strict: bool = False
    ) -> NDArray[np.int32]:
        """Return the boxes of faces that are near boxes of a moment before, shape (m, 4)."""
        near = (
            self.landmarks(image, box, strict=strict) for box in map(tuple, boxes_xywh.tolist())
        )
        boxes = [box_of(points) for points in near if points is not None]
        return np.array(boxes, np.int32).reshape(-1, 4)

    def _found(self, image: ImageArray, score: float, use: str) -> Landmarks:
        """Return the landmarks of the faces of an image, shape (n, 5, 2), the surest first."""
        colors = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image
        network = self._network(use, (image.shape[1], image.shape[0]))
        network.setScoreThreshold(score)
        _, rows = network.detect(np.ascontiguousarray(colors))
        if rows is None:
            return np.empty((0, 5, 2), np.float32)
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        points: Landmarks = np.asarray(rows[:, 4:14], np.float32).reshape(-1, 5, 2)
        return points[np.isfinite(points).all(axis=(1, 2))]

    def _network(self, use: str, size_wh: tuple[int, int]) -> Any:
        """Return this thread's network for one use: another size of images costs time."""
        kept: dict[str, tuple[tuple[int, int], Any]] | None = getattr(self._own, "kept", None)
        if kept is None:
            kept = self._own.kept = {}
        if use not in kept:
            with _silent():
                network = cv2.FaceDetectorYN.create(
                    str(self.path), "", size_wh, self._min_score, OVERLAP, MOST
                )
            kept[use] = size_wh, network
        size, network = kept[use]
        if size != size_wh:
            network.setInputSize(size_wh)
            kept[use] = size_wh, network
        return network


def box_of(landmarks: Landmarks) -> Box:
    """Return the square of a face as fer's cascade boxes it, of the landmarks of its face."""
    eyes, mouth = landmarks[EYES].mean(axis=0), landmarks[MOUTH].mean(axis=0)
    between = math.dist(landmarks[EYES[0]], landmarks[EYES[1]])
    side = SIDE * (math.dist(eyes, mouth) + between) / 2
    x, y = eyes + CENTER * (mouth - eyes) - side / 2
    return round(float(x)), round(float(y)), round(side), round(side)


def angle_of(landmarks: Landmarks) -> float:
    """Return how far a face is turned in its image, in degrees, positive clockwise."""
    across, down = (landmarks[EYES[1]] - landmarks[EYES[0]]).tolist()
    return math.degrees(math.atan2(down, across))


def _require_file(path: Path) -> None:
    if not hasattr(cv2, "FaceDetectorYN"):
        raise DependencyError(
            f"`detector` needs cv2.FaceDetectorYN, which cv2 {cv2.__version__} here lacks",
            hint="pip install 'opencv-python>=4.8'",
        )
    try:
        with path.open("rb") as file:
            begin = file.read(64)
    except OSError as error:
        raise InputError(
            input_error(error, path, wanted="a face detector").message, path=path, hint=HINT
        ) from error
    if begin.startswith(b"version https://git-lfs"):
        raise InputError(
            "The file is a pointer of Git LFS, not the face detector itself",
            path=path,
            hint="download the file itself (git lfs pull, or the page's download button)",
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Keep cv2 from writing warnings of its own."""
    logging = getattr(cv2.utils, "logging", cv2)
    level = logging.setLogLevel(SILENT_LEVEL)
    try:
        yield
    finally:
        logging.setLogLevel(level)
