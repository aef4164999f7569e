"""Decoding: from an entry of a source to the picture that goes into the tree."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from fercli.common.errors import InputError, PictureError
from fercli.common.images import Picture, read_colour, read_grey
from fercli.datasets.entries import Entry

#: No face can be told in fewer pixels; data sets have such files by mistake.
LEAST_SIDE = 8

Channels = Literal["keep", "grey", "colour"]


def read_entry(entry: Entry, size_wh: tuple[int, int] | None, channels: Channels) -> Picture:
    """Return the picture of an entry, cut and scaled.

    Raises
    ------
    PictureError
        It cannot be decoded or is too small.
    InputError
        Its text in a table is not that of a picture.
    """
    if isinstance(entry.picture, bytes):
        picture = _from_text(entry)
    elif channels == "grey":
        picture = read_grey(entry.picture)
    else:
        picture = read_colour(entry.picture)
    height, width = picture.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise PictureError(
            f"wanted a side of at least {LEAST_SIDE} pixels, found {width} × {height}",
            path=entry.picture if isinstance(entry.picture, Path) else None,
        )
    if entry.box_xywh is not None:
        picture = cut(picture, entry.box_xywh)
    if size_wh is not None:
        picture = fit(picture, size_wh)
    return _to_channels(picture, channels)


def cut(picture: Picture, box_xywh: tuple[int, int, int, int]) -> Picture:
    """Return the part of a picture in a box; what lies outside of the picture is left off.

    Raises `PictureError` if next to nothing is left.
    """
    x, y, width, height = box_xywh
    part = picture[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    if min(part.shape[:2]) < LEAST_SIDE:
        raise PictureError(f"wanted a face in the picture, found the box {box_xywh} outside of it")
    return part


def fit(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    """Return a picture cut about its centre to the shape of `size_wh`, and scaled to it."""
    width, height = size_wh
    scale = min(picture.shape[1] / width, picture.shape[0] / height)
    inner_w, inner_h = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (picture.shape[1] - inner_w) // 2, (picture.shape[0] - inner_h) // 2
    inner = picture[top : top + inner_h, left : left + inner_w]
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(inner, size_wh, interpolation=how), np.uint8)


def grey_if_it_is(picture: Picture) -> Picture:
    """Return a picture as (height, width) if none of its pixels has a colour, else as it is."""
    if picture.ndim == 3 and (picture[:, :, :1] == picture).all():
        return np.ascontiguousarray(picture[:, :, 0])
    return picture


def _to_channels(picture: Picture, channels: Channels) -> Picture:
    if picture.ndim == 2:
        return np.repeat(picture[:, :, None], 3, axis=2) if channels == "colour" else picture
    return grey_if_it_is(picture) if channels == "keep" else picture


def _from_text(entry: Entry) -> Picture:
    assert isinstance(entry.picture, bytes)
    width, height = entry.size_wh
    try:
        levels = bytes(map(int, entry.picture.split()))
    except ValueError as error:
        raise InputError(
            f"wanted grey levels from 0 to 255: {error}", path=entry.source_file, line=entry.line
        ) from error
    if len(levels) != width * height:
        raise InputError(
            f"wanted {width * height} grey levels ({width} × {height}), found {len(levels)}",
            hint="download it again if it is truncated",
            path=entry.source_file,
            line=entry.line,
        )
    return np.frombuffer(levels, np.uint8).reshape(height, width)
