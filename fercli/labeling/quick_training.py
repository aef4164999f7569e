"""Train now and suggest: a quick cascade of what is annotated so far, trained in the background.

Beside the boxes, in the folder ``NAME_cascade``, are a cascade for each class, and ``rounds.json``.
"""

from __future__ import annotations

import re
import shutil
import statistics
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from fercli.annotations import coco
from fercli.annotations.base import AnnotatedImage
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.evaluation.matching import IouRule, match
from fercli.cascade.training.options import FEWEST, LARGEST_SIDE, SMALLEST_SIDE
from fercli.common.boxes import Box
from fercli.common.errors import FerError, ImageError, InputError, OptionError
from fercli.common.files import atomic_write, make_folder
from fercli.common.images import read_color
from fercli.common.progress import Progress, SilentBar
from fercli.common.tables import counted
from fercli.labeling.images import Finder, ImageCache
from fercli.labeling.rounds import Corrections, Round, compare, read_rounds, write_rounds
from fercli.labeling.store import AnnotationStore, ImageAnnotation

#: Quick rather than thorough: local binary patterns train several times as fast as Haar features,
#: variants make dozens of positives hundreds, and hundreds of negatives a stage are enough.
OPTIONS: dict[str, Any] = {
    "feature_type": "LBP", "stages": 20, "num_neg": 400, "variants": 10, "validation": 0.0,
}  # fmt: skip

#: Pixels of a window whose sides are chosen here, about.
WINDOW_AREA = 24 * 24

#: After so many seconds the stages that are trained are enough.
MOST_SECONDS = 60.0

#: So many annotated images tell which scores the object gets, and a suggestion is shown at first
#: from this share of their median on.
MOST_SCORED, SHARE_OF_MEDIAN = 20, 1 / 3


class _StoppedError(Exception):
    """Raised within a training that is to end."""


class QuickTraining:
    """Trains in the background, one at a time.

    Parameters
    ----------
    store : AnnotationStore
    images : ImageCache
        Is told of the cascades.
    folder : Path
        Where the cascades and ``rounds.json`` are.
    detection : DetectionOptions
        How the cascades search.
    window_wh : (int, int), optional
        Defaults to the shape of the boxes.
    backgrounds : Path, optional
        More images without the object. Defaults to the finished images alone, outside their boxes.
    most_seconds : float
        After which the stages that are trained are enough.

    Raises
    ------
    InputError
        ``rounds.json`` is not one of fer's.
    FerError
        A cascade of an earlier round cannot be loaded.
    """

    def __init__(
        self,
        store: AnnotationStore,
        images: ImageCache,
        folder: Path,
        *,
        detection: DetectionOptions,
        window_wh: tuple[int, int] | None = None,
        backgrounds: Path | None = None,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._store, self._images, self._folder = store, images, folder
        self._detection, self._window_wh, self._backgrounds = detection, window_wh, backgrounds
        self._most_seconds = most_seconds
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._watched = _Watched(most_seconds)
        self._state, self._reason = "idle", ""
        self._file = folder / "rounds.json"
        self.rounds = read_rounds(self._file)

    def restore(self) -> None:
        """Let the newest cascade of each class suggest again."""
        newest = {each.label: number for number, each in enumerate(self.rounds, 1)}
        for label, number in newest.items():
            path = self._cascade(label)
            if label in (self._store.output.classes or ("",)) and path.exists():
                threshold = self.rounds[number - 1].threshold
                self._images.use(Finder(path, self._detection, label, number, threshold))

    def start(self, label: str = "") -> None:
        """Begin a training; the positives are the boxes so far.

        Raises
        ------
        OptionError
            A training is under way.
        InputError
            There are too few boxes, or nothing without the object.
        FerError
            The other backgrounds cannot be read.
        """
        with self._lock:
            if self._state == "running":
                raise OptionError("A training is under way")
            examples = self._examples(label)
            self._watched = _Watched(self._most_seconds)
            self._state, self._reason = "running", ""
            self._thread = threading.Thread(target=self._run, args=(examples, self._watched))
            self._thread.start()

    def cancel(self) -> None:
        """Let a training end without a result, soon."""
        self._watched.cancelled = True

    def close(self) -> None:
        """Let a training end, and wait for that."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def note_shown(self, number: int, name: str, shown: Sequence[Box]) -> None:
        """Remember what the round `number`, from 1, suggested in an image that is finished."""
        with self._lock:
            if not 1 <= number <= len(self.rounds):
                return
            for each in self.rounds:
                if each.label == self.rounds[number - 1].label:
                    each.shown.pop(name, None)
            self.rounds[number - 1].shown[name] = list(shown)
            self._write_rounds()

    def to_dict(self) -> dict[str, Any]:
        """Return how far a training is, and all rounds."""
        with self._lock:
            rounds = [
                {
                    "number": number, "label": each.label, "boxes": each.boxes,
                    "images": each.images, "stages": each.stages, "seconds": each.seconds,
                    "corrections": asdict(self._corrections(each)),
                }
                for number, each in enumerate(self.rounds, 1)
            ]  # fmt: skip
            return {
                "state": self._state,
                "reason": self._reason,
                "progress": self._watched.to_dict() if self._state == "running" else None,
                "rounds": rounds,
            }

    def _corrections(self, each: Round) -> Corrections:
        numbers = {name: at for at, name in enumerate(self._store.names)}
        states = self._store.states()
        found = []
        for name, shown in each.shown.items():
            at = numbers.get(name, -1)
            if at >= 0 and states[at][0] in ("done", "negative"):
                annotation = _annotation(self._store, at)
                if annotation is not None:
                    boxes, ignored = _of_class(annotation, each.label)
                    found.append(compare(shown, (*boxes, *ignored)))
        totals = [sum(column) for column in zip(*found, strict=True)] or [0] * 4
        return Corrections(len(found), *totals)

    def _cascade(self, label: str) -> Path:
        name = f"-{re.sub(r'[^A-Za-z0-9]', '_', label)}" if label else ""
        classes = self._store.output.classes
        number = str(classes.index(label) + 1) if label in classes else ""
        return self._folder / f"cascade{number}{name}.xml"

    def _examples(self, label: str) -> _Examples:
        """Return what there is to train on.

        Raises
        ------
        InputError
            It is not enough.
        """
        positives, negatives = [], []
        for at, (state, _) in enumerate(self._store.states()):
            annotation = None if state == "unseen" else _annotation(self._store, at)
            if annotation is None:
                continue
            boxes, ignored = _of_class(annotation, label)
            image = AnnotatedImage(self._store.images[at].absolute(), boxes, ignored)
            if boxes:
                positives.append(image)
            if state != "begun":  # what else is in unfinished images nobody knows
                negatives.append(image)
        found = _Examples(label, positives, negatives)
        _require_enough(found, label, alone=self._backgrounds is None)
        if self._backgrounds is not None:
            negatives.extend(_more(self._backgrounds))
        return found

    def _run(self, examples: _Examples, watched: _Watched) -> None:
        state, reason = "ready", ""
        try:
            self._train(examples, watched)
        except _StoppedError:
            state = "cancelled"
        except FerError as error:
            state, reason = "failed", error.message
        except Exception as error:
            traceback.print_exc()
            state, reason = "failed", f"The training failed: {error}"
        with self._lock:
            self._state, self._reason = state, reason

    def _train(self, examples: _Examples, watched: _Watched) -> None:
        label, window_wh = examples.label, self._window_wh
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fer-") as temporary:
            out = Path(temporary) / "run"
            stages = _train_into(out, examples, window_for(examples.positives, window_wh), watched)
            watched.check()
            make_folder(self._folder)
            with atomic_write(self._cascade(label), overwrite=True) as path:
                shutil.copyfile(out / "cascade.xml", path)
        finder = Finder(self._cascade(label), self._detection, label, len(self.rounds) + 1)
        threshold = finder.threshold = _threshold(finder, examples.positives)
        seconds = round(time.monotonic() - began, 1)
        count = sum(len(image.boxes_xywh) for image in examples.positives)
        with self._lock:
            self.rounds.append(
                Round(label, count, len(examples.positives), stages, seconds, threshold)
            )
            self._write_rounds()
        self._images.use(finder)

    def _write_rounds(self) -> None:
        make_folder(self._folder)
        write_rounds(self._file, self.rounds)


def window_for(
    images: Sequence[AnnotatedImage], wanted_wh: tuple[int, int] | None
) -> tuple[int, int]:
    """Return a window for boxes: of the shape that is asked for, or of their median shape."""
    if wanted_wh and all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in wanted_wh):
        return wanted_wh
    shapes = [box[2] / box[3] for image in images for box in image.boxes_xywh]
    shape = wanted_wh[0] / wanted_wh[1] if wanted_wh else statistics.median(shapes)
    sides = (WINDOW_AREA * shape) ** 0.5, (WINDOW_AREA / shape) ** 0.5
    wide, high = (min(max(round(side), SMALLEST_SIDE), LARGEST_SIDE) for side in sides)
    return wide, high


@dataclass(frozen=True)
class _Examples:
    label: str
    positives: list[AnnotatedImage]
    negatives: list[AnnotatedImage]


class _Watched(Progress):
    """How far a training is; raises `_StoppedError` in it once it is to end."""

    def __init__(self, most_seconds: float) -> None:
        self.cancelled = False
        self.done, self.total, self.text = 0, 0, ""
        self._deadline = time.monotonic() + most_seconds

    @property
    def late(self) -> bool:
        """Whether there was time enough for the stages that are trained."""
        return self.done > 0 and time.monotonic() > self._deadline

    def check(self) -> None:
        """Raise `_StoppedError` if the training is cancelled."""
        if self.cancelled:
            raise _StoppedError

    def check_time(self) -> None:
        """Raise `_StoppedError` if the training is cancelled or has taken long enough."""
        self.check()
        if self.late:
            raise _StoppedError

    def bar(self, description: str, *, total: float | None = None, unit: str = "it") -> SilentBar:
        """Return a bar; that of the stages is the one that is shown."""
        if unit == "stage":
            self.total = int(total or 0)
        return _WatchedBar(self, of_stages=unit == "stage")

    def note(self, text: str) -> None:
        """Look whether the training is to end."""
        self.check_time()

    def to_dict(self) -> dict[str, Any]:
        """Return how far it is."""
        return {"stage": self.done, "stages": self.total, "text": self.text}


class _WatchedBar(SilentBar):
    def __init__(self, watched: _Watched, *, of_stages: bool) -> None:
        self._watched, self._of_stages = watched, of_stages

    def advance(self, count: int = 1) -> None:
        if self._of_stages:
            self._watched.done += count
        self._watched.check_time()

    def figures(self, text: str) -> None:
        if self._of_stages:
            self._watched.text = text
        self._watched.check_time()


def _train_into(
    out: Path, examples: _Examples, window_wh: tuple[int, int], watched: _Watched
) -> int:
    """Train a cascade into a folder, and return how many stages it has."""
    from fercli.api import train_cascade
    from fercli.cascade.training.native import finish

    make_folder(out.parent)
    info, bg = out.parent / "positives.json", out.parent / "negatives.json"
    coco.write(info, examples.positives)
    coco.write(bg, examples.negatives)
    try:
        result = train_cascade(
            positives=info, negatives=bg, out=out, size=window_wh, progress=watched, **OPTIONS
        )
    except _StoppedError:
        watched.check()
        result = finish(out)
    return len(result.stages)


def _threshold(finder: Finder, images: Sequence[AnnotatedImage]) -> float:
    """Return the score from which on detections are suggested, by those of the annotated boxes."""
    scores: list[float] = []
    for image in images[:MOST_SCORED]:
        try:
            found = finder.detect(read_color(image.path))
        except (ImageError, cv2.error):
            continue
        verdicts = match([each.box_xywh for each in found], image.boxes_xywh, IouRule(0.5))
        scores += [each.score for each, to in zip(found, verdicts, strict=True) if to >= 0]
    return SHARE_OF_MEDIAN * statistics.median(scores) if scores else 0.0


def _require_enough(found: _Examples, label: str, *, alone: bool) -> None:
    count = sum(len(image.boxes_xywh) for image in found.positives)
    of_class = f" of {label!r}" if label else ""
    if count < FEWEST:
        raise InputError(
            f"A training needs at least {counted(FEWEST, 'box')}{of_class}, there are {count} "
            f"so far: draw {FEWEST - count} more"
        )
    if alone and not found.negatives:
        raise InputError(
            "No image is finished yet, and what is outside the boxes of unfinished ones may be "
            "the object, too: finish one (Done, next)"
        )


def _more(path: Path) -> list[AnnotatedImage]:
    from fercli.cascade.training.backgrounds import read_backgrounds

    found = read_backgrounds(path)
    return [
        AnnotatedImage(each.absolute(), tuple(found.objects.get(each, ()))) for each in found.paths
    ]


def _annotation(store: AnnotationStore, number: int) -> ImageAnnotation | None:
    """Return what is said of an image; None if that needs its size and it cannot be read."""
    try:
        return store.annotation(number)
    except FerError:
        return None


def _of_class(annotation: ImageAnnotation, label: str) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """Return the boxes of a class, and those of it that are not counted."""

    def chosen(boxes: Sequence[Box], labels: Sequence[str]) -> tuple[Box, ...]:
        if not label:
            return tuple(boxes)
        return tuple(box for box, one in zip(boxes, labels, strict=True) if one == label)

    return (
        chosen(annotation.boxes_xywh, annotation.labels),
        chosen(annotation.ignored_xywh, annotation.ignored_labels),
    )
