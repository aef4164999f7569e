"""Identities: faces of successive frames by person, each person's expression smoothed.

A face belongs to the person whose last box is nearest and of similar size. One that is near nobody
may be a person who was seen before: who looks most alike, if alike enough. Probabilities are
smoothed by an exponential mean over time, boxes the more the less they move, so that a still face
does not tremble and a moving one is not left behind (the idea of Casiez, Roussel and Vogel,
"1€ filter", CHI 2012).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.images import to_gray
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
    described: float = -math.inf


class Identities:
    """The people of one video.

    Parameters
    ----------
    name : callable
        Returns the label of smoothed probabilities.
    smooth : float
        Time constant in seconds; 0 for none.
    appearance : bool
        Whether a person is known again by the look of the face: after a cut, behind something, or
        when coming back. Defaults to False.
    """

    def __init__(
        self,
        name: Callable[[NDArray[np.float32]], str],
        smooth: float,
        *,
        appearance: bool = False,
    ) -> None:
        self._name = name
        self._smooth = smooth
        self._gallery = Gallery() if appearance else None
        self._people: list[_Person] = []
        self._count = 0
        self._updated = math.nan
        self._intervals: deque[float] = deque(maxlen=RECENT)

    def update(
        self,
        seconds: float,
        boxes_xywh: Boxes,
        probabilities: NDArray[np.float32],
        crops: NDArray[np.uint8] | None = None,
    ) -> tuple[Face, ...]:
        """Return the faces of the next frame by person, those just lost included.

        Parameters
        ----------
        seconds : float
            The frame's time.
        boxes_xywh : ndarray of int32, shape (n, 4)
        probabilities : ndarray of float32, shape (n, classes)
        crops : ndarray of uint8, shape (n, height, width, channels), optional
            The faces; needed where people are known by appearance.
        """
        last, self._updated = self._updated, seconds
        if not math.isnan(last):
            self._intervals.append(seconds - last)
        # The least of some: one gap among frames that come quickly is no time lapse.
        memory = max(REMEMBERED, INTERVALS * min(self._intervals, default=0.0))
        self._people = [one for one in self._people if 0 <= seconds - one.seen <= memory]
        matches = _match(boxes_xywh, [one.box for one in self._people])
        present = {
            at: self._people[person]
            for at, person in matches.items()
            if not self._is_other(self._people[person], last, at, crops)
        }
        known = self._known_again(crops, {at: one.number for at, one in present.items()})
        for at, (box, answer) in enumerate(zip(boxes_xywh, probabilities, strict=True)):
            if at in present:
                self._move(present[at], seconds, box, answer)
            else:
                present[at] = self._add(seconds, box, answer, known.get(at))
        self._describe(seconds, crops, present)
        self._people.sort(key=lambda one: one.number)
        return tuple(
            self._face(one, one.seen == seconds)
            for one in self._people
            if seconds - one.seen <= DRAWN
        )

    def _is_other(
        self, one: _Person, last: float, at: int, crops: NDArray[np.uint8] | None
    ) -> bool:
        """Whether a face looks like somebody else than who was there.

        Only where the person was out of sight in the `last` frame, and not just lost.
        """
        if self._gallery is None or crops is None or last - one.seen <= DRAWN:
            return False
        return self._gallery.similarity(one.number, describe(crops[at])) < UNLIKE

    def _known_again(
        self, crops: NDArray[np.uint8] | None, present: dict[int, int]
    ) -> dict[int, int]:
        """Return the numbers of people who are known by the look of faces that are near nobody."""
        if self._gallery is None or crops is None:
            return {}
        new = [at for at in range(len(crops)) if at not in present]
        looks = [describe(crops[at]) for at in new]
        return {new[at]: who for at, who in self._gallery.find(looks, present.values()).items()}

    def _describe(
        self, seconds: float, crops: NDArray[np.uint8] | None, present: dict[int, _Person]
    ) -> None:
        """Remember now and then how those who are present look."""
        if self._gallery is None or crops is None:
            return
        for at, one in present.items():
            if seconds - one.described >= DESCRIBED_EVERY:
                self._gallery.add(one.number, describe(crops[at]))
                one.described = seconds

    def reset(self) -> None:
        """Forget where people are: the next frame is of another scene."""
        self._people = []

    def _add(
        self,
        seconds: float,
        box: NDArray[np.int32],
        answer: NDArray[np.float32],
        number: int | None,
    ) -> _Person:
        """Add a person, new or known again, whose old place is then forgotten."""
        if number is None:
            self._count += 1
            number = self._count
        person = _Person(number, box.astype(np.float64), answer, seconds)
        self._people = [*(one for one in self._people if one.number != number), person]
        return person

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


# Appearance: how people look, by the texture of their faces


#: A face is a known person's if one of the person's looks is so similar: 1 is the same. Where a
#: person was before being out of sight, one that is less similar than the other is somebody else's.
SIMILAR, UNLIKE = 0.82, 0.78

#: Looks of a person that are kept, and people whose looks are; how often a look is taken, in
#: seconds.
LOOKS, GALLERY, DESCRIBED_EVERY = 8, 100, 0.4

#: Side to which faces are resized for their description, and cells across and down.
SIDE, CELLS = 48, 4

#: Offsets of the eight neighbors, around the pixel.
NEIGHBORS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def _uniform_codes() -> NDArray[np.uint8]:
    """Return the bin of each pattern: those with at most two changes have their own."""
    changes = [(code ^ (code << 1 & 255 | code >> 7)).bit_count() for code in range(256)]
    uniform = np.array(changes) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, uniform.sum()).astype(np.uint8)


_BINS = _uniform_codes()


def describe(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how a face looks: histograms of its local binary patterns.

    See: Ahonen, Hadid and Pietikäinen, "Face description with local binary patterns", PAMI 2006.
    The product of two is their mean Bhattacharyya coefficient, 1 for the same.

    Parameters
    ----------
    crop : ndarray of uint8, shape (height, width, channels)

    Returns
    -------
    ndarray of float32, shape (CELLS² · 59,)
    """
    gray = crop[..., 0] if crop.shape[2] == 1 else to_gray(crop[..., ::-1])
    levels = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    levels = cv2.GaussianBlur(levels, (3, 3), 0)
    inner, codes = levels[1:-1, 1:-1], np.zeros((SIDE - 2, SIDE - 2), np.uint8)
    for bit, (down, across) in enumerate(NEIGHBORS):
        other = levels[1 + down : SIDE - 1 + down, 1 + across : SIDE - 1 + across]
        codes |= (other >= inner).astype(np.uint8) << bit
    cell = np.arange(SIDE - 2) * CELLS // (SIDE - 2)
    bins = int(_BINS.max()) + 1
    places = (cell[:, np.newaxis] * CELLS + cell) * bins + _BINS[codes]
    counts = np.bincount(places.ravel(), minlength=CELLS * CELLS * bins)
    look: NDArray[np.float32] = np.sqrt(counts / counts.sum()).astype(np.float32)
    return look


class Gallery:
    """The looks of people, those seen last; takes less than 4 MB."""

    def __init__(self) -> None:
        self._looks: dict[int, list[NDArray[np.float32]]] = {}

    def add(self, person: int, look: NDArray[np.float32]) -> None:
        """Add a look of a person, if need be in place of the most similar one."""
        looks = self._looks.pop(person, [])
        if len(looks) == LOOKS:
            looks.pop(int((np.stack(looks) @ look).argmax()))
        self._looks[person] = [*looks, look]
        if len(self._looks) > GALLERY:
            del self._looks[next(iter(self._looks))]

    def similarity(self, person: int, look: NDArray[np.float32]) -> float:
        """Return how similar a look is to the most similar one of a person; 1 is the same."""
        looks = self._looks.get(person)
        return float((np.stack(looks) @ look).max()) if looks else 0.0

    def find(self, looks: list[NDArray[np.float32]], present: Collection[int]) -> dict[int, int]:
        """Return the people of some looks by their index, the most similar first.

        Each person is found once, and nobody who is present.
        """
        pairs = sorted(
            (-self.similarity(person, look), at, person)
            for at, look in enumerate(looks)
            for person in self._looks
            if person not in present
        )
        found: dict[int, int] = {}
        for similarity, at, person in pairs:
            if -similarity < SIMILAR:
                break
            if at not in found and person not in found.values():
                found[at] = person
        return found
