"""Readers of images and videos."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from fercli.common.errors import FerError
from scripts.fuzz.reader import MB, Reader
from scripts.fuzz.targets.corpus import encoded, texture

WIDTH, HEIGHT, FRAMES = 64, 48, 10
#: Formats by suffix, with the codec of each.
VIDEOS = {"mp4": "libx264", "avi": "mjpeg", "mkv": "mpeg4", "ts": "mpeg2video"}


@cache
def images() -> tuple[bytes, ...]:
    """Return small images of all usual formats, gray and in color."""
    by_cv2 = [
        encoded(suffix, color=color)
        for suffix in (".png", ".jpg", ".bmp", ".webp", ".tiff", ".pgm", ".ppm")
        for color in ((True,) if suffix in (".webp", ".ppm") else (False, True))
        if not (suffix == ".pgm" and color)
    ]
    return (*by_cv2, *_by_pillow())


def _by_pillow() -> list[bytes]:
    from PIL import Image

    image = Image.fromarray(texture(1, 24, 20))
    turned = Image.Exif()
    turned[0x0112] = 6
    found = []
    for form, options in (
        ("GIF", {}),
        ("GIF", {"save_all": True, "append_images": [image.rotate(90)]}),
        ("JPEG", {"exif": turned, "progressive": True}),
        ("PNG", {"bits": 4}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ):
        stream = io.BytesIO()
        image.save(stream, form, **options)
        found.append(stream.getvalue())
    return found


@cache
def video(form: str) -> bytes:
    """Return a short video."""
    import av

    stream = io.BytesIO()
    name = {"ts": "mpegts", "mkv": "matroska"}.get(form, form)
    with av.open(stream, "w", format=name) as container:
        track = container.add_stream(VIDEOS[form], rate=25)
        track.width, track.height = WIDTH, HEIGHT
        track.pix_fmt = "yuvj420p" if VIDEOS[form] == "mjpeg" else "yuv420p"
        for at in range(FRAMES):
            image = np.dstack([np.roll(texture(1, WIDTH, HEIGHT), at, 1)] * 3)
            container.mux(track.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(track.encode(None))
    return stream.getvalue()


def _read_image(folder: Path) -> object:
    """Read an image both ways, and tell what it is by its content."""
    from fercli.common.images import read_color, read_gray
    from fercli.recognition.sources.inputs import find_inputs

    path = folder / "image.gif"
    find_inputs([str(path)])
    try:
        gray = read_gray(path)
    except FerError:
        read_color(path)
        raise
    assert gray.ndim == 2
    color = read_color(path)
    assert color.shape == (*gray.shape, 3)
    return color


def _read_video(folder: Path) -> object:
    from fercli.recognition.sources.video_file import VideoFile

    with VideoFile(folder / "video") as opened:
        for at, frame in enumerate(opened.frames()):
            assert frame.gray.shape == frame.color.shape[:2]
            if at > 3 * FRAMES:
                break
        return opened.problems


def _classify_video(folder: Path) -> object:
    """Do as ``fer serve`` does with a video, in this process."""
    from fercli.common.progress import SILENT
    from fercli.models.model_card import ModelSettings
    from fercli.web.worker import classify_video

    job = folder / "job"
    shutil.rmtree(job, ignore_errors=True)
    job.mkdir()
    shutil.copyfile(folder / "upload", job / "video")
    task = {
        "cascade": None,
        "model": "ferplus",
        "recognition": {},
        "model_settings": asdict(ModelSettings()),
        "bars": True,
    }
    here = Path.cwd()
    try:
        return classify_video({**task, "folder": str(job), "pixels": 9_000_000}, SILENT)
    finally:
        os.chdir(here)


READERS = (
    Reader("images", "image.gif", images, _read_image, share=8, memory=1200 * MB),
    *(
        Reader(f"video, .{form}", "video", lambda form=form: [video(form)], _read_video, share=0.5,
               memory=512 * MB)
        for form in VIDEOS
    ),
    Reader("video of a job", "upload", lambda: [video("mp4"), video("avi")], _classify_video,
           share=0.03, memory=1024 * MB),
)  # fmt: skip
