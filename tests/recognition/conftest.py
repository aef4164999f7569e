"""Videos made in code: a face that moves (scikit-image's astronaut), tones, matrices."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import Face
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.video_file import VideoFile

#: Where her face is in `portrait`, roughly: x, y, side.
FACE = (68, 60, 90)


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return Recognizer()


def shifted(image: np.ndarray, dx: int) -> np.ndarray:
    """An image moved to the right, its edge repeated."""
    return cv2.warpAffine(
        image,
        np.float32([[1, 0, dx], [0, 1, 0]]),
        image.shape[1::-1],
        borderMode=cv2.BORDER_REPLICATE,
    )


@pytest.fixture(scope="session")
def make_video(portrait) -> Callable[..., Path]:
    """Write a video: ``make_video(path, images, sound=True)``; by default a face that moves."""

    def make(path: Path, images=None, *, rate=20, sound=False, pixel_aspect=1) -> Path:
        if images is None:
            images = [shifted(portrait, 2 * at) for at in range(24)]
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.sample_aspect_ratio = pixel_aspect
            voice = container.add_stream("aac", rate=16000) if sound else None
            for image in images:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if voice is not None:
                tone = np.sin(np.arange(16000 * len(images) // rate) / 8).astype(np.float32)
                heard = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
                heard.sample_rate = 16000
                container.mux(voice.encode(heard))
                container.mux(voice.encode(None))
        return path

    return make


@pytest.fixture(scope="session")
def video(make_video, tmp_path_factory) -> Path:
    """24 frames of a face that moves, 20 a second, with sound."""
    return make_video(tmp_path_factory.mktemp("videos") / "a face.mp4", sound=True)


@pytest.fixture(scope="session")
def read_video() -> Callable[..., tuple[list[Frame], list[str]]]:
    """Return the frames of a part of a video, and its problems."""

    def read(path: Path, **part: float) -> tuple[list[Frame], list[str]]:
        with VideoFile(path) as video:
            return list(video.frames(**part)), video.problems

    return read


@pytest.fixture(scope="session")
def with_matrix() -> Callable[..., bytes]:
    """Return a video's file with another matrix, without its shift, in its first track's header."""

    def change(content: bytes, a: int, b: int, c: int, d: int) -> bytes:
        changed = bytearray(content)
        at = changed.index(b"tkhd") + 4 + 4 + 36  # ISO/IEC 14496-12, 8.3.2
        values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
        changed[at : at + 36] = struct.pack(">9i", *values)
        return bytes(changed)

    return change


@pytest.fixture(scope="session")
def make_sounding() -> Callable[..., Path]:
    """Write a second of images with a tone, on a clock that begins at a time."""

    def make(path: Path, codec: str, rate: int, *, begin: int = 0, lasts: int = 1) -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            voice = container.add_stream(codec, rate=rate, layout="mono")
            gray = np.full((48, 64, 3), 90, np.uint8)
            for at in range(10):
                frame = av.VideoFrame.from_ndarray(gray, format="bgr24")
                frame.pts, frame.time_base = 10 * begin + at, Fraction(1, 10)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            tone = (8000 * np.sin(np.arange(lasts * rate) / 5)).astype(np.int16)
            for at in range(0, len(tone), 1024):
                heard = av.AudioFrame.from_ndarray(tone[None, at : at + 1024], "s16", "mono")
                heard.sample_rate, heard.time_base = rate, Fraction(1, rate)
                heard.pts = begin * rate + at
                container.mux(voice.encode(heard))
            container.mux(voice.encode(None))
        return path

    return make


@pytest.fixture(scope="session")
def make_face() -> Callable[..., Face]:
    """Make a face of three classes: ``make_face(label="angry", person=2)``."""

    def make(
        box=(10, 20, 30, 30), probabilities=(0.1, 0.7, 0.2), person=1, label="happy", seen=True
    ) -> Face:
        return Face(box, np.float32(probabilities), label, person, seen)

    return make
