"""Animated images that FFmpeg cannot read (WebP, AVIF), read with Pillow as videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fercli.common.errors import VideoError
from fercli.common.images import HEAD, content_kind, white_background
from fercli.recognition.sources.frames import SQUARE, Frame

#: Formats that are read here; FFmpeg reads animated GIF and PNG.
FORMATS = ("WebP", "AVIF")

#: How long a frame without a duration is shown, in seconds, as browsers do.
DEFAULT_DURATION = 0.1


def is_animation(path: Path) -> bool:
    """Whether a file is an image of one of `FORMATS`."""
    with path.open("rb") as file:
        return content_kind(file.read(HEAD))[1] in FORMATS


class Animation:
    """An open animated image. A context manager; attributes as those of `VideoFile`.

    Parameters
    ----------
    path : Path

    Raises
    ------
    VideoError
        The file is unreadable or damaged.
    """

    live, has_sound, begin, sample_aspect_ratio = False, False, 0.0, SQUARE

    def __init__(self, path: Path) -> None:
        from PIL import Image

        self.path = path
        self.name = str(path)
        self.problems: list[str] = []
        try:
            self._image: Any = Image.open(path)
        except Exception as error:  # Pillow's plug-ins raise what they like
            raise VideoError("The animated image cannot be read", path=path) from error
        self.count = int(getattr(self._image, "n_frames", 1))
        self.size_wh = self._image.size
        self.seconds: float | None = None
        self.rate = 1 / self._duration()

    def __enter__(self) -> Animation:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._image.close()

    def frames(self) -> Iterator[Frame]:
        """Yield all frames; one that cannot be decoded ends them, and is named in `problems`."""
        seconds = 0.0
        for number in range(self.count):
            try:
                self._image.seek(number)
                pixels = np.asarray(white_background(self._image).convert("RGB"))
            except Exception as error:  # Pillow's plug-ins raise what they like
                self.problems.append(
                    f"Reading ended after {number} of {self.count} frames: {error}"
                )
                return
            duration = self._duration()
            color = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
            yield Frame(number, seconds, np.asarray(color, np.uint8), duration=duration)
            seconds += duration

    def _duration(self) -> float:
        return float(self._image.info.get("duration") or 1000 * DEFAULT_DURATION) / 1000
