"""Images: files to arrays and back, with every way to fail named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import ImageError
from fercli.common.files import atomic_write, input_error

ImageArray = NDArray[np.uint8]

#: An image of more pixels is refused before it is decoded: 256 megapixels.
MOST_PIXELS = 1 << 28


def read_gray(path: Path) -> ImageArray:
    """Return an image file as gray levels.

    EXIF orientation is applied, and colors are converted by `to_gray`.

    Returns
    -------
    ndarray of uint8, shape (height, width)

    Raises
    ------
    ImageError
        The file is missing, a folder, unreadable, empty, truncated, not an image or larger
        than `MOST_PIXELS`.
    """
    return to_gray(_read(path, cv2.IMREAD_ANYCOLOR))


def read_color(path: Path) -> ImageArray:
    """Return an image file as blue, green and red; errors and orientation as `read_gray`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), in cv2's order (BGR)
    """
    return _read(path, cv2.IMREAD_COLOR)


def decode_color(data: bytes) -> ImageArray:
    """Return an image whose file was read already; result and errors as `read_color`."""
    return _decode(data, cv2.IMREAD_COLOR, None)


def to_gray(image: ImageArray) -> ImageArray:
    """Return an image in gray levels: the one conversion of all commands.

    Weights are those of ITU-R BT.601, by ``cv2.cvtColor``, whether the image comes from a file
    or is an array: a cascade sees the same gray levels in training, evaluation and use.
    A decoder that is asked for gray (``IMREAD_GRAYSCALE``, as in ``opencv_createsamples`` and
    ``opencv_traincascade``) gives others, by 1 for PNG and by a few for JPEG, whose luma it
    takes as it is: nobody could have them of a frame or an array.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width) or (height, width, 3)
        Gray, which is returned as it is, or in cv2's order of colors (BGR).

    Returns
    -------
    ndarray of uint8, shape (height, width)
    """
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def resize(image: ImageArray, size_wh: tuple[int, int]) -> ImageArray:
    """Return an image at another size: averaged where it becomes smaller, else interpolated."""
    height, width = image.shape[:2]
    if (width, height) == size_wh:
        return image
    smaller = size_wh[0] * size_wh[1] < width * height
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_wh, interpolation=method), np.uint8)


def write_image(path: Path, image: ImageArray, *, overwrite: bool = False) -> None:
    """Write an image in the format of the name's suffix, whole or not at all.

    Raises
    ------
    ImageError
        cv2 knows no such format, or the format does not take the image: it is too wide, or has
        colors.
    OutputError
        The file exists already or cannot be written.
    """
    data = _encoded(path, image)
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


def _encoded(path: Path, image: ImageArray) -> bytes:
    if not cv2.haveImageWriter(path.suffix):
        raise ImageError(
            f"wanted the suffix of an image format, found {path.suffix!r}",
            hint="a name that ends in .png or .jpg",
            path=path,
        )
    try:
        done, data = cv2.imencode(path.suffix, image)
    except cv2.error:  # some releases raise what others answer with False
        done = False
    if not done:
        height, width = image.shape[:2]
        raise ImageError(
            f"{width} × {height} pixels cannot be written as {path.suffix}",
            hint="a name that ends in .png",
            path=path,
        )
    return data.tobytes()


def _read(path: Path, flags: int) -> ImageArray:
    try:
        if path.is_fifo():  # reading would wait for a writer for ever
            raise ImageError("wanted an image, found a pipe", path=path)
        data = path.read_bytes()
    except ValueError as error:
        raise ImageError(f"wanted an image, found the name {path.name[:40]!r}") from error
    except OSError as error:
        found = input_error(error, path, wanted="an image")
        raise ImageError(found.message, path=path) from error
    return _decode(data, flags, path)


def _decode(data: bytes, flags: int, path: Path | None) -> ImageArray:
    _refuse_unusable(data, path)
    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"cannot be decoded: {error.err}", path=path) from error
    if image is None:
        image = _read_with_pillow(data, path)
    return image  # type: ignore[no-any-return]


def _refuse_unusable(data: bytes, path: Path | None) -> None:
    """Raise for files that decoders answer with noise, an abort or all of the memory."""
    if not data:
        raise ImageError("wanted an image, found an empty file", path=path)
    truncated = (data[:2] == b"\xff\xd8" and data.rfind(b"\xff\xd9") < 0) or (
        data[:4] == b"\x89PNG" and data.rfind(b"IEND") < 0
    )
    if truncated:
        raise ImageError("wanted a whole image, found a truncated one", path=path)
    if len(data) > 24 and data[:4] == b"\x89PNG":
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
        _refuse_huge(width, height, path)


def _refuse_huge(width: int, height: int, path: Path | None) -> None:
    if width * height > MOST_PIXELS:
        raise ImageError(
            f"wanted at most {MOST_PIXELS >> 20} megapixels, found {width} × {height}",
            hint="a smaller copy",
            path=path,
        )


def _read_with_pillow(data: bytes, path: Path | None) -> ImageArray:
    """Decode what cv2 cannot, such as GIF in older versions."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            _refuse_huge(*image.size, path)
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except ImageError:
        raise
    except Exception as error:  # Pillow's plug-ins raise what they like
        raise ImageError(
            "wanted an image, found a file that neither OpenCV nor Pillow can decode", path=path
        ) from error
    return np.ascontiguousarray(pixels[:, :, ::-1])
