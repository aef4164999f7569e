"""Process one video in a process of its own: ``python -m fercli.web.worker``.

A file that crashes a decoder or never ends affects this process alone, which the server can kill
at any time. The task comes as JSON on standard input; the progress goes to standard output as one
JSON object a line, the last with ``summary`` or ``error``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fercli.common.errors import FerError, VideoError
from fercli.common.images import ImageArray, resize, write_image
from fercli.common.processes import lower_priority
from fercli.common.progress import Bar, Progress
from fercli.models.model_card import ModelSettings
from fercli.recognition.classify import ClassifyRun
from fercli.recognition.options import RecognitionOptions, VideoOptions
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import FrameFaces, InputResult
from fercli.recognition.sinks.outputs import Outputs
from fercli.recognition.sources.inputs import Input
from fercli.recognition.sources.video_file import VideoFile

#: The video in the folder of its job, and its results.
UPLOADED = "video"
VIDEO, TIMELINE, CSV, JSONL = "video.mp4", "timeline.png", "faces.csv", "faces.jsonl"
PORTRAITS = "people.jpg"

#: Side of a portrait in pixels, portraits in a row of their image, and most of them.
SIDE, IN_A_ROW, MOST_PORTRAITS = 96, 16, 1024

#: Added to the niceness of the process, so that pages and live views come first.
NICENESS = 10

#: Seconds between two lines about the progress.
INTERVAL = 0.2


class _JsonProgress(Progress):
    """Progress as lines of JSON; also its own bar, since there is one alone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = 0.0
        self._frames = 0
        self._total: float | None = None

    def bar(self, description: str, *, total: float | None = None, unit: str = "it") -> Bar:
        self._total = total
        self.advance(0)
        return self

    def __enter__(self) -> _JsonProgress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._next = 0.0
        self.advance(0)

    def figures(self, text: str) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        self._frames += count
        now = time.monotonic()
        if now >= self._next:
            self._next = now + INTERVAL
            write_status(self._stream, frames=self._frames, total=self._total)


def write_status(stream: TextIO, **values: Any) -> None:
    """Write a line; raise BrokenPipeError once the server is gone."""
    stream.write(json.dumps(values) + "\n")
    stream.flush()


class Portraits:
    """The face of each person of a video, from the frame in which it is largest."""

    def __init__(self) -> None:
        self._faces: dict[int, tuple[int, ImageArray]] = {}

    def add(self, one: FrameFaces) -> None:
        """Keep the faces of a frame that are larger than before."""
        for face in one.found:
            x, y, width, height = face.box_xywh
            known = face.person in self._faces
            if known and width <= self._faces[face.person][0]:
                continue
            if known or len(self._faces) < MOST_PORTRAITS:
                part = one.frame.color[max(y, 0) : y + height, max(x, 0) : x + width]
                self._faces[face.person] = width, resize(part, (SIDE, SIDE))

    def save(self, path: Path) -> None:
        """Write the faces to one image, row by row in the order of their numbers, if there are any."""
        if not self._faces:
            return
        faces = [self._faces[person][1] for person in sorted(self._faces)]
        rows = -(-len(faces) // IN_A_ROW)
        blank = np.zeros((SIDE, SIDE, 3), np.uint8)
        faces += [blank] * (rows * IN_A_ROW - len(faces))
        grid = np.array(faces).reshape(rows, IN_A_ROW, SIDE, SIDE, 3)
        image = grid.transpose(0, 2, 1, 3, 4).reshape(rows * SIDE, IN_A_ROW * SIDE, 3)
        write_image(path, image)


def classify_video(task: dict[str, Any], progress: Progress) -> InputResult:
    """Classify a video and write the results beside it.

    Parameters
    ----------
    task : dict
        ``folder``, which holds the video and gets the results; ``cascade``, ``model``,
        ``model_settings``, ``recognition``: parameters of the `Recognizer`; ``pixels``: most
        pixels of a frame; ``bars``: whether they are drawn.
    progress : Progress

    Raises
    ------
    FerError
        The video is too large or is not a video, the disk is full, …
    """
    # Results show the name of the video: its bare name, not the path on the server.
    os.chdir(task["folder"])
    _refuse_large(Path(UPLOADED), task["pixels"])
    recognizer = Recognizer(
        Path(task["cascade"]) if task["cascade"] else None,
        task["model"],
        RecognitionOptions(**task["recognition"]),
        _settings(task["model_settings"]),
    )
    outputs = Outputs(
        csv=Path(CSV),
        jsonl=Path(JSONL),
        save=Path(VIDEO),
        timeline=Path(TIMELINE),
        bars=task["bars"],
        empty=True,
    )
    portraits = Portraits()
    run = ClassifyRun(
        recognizer,
        VideoOptions(),
        outputs,
        most_pixels=task["pixels"],
        on_frame=portraits.add,
        progress=progress,
    )
    (result,) = run.run([Input(UPLOADED, "video")])
    portraits.save(Path(PORTRAITS))
    return result


def _settings(values: dict[str, Any]) -> ModelSettings:
    """Return the settings of a model from JSON, where a tuple became a list."""
    size = values["size_wh"]
    return ModelSettings(**values | {"size_wh": tuple(size) if size else None})


def _refuse_large(path: Path, most_pixels: int) -> None:
    with VideoFile(path) as video:
        width, height = video.size_wh
    if width * height > most_pixels:
        raise VideoError(
            f"Expected frames of at most {most_pixels / 1e6:g} megapixels, got {width} × {height}",
            hint="use a smaller copy",
        )


def _reason(error: FerError) -> str:
    return f"{error.message}; try: {error.hint}" if error.hint else error.message


def main() -> int:
    """Run the task of standard input."""
    lower_priority(NICENESS)
    task = json.load(sys.stdin)
    try:
        result = classify_video(task, _JsonProgress(sys.stdout))
    except FerError as error:
        write_status(sys.stdout, error=_reason(error))
        return 1
    if result.error or result.summary is None:
        write_status(sys.stdout, error=result.error.removeprefix(f"{UPLOADED}: "))
        return 1
    write_status(sys.stdout, summary=result.summary.to_dict(), notes=result.notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
