"""A face, and a frame of a video with its faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.tables import format_table
from fercli.recognition.sources.frames import Frame

#: What a face is called whose most probable expression is below the threshold.
UNCLEAR = "unclear"


@dataclass(frozen=True)
class Face:
    """A face and what it shows.

    Parameters
    ----------
    box_xywh : tuple of 4 int
        In pixels of the image; it may reach over the image's edge by a little.
    probabilities : ndarray of float32, shape (classes,)
        In the order of the network's classes.
    label : str
        The most probable class, or `UNCLEAR`.
    person : int
        The number of the person, from 1 on: the same in all frames of a video. In an image,
        people are numbered from the largest face on.
    seen : bool
        False for a face that was not found in this frame but a moment before: it is drawn, so
        that boxes do not flicker, but never counted. Defaults to True.
    """

    box_xywh: tuple[int, int, int, int]
    probabilities: NDArray[np.float32]
    label: str
    person: int
    seen: bool = True

    @property
    def probability(self) -> float:
        """The probability of the most probable class."""
        return float(self.probabilities.max())

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return the face as plain values, for JSON."""
        numbers = (round(float(value), 6) for value in self.probabilities)
        return {
            "person": self.person,
            "box": list(self.box_xywh),
            "expression": self.label,
            "probabilities": dict(zip(classes, numbers, strict=True)),
        }


@dataclass(frozen=True)
class FrameFaces:
    """A frame of a video and its faces.

    Parameters
    ----------
    frame : Frame
    faces : tuple of Face
        In the order of their numbers.
    analyzed : bool
        False for a frame that was passed over (``every``); it carries the faces of the frame
        before, not seen.
    """

    frame: Frame
    faces: tuple[Face, ...]
    analyzed: bool = True

    @property
    def found(self) -> tuple[Face, ...]:
        """The faces that were found in this very frame."""
        return tuple(face for face in self.faces if face.seen)


def name_expression(
    probabilities: NDArray[np.float32], classes: Sequence[str], threshold: float
) -> str:
    """Return the most probable class, or `UNCLEAR` if its probability is below the threshold."""
    best = int(probabilities.argmax())
    return classes[best] if probabilities[best] >= threshold else UNCLEAR


# Summary: who was seen in a video, for how long, and what they showed.


#: People seen for less than this, in seconds, are counted but not listed.
BRIEF = 0.5


@dataclass
class PersonSummary:
    """A person in a video.

    Parameters
    ----------
    number : int
    first, last : float
        When first and last seen, in seconds.
    frames : int
        How many frames they were found in.
    expressions : Counter of str
        How many of these frames showed what.
    """

    number: int
    first: float
    last: float
    frames: int = 0
    expressions: Counter[str] = field(default_factory=Counter)

    def shares(self) -> dict[str, float]:
        """Return the share of the frames that showed each expression, the largest first."""
        return {name: count / self.frames for name, count in self.expressions.most_common()}


class Summary:
    """What a video showed, gathered frame by frame; its size depends on people alone.

    Attributes
    ----------
    frames, analyzed, with_faces, faces : int
        Frames read, looked at, with a face at least; and faces in all of them.
    people : dict of int to PersonSummary
    """

    def __init__(self) -> None:
        self.frames = self.analyzed = self.with_faces = self.faces = 0
        self.seconds = 0.0
        self.people: dict[int, PersonSummary] = {}

    def add(self, one: FrameFaces) -> None:
        """Take in a frame."""
        self.frames += 1
        self.analyzed += one.analyzed
        self.with_faces += bool(one.found)
        self.faces += len(one.found)
        self.seconds = one.frame.seconds
        for face in one.found:
            person = self.people.setdefault(
                face.person, PersonSummary(face.person, self.seconds, self.seconds)
            )
            person.last = self.seconds
            person.frames += 1
            person.expressions[face.label] += 1

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values, for JSON."""
        people = [
            {
                "person": one.number,
                "first_seconds": round(one.first, 3),
                "last_seconds": round(one.last, 3),
                "frames": one.frames,
                "expressions": {name: round(share, 4) for name, share in one.shares().items()},
            }
            for one in self.people.values()
        ]
        return {
            "frames": self.frames,
            "frames_analysed": self.analyzed,
            "frames_with_faces": self.with_faces,
            "faces": self.faces,
            "people": people,
        }

    def to_text(self, classes: Sequence[str]) -> str:
        """Return a table of people with the share of time each showed each expression."""
        people = list(self.people.values())
        listed = [one for one in people if one.last - one.first >= BRIEF] or people
        lines = [format_table(*_table(listed, classes))] if listed else []
        brief = len(people) - len(listed)
        if brief:
            lines.append(f"and {brief} seen for less than {BRIEF} s")
        without = self.analyzed - self.with_faces
        lines.append(
            f"{self.frames} frames, {self.analyzed} looked at: "
            f"{self.with_faces} with faces, {without} without"
        )
        return "\n".join(lines)


def _table(
    people: Sequence[PersonSummary], classes: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    shown = {name for one in people for name in one.expressions}
    columns = [*(name for name in classes if name in shown), *sorted(shown - set(classes))]
    headers = ["person", "from s", "to s", "frames", *columns]
    rows = [
        [
            str(one.number),
            f"{one.first:.1f}",
            f"{one.last:.1f}",
            str(one.frames),
            *(f"{one.expressions[name] / one.frames:.0%}" for name in columns),
        ]
        for one in people
    ]
    return headers, rows
