"""Boxes that an existing cascade finds: a first annotation, to be looked through by a person."""

from __future__ import annotations

from pathlib import Path

from fercli.annotations.base import Box
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import DEFAULTS, Detector
from fercli.common.images import ImageArray


class CascadeBoxes:
    """Finds objects with a cascade; may be called from several threads at once.

    Parameters
    ----------
    path : Path
        The cascade's file.
    options : DetectionOptions
        How images are searched. Defaults to ``detectMultiScale``'s way.

    Raises
    ------
    CascadeFileError
        The file is no cascade that a detector may load.
    """

    def __init__(self, path: Path, options: DetectionOptions = DEFAULTS) -> None:
        self._detector = Detector(path)
        self._options = options

    def __call__(self, image: ImageArray) -> tuple[Box, ...]:
        """Return the boxes in an image, from top to bottom and left to right."""
        found = self._detector.detect(image, self._options).boxes_xywh.tolist()
        return tuple(sorted((tuple(box) for box in found), key=lambda box: (box[1], box[0])))
