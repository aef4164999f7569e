"""What the sets of images have in common: photographs to read, files to write."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from fercli.cascade.downloads import skimage_file
from fercli.common.images import ImageArray, write_image

Box = tuple[int, int, int, int]


class ImageWriter:
    """Writes images below a folder and counts them by subfolder.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        Whether existing files may be replaced.
    """

    def __init__(self, folder: Path, overwrite: bool) -> None:
        self._folder = folder
        self._overwrite = overwrite
        self.counts: Counter[str] = Counter()

    def write(self, name: str, image: ImageArray) -> None:
        """Write one image; `name` is relative to the folder."""
        write_image(self._folder / name, image, overwrite=self._overwrite)
        self.counts[name.rpartition("/")[0] or "."] += 1


def read_photograph(name: str) -> ImageArray:
    """Return a photograph of scikit-image's as gray levels, shape (height, width).

    By Pillow, which prints no warning about unusual color profiles.
    """
    with Image.open(skimage_file(name)) as image:
        return np.array(image.convert("L"))
