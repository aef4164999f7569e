"""Classifying: inputs of all kinds through a recognizer, into files, a window and results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any

from fercli.common.errors import InputError, OptionError, OutputError, image_errors
from fercli.common.files import atomic_write, require_absent
from fercli.common.images import ImageArray, read_color, write_image
from fercli.common.progress import SILENT, Bar, Progress
from fercli.common.tables import format_table
from fercli.recognition.options import VideoOptions
from fercli.recognition.pipeline import recognize_frames
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import Face, FrameFaces, Summary
from fercli.recognition.sinks.csv_jsonl import CsvRows, JsonLines
from fercli.recognition.sinks.outputs import OutputPaths, Outputs, Result, require_separate
from fercli.recognition.sinks.timeline import Timeline
from fercli.recognition.sinks.video_writer import VideoWriter
from fercli.recognition.sinks.window import Window
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.inputs import Input
from fercli.recognition.sources.live import Camera, Stream
from fercli.recognition.sources.video_file import VideoFile

__all__ = ["Classifying", "Outputs", "Result", "failed"]


class Classifying:
    """One run over some inputs.

    Parameters
    ----------
    recognizer : Recognizer
    options : VideoOptions
    outputs : Outputs
    workers : int, optional
        Images that are looked at at once. Defaults to all cores.
    attempts : int
        How often a stream that breaks off is tried again. Defaults to 10.
    stop : Event, optional
        Ends the run in good order when set: what was seen so far is written.
    progress : Progress
    """

    def __init__(
        self,
        recognizer: Recognizer,
        options: VideoOptions,
        outputs: Outputs,
        *,
        workers: int | None = None,
        attempts: int = 10,
        stop: Event | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._recognizer = recognizer
        self._options = options
        self._outputs = outputs
        self._workers = workers
        self._attempts = attempts
        self._stop = stop or Event()
        self._progress = progress
        self._rows: list[CsvRows | JsonLines] = []
        self._window: Window | None = None

    def run(self, inputs: Sequence[Input]) -> Iterator[Result]:
        """Yield the result of each input, images first; an unreadable one never ends the run.

        Raises
        ------
        OutputError
            A file exists already or cannot be written.
        OptionError
            The outputs do not suit the inputs.
        DependencyError
            There is no screen for a window.
        """
        places = self._places(inputs)
        with ExitStack() as stack:
            self._open_rows(stack)
            if self._outputs.show:
                self._window = stack.enter_context(Window())
            yield from self._run_images([one for one in inputs if one.kind == "image"], places)
            for one in inputs:
                if one.kind != "image" and not self._stop.is_set():
                    yield self._run_video(one, places)

    def _places(self, inputs: Sequence[Input]) -> OutputPaths:
        """Return where results go, after a look at whether they may."""
        outputs = self._outputs
        videos = [one for one in inputs if one.kind != "image"]
        if outputs.timeline is not None and not videos:
            raise OptionError("a timeline needs a video, a camera or a stream; found images alone")
        places = OutputPaths(inputs, outputs.save, outputs.timeline)
        named = (outputs.csv, outputs.jsonl, *places.all())
        paths = [path for path in named if path is not None]
        require_separate(inputs, paths)
        for path in paths:
            require_absent(path, overwrite=outputs.overwrite)
        return places

    def _open_rows(self, stack: ExitStack) -> None:
        for path, kind in ((self._outputs.csv, CsvRows), (self._outputs.jsonl, JsonLines)):
            if path is not None:
                whole = atomic_write(path, overwrite=self._outputs.overwrite)
                temporary = stack.enter_context(whole)
                stream = stack.enter_context(
                    temporary.open("w", encoding="utf-8", errors=kind.errors, newline="")
                )
                classes = self._recognizer.classes
                self._rows.append(kind(stream, classes, empty=self._outputs.empty))

    def _write_rows(
        self, source: Input, frame: int, seconds: float | None, faces: Sequence[Face]
    ) -> None:
        for rows in self._rows:
            rows.write(source.shown, frame, seconds, faces)

    def _draw(self, image: ImageArray, faces: Sequence[Face]) -> ImageArray:
        # Pillow takes a moment to import, for which a photograph need not wait.
        from fercli.recognition.sinks.draw import draw_faces

        return draw_faces(image, faces, self._recognizer.classes, bars=self._outputs.bars)

    # Images

    def _run_images(self, images: Sequence[Input], places: OutputPaths) -> Iterator[Result]:
        from fercli.common.parallel import parallel_map

        if not images:
            return
        looked_at = parallel_map(
            lambda one: self._look_at(one, places),
            images,
            workers=1 if self._outputs.show or len(images) == 1 else self._workers,
            prefer="threads",
            progress=self._progress,
            description="classifying",
        )
        for result in looked_at:
            if not result.error:
                self._write_rows(result.source, 0, None, result.faces)
            yield result
            if self._stop.is_set():
                return

    def _look_at(self, source: Input, places: OutputPaths) -> Result:
        place = places.saved(source)
        try:
            with image_errors(source.path):
                image = read_color(source.path)
                faces = self._recognizer.recognize(image)
                if place is not None:
                    drawn = self._draw(image, faces)
                    write_image(place, drawn, overwrite=self._outputs.overwrite)
        except InputError as error:
            return Result(source, error=str(error))
        if self._window is not None and not self._window.show(self._draw(image, faces), wait=True):
            self._stop.set()
        return Result(source, faces)

    # Videos, cameras, streams

    def _run_video(self, source: Input, places: OutputPaths) -> Result:
        result = Result(source, summary=Summary())
        try:
            with self._open(source) as video:
                self._watch(video, result, places)
                result.notes += video.problems
        except OutputError:
            raise
        except InputError as error:
            result.error = str(error)
        return result

    def _open(self, source: Input) -> VideoFile | Camera | Stream:
        if source.kind == "camera":
            return Camera(source.name, self._stop)
        if source.kind == "stream":
            note = self._progress.note
            return Stream(source.name, attempts=self._attempts, stop=self._stop, note=note)
        return VideoFile(source.path)

    def _watch(
        self, video: VideoFile | Camera | Stream, result: Result, places: OutputPaths
    ) -> None:
        timeline = Timeline(self._recognizer.classes)
        plot = places.timeline(result.source)
        total = None if video.count is None else float(video.count)
        with ExitStack() as stack:
            bar = stack.enter_context(self._progress.bar(video.name, total=total, unit="frame"))
            place, writer = places.saved(result.source), None
            for one in self._seen(video, result, stack):
                if place is not None and writer is None:
                    writer = self._open_writer(video, place, stack)
                self._take(one, result, writer, bar)
                if plot is not None:
                    timeline.add(one)
        result.notes += writer.problems if writer is not None else []
        if plot is not None:
            title = f"{Path(video.name).name}: expressions over time"
            timeline.save(plot, title, overwrite=self._outputs.overwrite)

    def _seen(
        self, video: VideoFile | Camera | Stream, result: Result, stack: ExitStack
    ) -> Iterator[FrameFaces]:
        """Yield frames with faces; a live source that fails after a while has an end there."""
        frames = self._frames(video)
        seen = recognize_frames(self._recognizer, frames, self._options, live=video.live)
        stack.enter_context(closing(seen))
        try:
            yield from seen
        except InputError as error:
            if not video.live or result.summary is None or not result.summary.frames:
                raise
            result.error = str(error)

    def _frames(self, video: VideoFile | Camera | Stream) -> Iterator[Frame]:
        options = self._options
        if isinstance(video, VideoFile):
            frames = video.frames(options.start, options.end)
        else:
            frames = _between(video.frames(), options.start, options.end)
        for frame in frames:
            yield frame
            if self._stop.is_set():
                return

    def _open_writer(
        self, video: VideoFile | Camera | Stream, place: Path, stack: ExitStack
    ) -> VideoWriter:
        writer = VideoWriter(
            place,
            video.rate,
            sound=video.path if isinstance(video, VideoFile) and video.has_sound else None,
            start=self._options.start,
            begin=video.begin,
            sample_aspect_ratio=video.sample_aspect_ratio,
            overwrite=self._outputs.overwrite,
        )
        return stack.enter_context(writer)

    def _take(self, one: FrameFaces, result: Result, writer: VideoWriter | None, bar: Bar) -> None:
        """Pass a frame on to whoever wants it."""
        assert result.summary is not None
        result.summary.add(one)
        if one.analyzed:
            self._write_rows(result.source, one.frame.number, one.frame.seconds, one.found)
        if writer is not None or self._window is not None:
            drawn = self._draw(one.frame.color, one.faces)
            if writer is not None:
                writer.write(drawn, one.frame.seconds)
            if self._window is not None and not self._window.show(drawn):
                self._stop.set()
        bar.advance()


def _between(frames: Iterator[Frame], start: float, end: float) -> Iterator[Frame]:
    """Yield the frames of a time; the source ends with the last."""
    for frame in frames:
        if frame.seconds >= end:
            return
        if frame.seconds >= start:
            yield frame


def failed(results: Sequence[Result]) -> list[Result]:
    """Return the results of inputs that could not be read, or not to their end."""
    return [one for one in results if one.error]


# The report: results as the terminal shows them, and as plain values for JSON.


HEADERS = ("image", "person", "x", "y", "width", "height", "expression", "probability")


def to_text(results: Sequence[Result], classes: Sequence[str]) -> str:
    """Return tables of the faces in images and of the people in each video."""
    images = [one for one in results if one.summary is None and not one.error]
    videos = [one for one in results if one.summary is not None and one.summary.frames]
    parts = [_images(images)] if images else []
    parts += [f"{one.source.shown}\n{_video(one, classes)}" for one in videos]
    unreadable = len(results) - len(images) - len(videos)
    if unreadable:
        parts.append(f"{unreadable} of {len(results)} inputs could not be read")
    return "\n\n".join(parts)


def to_dict(results: Sequence[Result], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return results as plain values: faces of images, summaries of videos, errors."""
    return [_plain(one, classes) for one in results]


def complaints(results: Sequence[Result]) -> Iterator[str]:
    """Yield a line for each thing that went wrong."""
    for one in results:
        yield from (f"fer: {one.source.shown}: {note}" for note in one.notes)
        if one.error:
            yield f"fer: left out: {one.error}" if _has_nothing(one) else f"fer: {one.error}"


def _has_nothing(result: Result) -> bool:
    return result.summary is None or not result.summary.frames


def _images(results: Sequence[Result]) -> str:
    rows: list[tuple[object, ...]] = []
    for one in results:
        rows += _rows(one) or [(one.source.name, "-", "-", "-", "-", "-", "no face", "-")]
    faces = sum(len(one.faces) for one in results)
    without = sum(not one.faces for one in results)
    end = f"faces: {faces}, images: {len(results)}, without a face: {without}"
    return f"{format_table(HEADERS, rows)}\n{end}"


def _rows(result: Result) -> list[tuple[object, ...]]:
    return [
        (result.source.name, face.person, *face.box_xywh, face.label, f"{face.probability:.0%}")
        for face in result.faces
    ]


def _video(result: Result, classes: Sequence[str]) -> str:
    assert result.summary is not None
    return result.summary.to_text(classes)


def _plain(result: Result, classes: Sequence[str]) -> dict[str, Any]:
    plain: dict[str, Any] = {"source": result.source.shown, "kind": result.source.kind}
    if result.summary is not None:
        plain |= result.summary.to_dict()
    elif not result.error:
        plain["faces"] = [face.to_dict(classes) for face in result.faces]
    if result.notes:
        plain["notes"] = result.notes
    if result.error:
        plain["error"] = result.error
    return plain
