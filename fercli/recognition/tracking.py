"""Tracking: where the faces of a video are, who is who, and which cuts begin new scenes.

Detection in a whole frame costs some hundred times as much as tracking a face. Faces that a
detection finds anew are tracked back through the frames before it, so that the frames between two
detections miss none of them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.boxes import Box
from fercli.common.images import ImageArray
from fercli.recognition.face_search import NO_BOXES, SAME_FACE, Boxes, overlap, without_duplicates
from fercli.recognition.options import VIDEO_FACE, VIDEO_SIDE
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import Face
from fercli.recognition.sources.frames import Frame

#: How long a lost face is tracked at its last box, in seconds.
LOST_SECONDS = 0.5


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
        self._known: dict[Box, float] = {}

    def is_due(self, seconds: float) -> bool:
        """Whether faces are to be detected in the frame of this time."""
        # Half a frame of grace at 100 frames a second: times are rounded.
        return seconds - self._detected >= self._interval - 0.005 or seconds < self._detected

    def reset(self) -> None:
        """Forget all faces: the next frame is of another scene."""
        self._known = {}
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
            before = [box for box, seen in self._known.items()]
            found.append(self._detect(frames[-1]))
            self._track_back(frames[:-1], found, _unlike(found[-1], before))
        if self._recognizer.options.largest:
            return [boxes[np.argsort(-boxes[:, 2])][:1] for boxes in found]
        return found

    def _track(self, frame: Frame) -> Boxes:
        """Track the known faces of the frame before."""
        found: dict[Box, float] = {}
        lost: dict[Box, float] = {}
        for box, seen in self._known.items():
            near = self._recognizer.track(frame.gray, box)
            if len(near):
                found[_as_box(near[0])] = frame.seconds
            elif frame.seconds - seen <= LOST_SECONDS:
                lost[box] = seen
        boxes = without_duplicates(_as_boxes(found))
        self._known = {_as_box(box): frame.seconds for box in boxes} | lost
        return boxes

    def _detect(self, frame: Frame) -> Boxes:
        """Detect faces, and track the known ones that are not among them."""
        self._detected = frame.seconds
        quick = self._interval > 0
        detected = self._recognizer.detect(
            frame.gray, side=VIDEO_SIDE, least=VIDEO_FACE, quick=quick
        )
        known = self._known
        self._known = {box: known[box] for box in map(_as_box, _unlike(_as_boxes(known), detected))}
        tracked = self._track(frame)
        boxes = without_duplicates(np.concatenate([detected, tracked]))
        lost = {box: seen for box, seen in self._known.items() if seen < frame.seconds}
        self._known = {_as_box(box): frame.seconds for box in boxes} | lost
        return boxes

    def _track_back(self, frames: Sequence[Frame], found: list[Boxes], new: Boxes) -> None:
        """Track faces that are new in the last frame back through those before, and add them."""
        for at in reversed(range(len(frames))):
            near = [self._recognizer.track(frames[at].gray, _as_box(box)) for box in new]
            new = _unlike(np.concatenate([NO_BOXES, *near]), found[at])
            if not len(new):
                return
            found[at] = without_duplicates(np.concatenate([found[at], new]))


def _unlike(boxes: Boxes, others: Sequence[Box] | Boxes) -> Boxes:
    """Return the boxes that are not of a face of one of others."""
    if not len(others):
        return boxes
    compared = np.asarray(others, np.int32).reshape(-1, 4)
    kept = [box for box in boxes if overlap(box, compared).max() <= SAME_FACE]
    return np.array(kept, np.int32).reshape(-1, 4)


def _as_box(box: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Box:
    x, y, width, height = box.tolist()
    return x, y, width, height


def _as_boxes(boxes: dict[Box, float]) -> Boxes:
    return np.array(list(boxes), np.int32).reshape(-1, 4)


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
        small = cv2.resize(gray, SIZE_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= small.mean()
        last, self._last = self._last, small
        if last is None:
            return False
        strength = float(np.linalg.norm(last)) * float(np.linalg.norm(small))
        # Frames of one gray have no structure to compare.
        return strength > 0 and float((last * small).sum()) < LEAST_LIKE * strength


# Identities: faces of successive frames by person, each person's expression smoothed.
#
# A face belongs to the person whose last box is nearest and of similar size. Probabilities are
# smoothed by an exponential mean over time, boxes the more the less they move, so that a still
# face does not tremble and a moving one is not left behind (the idea of Casiez, Roussel and
# Vogel, "1€ filter", CHI 2012).


#: A face farther from a person's last box, in sides of the face, is another person.
FARTHEST = 0.7
#: A face whose side is more times that of the person's last one is another person.
SIZES = 1.7
#: How long a person is remembered, and drawn, after being seen last, in seconds; where frames are
#: far apart, a person is remembered for so many of their intervals.
REMEMBERED, DRAWN, INTERVALS = 2.0, 0.25, 3

#: Intervals between frames that tell how far apart they are.
RECENT = 4
#: Smoothing of boxes: the share of a step that is taken at once, and how it grows with the step.
STILL, MOVING = 0.3, 6.0


@dataclass
class _Person:
    number: int
    box: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    seen: float


class Identities:
    """The people of one video.

    Parameters
    ----------
    name : callable
        Returns the label of smoothed probabilities.
    smooth : float
        Time constant in seconds; 0 for none.
    """

    def __init__(self, name: Callable[[NDArray[np.float32]], str], smooth: float) -> None:
        self._name = name
        self._smooth = smooth
        self._people: list[_Person] = []
        self._count = 0
        self._updated = math.nan
        self._intervals: deque[float] = deque(maxlen=RECENT)

    def update(
        self, seconds: float, boxes_xywh: Boxes, probabilities: NDArray[np.float32]
    ) -> tuple[Face, ...]:
        """Return the faces of the next frame by person, those just lost included.

        Parameters
        ----------
        seconds : float
            The frame's time.
        boxes_xywh : ndarray of int32, shape (n, 4)
        probabilities : ndarray of float32, shape (n, classes)
        """
        if not math.isnan(self._updated):
            self._intervals.append(seconds - self._updated)
        self._updated = seconds
        # The least of some: one gap among frames that come quickly is no time lapse.
        memory = max(REMEMBERED, INTERVALS * min(self._intervals, default=0.0))
        self._people = [one for one in self._people if 0 <= seconds - one.seen <= memory]
        matches = _match(boxes_xywh, [one.box for one in self._people])
        for at, (box, answer) in enumerate(zip(boxes_xywh, probabilities, strict=True)):
            if at in matches:
                self._move(self._people[matches[at]], seconds, box, answer)
            else:
                self._add(seconds, box, answer)
        return tuple(
            self._face(one, one.seen == seconds)
            for one in self._people
            if seconds - one.seen <= DRAWN
        )

    def reset(self) -> None:
        """Forget all people, but not how many there were: the next frame is of another scene."""
        self._people = []

    def _add(self, seconds: float, box: NDArray[np.int32], answer: NDArray[np.float32]) -> None:
        self._count += 1
        self._people.append(_Person(self._count, box.astype(np.float64), answer, seconds))

    def _move(
        self, one: _Person, seconds: float, box: NDArray[np.int32], answer: NDArray[np.float32]
    ) -> None:
        step = box - one.box
        passed, one.seen = seconds - one.seen, seconds
        if not self._smooth:
            one.box, one.probabilities = one.box + step, answer
            return
        one.box = one.box + step * min(STILL + MOVING * float(np.abs(step).max()) / box[2], 1.0)
        share = np.float32(1 - math.exp(-passed / self._smooth))
        one.probabilities = one.probabilities + share * (answer - one.probabilities)

    def _face(self, one: _Person, seen: bool) -> Face:
        x, y, width, height = np.rint(one.box).astype(int).tolist()
        return Face(
            (x, y, width, height),
            one.probabilities,
            self._name(one.probabilities),
            one.number,
            seen,
        )


def _match(boxes: Boxes, people: list[NDArray[np.float64]]) -> dict[int, int]:
    """Assign boxes to people, nearest pairs first, each at most once."""
    pairs = sorted(
        (distance, at, person)
        for at, box in enumerate(boxes)
        for person, last in enumerate(people)
        if (distance := _distance(box, last)) <= FARTHEST
    )
    matches: dict[int, int] = {}
    for _, at, person in pairs:
        if at not in matches and person not in matches.values():
            matches[at] = person
    return matches


def _distance(box: NDArray[np.int32], last: NDArray[np.float64]) -> float:
    """Return the distance of centers in mean sides; infinite for too different sizes."""
    small, large = sorted((float(box[2]), float(last[2])))
    if large > SIZES * small:
        return math.inf
    dx, dy = box[:2] + box[2:] / 2 - last[:2] - last[2:] / 2
    return math.hypot(dx, dy) / ((small + large) / 2)
