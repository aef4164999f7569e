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

from fercli.common.errors import FerError, VideoError
from fercli.common.processes import lower_priority
from fercli.common.progress import Bar, Progress
from fercli.models.model_card import ModelSettings
from fercli.recognition.classify import ClassifyRun
from fercli.recognition.options import RecognitionOptions, VideoOptions
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import InputResult
from fercli.recognition.sinks.outputs import Outputs
from fercli.recognition.sources.inputs import Input
from fercli.recognition.sources.video_file import VideoFile

#: The video in the folder of its job, and its results.
UPLOADED = "video"
VIDEO, TIMELINE, CSV, JSONL = "video.mp4", "timeline.png", "faces.csv", "faces.jsonl"
SUMMARY = "summary.json"

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
        task["cascade"],
        task["model"],
        RecognitionOptions(**task["recognition"]),
        _settings(task["model_settings"]),
    )
    outputs = Outputs(
        csv=Path(CSV),
        jsonl=Path(JSONL),
        save=Path(VIDEO),
        timeline=Path(TIMELINE),
        summary=Path(SUMMARY),
        bars=task["bars"],
        empty=True,
    )
    run = ClassifyRun(
        recognizer, VideoOptions(), outputs, most_pixels=task["pixels"], progress=progress
    )
    (result,) = run.run([Input(UPLOADED, "video")])
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
