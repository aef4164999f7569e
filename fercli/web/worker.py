"""The work on one video, in a process of its own: ``python -m fercli.web.worker``.

A file that breaks a decoder, or never ends, breaks or holds up nothing but this process, which the
server can end at any time. It reads the task from standard input as JSON and writes what it did so
far to standard output, a JSON object a line; the last holds ``summary`` or ``error``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from fercli.common.errors import FerError, VideoError
from fercli.common.progress import Bar, Progress
from fercli.models.model_card import ModelSettings
from fercli.recognition.classify import Classifying, Outputs, Result
from fercli.recognition.options import RecognitionOptions, VideoOptions
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.sources.inputs import Input
from fercli.recognition.sources.video_file import VideoFile

#: The video in the folder of its job, and what comes of it.
UPLOADED = "video"
VIDEO, TIMELINE, CSV, JSONL = "video.mp4", "timeline.png", "faces.csv", "faces.jsonl"

#: How politely the work stands back for pages and live views.
NICENESS = 10

#: Seconds between two lines about the progress.
INTERVAL = 0.2


class _Telling(Progress):
    """Progress as lines of JSON; a bar and the progress in one, since there is one bar."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = 0.0
        self._frames = 0
        self._total: float | None = None

    def bar(self, description: str, *, total: float | None = None, unit: str = "it") -> Bar:
        self._total = total
        self.advance(0)
        return self

    def __enter__(self) -> _Telling:
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
            say(self._stream, frames=self._frames, total=self._total)


def say(stream: TextIO, **values: Any) -> None:
    """Write a line; whoever is not listened to any more ends with BrokenPipeError."""
    stream.write(json.dumps(values) + "\n")
    stream.flush()


def classify_video(task: dict[str, Any], progress: Progress) -> Result:
    """Return what a video showed, its outputs written beside it.

    Parameters
    ----------
    task : dict
        ``folder``, which holds the video and gets the results; ``cascade``, ``network``,
        ``said``, ``recognition``: what a `Recognizer` is made of; ``pixels``: the most of a
        frame; ``bars``: whether drawn.
    progress : Progress

    Raises
    ------
    FerError
        The video is too large or is none, the disk is full, …
    """
    # By its bare name: results tell what was looked at, and where that is is nobody's affair.
    os.chdir(task["folder"])
    _refuse_large(Path(UPLOADED), task["pixels"])
    recognizer = Recognizer(
        Path(task["cascade"]) if task["cascade"] else None,
        task["network"],
        RecognitionOptions(**task["recognition"]),
        _settings(task["said"]),
    )
    outputs = Outputs(
        csv=Path(CSV),
        jsonl=Path(JSONL),
        save=Path(VIDEO),
        timeline=Path(TIMELINE),
        bars=task["bars"],
        empty=True,
    )
    run = Classifying(recognizer, VideoOptions(), outputs, progress=progress)
    (result,) = run.run([Input(UPLOADED, "video")])
    return result


def _settings(said: dict[str, Any]) -> ModelSettings:
    """Return what JSON has brought, where a tuple became a list."""
    size = said["size_wh"]
    return ModelSettings(**said | {"size_wh": tuple(size) if size else None})


def _refuse_large(path: Path, most_pixels: int) -> None:
    with VideoFile(path) as video:
        width, height = video.size_wh
    if width * height > most_pixels:
        raise VideoError(
            f"wanted frames of at most {most_pixels / 1e6:g} megapixels, found {width} × {height}",
            hint="a smaller copy",
        )


def _reason(error: FerError) -> str:
    return f"{error.message}; try: {error.hint}" if error.hint else error.message


def main() -> int:
    """Do the task on standard input."""
    os.nice(NICENESS)
    task = json.load(sys.stdin)
    try:
        result = classify_video(task, _Telling(sys.stdout))
    except FerError as error:
        say(sys.stdout, error=_reason(error))
        return 1
    if result.error or result.summary is None:
        say(sys.stdout, error=result.error.removeprefix(f"{UPLOADED}: "))
        return 1
    say(sys.stdout, summary=result.summary.to_dict(), notes=result.notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
