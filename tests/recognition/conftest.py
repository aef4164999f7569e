"""A face that moves, made of scikit-image's astronaut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fercli.recognition.recognizer import Recognizer

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

    def make(path: Path, images=None, *, rate: int = 20, sound: bool = False) -> Path:
        if images is None:
            images = [shifted(portrait, 2 * at) for at in range(24)]
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = "yuv420p"
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
