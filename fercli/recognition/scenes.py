"""Scenes: where a film is cut, and nobody is where they were."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.images import Picture

#: Frames are compared at this width and height.
SIZE_WH = (32, 18)

#: Two frames that correlate less are of different scenes.
LEAST_LIKE = 0.5


class Scenes:
    """Tells a frame that begins a new scene. For frames in order."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def is_new(self, grey: Picture) -> bool:
        """Return whether a frame is unlike the one before; the first is not new."""
        small = cv2.resize(grey, SIZE_WH, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= small.mean()
        last, self._last = self._last, small
        if last is None:
            return False
        strength = float(np.linalg.norm(last)) * float(np.linalg.norm(small))
        # Frames of one grey have no structure to compare.
        return strength > 0 and float((last * small).sum()) < LEAST_LIKE * strength
