"""The pipeline: frames in, frames with faces out; decoding, search and network at the same time.

::

    frames → search (whole or around known faces) → cut → network → people → frames with faces

Each arrow is a bounded queue between two threads, so that memory stays the same however long a
video is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fercli.common.parallel import until_failure
from fercli.recognition.face_search import NONE, Boxes
from fercli.recognition.options import VideoOptions
from fercli.recognition.prefetch import LatestOnly, prefetch
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import Face, FrameFaces
from fercli.recognition.sources.frames import Frame
from fercli.recognition.tracking.face_tracker import FaceTracker, SceneCuts
from fercli.recognition.tracking.identities import Identities

DEFAULTS = VideoOptions()

#: Frames decoded ahead.
DEPTH = 8

#: Frames between two whole searches, at most, and their pixels: bounds what is in memory, whatever
#: the interval. Sixteen frames of 1920×1080, four of 3840×2160.
LONGEST, MOST_PIXELS = 16, 16 * 1920 * 1080


@dataclass(frozen=True)
class _Found:
    """A frame, where its faces are, and the faces cut out; `cuts` is None if it was passed over."""

    frame: Frame
    boxes: Boxes
    cuts: NDArray[np.uint8] | None
    new_scene: bool = False


def recognize_frames(
    recognizer: Recognizer,
    frames: Iterable[Frame],
    options: VideoOptions = DEFAULTS,
    *,
    live: bool = False,
) -> Generator[FrameFaces, None, None]:
    """Yield each frame with its faces, in order.

    Closing the generator ends all of its threads.

    Parameters
    ----------
    recognizer : Recognizer
    frames : iterable of Frame
        Used by a thread of the pipeline's own, and closed by it.
    options : VideoOptions
        Whoever makes `frames` sees to its part of the video.
    live : bool
        Answer each frame at once and drop what comes too fast. Defaults to False: some frames are
        looked at together, which misses fewer faces and takes less time.
    """
    source = LatestOnly(frames) if live else prefetch(frames, DEPTH)
    searched = prefetch(_searched(recognizer, source, options, live), 1 if live else 4)
    grouped = _grouped(searched, 1 if live else options.batch)
    return prefetch(_answered(recognizer, grouped, options), 1 if live else DEPTH)


def _searched(
    recognizer: Recognizer, frames: Iterable[Frame], options: VideoOptions, live: bool
) -> Iterator[list[_Found]]:
    """Yield runs of frames, searched together; each but the last ends with a whole search."""
    searcher = _Searcher(recognizer, options)
    failed: list[Exception] = []
    # Closed, so that the threads before this one end whatever happens in it.
    with closing(until_failure(frames, failed)) as source:
        for frame in source:
            if searcher.begins_scene(frame):
                yield from searcher.flush(whole=False)
                searcher.forget()
            searcher.take(frame)
            whole = searcher.is_due(frame)
            if whole or live or searcher.is_full():
                yield from searcher.flush(whole=whole)
    yield from searcher.flush(whole=searcher.ends_with_analysed())
    if failed:
        raise failed[0]


class _Searcher:
    """Gathers frames into runs that are searched together."""

    def __init__(self, recognizer: Recognizer, options: VideoOptions) -> None:
        self._recognizer = recognizer
        self._every = options.every
        self._follower = FaceTracker(recognizer, options.search_interval)
        self._scenes = SceneCuts()
        self._run: list[Frame] = []
        self._new_scene = False

    def begins_scene(self, frame: Frame) -> bool:
        return self._is_analysed(frame) and self._scenes.is_new(frame.gray)

    def forget(self) -> None:
        self._follower.forget()
        self._new_scene = True

    def take(self, frame: Frame) -> None:
        self._run.append(frame)

    def is_due(self, frame: Frame) -> bool:
        return self._is_analysed(frame) and self._follower.is_due(frame.seconds)

    def is_full(self) -> bool:
        return len(self._run) >= min(LONGEST, MOST_PIXELS // self._run[-1].pixels)

    def ends_with_analysed(self) -> bool:
        return bool(self._run) and self._is_analysed(self._run[-1])

    def flush(self, *, whole: bool) -> Iterator[list[_Found]]:
        """Yield what is in the frames that were taken, if any."""
        if not self._run:
            return
        looked_at = [frame for frame in self._run if self._is_analysed(frame)]
        boxes = iter(self._follower.find(looked_at, whole=whole) if looked_at else [])
        yield [
            self._cut(frame, next(boxes)) if self._is_analysed(frame) else _Found(frame, NONE, None)
            for frame in self._run
        ]
        self._run = []

    def _is_analysed(self, frame: Frame) -> bool:
        return frame.number % self._every == 0

    def _cut(self, frame: Frame, boxes: Boxes) -> _Found:
        gray = self._recognizer.card.channels == 1 or not len(boxes)
        cuts = self._recognizer.cut(frame.gray if gray else frame.color, boxes)
        frame.forget_gray()
        new, self._new_scene = self._new_scene, False
        return _Found(frame, boxes, cuts, new)


def _grouped(runs: Iterable[list[_Found]], size: int) -> Generator[list[_Found], None, None]:
    """Yield runs joined until there are at least `size` frames."""
    group: list[_Found] = []
    failed: list[Exception] = []
    with closing(until_failure(runs, failed)) as source:
        for run in source:
            group += run
            if len(group) >= size:
                yield group
                group = []
    if group:
        yield group
    if failed:
        raise failed[0]


def _answered(
    recognizer: Recognizer, groups: Generator[list[_Found], None, None], options: VideoOptions
) -> Iterator[FrameFaces]:
    tracks = Identities(recognizer.name, options.smooth)
    last: tuple[Face, ...] = ()
    with closing(groups):
        for group in groups:
            answers = _answers(recognizer, group)
            for one in group:
                if one.cuts is None:
                    yield FrameFaces(one.frame, _unseen(last), analyzed=False)
                    continue
                if one.new_scene:
                    tracks.forget()
                last = tracks.update(one.frame.seconds, one.boxes, next(answers))
                yield FrameFaces(one.frame, last)


def _answers(recognizer: Recognizer, group: list[_Found]) -> Iterator[NDArray[np.float32]]:
    """Return the probabilities of the faces of each frame that was looked at."""
    cuts = [one.cuts for one in group if one.cuts is not None]
    if not cuts:
        return iter(())
    ends = np.cumsum([len(faces) for faces in cuts])
    return iter(np.split(recognizer.classify(np.concatenate(cuts)), ends[:-1]))


def _unseen(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    return tuple(replace(face, seen=False) for face in faces)
