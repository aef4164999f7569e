"""Measuring: cascades run over annotated images, each detection judged."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fercli.annotations.base import AnnotatedImage, Record, joined_by_path
from fercli.annotations.formats import read_records
from fercli.annotations.opencv_lists import read_background_list
from fercli.cascade.detection.detector import (
    DEFAULTS,
    Detections,
    Detector,
)
from fercli.cascade.detection.options import DetectionOptions
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
    CascadeResult,
    DetectionCounts,
    Evaluation,
    ImageResult,
    MatchedDetections,
    count_detections,
    total,
)
from fercli.common.errors import AnnotationError, ImageError, InputError, OptionError, image_errors
from fercli.common.files import shown_name
from fercli.common.images import ImageArray, read_gray
from fercli.common.progress import SILENT, Progress

#: The curve is made of all detections, even those that a single window saw.
CURVE_NEIGHBORS = 0
#: Choices of ``min_neighbors`` to be compared. From 3 on, asking for more only drops detections:
#: what lies inside a larger group is dropped already (see `grouping`).
TRIED_NEIGHBORS = (3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200)
#: For the ratio of sizes: the same place, whatever the size.
ANY_SIZE = CenterRule(max_distance=0.3, max_size_ratio=3.0)
#: Fewer objects than this say nothing about a cascade's habit.
FEWEST_FOR_RATIO = 5


@dataclass(frozen=True)
class _Found:
    """What a cascade found in an image, before anybody judges it."""

    chosen: Detections
    ranked: Detections
    tried: Detections
    milliseconds: float


def evaluate(
    cascades: Sequence[Path],
    images: Sequence[AnnotatedImage],
    *,
    options: DetectionOptions = DEFAULTS,
    rule: MatchRule | None = None,
    box_scale: float | Literal["auto"] = 1.0,
    progress: Progress = SILENT,
) -> Evaluation:
    """Run cascades over annotated images and judge what they find.

    One image at a time, since cv2 spreads a detection over all cores itself: the times are
    those that a user of the cascade gets.

    Parameters
    ----------
    cascades : sequence of Path
    images : sequence of AnnotatedImage
    options : DetectionOptions, optional
        How images are searched.
    rule : MatchRule, optional
        When a detection is an object. Defaults to ``IouRule()``.
    box_scale : float or "auto"
        What detections are made larger by, around their centers, before they are matched: for a
        cascade that was trained on narrower or wider crops than the truth's. "auto" takes, for
        each cascade, the factor that makes them as large as the truth (the median). Defaults to 1.
    progress : Progress, optional

    Raises
    ------
    CascadeFileError
        A cascade cannot be loaded.
    InputError
        There are no images, or none of them can be read.
    OptionError
        The box scale is not above 0.
    """
    if box_scale != "auto" and not 0 < box_scale < float("inf"):
        raise OptionError(f"wanted a box scale above 0, or auto, found {box_scale}")
    if not cascades or not images:
        raise InputError("wanted at least one cascade and one annotated image, found none")
    rule = rule or IouRule()
    detectors = [Detector(path) for path in cascades]
    searched, found, left_out = _search_all(detectors, images, options, progress)
    results = tuple(
        _judge(path, name, searched, of_cascade, rule, box_scale)
        for path, name, of_cascade in zip(cascades, short_names(cascades), found, strict=True)
    )
    return Evaluation(results, tuple(left_out), options, rule)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths that tell them apart, without a suffix.

    ``cascade.xml``, as every training names its result, goes by its folder's name. A path that is
    there twice gets a number.
    """
    parts = [_telling_parts(path.absolute()) for path in paths]
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


def _telling_parts(path: Path) -> tuple[str, ...]:
    named_by_folder = path.stem == "cascade" and path.parent.name
    return path.parent.parts if named_by_folder else path.with_suffix("").parts


def _warm_up(detector: Detector) -> None:
    """Run once on nothing, so that no image's time holds what is done only once."""
    width, height = detector.cascade.size_wh
    detector.scan(np.zeros((height + 8, width + 8), np.uint8)).group(CURVE_NEIGHBORS)


def _search_all(
    detectors: Sequence[Detector],
    images: Sequence[AnnotatedImage],
    options: DetectionOptions,
    progress: Progress,
) -> tuple[list[AnnotatedImage], list[list[_Found]], list[ImageError]]:
    """Return the images that can be read, what each cascade finds in them, and the errors."""
    for detector in detectors:
        _warm_up(detector)
    searched: list[AnnotatedImage] = []
    found: list[list[_Found]] = [[] for _ in detectors]
    left_out: list[ImageError] = []
    for image in progress.track(images, "detecting", unit="image"):
        try:
            with image_errors(image.path):
                gray = read_gray(image.path)
                of_image = [_search(detector, gray, options) for detector in detectors]
        except ImageError as error:
            left_out.append(error)
            continue
        searched.append(image)
        for of_cascade, one in zip(found, of_image, strict=True):
            of_cascade.append(one)
    if not searched:
        raise InputError(f"wanted images, found none that can be read: {left_out[0]}")
    return searched, found, left_out


def _search(detector: Detector, gray: ImageArray, options: DetectionOptions) -> _Found:
    start = time.perf_counter()
    windows = detector.scan(gray, options)
    chosen = windows.group(options.min_neighbors)
    milliseconds = 1000 * (time.perf_counter() - start)
    ranked, tried = windows.group(CURVE_NEIGHBORS), windows.group(TRIED_NEIGHBORS[0])
    return _Found(chosen, ranked, tried, milliseconds)


def _judge(
    path: Path,
    name: str,
    images: Sequence[AnnotatedImage],
    found: Sequence[_Found],
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
            _tally_beyond(count, of_image.tried, image, rule, scale)
            for image, of_image in zip(images, found, strict=True)
        )
        for count in TRIED_NEIGHBORS
    }
    return CascadeResult(path, name, results, scale, ratio, by_neighbors)


def _tally_beyond(
    count: int, detections: Detections, image: AnnotatedImage, rule: MatchRule, scale: float
) -> DetectionCounts:
    """Return the tally of the detections of more than `count` windows."""
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


def _box_ratio(images: Sequence[AnnotatedImage], found: Sequence[_Found]) -> float | None:
    """Return the median ratio of a detection's side to its object's."""
    ratios: list[float] = []
    for image, of_image in zip(images, found, strict=True):
        boxes = scaled(of_image.chosen.boxes_xywh, 1)
        truths = scaled(image.boxes_xywh, 1)
        verdicts = match(boxes, truths, ANY_SIZE)
        hits = np.flatnonzero(verdicts >= 0)
        ratios.extend(size_ratios(boxes, truths)[hits, verdicts[hits]])
    return float(np.median(ratios)) if len(ratios) >= FEWEST_FOR_RATIO else None


# Evaluation from files to files: cascades, annotations and backgrounds in, a report out.


#: Boxes larger or smaller than the truth's by more than this lose hits to the rules of matching.
NOTEWORTHY_RATIO = 1.25


def evaluate_files(
    cascades: Sequence[Path],
    truth: Path | None = None,
    backgrounds: Path | None = None,
    *,
    format: str | None = None,
    images: Path | None = None,
    labels: Collection[str] = (),
    options: DetectionOptions = DEFAULTS,
    rule: MatchRule | None = None,
    box_scale: float | Literal["auto"] = 1.0,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Evaluation:
    """Measure cascades on annotated images and on images without an object.

    Parameters
    ----------
    cascades : sequence of Path
    truth : Path, optional
        Annotations, with `format`, `images` and `labels` as `read_records`.
    backgrounds : Path, optional
        A list of images without an object.
    options, rule, box_scale, progress
        As `evaluate`.
    out : Path, optional
        The folder for the report (`save_report`), which must be empty or missing unless
        `overwrite`.

    Raises
    ------
    OptionError
        There is neither truth nor backgrounds, or an option is out of range.
    AnnotationError, InputError, CascadeFileError, OutputError
        An input cannot be used, or the report cannot be written.
    """
    if truth is None and backgrounds is None:
        raise OptionError("wanted annotated images, backgrounds or both, found neither")
    annotated: list[AnnotatedImage] = []
    if truth is not None:
        records = read_records(truth, format=format, images=images, labels=labels)
        # One by one, the objects of the others would be false alarms.
        annotated = joined_by_path(_in_pixels(record) for record in records)
        _refuse_empty(annotated, truth)
    if backgrounds is not None:
        names = read_background_list(backgrounds)
        if not names:
            raise AnnotationError("wanted a list of images, found none", path=backgrounds)
        annotated += [AnnotatedImage(path, ()) for path in names]
    if out is not None:
        prepare_report_folder(out, overwrite=overwrite)
    evaluation = evaluate(
        cascades, annotated, options=options, rule=rule, box_scale=box_scale, progress=progress
    )
    for error in evaluation.left_out:
        progress.note(f"left out: {error}")
    for result in evaluation.cascades:
        _note_other_size(result, box_scale, progress)
    if out is not None:
        save_report(evaluation, out, overwrite=overwrite, progress=progress)
    return evaluation


def _in_pixels(record: Record) -> AnnotatedImage:
    """Return the boxes in pixels; an image that cannot be read for it is left out later."""
    try:
        return record.in_pixels()
    except ImageError:
        return AnnotatedImage(record.path, ())


def _refuse_empty(images: Sequence[AnnotatedImage], truth: Path) -> None:
    if not images:
        raise AnnotationError("wanted annotated images, found none", path=truth)
    for image in images:
        for box in image.boxes_xywh:
            if min(box[2:]) <= 0:
                raise AnnotationError(
                    f"wanted boxes with some width and height, found {box} in {image.path}",
                    hint="fer cascade check-info",
                    path=truth,
                )


def _note_other_size(
    result: CascadeResult, box_scale: float | Literal["auto"], progress: Progress
) -> None:
    ratio = result.box_ratio
    if box_scale != 1 or ratio is None or 1 / NOTEWORTHY_RATIO <= ratio <= NOTEWORTHY_RATIO:
        return
    progress.note(
        f"{result.name}: its boxes have {ratio:.2f} times the sides of the truth's, which costs "
        f"hits; --box-scale auto makes up for it"
    )
