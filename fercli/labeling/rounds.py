"""Rounds of suggestions: a quick training each, and what became of the boxes that it suggested.

What was suggested is kept; what had to be corrected is counted anew from the boxes as they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fercli.cascade.evaluation.matching import IouRule, match
from fercli.common.boxes import Box
from fercli.common.errors import InputError
from fercli.common.files import parse_json, read_text, write_text


@dataclass
class Round:
    """A training, and what it suggested.

    Parameters
    ----------
    label : str
        The class; "" where there is only one.
    boxes, images : int
        What it was trained on.
    stages : int
    seconds : float
    threshold : float
        From which score on detections are suggested at first.
    shown : dict of str to list of boxes
        What was suggested in images that were finished afterwards, by their name.
    """

    label: str
    boxes: int
    images: int
    stages: int
    seconds: float
    threshold: float
    shown: dict[str, list[Box]] = field(default_factory=dict)


@dataclass(frozen=True)
class Corrections:
    """What became of suggestions.

    Parameters
    ----------
    images : int
        Images that were finished.
    right, corrected, added, deleted : int
        Boxes taken as suggested, moved or resized, drawn by hand, and suggestions that were none.
    """

    images: int
    right: int
    corrected: int
    added: int
    deleted: int


def compare(shown: Sequence[Box], boxes: Sequence[Box]) -> tuple[int, int, int, int]:
    """Return how many boxes are right, corrected, added and deleted in one image.

    A suggestion that is moved so far that it overlaps what it was by less than half (intersection
    over union) counts as deleted, and what it became as added.
    """
    verdicts = match(shown, boxes, IouRule(0.5))
    pairs = [(shown[at], boxes[to]) for at, to in enumerate(verdicts) if to >= 0]
    right = sum(tuple(one) == tuple(other) for one, other in pairs)
    return right, len(pairs) - right, len(boxes) - len(pairs), len(shown) - len(pairs)


def write_rounds(path: Path, rounds: Sequence[Round]) -> None:
    """Write a list of rounds, whole or not at all."""
    content = {"rounds": [asdict(each) for each in rounds]}
    write_text(path, json.dumps(content) + "\n", overwrite=True)


def read_rounds(path: Path) -> list[Round]:
    """Return the rounds in a file, none if there is no file.

    Raises
    ------
    InputError
        The file is not one of fer's.
    """
    if not path.exists():
        return []
    try:
        return [_round(each) for each in parse_json(read_text(path))["rounds"]]
    except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError) as error:
        raise InputError(
            "The file is not the list of rounds of an annotation",
            hint="remove it; it only tells how good earlier suggestions were",
            path=path,
        ) from error


def _round(entry: Any) -> Round:
    shown = {
        str(name): [(int(x), int(y), int(w), int(h)) for x, y, w, h in boxes]
        for name, boxes in entry["shown"].items()
    }
    return Round(
        str(entry["label"]), int(entry["boxes"]), int(entry["images"]), int(entry["stages"]),
        float(entry["seconds"]), float(entry["threshold"]), shown,
    )  # fmt: skip
