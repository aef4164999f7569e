"""Local binary patterns of blocks: all of a window's, in the order of ``opencv_traincascade``.

A feature is 3×3 equal blocks. Its code has a bit for each outer block, set where the block's sum
is at least that of the middle one.

See: S. Liao et al., "Learning multi-scale block local binary patterns for face recognition",
ICB 2007; OpenCV 3.4.18, ``apps/traincascade/lbpfeatures.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fercli.cascade.model import LbpFeature

#: How many codes there are.
CODES = 256


@dataclass(frozen=True)
class LbpFeatures:
    """Features of one window size, numbered as ``opencv_traincascade`` numbers them.

    Parameters
    ----------
    size_wh : tuple of 2 int
        The window.
    parts : ndarray of uint8, shape (n, 4)
        x, y, width and height of the first block of each.
    """

    size_wh: tuple[int, int]
    parts: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.parts)

    def feature(self, index: int) -> LbpFeature:
        """Return one as the cascade's file has it."""
        x, y, width, height = (int(value) for value in self.parts[index])
        return LbpFeature(x, y, width, height)


def lbp_features(size_wh: tuple[int, int]) -> LbpFeatures:
    """Return all features of a window: x outermost, then y, width and height of a block.

    3,969 of a 20×20 window, 8,464 of a 24×24 one.
    """
    width, height = size_wh
    x, y, w, h = np.ogrid[0:width, 0:height, 1 : width // 3 + 1, 1 : height // 3 + 1]
    parts = np.argwhere((x + 3 * w <= width) & (y + 3 * h <= height))
    parts[:, 2:] += 1
    return LbpFeatures(size_wh, parts.astype(np.uint8))
