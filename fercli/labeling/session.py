"""Work: what a person has said of one picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from fercli.annotations.base import Box

#: How far a picture is. Begun: it has boxes, but nobody has said that they are all.
State = Literal["unseen", "begun", "done", "negative"]


@dataclass(frozen=True)
class Work:
    """What a person has said of one picture.

    Parameters
    ----------
    boxes_xywh : tuple of (int, int, int, int)
        The boxes: x, y of the top-left pixel (from 0), width, height.
    ignored_xywh : tuple of (int, int, int, int)
        Boxes that count neither for nor against; in a review of false alarms, the detections that
        really are the object.
    negative : bool
        Whether the picture was said to hold no object. Boxes win over it.
    done : bool
        Whether the boxes are all that there are. Defaults to True, as in files of others.
    """

    boxes_xywh: tuple[Box, ...] = ()
    ignored_xywh: tuple[Box, ...] = ()
    negative: bool = False
    done: bool = True

    @property
    def state(self) -> State:
        """How far the picture is."""
        if self.boxes_xywh:
            return "done" if self.done else "begun"
        return "negative" if self.negative else "unseen"

    @property
    def content(self) -> tuple[object, ...]:
        """All but whether it is done: what files of boxes hold."""
        return self.boxes_xywh, self.ignored_xywh, self.negative

    def revision(self, name: str) -> str:
        """Return what changes with the content, and is another for a picture of another name.

        It is a digest rather than a count, so that it holds over a new start of the program and
        when a file is edited by hand.
        """
        content = repr((name, *self.content))
        return hashlib.blake2b(
            content.encode("utf-8", "surrogateescape"), digest_size=8
        ).hexdigest()
