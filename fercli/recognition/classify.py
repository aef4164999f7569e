"""Classify expressions in images, videos, cameras and streams, and write what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Thread

from fercli.common.errors import InputError, OptionError, OutputError, VideoError
from fercli.common.files import IMAGE_EXTENSIONS, atomic_write, require_absent
from fercli.common.images import ImageNotes
from fercli.common.parallel import Workers, parallel_map
from fercli.common.processes import return_large_blocks
from fercli.common.progress import SILENT, Bar, Progress
from fercli.common.tables import counted
from fercli.recognition.image_task import SMALLER_FACES, ImageTask, InputJob, draw, near_limit
from fercli.recognition.options import VideoOptions
from fercli.recognition.pipeline import recognize_frames
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import Face, FrameFaces, InputResult, Summary
from fercli.recognition.sinks.draw import Annotator
from fercli.recognition.sinks.outputs import (
    PAGE_SUFFIX,
    CsvWriter,
    JsonLinesWriter,
    OutputPaths,
    Outputs,
    require_separate,
)
from fercli.recognition.sinks.summary import require_summary_suffix, write_summary
from fercli.recognition.sinks.timeline import Timeline
from fercli.recognition.sinks.video_writer import VideoWriter
from fercli.recognition.sinks.window import Window
from fercli.recognition.sources.frames import Colors, Frame
from fercli.recognition.sources.inputs import Input
from fercli.recognition.sources.live import Camera, Stream
from fercli.recognition.sources.video_file import Animation, VideoFile, is_animation

Video = VideoFile | Animation | Camera | Stream

#: Suffixes of images that are never animated.
STILL_IMAGE_SUFFIXES = tuple(
    suffix
    for suffix in IMAGE_EXTENSIONS
    if suffix not in (".apng", ".avif", ".gif", ".png", ".webp")
)


#: So many images are searched before numba has begun: the fast search is not made ready for them.
FEW_IMAGES = 8


@dataclass(frozen=True)
class VideoTask:
    """What a worker of a cluster does with a video."""

    recognizer: Recognizer
    options: VideoOptions
    outputs: Outputs
    most_pixels: int | None

    def __call__(self, job: InputJob) -> tuple[InputResult, list[_Row]]:
        """Return the result and the rows of the tables."""
        run = ClassifyRun(self.recognizer, self.options, self.outputs, most_pixels=self.most_pixels)
        result = run.run_video(job)
        if result.error:
            # Frames are read by threads of their own: the seam is to know of the error here.
            VideoError(result.error)
        return result, run.rows


#: What is written of an image or a frame: its source, number, time and faces.
_Row = tuple[str, int, float | None, Sequence[Face]]


class ClassifyRun:
    """One run of a recognizer over inputs of all kinds.

    Parameters
    ----------
    recognizer : Recognizer
    options : VideoOptions
    outputs : Outputs
    workers : int or Workers, optional
        Images that are classified at once, or a cluster for images and videos. Defaults to all
        cores.
    attempts : int
        Attempts to reconnect to a stream that broke off. Defaults to 10.
    most_pixels : int, optional
        Frames of a video with more pixels are refused. Defaults to no limit.
    stop : Event, optional
        Ends the run when set: results so far are written.
    progress : Progress

    Attributes
    ----------
    notes : list of str
        What the user should know of the whole run, such as copies whose names were numbered.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        options: VideoOptions,
        outputs: Outputs,
        *,
        workers: int | Workers | None = None,
        attempts: int = 10,
        most_pixels: int | None = None,
        stop: Event | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._recognizer = recognizer
        self._options = options
        self._outputs = outputs
        self._workers = Workers.of(workers)
        self._attempts = attempts
        self._most_pixels = most_pixels
        self._stop = stop or Event()
        self._progress = progress
        self._tables: list[CsvWriter | JsonLinesWriter] = []
        self._window: Window | None = None
        self._small_faces = ImageNotes()
        self.notes: list[str] = []
        #: Rows that no table has taken.
        self.rows: list[_Row] = []

    def run(self, inputs: Sequence[Input]) -> Iterator[InputResult]:
        """Yield the result of each input, images first; an unreadable one does not end the run.

        Raises
        ------
        OutputError
            A file exists already or cannot be written.
        OptionError
            The outputs do not suit the inputs, or a cluster either of them.
        DependencyError
            There is no screen for a window, or the cluster cannot be used.
        """
        self._require_fit_for_cluster(inputs)
        paths = self._output_paths(inputs)
        jobs = [InputJob(one, paths.saved(one), tuple(paths.timelines(one))) for one in inputs]
        if self._workers.scheduler is None and (
            len(inputs) > FEW_IMAGES or any(one.kind != "image" for one in inputs)
        ):
            Thread(target=self._load_search).start()
        results = []
        with ExitStack() as stack:
            self._open_tables(stack)
            if self._outputs.show:
                self._window = stack.enter_context(Window())
            for result in self._results(jobs):
                if self._outputs.summary is not None:
                    results.append(result)
                yield result
        if self._outputs.summary is not None:
            classes, overwrite = self._recognizer.classes, self._outputs.overwrite
            write_summary(self._outputs.summary, results, classes, overwrite=overwrite)
        self.notes += self._small_faces.take()

    def _results(self, jobs: Sequence[InputJob]) -> Iterator[InputResult]:
        yield from self._run_images([job for job in jobs if job.source.kind == "image"])
        yield from self._run_videos([job for job in jobs if job.source.kind != "image"])

    def _require_fit_for_cluster(self, inputs: Sequence[Input]) -> None:
        if self._workers.scheduler is None:
            return
        if self._outputs.show:
            raise OptionError("`show` cannot be used with `scheduler`: workers have no screen")
        live = next((one for one in inputs if one.live), None)
        if live is not None:
            raise OptionError(
                f"A cluster classifies images and videos, not the {live.kind} {live.shown}",
                hint="leave out `scheduler` for it",
            )

    def _load_search(self) -> None:
        """Make the fast search ready while the first images are decoded."""
        from fercli.cascade.detection.scanner_kernels import scan, scan_tiles
        from fercli.common.kernels import note_compilation

        note_compilation(self._progress, scan, scan_tiles)
        self._recognizer.load_search()

    def _output_paths(self, inputs: Sequence[Input]) -> OutputPaths:
        """Return the paths of outputs after checking that they may be written."""
        outputs = self._outputs
        videos = [one for one in inputs if one.kind != "image"]
        if outputs.timeline is not None and not videos:
            raise OptionError(
                "`timeline` needs a video, a camera or a stream; the inputs are images"
            )
        if outputs.summary is not None:
            require_summary_suffix(outputs.summary)
        paths = OutputPaths(inputs, outputs.save, outputs.timeline)
        self.notes += paths.notes
        named = (outputs.csv, outputs.jsonl, outputs.summary, *paths.all())
        written = [path for path in named if path is not None]
        require_separate(inputs, written)
        for path in written:
            require_absent(path, overwrite=outputs.overwrite)
        return paths

    def _open_tables(self, stack: ExitStack) -> None:
        for path, kind in ((self._outputs.csv, CsvWriter), (self._outputs.jsonl, JsonLinesWriter)):
            if path is not None:
                whole = atomic_write(path, overwrite=self._outputs.overwrite)
                temporary = stack.enter_context(whole)
                stream = stack.enter_context(
                    temporary.open("w", encoding="utf-8", errors=kind.errors, newline="")
                )
                classes = self._recognizer.classes
                self._tables.append(kind(stream, classes, empty=self._outputs.empty))

    def _write_row(self, row: _Row) -> None:
        if self._outputs.keep_rows:
            self.rows.append(row)
        for table in self._tables:
            table.write(*row)

    # Images

    def _run_images(self, jobs: Sequence[InputJob]) -> Iterator[InputResult]:
        if not jobs:
            return
        on_cluster = self._workers.scheduler is not None
        alone = self._outputs.show or (len(jobs) == 1 and not on_cluster)
        # Paths were checked; work of a worker that dies is done again.
        outputs = replace(self._outputs, overwrite=self._outputs.overwrite or on_cluster)
        task = ImageTask(self._recognizer, outputs)
        results = parallel_map(
            partial(self._classify_and_show, task) if self._window else task,
            jobs,
            workers=1 if alone else self._workers,
            prefer="threads",
            progress=self._progress,
            description="classifying",
            stop=self._stop,
        )
        for result, detail in results:
            if detail:
                self._small_faces.add(result.source.path, SMALLER_FACES, detail)
            if not result.error:
                self._write_row((result.source.shown, 0, None, result.faces))
            yield result
            if self._stop.is_set():
                return

    def _classify_and_show(self, task: ImageTask, job: InputJob) -> tuple[InputResult, str]:
        result, detail, image = task.classify(job)
        if image is not None and self._window is not None:
            drawn = draw(image, result.faces, self._recognizer.classes, self._outputs)
            if not self._window.show(drawn, wait=True):
                self._stop.set()
        return result, detail

    # Videos, cameras, streams

    def _run_videos(self, jobs: Sequence[InputJob]) -> Iterator[InputResult]:
        if self._workers.scheduler is None:
            for job in jobs:
                if not self._stop.is_set():
                    yield self.run_video(job)
            return
        if not jobs or self._stop.is_set():
            return
        keep_rows = bool(self._tables)
        outputs = replace(self._outputs, csv=None, jsonl=None, overwrite=True, keep_rows=keep_rows)
        results = parallel_map(
            VideoTask(self._recognizer, self._options, outputs, self._most_pixels),
            jobs,
            workers=self._workers,
            progress=self._progress,
            description="classifying",
            unit="video",
            stop=self._stop,
        )
        for result, rows in results:
            for row in rows:
                self._write_row(row)
            yield result

    def run_video(self, job: InputJob) -> InputResult:
        """Return the result of a video, a camera or a stream."""
        return_large_blocks()
        source = job.source
        result = InputResult(
            source, summary=Summary(thumbnails=self._outputs.keeps_thumbnails(job.plots))
        )
        if source.kind == "video" and source.path.suffix.lower() in STILL_IMAGE_SUFFIXES:
            result.notes.append(f"Read as a video by its content, although its name ends in "
                                f"{source.path.suffix}")  # fmt: skip
        try:
            with self._open(source) as video:
                self._classify_frames(video, result, job)
                result.notes += video.problems
        except OutputError:
            raise
        except InputError as error:
            result.error = str(error)
        return result

    def _open(self, source: Input) -> Video:
        if source.kind == "camera":
            return Camera(source.name, self._stop)
        if source.kind == "stream":
            note = self._progress.note
            return Stream(source.name, attempts=self._attempts, stop=self._stop, note=note)
        if source.path.is_file() and is_animation(source.path):
            return Animation(source.path)
        return VideoFile(source.path, self._most_pixels)

    def _classify_frames(self, video: Video, result: InputResult, job: InputJob) -> None:
        timeline = Timeline(self._recognizer.classes)
        plots = job.plots
        total = None if video.count is None else float(video.count)
        with ExitStack() as stack:
            bar = stack.enter_context(self._progress.bar(video.name, total=total, unit="frame"))
            path, writer, colors = job.saved, None, None
            last = None
            # All frames of a video are of one size: a strip is there from the first on or never.
            annotator = Annotator(
                self._recognizer.classes,
                bars=self._outputs.bars,
                strip="always" if self._outputs.strip else "never",
            )
            for one in self._recognized(video, result, stack):
                last = one.frame
                colors = colors or one.frame.colors
                if path is not None and writer is None:
                    writer = self._open_writer(video, path, colors, stack)
                self._emit(one, result, annotator, writer, bar)
                if plots:
                    timeline.add(one)
            assert result.summary is not None
            result.summary.finish()
            if last is not None:
                limit = self._recognizer.smallest_face(last.color, video=True)
                detail = near_limit(result.summary.smallest, limit)
                result.notes += [f"{detail}: {SMALLER_FACES}"] if detail else []
            result.saved = path if writer is not None else None
            if annotator.without_room:
                frames = counted(annotator.without_room, "frame")
                result.notes.append(f"{frames} had no room for all bars: `strip` puts them beside")
            if colors is not None and colors.hdr:
                result.notes.append(f"The video is HDR ({colors.hdr}); its tones are not mapped")
        result.notes += writer.problems if writer is not None else []
        self._save_timeline(timeline, plots, result, Path(video.name).name)

    def _save_timeline(
        self, timeline: Timeline, paths: Sequence[Path], result: InputResult, name: str
    ) -> None:
        """Write the plot, the page or both."""
        title, overwrite = f"{name}: expressions over time", self._outputs.overwrite
        for path in paths:
            if path.suffix.lower() != PAGE_SUFFIX:
                timeline.save(path, title, overwrite=overwrite)
                continue
            assert result.summary is not None
            timeline.save_page(
                path,
                title,
                result.summary,
                video=result.saved,
                start=self._options.start,
                overwrite=overwrite,
            )

    def _recognized(
        self, video: Video, result: InputResult, stack: ExitStack
    ) -> Iterator[FrameFaces]:
        """Yield frames with faces; a live source that fails after its first frame ends there."""
        frames = self._frames(video)
        seen = recognize_frames(self._recognizer, frames, self._options, live=video.live)
        stack.enter_context(closing(seen))
        try:
            yield from seen
        except InputError as error:
            if not video.live or result.summary is None or not result.summary.frames:
                raise
            result.error = str(error)

    def _frames(self, video: Video) -> Iterator[Frame]:
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
        self, video: Video, path: Path, colors: Colors | None, stack: ExitStack
    ) -> VideoWriter:
        writer = VideoWriter(
            path,
            video.rate,
            sound=video.path if isinstance(video, VideoFile) and video.has_sound else None,
            start=self._options.start,
            begin=video.begin,
            sample_aspect_ratio=video.sample_aspect_ratio,
            colors=colors,
            overwrite=self._outputs.overwrite,
        )
        return stack.enter_context(writer)

    def _emit(
        self,
        one: FrameFaces,
        result: InputResult,
        annotator: Annotator,
        writer: VideoWriter | None,
        bar: Bar,
    ) -> None:
        """Write, draw and show a frame."""
        assert result.summary is not None
        result.summary.add(one)
        if one.analyzed:
            frame = one.frame
            self._write_row((result.source.shown, frame.number, frame.seconds, one.found))
        if writer is not None or self._window is not None:
            drawn = annotator.draw(one.frame.color, one.faces)
            if writer is not None:
                writer.write(drawn, one.frame.seconds)
            if self._window is not None and not self._window.show(drawn):
                self._stop.set()
        bar.advance()


def _between(frames: Iterator[Frame], start: float, end: float) -> Iterator[Frame]:
    """Yield the frames from `start` to `end`, in seconds."""
    for frame in frames:
        if frame.seconds >= end:
            return
        if frame.seconds >= start:
            yield frame
