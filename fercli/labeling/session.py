"""ImageAnnotation: what a person has said of one image."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fercli.annotations.base import Box
from fercli.common.errors import InputError
from fercli.common.files import parse_json, read_text, write_text

#: How far an image is. Begun: it has boxes, but nobody has said that they are all.
State = Literal["unseen", "begun", "done", "negative"]


@dataclass(frozen=True)
class ImageAnnotation:
    """What a person has said of one image.

    Parameters
    ----------
    boxes_xywh : tuple of (int, int, int, int)
        The boxes: x, y of the top-left pixel (from 0), width, height.
    ignored_xywh : tuple of (int, int, int, int)
        Boxes that count neither for nor against; in a review of false alarms, the detections that
        really are the object.
    negative : bool
        Whether the image was said to hold no object. Boxes win over it.
    done : bool
        Whether the boxes are all that there are. Defaults to True, as in files of others.
    """

    boxes_xywh: tuple[Box, ...] = ()
    ignored_xywh: tuple[Box, ...] = ()
    negative: bool = False
    done: bool = True

    @property
    def state(self) -> State:
        """How far the image is."""
        if self.boxes_xywh:
            return "done" if self.done else "begun"
        return "negative" if self.negative else "unseen"

    @property
    def content(self) -> tuple[object, ...]:
        """All but whether it is done: what files of boxes hold."""
        return self.boxes_xywh, self.ignored_xywh, self.negative

    def revision(self, name: str) -> str:
        """Return what changes with the content, and is another for an image of another name.

        It is a digest rather than a count, so that it holds over a new start of the program and
        when a file is edited by hand.
        """
        content = repr((name, *self.content))
        return hashlib.blake2b(
            content.encode("utf-8", "surrogateescape"), digest_size=8
        ).hexdigest()


# The progress file: what the formats of boxes have no place for.
#
# Beside ``info.dat`` lies ``info.dat.progress.json``: which images were left with unfinished
# boxes, and how large images are. The boxes themselves are in the file that it is named after,
# and there alone.


@dataclass
class ProgressFile:
    """What is in a progress file; images by their name in the folder.

    Parameters
    ----------
    path : Path
    begun : set of str
        Images whose boxes are not all drawn.
    sizes_wh : dict of str to (int, int)
        Sizes of images that were opened.
    known : bool
        Whether there was such a file: the boxes beside it are then fer's own.
    """

    path: Path
    begun: set[str] = field(default_factory=set)
    sizes_wh: dict[str, tuple[int, int]] = field(default_factory=dict)
    known: bool = False

    def write(self) -> None:
        """Write the file, whole or not at all."""
        content = {"begun": sorted(self.begun), "sizes": self.sizes_wh}
        write_text(self.path, json.dumps(content) + "\n", overwrite=True)
        self.known = True


def progress_of(out: Path) -> ProgressFile:
    """Return the progress beside an output; an empty one if there is none.

    Raises
    ------
    InputError
        The file is not one of fer's.
    """
    path = out.with_name(f"{out.name}.progress.json")
    if not path.exists():
        return ProgressFile(path)
    try:
        content = parse_json(read_text(path))
        begun = {str(name) for name in content["begun"]}
        sizes = {str(name): (int(w), int(h)) for name, (w, h) in content["sizes"].items()}
    except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError) as error:
        raise InputError(
            "The file is not the progress of an annotation",
            hint="remove it; it only tells which images are unfinished",
            path=path,
        ) from error
    return ProgressFile(path, begun, sizes, known=True)
