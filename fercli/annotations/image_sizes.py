"""Sizes of images as fer decodes them, upright; from their headers where that is certain."""

from __future__ import annotations

import warnings
from pathlib import Path

from fercli.common.images import read_gray

#: EXIF's tag of the orientation.
ORIENTATION = 0x0112


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image, upright.

    Raises
    ------
    ImageError
        The image cannot be read.
    """
    found = _from_header(path) if path.suffix.lower() in (".jpg", ".jpeg", ".png") else None
    if found is not None:
        return found
    height, width = read_gray(path).shape
    return width, height


def has_exif(path: Path) -> bool:
    """Whether a file begins as a JPEG with EXIF, as cameras write it; quick."""
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        return False
    try:
        with path.open("rb") as file:
            return b"Exif" in file.read(64)
    except OSError:
        return False


def exif_orientation(path: Path) -> int:
    """Return the EXIF orientation of an image, 1 to 8; 1 if there is none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                value = image.getexif().get(ORIENTATION)
    except Exception:  # Pillow's plug-ins raise what they like
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _from_header(path: Path) -> tuple[int, int] | None:
    """Return the size that the header of a JPEG or PNG tells; None if it takes the pixels."""
    from PIL import Image

    try:
        with path.open("rb") as file:
            begin = file.read(1 << 16)
        if b"eXIf" in begin and begin.startswith(b"\x89PNG"):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.format not in ("JPEG", "PNG"):
                    return None
                width, height = image.size
                turned = image.format == "JPEG" and image.getexif().get(ORIENTATION, 1) >= 5
    except Exception:  # Pillow's plug-ins raise what they like; reading the image names it
        return None
    return (height, width) if turned else (width, height)
