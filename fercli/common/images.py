"""Images: files to arrays and back, with every way to fail named.

OpenCV decodes what it can, Pillow the rest (HEIC through pillow-heif). Whatever a file holds comes
out as 8 bits, upright and opaque; where that took an assumption, a note says which.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import ImageError
from fercli.common.files import VIDEO_EXTENSIONS, atomic_write, input_error
from fercli.common.parallel import carry_notes, current_notes

ImageArray = NDArray[np.uint8]

#: An image of more pixels is refused before it is decoded: 256 megapixels.
MOST_PIXELS = 1 << 28

#: The largest values of integer pixels of 8, 10, 12, 14 and 16 bits, and of fractions.
INTEGER_LIMITS, FLOAT_LIMITS = (255, 1023, 4095, 16_383, 65_535), (1, 255)

#: Pixels that use less of the range of their kind are scaled by the range that they use.
LEAST_RANGE = 0.25

#: Bytes from a file's beginning that tell its format and whether it may be animated.
HEADER_BYTES = 1 << 16

#: Transparent parts are shown on this.
WHITE = 255

if "OPENCV_LOG_LEVEL" not in os.environ:  # what cannot be decoded is named by an ImageError
    getattr(cv2.utils, "logging", cv2).setLogLevel(0)  # 4.10 has it in cv2 itself


def read_gray(path: Path, notes: list[str] | None = None) -> ImageArray:
    """Return an image file as gray levels.

    EXIF orientation is applied, and colors are converted by `to_gray`.

    Parameters
    ----------
    path : Path
    notes : list of str, optional
        Gets a text for each assumption that was made: pixels of more than 8 bits scaled by their
        range, transparent parts shown on white, the first of several frames taken, a suffix that
        does not fit the content. `IMAGE_NOTES` counts them for the whole run besides.

    Returns
    -------
    ndarray of uint8, shape (height, width)

    Raises
    ------
    ImageError
        The file is missing, a folder, unreadable, empty, truncated, not an image or larger
        than `MOST_PIXELS`.
    """
    return to_gray(_read(path, notes))


def read_gray_alpha(path: Path) -> tuple[ImageArray, ImageArray | None]:
    """Return an image file as gray levels and opacity, the one not mixed with the other.

    Returns
    -------
    gray : ndarray of uint8, shape (height, width)
        The gray levels, also of transparent pixels.
    alpha : ndarray of uint8, shape (height, width), or None
        The opacity of each pixel, 255 for opaque; None where all are opaque.

    Raises
    ------
    ImageError
        As `read_gray`.
    """
    data = _content(path)
    name = content_kind(data)[1]
    _refuse_unusable(data, name, path)
    rgba = _if_transparent(data, name, _upright_rgba) if _is_transparent(data, name) else None
    if rgba is None:
        return read_gray(path), None
    return to_gray(np.ascontiguousarray(rgba[:, :, 2::-1])), rgba[:, :, 3].copy()


def read_color(path: Path, notes: list[str] | None = None) -> ImageArray:
    """Return an image file as blue, green and red; the rest as `read_gray`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), in cv2's order (BGR)
    """
    return _colored(_read(path, notes))


def decode_color(data: bytes, notes: list[str] | None = None) -> ImageArray:
    """Return an image whose file was read already; result and errors as `read_color`."""
    return _colored(_decode(data, None, notes))


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

    Raises
    ------
    ImageError
        It is no such array: cv2 would take values from 0 to 1 for black.
    """
    _require_pixels(image)
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def _require_pixels(image: object) -> None:
    """Raise `ImageError` for what is no array of gray levels or of BGR, which callers may give."""
    if not isinstance(image, np.ndarray):
        found = "None" if image is None else f"{type(image).__name__}"
        hint = "give what cv2.imread returns; that is None where it cannot read the file"
    elif image.dtype != np.uint8:
        found = f"{image.dtype}"
        hint = "scale the values to 0 … 255 and convert them: image.astype(np.uint8)"
    elif not image.size or (image.ndim != 2 and image.shape[2:] != (3,)):
        found = f"the shape {image.shape}"
        hint = "take the two dimensions of a gray image, or the three channels of a color image"
    else:
        return
    raise ImageError(
        f"Expected an array of uint8, of shape (height, width) or (height, width, 3), got {found}",
        hint=hint,
    )


def resize(image: ImageArray, size_wh: tuple[int, int]) -> ImageArray:
    """Return an image at another size: averaged where it becomes smaller, else interpolated."""
    height, width = image.shape[:2]
    if (width, height) == size_wh:
        return image
    smaller = size_wh[0] * size_wh[1] < width * height
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_wh, interpolation=method), np.uint8)


def digest_of(image: ImageArray) -> bytes:
    """Return a digest of an image's size and pixels."""
    content = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    content.update(np.ascontiguousarray(image).data)
    return content.digest()


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
            f"Expected the suffix of an image format, got {path.suffix!r}",
            hint="use a name that ends in .png or .jpg",
            path=path,
        )
    try:
        done, data = cv2.imencode(path.suffix, image)
    except cv2.error:  # some releases raise what others answer with False
        done = False
    if not done:
        height, width = image.shape[:2]
        raise ImageError(
            f"An image of {width} × {height} pixels cannot be written as {path.suffix}",
            hint="use a name that ends in .png",
            path=path,
        )
    return data.tobytes()


# What was assumed


class ImageNotes:
    """Counts the assumptions made about images, for the report at the end of a run."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[Path, str]] = {}
        self._lock = threading.Lock()

    def add(self, path: Path, kind: str, detail: str) -> None:
        """Take in an assumption about an image; one read twice counts once.

        Parameters
        ----------
        path : Path
        kind : str
            What was assumed, the same for all images that it was assumed of.
        detail : str
            What was found in this one.
        """
        self.merge({kind: {path: detail}})

    def take(self) -> list[str]:
        """Return a line for each kind of assumption with the number of images, and forget them."""
        with self._lock:
            paths, self._paths = self._paths, {}
        return _note_lines(paths)

    def lines(self) -> list[str]:
        """Return the lines of `take` without forgetting anything."""
        with self._lock:
            return _note_lines(self._paths)

    def merge(self, paths: Mapping[str, Mapping[Path, str]]) -> None:
        """Take in assumptions by kind and image."""
        current = current_notes(__name__)
        with self._lock:
            known = self._paths if current is None else current
            for kind, images in paths.items():
                known.setdefault(kind, {}).update(images)


def _note_lines(paths: Mapping[str, Mapping[Path, str]]) -> list[str]:
    lines = []
    for kind, images in paths.items():
        (path, detail), count = next(iter(images.items())), len(images)
        first = f"{path}: {detail}"
        lines.append(f"{first}: {kind}" if count == 1 else f"{count} images: {kind}; {first}")
    return lines


#: The assumptions of this process.
IMAGE_NOTES = ImageNotes()
carry_notes(__name__, IMAGE_NOTES)

#: Takes the kind of an assumption and what was found.
_Note = Callable[[str, str], None]


def _note_to(path: Path | None, notes: list[str] | None) -> _Note:
    def note(kind: str, detail: str) -> None:
        if notes is not None:
            notes.append(f"{detail}: {kind}")
        if path is not None:
            IMAGE_NOTES.add(path, kind, detail)

    return note


# Formats


def content_kind(data: bytes) -> tuple[str, str]:
    """Return what a file holds by its first bytes.

    Parameters
    ----------
    data : bytes
        The file's beginning, 64 bytes at least if it has so many.

    Returns
    -------
    kind : {"image", "video", "other", ""}
        "" for what is not known.
    name : str
        The format's name, such as "PNG"; "" for what is not known.
    """
    for kind, name, begins in _SIGNATURES:
        if data.startswith(begins):
            return kind, name
    if data[:4] == b"RIFF":
        return {b"WEBP": ("image", "WebP"), b"AVI ": ("video", "AVI")}.get(data[8:12], ("", ""))
    if data[4:8] == b"ftyp":
        return _iso_kind(data)
    if data[:1] == b"P" and data[1:2] in b"1234567" and data[2:3].isspace():
        return "image", "PNM"
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "other", "HTML"
    return "", ""


#: The formats that a suffix may stand for; others are not checked.
_BY_SUFFIX = {
    ".apng": ("PNG",), ".avif": ("AVIF",), ".bmp": ("BMP",), ".dib": ("BMP",), ".gif": ("GIF",),
    ".heic": ("HEIC",), ".heif": ("HEIC", "AVIF"), ".hif": ("HEIC", "AVIF"),
    ".j2k": ("JPEG 2000",), ".jp2": ("JPEG 2000",), ".jfif": ("JPEG",), ".jpe": ("JPEG",),
    ".jpeg": ("JPEG",), ".jpg": ("JPEG",), ".mpo": ("JPEG",), ".pbm": ("PNM",), ".pgm": ("PNM",),
    ".png": ("PNG",), ".pnm": ("PNM",), ".ppm": ("PNM",), ".tif": ("TIFF",), ".tiff": ("TIFF",),
    ".webp": ("WebP",), **dict.fromkeys(VIDEO_EXTENSIONS, ()),
}  # fmt: skip

#: Kind, name and possible beginnings of files.
_SIGNATURES = (
    ("image", "JPEG", (b"\xff\xd8\xff",)),
    ("image", "PNG", (b"\x89PNG\r\n\x1a\n",)),
    ("image", "GIF", (b"GIF87a", b"GIF89a")),
    ("image", "BMP", (b"BM",)),
    ("image", "TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("image", "JPEG 2000", (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    ("video", "Matroska", (b"\x1a\x45\xdf\xa3",)),
    ("video", "Ogg", (b"OggS",)),
    ("video", "MPEG", (b"\0\0\1\xba", b"\0\0\1\xb3")),
    ("video", "Flash video", (b"FLV\1",)),
    ("other", "PDF", (b"%PDF-",)),
    ("other", "ZIP", (b"PK\3\4",)),
    ("other", "a Git LFS pointer", (b"version https://git-lfs",)),
)

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def _iso_kind(data: bytes) -> tuple[str, str]:
    """Return the kind of a file of boxes (ISO/IEC 14496-12) by its brands."""
    end = min(int.from_bytes(data[:4], "big"), len(data))
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    if data[8:12] in _AVIF_BRANDS | _HEIC_BRANDS:
        return "image", "AVIF" if brands & _AVIF_BRANDS else "HEIC"
    return "video", "QuickTime" if data[8:12] == b"qt  " else "MP4"


def may_be_animated(data: bytes) -> bool:
    """Whether an image may have frames that are shown one after the other, by its first bytes."""
    return _may_be_animated(data, content_kind(data)[1])


def _may_be_animated(data: bytes, name: str) -> bool:
    return (
        name == "GIF"
        or (name == "PNG" and b"acTL" in _png_begin(data))
        or (name == "WebP" and data[12:16] == b"VP8X" and _flag(data, 20, 2))
        or (name == "AVIF" and b"avis" in data[8:64])
    )


def frame_count(data: bytes) -> int:
    """Return how many frames or pages an image file holds; 1 if that cannot be told."""
    return _frame_count(data, content_kind(data)[1])


def _frame_count(data: bytes, name: str) -> int:
    if name not in ("TIFF", "HEIC") and not _may_be_animated(data, name):
        return 1
    try:
        with _pillow_open(data, name) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # Pillow's plug-ins raise what they like; the decoder will say what is wrong
        return 1


def _flag(data: bytes, at: int, bit: int) -> bool:
    return len(data) > at and bool(data[at] & bit)


def _png_begin(data: bytes) -> bytes:
    """Return what comes before the pixels of a PNG, if need be cut."""
    end = data.find(b"IDAT")
    return data[: end if end >= 0 else HEADER_BYTES]


# Reading


def _colored(image: ImageArray) -> ImageArray:
    return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image


def _read(path: Path, notes: list[str] | None) -> ImageArray:
    """Return an image as gray or BGR, as it is."""
    return _decode(_content(path), path, notes)


def _content(path: Path) -> bytes:
    try:
        if path.is_fifo():  # reading would wait for a writer for ever
            raise ImageError("Expected an image, got a pipe", path=path)
        with path.open("rb", buffering=0) as file:
            return file.readall()
    except ValueError as error:
        raise ImageError(f"Expected an image, got the name {path.name[:40]!r}") from error
    except OSError as error:
        found = input_error(error, path, wanted="an image")
        raise ImageError(found.message, path=path) from error


def _decode(data: bytes, path: Path | None, notes: list[str] | None) -> ImageArray:
    name = content_kind(data)[1]
    _refuse_unusable(data, name, path)
    note = _note_to(path, notes)
    image: Any = None
    if _is_transparent(data, name):
        image = _if_transparent(data, name, partial(_pillow_pixels, note=note))
    if image is None and name not in ("HEIC", "AVIF"):  # cv2 does not turn AVIF upright
        image = _decode_with_cv2(data, path)
    if image is None:
        image = _decode_with_pillow(data, name, path, note)
    if path is not None and name and name not in _BY_SUFFIX.get(path.suffix.lower(), (name,)):
        note("read by its content", f"is {name}, although its name ends in {path.suffix}")
    frames = _frame_count(data, name)
    if frames > 1:
        note("the first alone is read", f"holds {frames} frames or pages")
    return _as_8_bits(image, path, note)


def _refuse_unusable(data: bytes, name: str, path: Path | None) -> None:
    """Raise for files that decoders answer with noise, an abort or all of the memory."""
    if not data:
        raise ImageError("Expected an image, got an empty file", path=path)
    if (name == "JPEG" and data.rfind(b"\xff\xd9", _jpeg_scan(data)) < 0) or (
        name == "PNG" and data.rfind(b"IEND") < 0
    ):
        raise ImageError("The image is truncated: its end is missing", path=path)
    if len(data) > 24 and name == "PNG":
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
        _refuse_huge(width, height, path)


def _jpeg_scan(data: bytes) -> int:
    """Return where the scan of a JPEG begins, behind the thumbnail, which has an end of its own."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        # Between segments there may be bytes to fill up (ITU-T T.81, B.1.1.2).
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def _refuse_huge(width: int, height: int, path: Path | None) -> None:
    if width * height > MOST_PIXELS:
        raise ImageError(
            f"Expected at most {MOST_PIXELS >> 20} megapixels, got {width} × {height}",
            hint="use a smaller copy",
            path=path,
        )


def _is_transparent(data: bytes, name: str) -> bool:
    """Whether an image may have transparent parts, as far as its beginning tells."""
    if name == "PNG":
        return data[25:26] in (b"\4", b"\6") or b"tRNS" in _png_begin(data)
    if name == "WebP":
        return data[12:16] == b"VP8L" or (data[12:16] == b"VP8X" and _flag(data, 20, 16))
    return name in ("GIF", "TIFF", "JPEG 2000")


def _decode_with_cv2(data: bytes, path: Path | None) -> NDArray[Any] | None:
    """Return an image of any depth; None if cv2 cannot decode it."""
    pixels = np.frombuffer(data, np.uint8)
    try:
        image = cv2.imdecode(pixels, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
        if image is None and content_kind(data)[1] == "TIFF":  # gray floats are read so alone
            image = cv2.imdecode(pixels, cv2.IMREAD_UNCHANGED)
        return image
    except cv2.error as error:
        raise ImageError(f"The image cannot be decoded: {error.err}", path=path) from error


def _if_transparent(
    data: bytes, name: str, pixels_of: Callable[[Any], NDArray[Any]]
) -> ImageArray | None:
    """Return the pixels of an image with transparent parts; None if it has none.

    None is also for what Pillow cannot decode: cv2 may.
    """
    try:
        with _pillow_open(data, name) as image:
            if not image.has_transparency_data or _is_opaque(image.convert("RGBA")):
                return None
            return np.asarray(pixels_of(image), np.uint8)
    except Exception:  # Pillow's plug-ins raise what they like
        return None


def _upright_rgba(image: Any) -> NDArray[Any]:
    from PIL import ImageOps

    return np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))


def _decode_with_pillow(data: bytes, name: str, path: Path | None, note: _Note) -> NDArray[Any]:
    """Return an image of any depth that cv2 cannot decode, or not upright."""
    try:
        with _pillow_open(data, name) as image:
            _refuse_huge(image.width, image.height, path)
            return _pillow_pixels(image, note)
    except ImageError as error:
        raise ImageError(error.message, hint=error.hint, path=path) from error
    except Exception as error:  # Pillow's plug-ins raise what they like
        raise ImageError(_undecodable(data, error), path=path) from error


def _pillow_open(data: bytes, name: str) -> Any:
    """Return Pillow's image of a file.

    Raises
    ------
    ImageError
        It is HEIC, and pillow-heif is missing.
    Exception
        Pillow cannot read it.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")
    if name == "HEIC":
        register_heic()
    return Image.open(io.BytesIO(data))


def register_heic() -> None:
    """Let Pillow open HEIC images.

    Raises
    ------
    ImageError
        pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(
            "A HEIC image needs the library pillow-heif, which is not installed",
            hint="pip install pillow-heif",
        ) from error
    pillow_heif.register_heif_opener(thumbnails=False)


def white_background(image: Any, note: _Note | None = None) -> Any:
    """Return one of Pillow's images with white in place of what is transparent.

    The colors of an image without any opaque pixel are kept: its opacity means nothing.
    """
    from PIL import Image

    if not image.has_transparency_data:
        return image
    colors = image.convert("RGBA")
    opacity = np.asarray(colors.getchannel("A"))
    if opacity.min() == 255:
        return colors
    if not opacity.any():
        if note is not None:
            note("its colors are read as if it were opaque", "is transparent everywhere")
        return colors
    if note is not None:
        note("they are shown on white", "has transparent parts")
    white = Image.new("RGBA", colors.size, (WHITE, WHITE, WHITE, 255))
    return Image.alpha_composite(white, colors)


def _pillow_pixels(image: Any, note: _Note) -> NDArray[Any]:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):  # 16 or 32 bits
        return np.asarray(upright)
    if upright.has_transparency_data:
        upright = white_background(upright, note)
    pixels = np.asarray(upright.convert("L" if upright.mode in ("1", "L") else "RGB"))
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, ::-1])


def _is_opaque(image: Any) -> bool:
    return bool(image.getchannel("A").getextrema()[0] == 255)


def _undecodable(data: bytes, error: Exception) -> str:
    kind, name = content_kind(data)
    if kind == "image":
        reason = str(error).strip().split("\n")[0]
        known = "" if not reason or "cannot identify" in reason else f" ({reason})"
        return f"The {name} image is damaged or truncated{known}"
    found = f"its content is {name}" if name else "neither OpenCV nor Pillow can decode it"
    return f"The file is not an image: {found}"


# 8 bits


def _as_8_bits(image: NDArray[Any], path: Path | None, note: _Note) -> ImageArray:
    """Return pixels of any depth as 0 … 255.

    Values from 0 are taken for those of the least usual depth that holds them (`INTEGER_LIMITS`,
    `FLOAT_LIMITS`). Others, and those that use less than `LEAST_RANGE` of it, are scaled so that
    the least becomes 0 and the greatest 255.
    """
    if image.dtype == np.uint8:
        return image
    finite = image[np.isfinite(image)]
    if not finite.size:
        raise ImageError("The image has no pixel with a finite value", path=path)
    low, high = float(finite.min()), float(finite.max())
    limits = INTEGER_LIMITS if image.dtype.kind in "iu" else FLOAT_LIMITS
    bottom, top = 0.0, float(next((limit for limit in limits if high <= limit), limits[-1]))
    if low < 0 or high > top or 0 < high - low < LEAST_RANGE * top:
        bottom, top = low, high
    if (bottom, top) != (0, INTEGER_LIMITS[-1]) or image.dtype != np.uint16:
        found = f"{8 * image.dtype.itemsize}-bit pixels from {low:.6g} to {high:.6g}"
        note("scaled to 8 bits", f"{found}, taken as {bottom:.6g} … {top:.6g}")
    scale = 255 / (top - bottom) if top > bottom else 0.0
    clean = np.nan_to_num(image.astype(np.float32), nan=low, posinf=high, neginf=low)
    return np.asarray(np.rint((clean - bottom) * scale), np.uint8)
