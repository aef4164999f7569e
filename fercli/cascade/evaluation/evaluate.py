"""Run cascades over annotated images and match their detections with the ground truth."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from fercli.annotations.base import NOTES, AnnotatedImage, Record, input_notes, joined_by_path
from fercli.annotations.reading import read_records
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import (
    DEFAULTS,
    AcceptedWindows,
    Detections,
    Detector,
)
from fercli.cascade.evaluation.matching import (
    CenterRule,
    IouRule,
    MatchRule,
    match,
    scaled,
    size_ratios,
)
from fercli.cascade.evaluation.report import prepare_report_folder, save_report
from fercli.cascade.evaluation.results import (
    CascadeEvaluation,
    CascadeResult,
    DetectionCounts,
    ImageResult,
    MatchedDetections,
    count_detections,
    total,
)
from fercli.cascade.model import Cascade
from fercli.cascade.training.backgrounds import read_backgrounds
from fercli.common.errors import AnnotationError, ImageError, InputError, OptionError, image_errors
from fercli.common.files import shown_name
from fercli.common.images import ImageArray, read_gray
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted

#: The curve uses all detections, even those of a single window.
CURVE_NEIGHBORS = 0
#: From this ``min_neighbors`` on, a larger value only drops detections: those inside a larger group
#: are dropped already (see `grouping`).
DROPPING_NEIGHBORS = 3
#: Values of ``min_neighbors`` that are compared.
TRIED_NEIGHBORS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200)
#: Matching for the ratio of sizes: the same center, any size.
ANY_SIZE = CenterRule(max_distance=0.3, max_size_ratio=3.0)
#: Least number of hits for a ratio of sizes.
MIN_HITS_FOR_RATIO = 5


@dataclass(frozen=True)
class Ranking:
    """Which detections the curve is made of, and in which order.

    Parameters
    ----------
    min_neighbors : int
        Groups of more windows than this are detections. Defaults to 0: all are.
    by : {"margin", "neighbors"}
        The score: `Detections.scores`, or the number of windows, as ``detectMultiScale2`` gives
        it. Defaults to "margin".
    """

    min_neighbors: int = CURVE_NEIGHBORS
    by: Literal["margin", "neighbors"] = "margin"

    def of(self, windows: AcceptedWindows) -> Detections:
        """Return the detections of an image, best first."""
        found = windows.group(self.min_neighbors)
        if self.by == "margin":
            return found
        order = np.argsort(-found.neighbors, kind="stable")
        boxes, neighbors = found.boxes_xywh[order], found.neighbors[order]
        return Detections(boxes, neighbors.astype(np.float64), neighbors)


DEFAULT_RANKING = Ranking()


class WindowDetector(Protocol):
    """What finds the windows of an image that a cascade accepts."""

    cascade: Cascade

    def scan(self, image: ImageArray, options: DetectionOptions = ...) -> AcceptedWindows:
        """Return all windows of an image that pass all stages."""


@dataclass(frozen=True)
class _ImageDetections:
    """Detections of a cascade in an image, before matching."""

    image_wh: tuple[int, int]
    chosen: Detections
    ranked: Detections
    tried: Mapping[int, Detections]
    milliseconds: float


def evaluate(
    cascades: Sequence[Path],
    images: Sequence[AnnotatedImage],
    *,
    options: DetectionOptions = DEFAULTS,
    rule: MatchRule | None = None,
    box_scale: float | Literal["auto"] = 1.0,
    ranking: Ranking = DEFAULT_RANKING,
    detectors: Sequence[WindowDetector] | None = None,
    scheduler: str | None = None,
    progress: Progress = SILENT,
) -> CascadeEvaluation:
    """Run cascades over annotated images and match their detections.

    Images are processed one at a time, since cv2 uses all cores for one detection: the times are
    those of a typical use. On a cluster they are those of its workers, several of which may share
    the cores of a machine.

    Parameters
    ----------
    cascades : sequence of Path
    images : sequence of AnnotatedImage
    options : DetectionOptions, optional
        Options of the detector.
    rule : MatchRule, optional
        When a detection is a hit. Defaults to ``IouRule()``.
    box_scale : float or "auto"
        Factor by which detections are enlarged around their centers before matching, for a
        cascade trained on narrower or wider crops than the annotations. "auto" uses, for each
        cascade, the factor that makes the median size equal. Defaults to 1.
    ranking : Ranking, optional
        Which detections the curve is made of, and their score. Defaults to all, by the margin.
    detectors : sequence of WindowDetector, optional
        What finds the windows for each cascade. Defaults to cv2's detector.
    scheduler : str, optional
        The Dask scheduler whose workers search the images. Defaults to None: this machine does.
    progress : Progress, optional

    Raises
    ------
    CascadeFileError
        A cascade cannot be loaded.
    InputError
        There are no images, or none of them can be read.
    OptionError
        The box scale is not above 0.
    DependencyError
        The cluster cannot be used.
    """
    if box_scale != "auto" and not 0 < box_scale < float("inf"):
        raise OptionError(f"`box_scale` must be a number above 0 or auto, got {box_scale}")
    if not cascades or not images:
        raise InputError("Expected at least one cascade and one annotated image")
    rule = rule or IouRule()
    detectors = detectors or [Detector(path) for path in cascades]
    search = _Search(tuple(detectors), options, ranking)
    searched, found, left_out = _search_all(search, images, scheduler, progress)
    results = tuple(
        _judge(path, name, searched, of_cascade, rule, box_scale)
        for path, name, of_cascade in zip(cascades, short_names(cascades), found, strict=True)
    )
    return CascadeEvaluation(results, tuple(left_out), options, rule)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest distinct ends of paths, without a suffix.

    ``cascade.xml``, the name that every training uses, is named by its folder. A repeated path
    gets a number.
    """
    parts = [_name_parts(path.absolute()) for path in paths]
    names = []
    for at, own in enumerate(parts):
        others = [other for other in parts if other != own]
        length = 1
        while length < len(own) and any(other[-length:] == own[-length:] for other in others):
            length += 1
        earlier = parts[:at].count(own)
        name = shown_name("/".join(own[-length:]))
        names.append(name + (f" ({earlier + 1})" if earlier else ""))
    return names


def _name_parts(path: Path) -> tuple[str, ...]:
    named_by_folder = path.stem == "cascade" and path.parent.name
    return path.parent.parts if named_by_folder else path.with_suffix("").parts


def _warm_up(detector: WindowDetector) -> None:
    """Run once on an empty image, so that no image's time includes one-time initialization."""
    width, height = detector.cascade.size_wh
    detector.scan(np.zeros((height + 8, width + 8), np.uint8)).group(CURVE_NEIGHBORS)


@dataclass
class _Search:
    """The search of an image file by all cascades."""

    detectors: tuple[WindowDetector, ...]
    options: DetectionOptions
    ranking: Ranking
    is_warm: bool = False

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "is_warm": False}

    def __call__(self, path: Path) -> list[_ImageDetections] | ImageError:
        """Return the detections of each cascade, or why the image cannot be searched."""
        if not self.is_warm:
            for detector in self.detectors:
                _warm_up(detector)
            self.is_warm = True
        try:
            with image_errors(path):
                gray = read_gray(path)
                return [_search(one, gray, self.options, self.ranking) for one in self.detectors]
        except ImageError as error:
            return error


def _search_all(
    search: _Search, images: Sequence[AnnotatedImage], scheduler: str | None, progress: Progress
) -> tuple[list[AnnotatedImage], list[list[_ImageDetections]], list[ImageError]]:
    """Return the images that can be read, the detections of each cascade, and the errors."""
    searched: list[AnnotatedImage] = []
    found: list[list[_ImageDetections]] = [[] for _ in search.detectors]
    left_out: list[ImageError] = []
    results = parallel_map(
        search,
        [image.path for image in images],
        workers=Workers(1, scheduler=scheduler),
        progress=progress,
        description="detecting",
    )
    for image, of_image in zip(images, results, strict=True):
        if isinstance(of_image, ImageError):
            left_out.append(of_image)
            continue
        searched.append(image)
        _note_boxes_outside(image, of_image[0].image_wh)
        for of_cascade, one in zip(found, of_image, strict=True):
            of_cascade.append(one)
    if not searched:
        raise InputError(f"None of the images can be read: {left_out[0]}")
    return searched, found, left_out


def _note_boxes_outside(image: AnnotatedImage, image_wh: tuple[int, int]) -> None:
    """Note boxes that lie outside of their image, as where it was scaled after it was annotated."""
    width, height = image_wh
    for box in image.boxes_xywh:
        x, y, wide, high = box
        if x >= width or y >= height or x + wide <= 0 or y + high <= 0:
            kind = "boxes outside of their images, which no detection can hit"
            found = f"{' '.join(map(str, box))} (x y width height) in {width}x{height} pixels"
            NOTES.add(image.path, kind, box, found)


def _search(
    detector: WindowDetector, gray: ImageArray, options: DetectionOptions, ranking: Ranking
) -> _ImageDetections:
    start = time.perf_counter()
    windows = detector.scan(gray, options)
    chosen = windows.group(options.min_neighbors)
    milliseconds = 1000 * (time.perf_counter() - start)
    tried = {count: windows.group(count) for count in range(1, DROPPING_NEIGHBORS + 1)}
    return _ImageDetections(windows.image_wh, chosen, ranking.of(windows), tried, milliseconds)


def _judge(
    path: Path,
    name: str,
    images: Sequence[AnnotatedImage],
    found: Sequence[_ImageDetections],
    rule: MatchRule,
    box_scale: float | Literal["auto"],
) -> CascadeResult:
    ratio = _box_ratio(images, found)
    scale = (1 / ratio if ratio else 1.0) if box_scale == "auto" else box_scale
    results = tuple(
        ImageResult(
            image,
            _judged(of_image.chosen, image, rule, scale),
            _judged(of_image.ranked, image, rule, scale),
            of_image.milliseconds,
        )
        for image, of_image in zip(images, found, strict=True)
    )
    by_neighbors = {
        count: total(
            _counts_above(count, of_image.tried[min(count, DROPPING_NEIGHBORS)], image, rule, scale)
            for image, of_image in zip(images, found, strict=True)
        )
        for count in TRIED_NEIGHBORS
    }
    return CascadeResult(path, name, results, scale, ratio, by_neighbors)


def _counts_above(
    count: int, detections: Detections, image: AnnotatedImage, rule: MatchRule, scale: float
) -> DetectionCounts:
    """Return the counts of the detections of more than `count` windows."""
    kept = detections.neighbors > count
    of_count = Detections(
        detections.boxes_xywh[kept], detections.scores[kept], detections.neighbors[kept]
    )
    return count_detections(_judged(of_count, image, rule, scale).verdicts, image)


def _judged(
    detections: Detections, image: AnnotatedImage, rule: MatchRule, scale: float
) -> MatchedDetections:
    boxes = scaled(detections.boxes_xywh, scale)
    verdicts = match(boxes, image.boxes_xywh, rule, ignored_xywh=image.ignored_xywh)
    return MatchedDetections(boxes, detections.scores, verdicts)


def _box_ratio(images: Sequence[AnnotatedImage], found: Sequence[_ImageDetections]) -> float | None:
    """Return the median ratio of a detection's side to its object's."""
    ratios: list[float] = []
    for image, of_image in zip(images, found, strict=True):
        boxes = scaled(of_image.chosen.boxes_xywh, 1)
        truths = scaled(image.boxes_xywh, 1)
        verdicts = match(boxes, truths, ANY_SIZE)
        hits = np.flatnonzero(verdicts >= 0)
        ratios.extend(size_ratios(boxes, truths)[hits, verdicts[hits]])
    return float(np.median(ratios)) if len(ratios) >= MIN_HITS_FOR_RATIO else None


# Evaluation of files: cascades, annotations and backgrounds in, a report out.


#: Boxes larger or smaller than the annotations by more than this factor get a note.
NOTED_RATIO = 1.25

TIMES_OF_WORKERS = (
    "the times are those of workers of a cluster, of which several may share a machine: compare "
    "cascades by them, not with times of one machine"
)


def evaluate_files(
    cascades: Sequence[Path],
    truth: Path | None = None,
    backgrounds: Path | None = None,
    *,
    format: str | None = None,
    images: Path | None = None,
    labels: Collection[str] = (),
    box_format: Literal["xywh", "xyxy"] | None = None,
    options: DetectionOptions = DEFAULTS,
    rule: MatchRule | None = None,
    box_scale: float | Literal["auto"] = 1.0,
    out: Path | None = None,
    overwrite: bool = False,
    scheduler: str | None = None,
    progress: Progress = SILENT,
) -> CascadeEvaluation:
    """Evaluate cascades on annotated images and on images without an object.

    Parameters
    ----------
    cascades : sequence of Path
    truth : Path, optional
        Annotations, with `format`, `images`, `labels` and `box_format` as `read_records`.
    backgrounds : Path, optional
        A list of images without an object, or a folder of them.
    options, rule, box_scale, scheduler, progress
        As `evaluate`.
    out : Path, optional
        The folder for the report (`save_report`); it must be empty or missing unless
        `overwrite`.

    Raises
    ------
    OptionError
        There are neither annotations nor backgrounds, or an option is out of range.
    AnnotationError, InputError, CascadeFileError, OutputError
        An input cannot be used, or the report cannot be written.
    """
    if truth is None and backgrounds is None:
        raise OptionError(
            "Give annotated images with `ground_truth`, backgrounds with `bg`, or both"
        )
    annotated: list[AnnotatedImage] = []
    if truth is not None:
        annotated = annotated_images(
            truth, format=format, images=images, labels=labels, box_format=box_format
        )
    if backgrounds is not None:
        annotated += _without_objects(backgrounds, progress)
    if out is not None:
        prepare_report_folder(out, overwrite=overwrite)
    evaluation = evaluate(
        cascades,
        annotated,
        options=options,
        rule=rule,
        box_scale=box_scale,
        scheduler=scheduler,
        progress=progress,
    )
    notes = input_notes()
    if scheduler is not None:
        notes.append(TIMES_OF_WORKERS)
        progress.note(TIMES_OF_WORKERS)
    evaluation = replace(evaluation, notes=tuple(notes))
    for error in evaluation.left_out:
        progress.note(f"left out: {error}")
    for result in evaluation.cascades:
        _note_other_size(result, box_scale, progress)
    if out is not None:
        save_report(evaluation, out, overwrite=overwrite, progress=progress)
    return evaluation


def annotated_images(
    truth: Path,
    *,
    format: str | None = None,
    images: Path | None = None,
    labels: Collection[str] = (),
    box_format: Literal["xywh", "xyxy"] | None = None,
) -> list[AnnotatedImage]:
    """Return the images of annotations, each once, with boxes in pixels.

    Parameters as `read_records`.

    Raises
    ------
    OptionError, AnnotationError
        As `read_records`; there is no image, or a box is empty.
    """
    records = read_records(
        truth, format=format, images=images, labels=labels, box_format=box_format
    )
    # An image may have several records; taken separately, objects of the others would be false
    # alarms.
    annotated = joined_by_path(_in_pixels(record) for record in records)
    _refuse_empty(annotated, truth)
    return annotated


def _in_pixels(record: Record) -> AnnotatedImage:
    """Return the boxes in pixels; an image that cannot be read is left out later."""
    try:
        return record.in_pixels()
    except ImageError:
        return AnnotatedImage(record.path, ())


def _without_objects(backgrounds: Path, progress: Progress) -> list[AnnotatedImage]:
    """Return the images of a list or folder; objects that are annotated in them are ignored."""
    files = read_backgrounds(backgrounds)
    objects = sum(len(boxes) for boxes in files.objects.values())
    notes = list(files.notes)
    if objects:
        # The first is on what a training does with them.
        notes[:1] = [
            f"{counted(objects, 'annotated object')} in "
            f"{counted(len(files.objects), 'background')}; detections of them are ignored"
        ]
    for note in notes:
        progress.note(f"{backgrounds}: {note}")
    return [AnnotatedImage(path, (), files.objects.get(path, ())) for path in files.paths]


def _refuse_empty(images: Sequence[AnnotatedImage], truth: Path) -> None:
    if not images:
        raise AnnotationError("The file lists no image", path=truth)
    for image in images:
        for box in image.boxes_xywh:
            if min(box[2:]) <= 0:
                raise AnnotationError(
                    f"A box of {image.path} is empty: {' '.join(map(str, box))} (x y width height)",
                    hint="run fer cascade check-info",
                    path=truth,
                )


def _note_other_size(
    result: CascadeResult, box_scale: float | Literal["auto"], progress: Progress
) -> None:
    ratio = result.box_ratio
    if box_scale != 1 or ratio is None or 1 / NOTED_RATIO <= ratio <= NOTED_RATIO:
        return
    progress.note(
        f"{result.name}: its boxes have {ratio:.2f} times the sides of the annotated ones, which "
        f"costs hits; --box-scale auto compensates for it"
    )
