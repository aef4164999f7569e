"""Identities: assign faces of successive frames to people and smooth each person's expression.

A face belongs to the person whose last box is nearest and of similar size. Probabilities are
smoothed by an exponential mean over time, boxes the more the less they move, so that a still
face does not tremble and a moving one is not left behind (the idea of Casiez, Roussel and Vogel,
"1€ filter", CHI 2012).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fercli.recognition.face_search import Boxes
from fercli.recognition.results import Face

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
