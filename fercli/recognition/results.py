"""A face, and a frame of a video with its faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.recognition.sources.frames import Frame

#: What a face is called whose most probable expression is below the threshold.
UNCLEAR = "unclear"


@dataclass(frozen=True)
class Face:
    """A face and what it shows.

    Parameters
    ----------
    box_xywh : tuple of 4 int
        In pixels of the picture; it may reach over the picture's edge by a little.
    probabilities : ndarray of float32, shape (classes,)
        In the order of the network's classes.
    label : str
        The most probable class, or `UNCLEAR`.
    person : int
        The number of the person, from 1 on: the same in all frames of a video. In a picture,
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

    def as_plain(self, classes: Sequence[str]) -> dict[str, Any]:
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
    analysed : bool
        False for a frame that was passed over (``every``); it carries the faces of the frame
        before, not seen.
    """

    frame: Frame
    faces: tuple[Face, ...]
    analysed: bool = True

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
