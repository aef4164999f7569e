"""Uploads: images and videos of a request, checked before they are decoded."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Request
from werkzeug.datastructures import FileStorage

from fercli.common.errors import ImageError
from fercli.common.files import output_error
from fercli.common.images import (
    MOST_PIXELS,
    ImageArray,
    content_kind,
    decode_color,
    register_heic,
)
from fercli.common.tables import counted
from fercli.web.http_errors import HttpError

if TYPE_CHECKING:
    from fercli.web.app import Limits

#: Formats of images that are taken, by their name here, with that of Pillow.
IMAGES = {
    "JPEG": "JPEG", "PNG": "PNG", "GIF": "GIF", "BMP": "BMP", "WebP": "WEBP", "AVIF": "AVIF",
    "HEIC": "HEIF",
}  # fmt: skip

#: How files of videos begin: MP4 and QuickTime, Matroska and WebM, AVI, Ogg, MPEG. No text formats:
#: FFmpeg also opens playlists, and then the files and addresses that they name.
VIDEOS = (
    b"....ftyp", b"....moov", b"....mdat", b"....wide", b"....free", b"....skip",
    b"\x1a\x45\xdf\xa3", b"RIFF....AVI ", b"OggS", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3",
)  # fmt: skip

#: Most scans of a progressive JPEG, of which usual ones have ten: each decodes all pixels again.
MOST_SCANS = 64

#: The longest side of an image: that of JPEG.
LONGEST_SIDE = 65_500

ANY = ord(".")
SYNC, PACKET = b"G", 188


def images_of(request: Request, limits: Limits) -> list[bytes]:
    """Return the images of a request, checked for format and size but not decoded.

    They are the files of a form, or the body itself.

    Raises
    ------
    HttpError
        400: there are none or too many; 413, 415, 422: one cannot be used.
    RequestEntityTooLarge
        There are too many bytes.
    """
    request.max_content_length = limits.image_bytes
    files = _files(request)
    found = [file.read() for file in files] if files else [request.get_data()]
    if not files and not found[0]:
        raise HttpError(400, "Expected an image, got an empty request",
                      hint="send a form with files, or the file as the body")  # fmt: skip
    if len(found) > limits.images:
        raise HttpError(
            400, f"Expected at most {counted(limits.images, 'image')}, got {len(found)}"
        )
    for number, data in enumerate(found, 1):
        _refuse_unusable(data, limits.image_pixels, _which(number, found))
    return found


def decode(data: bytes, which: str = "", notes: list[str] | None = None) -> ImageArray:
    """Return an image as blue, green, red, upright.

    Raises
    ------
    HttpError
        422: it is damaged.
    """
    try:
        return decode_color(data, notes)
    except ImageError as error:
        raise HttpError(422, which + error.message) from error


def decode_each(images: Sequence[bytes], number: int, notes: list[str] | None = None) -> ImageArray:
    """Return the image of that number, from 1 on, of several; errors as `decode`."""
    return decode(images[number - 1], _which(number, images), notes)


def save_video(request: Request, path: Path, limits: Limits) -> None:
    """Write the video of a request, a file of a form or the body, to a path.

    Raises
    ------
    HttpError
        400: there is none; 415: it is not a video; 507: the disk is full.
    RequestEntityTooLarge
        There are too many bytes.
    """
    request.max_content_length = limits.video_bytes
    files = _files(request)
    stream = files[0].stream if files else request.stream
    begin = stream.read(2 * PACKET)
    if not begin:
        raise HttpError(400, "Expected a video, got an empty request",
                      hint="send a form with a file, or the file as the body")  # fmt: skip
    if not _is_video(begin):
        raise HttpError(415, "This is not an MP4, QuickTime, Matroska, WebM, AVI, Ogg or "
                      "MPEG video")  # fmt: skip
    try:
        with path.open("wb") as file:
            file.write(begin)
            shutil.copyfileobj(stream, file, 1 << 20)
    except OSError as error:
        raise HttpError(507, output_error(error, path).message) from error


def _files(request: Request) -> list[FileStorage]:
    """Return the files of a form; none if the body is not a form."""
    if request.mimetype != "multipart/form-data":
        return []
    return [file for _, file in request.files.items(multi=True)]


def _refuse_unusable(data: bytes, most_pixels: int, which: str) -> None:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    kind = content_kind(data)[1]
    if kind not in IMAGES:
        *others, last = IMAGES
        names = f"{', '.join(others)} or {last}"
        raise HttpError(415, f"{which}This is not a {names} image")
    try:
        if kind == "HEIC":
            register_heic()
        with Image.open(io.BytesIO(data), formats=[IMAGES[kind]]) as image:
            width, height = image.size
    except ImageError as error:
        raise HttpError(415, which + error.message) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(which, most_pixels, "more") from error
    except Exception as error:  # Pillow's plug-ins raise what they like
        raise HttpError(422, f"{which}The {kind} image is damaged") from error
    if max(width, height) > LONGEST_SIDE:
        raise HttpError(
            413,
            f"{which}Expected sides of at most {LONGEST_SIDE} pixels, got {width} × {height}",
            hint="use a smaller copy",
        )
    if kind == "JPEG" and data.count(b"\xff\xda") > MOST_SCANS:
        raise HttpError(422, f"{which}The JPEG image has more than {MOST_SCANS} scans")
    if width * height > most_pixels:
        raise _too_large(which, most_pixels, f"{width} × {height}")


def _too_large(which: str, most_pixels: int, found: str) -> HttpError:
    most = most_pixels / 1e6
    return HttpError(
        413, f"{which}Expected at most {most:g} megapixels, got {found}", hint="use a smaller copy"
    )


def _which(number: int, images: Sequence[bytes]) -> str:
    return f"image {number} of {len(images)}: " if len(images) > 1 else ""


def _is_video(begin: bytes) -> bool:
    if begin[:1] == SYNC:  # MPEG transport stream: one byte before each packet
        return begin[PACKET : PACKET + 1] == SYNC
    return _begins(begin, VIDEOS)


def _begins(data: bytes, patterns: Sequence[bytes]) -> bool:
    """Whether data begins like one of the patterns, in which a dot stands for any byte."""
    return any(
        len(data) >= len(pattern)
        and all(p in (ANY, byte) for p, byte in zip(pattern, data, strict=False))
        for pattern in patterns
    )
