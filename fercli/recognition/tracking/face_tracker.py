"""Following: a whole search now and then, and the surroundings of known faces in between.

A whole search of a frame costs some hundred times as much as one around a face. Faces that a
whole search finds anew are followed back through the frames before it as well, so that the
frames between two whole searches miss none of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.images import ImageArray
from fercli.recognition.face_search import NONE, SAME_FACE, Boxes, shared, without_doubles
from fercli.recognition.options import VIDEO_FACE, VIDEO_SIDE
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.sources.frames import Frame

Box = tuple[int, int, int, int]

#: How long a face that is not found is looked for at the place where it was, in seconds.
LOOK_FOR = 0.5


class FaceTracker:
    """Finds the faces of frames that follow each other. For one thread and one video.

    Parameters
    ----------
    recognizer : Recognizer
    interval : float
        Time from one whole search to the next, in seconds. At 0 each frame is searched whole and
        thoroughly; else whole searches are quick ones.
    """

    def __init__(self, recognizer: Recognizer, interval: float) -> None:
        self._recognizer = recognizer
        self._interval = interval
        self._searched = -math.inf
        self._known: dict[Box, float] = {}

    def is_due(self, seconds: float) -> bool:
        """Whether the frame of this time is to be searched whole."""
        # Half a frame of grace at 100 frames a second: times are rounded.
        return seconds - self._searched >= self._interval - 0.005 or seconds < self._searched

    def forget(self) -> None:
        """Forget all faces: the next frame is of another scene."""
        self._known = {}
        self._searched = -math.inf

    def find(self, frames: Sequence[Frame], *, whole: bool) -> list[Boxes]:
        """Return the faces of frames that come right after those of the last call.

        Parameters
        ----------
        frames : sequence of Frame
            In order of time.
        whole : bool
            Whether the last frame is searched whole.

        Returns
        -------
        list of ndarray of int32, shape (n, 4)
            x, y, width, height for each frame.
        """
        found = [self._follow(frame) for frame in (frames[:-1] if whole else frames)]
        if whole:
            before = [box for box, seen in self._known.items()]
            found.append(self._search(frames[-1]))
            self._follow_back(frames[:-1], found, _unlike(found[-1], before))
        if self._recognizer.options.largest:
            return [boxes[np.argsort(-boxes[:, 2])][:1] for boxes in found]
        return found

    def _follow(self, frame: Frame) -> Boxes:
        """Look for the known faces of the frame before."""
        found: dict[Box, float] = {}
        lost: dict[Box, float] = {}
        for box, seen in self._known.items():
            near = self._recognizer.find_again(frame.gray, box)
            if len(near):
                found[_as_box(near[0])] = frame.seconds
            elif frame.seconds - seen <= LOOK_FOR:
                lost[box] = seen
        boxes = without_doubles(_as_boxes(found))
        self._known = {_as_box(box): frame.seconds for box in boxes} | lost
        return boxes

    def _search(self, frame: Frame) -> Boxes:
        """Look for faces everywhere, and for known ones that are not found so once more."""
        self._searched = frame.seconds
        quickly = self._interval > 0
        whole = self._recognizer.find(
            frame.gray, side=VIDEO_SIDE, least=VIDEO_FACE, quickly=quickly
        )
        known = self._known
        self._known = {box: known[box] for box in map(_as_box, _unlike(_as_boxes(known), whole))}
        again = self._follow(frame)
        boxes = without_doubles(np.concatenate([whole, again]))
        lost = {box: seen for box, seen in self._known.items() if seen < frame.seconds}
        self._known = {_as_box(box): frame.seconds for box in boxes} | lost
        return boxes

    def _follow_back(self, frames: Sequence[Frame], found: list[Boxes], new: Boxes) -> None:
        """Look for faces that are new in the last frame in those before, and add them."""
        for at in reversed(range(len(frames))):
            near = [self._recognizer.find_again(frames[at].gray, _as_box(box)) for box in new]
            new = _unlike(np.concatenate([NONE, *near]), found[at])
            if not len(new):
                return
            found[at] = without_doubles(np.concatenate([found[at], new]))


def _unlike(boxes: Boxes, others: Sequence[Box] | Boxes) -> Boxes:
    """Return the boxes that share no face with one of others."""
    if not len(others):
        return boxes
    compared = np.asarray(others, np.int32).reshape(-1, 4)
    kept = [box for box in boxes if shared(box, compared).max() <= SAME_FACE]
    return np.array(kept, np.int32).reshape(-1, 4)


def _as_box(box: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Box:
    x, y, width, height = box.tolist()
    return x, y, width, height


def _as_boxes(boxes: dict[Box, float]) -> Boxes:
    return np.array(list(boxes), np.int32).reshape(-1, 4)


# SceneCuts: where a film is cut, and nobody is where they were.


#: Frames are compared at this width and height.
SIZE_WH = (32, 18)

#: Two frames that correlate less are of different scenes.
LEAST_LIKE = 0.5


class SceneCuts:
    """Tells a frame that begins a new scene. For frames in order."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def is_new(self, gray: ImageArray) -> bool:
        """Return whether a frame is unlike the one before; the first is not new."""
        small = cv2.resize(gray, SIZE_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= small.mean()
        last, self._last = self._last, small
        if last is None:
            return False
        strength = float(np.linalg.norm(last)) * float(np.linalg.norm(small))
        # Frames of one gray have no structure to compare.
        return strength > 0 and float((last * small).sum()) < LEAST_LIKE * strength
