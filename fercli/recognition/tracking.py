"""Tracking: where the faces of a video are, and which cuts begin new scenes.

Detection in a whole frame costs several times as much as tracking a face. Faces that a detection
finds anew are tracked back through the frames before it, so that the frames between two detections
miss none of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.boxes import Box
from fercli.common.images import ImageArray
from fercli.recognition.face_search import NO_BOXES, Boxes, overlap, unlike, without_duplicates
from fercli.recognition.options import VIDEO_FACE, VIDEO_SIDE
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.sources.frames import Frame

#: How long a lost face is tracked at its last box, and how long a face is tracked that no detection
#: finds, in seconds: what is then no face by the measure of a detection is given up, such as a
#: hand onto which a box has slid.
LOST_SECONDS, UNCONFIRMED_SECONDS = 0.5, 1.0


class FaceTracker:
    """Detects and tracks the faces of successive frames. For one thread and one video.

    Parameters
    ----------
    recognizer : Recognizer
    interval : float
        Time from one detection to the next, in seconds. At 0 faces are detected thoroughly in each
        frame; otherwise quickly.
    """

    def __init__(self, recognizer: Recognizer, interval: float) -> None:
        self._recognizer = recognizer
        self._interval = interval
        self._detected = -math.inf
        self._known: list[_Known] = []

    def is_due(self, seconds: float) -> bool:
        """Whether faces are to be detected in the frame of this time."""
        # Half a frame of grace at 100 frames a second: times are rounded.
        return seconds - self._detected >= self._interval - 0.005 or seconds < self._detected

    def reset(self) -> None:
        """Forget all faces: the next frame is of another scene."""
        self._known = []
        self._detected = -math.inf

    def process(self, frames: Sequence[Frame], *, detect: bool) -> list[Boxes]:
        """Return the faces of the frames right after those of the last call.

        Parameters
        ----------
        frames : sequence of Frame
            In order of time.
        detect : bool
            Whether faces are detected in the last frame; in the others they are tracked.

        Returns
        -------
        list of ndarray of int32, shape (n, 4)
            x, y, width, height for each frame.
        """
        found = [self._track(frame) for frame in (frames[:-1] if detect else frames)]
        if detect:
            before = [one.box for one in self._known if not one.lost]
            found.append(self._detect(frames[-1]))
            new = unlike(found[-1], np.array(before, np.int32).reshape(-1, 4))
            self._track_back(frames, found, new)
        if self._recognizer.options.largest:
            return [boxes[np.argsort(-boxes[:, 2], kind="stable")][:1] for boxes in found]
        return found

    def _track(self, frame: Frame, *, strict: bool = False) -> Boxes:
        """Track the known faces of the frame before."""
        known = self._known
        if not known:
            return NO_BOXES
        boxes = self._recognizer.track(frame.gray, _boxes(known), strict=strict)
        boxes = without_duplicates(boxes)
        self._known = [self._follow(box, frame.seconds) for box in boxes]
        for one in known:
            if frame.seconds - one.seen <= LOST_SECONDS and len(unlike(one.as_array(), boxes)):
                self._known.append(replace(one, lost=True))
        return boxes

    def _follow(self, box: NDArray[np.int32], seconds: float) -> _Known:
        """Return a face that was found again, with the time of its last detection."""
        shares = overlap(box, _boxes(self._known))
        return _Known(_as_box(box), seconds, self._known[int(shares.argmax())].detected)

    def _detect(self, frame: Frame) -> Boxes:
        """Detect faces, and track the known ones that are not among them."""
        self._detected = now = frame.seconds
        quick = self._interval > 0
        detected = self._recognizer.detect(
            frame.gray, side=VIDEO_SIDE, least=VIDEO_FACE, quick=quick
        )
        missing = [one for one in self._known if len(unlike(one.as_array(), detected))]
        self._known = [one for one in missing if now - one.detected > UNCONFIRMED_SECONDS]
        confirmed = self._track(frame, strict=True)
        self._known = [one for one in missing if now - one.detected <= UNCONFIRMED_SECONDS]
        tracked = self._track(frame)
        sure = without_duplicates(np.concatenate([detected, confirmed]))
        tracked = unlike(tracked, sure)
        self._known = [
            *(_Known(_as_box(box), now, now) for box in sure),
            *(one for one in self._known if len(unlike(one.as_array(), sure))),
        ]
        return np.concatenate([sure, tracked])

    def _track_back(self, frames: Sequence[Frame], found: list[Boxes], new: Boxes) -> None:
        """Track faces that are new in the last frame back through those before, and add them.

        A frame in which a face is not found is passed over.
        """
        seen = [(box, frames[-1].seconds) for box in new]
        for at in reversed(range(len(frames) - 1)):
            if not seen:
                return
            frame = frames[at]
            boxes = np.array([box for box, _ in seen], np.int32).reshape(-1, 4)
            near = self._recognizer.track(frame.gray, boxes)
            # Not those that were tracked here already.
            more = without_duplicates(unlike(near, found[at]))
            found[at] = np.concatenate([found[at], more])
            seen = [(box, frame.seconds) for box in more] + [
                (box, when)
                for box, when in seen
                if when - frame.seconds <= LOST_SECONDS and len(unlike(box[np.newaxis], near))
            ]


@dataclass(frozen=True)
class _Known:
    """A face of the frames before: where it was, when it was seen and detected last."""

    box: Box
    seen: float
    detected: float
    lost: bool = False

    def as_array(self) -> Boxes:
        return np.array([self.box], np.int32)


def _boxes(known: Sequence[_Known]) -> Boxes:
    return np.array([one.box for one in known], np.int32).reshape(-1, 4)


def _as_box(box: NDArray[np.int32]) -> Box:
    x, y, width, height = box.tolist()
    return x, y, width, height


# Scene cuts


#: Frames are compared at this width and height.
SIZE_WH = (32, 18)

#: Two frames that correlate less are of different scenes.
LEAST_LIKE = 0.5


class SceneCuts:
    """Detects frames that begin a new scene. For frames in order."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def is_new(self, gray: ImageArray) -> bool:
        """Return whether a frame is unlike the one before; the first is not new."""
        # Every fourth row will do, in a quarter of the time.
        small = cv2.resize(gray[::4], SIZE_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= small.mean()
        last, self._last = self._last, small
        if last is None:
            return False
        strength = float(np.linalg.norm(last)) * float(np.linalg.norm(small))
        # Frames of one gray have no structure to compare.
        return strength > 0 and float((last * small).sum()) < LEAST_LIKE * strength
