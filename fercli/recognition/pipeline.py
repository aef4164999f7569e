"""The pipeline: frames in, frames with faces out; decoding, detection and model run in parallel.

::

    frames → detect or track faces → crop → classify → identities → frames with faces

Each arrow is a bounded queue between two threads, so that memory does not grow with the length of
a video; large frames count as several.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from queue import Empty, Full, Queue
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fercli.common.parallel import until_failure
from fercli.recognition.face_search import NO_BOXES, Boxes
from fercli.recognition.identities import Identities
from fercli.recognition.options import VideoOptions
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import Face, FrameFaces
from fercli.recognition.sources.frames import Frame
from fercli.recognition.tracking import FaceTracker, SceneCuts

DEFAULTS = VideoOptions()

#: Frames that wait in each queue.
QUEUED_FRAMES = 8

#: Most frames from one detection to the next: bounds memory, whatever the interval.
MAX_GROUP = 16

#: A frame of more pixels counts as several: one of 3840×2160 as four.
USUAL_PIXELS = 1920 * 1080


@dataclass(frozen=True)
class _FrameCrops:
    """A frame, the boxes of its faces and their crops; `crops` is None if it was skipped."""

    frame: Frame
    boxes: Boxes
    crops: NDArray[np.uint8] | None
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
        Iterated and closed by a thread of the pipeline.
    options : VideoOptions
        `start` and `end` are up to the source of `frames`.
    live : bool
        Process each frame at once and drop frames that come too fast. Defaults to False: frames
        are processed in groups, which misses fewer faces and takes less time.
    """
    source = LatestOnly(frames) if live else prefetch(frames, QUEUED_FRAMES, _weight)
    detected = _detected(recognizer, source, options, live)
    groups = prefetch(detected, 1 if live else QUEUED_FRAMES, _weight_of_group)
    batches = _batched(groups, 1 if live else options.batch)
    found = _identified(recognizer, batches, options)
    return prefetch(found, 1 if live else QUEUED_FRAMES, lambda one: _weight(one.frame))


def _weight(frame: Frame) -> int:
    """Return as how many frames one counts."""
    return max(-(-frame.pixels // USUAL_PIXELS), 1)


def _weight_of_group(group: Sequence[_FrameCrops]) -> int:
    return sum(_weight(one.frame) for one in group)


def _detected(
    recognizer: Recognizer, frames: Iterable[Frame], options: VideoOptions, live: bool
) -> Iterator[list[_FrameCrops]]:
    """Yield groups of frames; each but the last ends with one in which faces were detected."""
    stage = _DetectionStage(recognizer, options)
    failed: list[Exception] = []
    # Closing ends the threads before this one, whatever happens here.
    with closing(until_failure(frames, failed)) as source:
        for frame in source:
            if stage.begins_scene(frame):
                yield from stage.flush(detect=False)
                stage.reset()
            stage.add(frame)
            due = stage.is_due(frame)
            if due or live or stage.is_full():
                yield from stage.flush(detect=due)
    yield from stage.flush(detect=stage.ends_with_analyzed())
    if failed:
        raise failed[0]


class _DetectionStage:
    """Groups frames so that faces detected in the last can be tracked back through the others."""

    def __init__(self, recognizer: Recognizer, options: VideoOptions) -> None:
        self._recognizer = recognizer
        self._every = options.every
        self._tracker = FaceTracker(recognizer, options.search_interval)
        self._scene_cuts = SceneCuts()
        self._group: list[Frame] = []
        self._new_scene = False

    def begins_scene(self, frame: Frame) -> bool:
        return self._is_analyzed(frame) and self._scene_cuts.is_new(frame.gray)

    def reset(self) -> None:
        self._tracker.reset()
        self._new_scene = True

    def add(self, frame: Frame) -> None:
        self._group.append(frame)

    def is_due(self, frame: Frame) -> bool:
        return self._is_analyzed(frame) and self._tracker.is_due(frame.seconds)

    def is_full(self) -> bool:
        return len(self._group) * _weight(self._group[-1]) >= MAX_GROUP

    def ends_with_analyzed(self) -> bool:
        return bool(self._group) and self._is_analyzed(self._group[-1])

    def flush(self, *, detect: bool) -> Iterator[list[_FrameCrops]]:
        """Yield the frames of the group with their faces, if there are any."""
        if not self._group:
            return
        analyzed = [frame for frame in self._group if self._is_analyzed(frame)]
        boxes = iter(self._tracker.process(analyzed, detect=detect) if analyzed else [])
        yield [
            self._crop(frame, next(boxes))
            if self._is_analyzed(frame)
            else _FrameCrops(frame, NO_BOXES, None)
            for frame in self._group
        ]
        self._group = []

    def _is_analyzed(self, frame: Frame) -> bool:
        return frame.number % self._every == 0

    def _crop(self, frame: Frame, boxes: Boxes) -> _FrameCrops:
        gray = self._recognizer.card.channels == 1 or not len(boxes)
        crops = self._recognizer.crop(frame.gray if gray else frame.square_color, boxes)
        frame.forget_gray()
        new, self._new_scene = self._new_scene, False
        return _FrameCrops(frame, boxes, crops, new)


def _batched(
    runs: Iterable[list[_FrameCrops]], size: int
) -> Generator[list[_FrameCrops], None, None]:
    """Yield groups joined until they count as at least `size` frames."""
    group: list[_FrameCrops] = []
    failed: list[Exception] = []
    with closing(until_failure(runs, failed)) as source:
        for run in source:
            group += run
            if _weight_of_group(group) >= size:
                yield group
                group = []
    if group:
        yield group
    if failed:
        raise failed[0]


def _identified(
    recognizer: Recognizer, groups: Generator[list[_FrameCrops], None, None], options: VideoOptions
) -> Iterator[FrameFaces]:
    appearance = options.identities == "appearance"
    identities = Identities(recognizer.label, options.smooth, appearance=appearance)
    last: tuple[Face, ...] = ()
    with closing(groups):
        for group in groups:
            probabilities = _probabilities(recognizer, group)
            for one in group:
                if one.crops is None:
                    yield FrameFaces(one.frame, _unseen(last), analyzed=False)
                    continue
                if one.new_scene:
                    identities.reset()
                found = identities.update(
                    one.frame.seconds, one.boxes, next(probabilities), one.crops
                )
                last = tuple(
                    replace(face, box_xywh=one.frame.stored_box(face.box_xywh)) for face in found
                )
                yield FrameFaces(one.frame, last)


def _probabilities(
    recognizer: Recognizer, group: list[_FrameCrops]
) -> Iterator[NDArray[np.float32]]:
    """Return the probabilities of the faces of each analyzed frame."""
    crops = [one.crops for one in group if one.crops is not None]
    if not crops:
        return iter(())
    ends = np.cumsum([len(faces) for faces in crops])
    return iter(np.split(recognizer.classify(np.concatenate(crops)), ends[:-1]))


def _unseen(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    return tuple(replace(face, seen=False) for face in faces)


# Prefetching: each part of the pipeline in a thread of its own, a bounded number of items ahead.
#
# A pipeline is a chain of generators; `prefetch` between two of them lets both work at the same
# time. Decoding, detection, models and encoding release the GIL.


T = TypeVar("T")

#: Puts an item into a queue and returns whether more are wanted.
_HandOver = Callable[[Queue[Any], Any, threading.Event], bool]

#: Seconds between two checks of a waiting thread whether it should end.
CHECK_SECONDS = 0.1


class _End:
    """The end of the items, or the exception that ended them."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(
    items: Iterable[T], depth: int, weigh: Callable[[T], int] = lambda _: 1
) -> Generator[T, None, None]:
    """Yield `items`, which a thread takes from their source up to `depth` ahead.

    An exception of the source is raised here, after the items before it. When the generator is
    closed early, the source is closed too, in its own thread, before this returns.

    Parameters
    ----------
    items : iterable
        Iterated by the new thread alone.
    depth : int
        Most items that wait.
    weigh : callable, optional
        Returns as how many items one counts.
    """
    return _taken(items, _WeightedQueue(depth, weigh), _put)


class _WeightedQueue(Queue[Any]):
    """A queue that is full when the weights of its items reach `maxsize`."""

    def __init__(self, maxsize: int, weigh: Callable[[Any], int]) -> None:
        self._weigh = weigh
        self._weight = 0
        super().__init__(maxsize)

    def _qsize(self) -> int:
        return self._weight

    def _put(self, item: Any) -> None:
        weight = 1 if isinstance(item, _End) else self._weigh(item)
        super()._put((item, weight))
        self._weight += weight

    def _get(self) -> Any:
        item, weight = super()._get()
        self._weight -= weight
        return item


def _taken(items: Iterable[T], queue: Queue[Any], hand_over: _HandOver) -> Generator[T, None, None]:
    """Yield items that a thread takes from their source and puts into a queue."""
    stopped = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, queue, stopped, hand_over), daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()


def _produce(
    items: Iterable[T], queue: Queue[Any], stopped: threading.Event, hand_over: _HandOver
) -> None:
    end = _End()
    try:
        for item in items:
            if not hand_over(queue, item, stopped):
                break
    except BaseException as error:  # raised where the items are used
        end = _End(error)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
        _put(queue, end, stopped)


def _put(queue: Queue[Any], item: Any, stopped: threading.Event) -> bool:
    """Put an item when there is room; return False once the consumer is gone."""
    while not stopped.is_set():
        try:
            queue.put(item, timeout=CHECK_SECONDS)
        except Full:
            continue
        return True
    return False


class LatestOnly(Iterable[T]):
    """Drops stale items: yields the latest that a thread has taken from their source.

    For cameras, whose frames must not queue up behind a slow consumer.

    Parameters
    ----------
    items : iterable
        Iterated by a new thread alone.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[T]:
        return _taken(self._items, Queue(1), _replace)


def _replace(queue: Queue[Any], item: Any, stopped: threading.Event) -> bool:
    """Put an item in place of the one still waiting, if any; otherwise as `_put`."""
    if stopped.is_set():
        return False
    with suppress(Empty):
        queue.get_nowait()
    queue.put(item)  # this thread alone puts: there is room
    return True
