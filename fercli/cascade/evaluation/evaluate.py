"""Measuring: cascades run over annotated pictures, each detection judged."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fercli.annotations.base import AnnotatedPicture, Record, joined_by_path
from fercli.annotations.formats import read_records
from fercli.annotations.opencv_lists import read_background_list
from fercli.cascade.detection.detector import (
    DEFAULTS,
    DetectionOptions,
    Detections,
    Detector,
    group,
    load_detector,
    scan,
)
from fercli.cascade.evaluation.matching import (
    CentreRule,
    IouRule,
    MatchRule,
    match,
    scaled,
    size_ratios,
)
from fercli.cascade.evaluation.report import prepare_report_folder, save_report
from fercli.cascade.evaluation.results import (
    CascadeResult,
    Evaluation,
    Judged,
    PictureResult,
    Tally,
    tally_of,
    total,
)
from fercli.common.errors import AnnotationError, InputError, OptionError, PictureError
from fercli.common.files import shown_name
from fercli.common.images import Picture, read_grey
from fercli.common.progress import SILENT, Progress

#: The curve is made of all detections, even those that a single window saw.
CURVE_NEIGHBORS = 0
#: Choices of ``min_neighbors`` to be compared. From 3 on, asking for more only drops detections:
#: what lies inside a larger group is dropped already (see `grouping`).
TRIED_NEIGHBORS = (3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200)
#: For the ratio of sizes: the same place, whatever the size.
ANY_SIZE = CentreRule(max_distance=0.3, max_size_ratio=3.0)
#: Fewer objects than this say nothing about a cascade's habit.
FEWEST_FOR_RATIO = 5


@dataclass(frozen=True)
class _Found:
    """What a cascade found in a picture, before anybody judges it."""

    chosen: Detections
    ranked: Detections
    tried: Detections
    milliseconds: float


def evaluate(
    cascades: Sequence[Path],
    pictures: Sequence[AnnotatedPicture],
    *,
    options: DetectionOptions = DEFAULTS,
    rule: MatchRule | None = None,
    box_scale: float | Literal["auto"] = 1.0,
    progress: Progress = SILENT,
) -> Evaluation:
    """Run cascades over annotated pictures and judge what they find.

    One picture at a time, since cv2 spreads a detection over all cores itself: the times are
    those that a user of the cascade gets.

    Parameters
    ----------
    cascades : sequence of Path
    pictures : sequence of AnnotatedPicture
    options : DetectionOptions, optional
        How pictures are searched.
    rule : MatchRule, optional
        When a detection is an object. Defaults to ``IouRule()``.
    box_scale : float or "auto"
        What detections are made larger by, around their centres, before they are matched: for a
        cascade that was trained on narrower or wider crops than the truth's. "auto" takes, for
        each cascade, the factor that makes them as large as the truth (the median). Defaults to 1.
    progress : Progress, optional

    Raises
    ------
    CascadeFileError
        A cascade cannot be loaded.
    InputError
        There are no pictures, or none of them can be read.
    OptionError
        The box scale is not above 0.
    """
    if box_scale != "auto" and not 0 < box_scale < float("inf"):
        raise OptionError(f"wanted a box scale above 0, or auto, found {box_scale}")
    if not cascades or not pictures:
        raise InputError("wanted at least one cascade and one annotated picture, found none")
    rule = rule or IouRule()
    detectors = [load_detector(path) for path in cascades]
    searched, found, left_out = _search_all(detectors, pictures, options, progress)
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
    """Run once on nothing, so that no picture's time holds what is done only once."""
    width, height = detector.cascade.size_wh
    group(scan(detector, np.zeros((height + 8, width + 8), np.uint8)), CURVE_NEIGHBORS)


def _search_all(
    detectors: Sequence[Detector],
    pictures: Sequence[AnnotatedPicture],
    options: DetectionOptions,
    progress: Progress,
) -> tuple[list[AnnotatedPicture], list[list[_Found]], list[PictureError]]:
    """Return the pictures that can be read, what each cascade finds in them, and the errors."""
    for detector in detectors:
        _warm_up(detector)
    searched: list[AnnotatedPicture] = []
    found: list[list[_Found]] = [[] for _ in detectors]
    left_out: list[PictureError] = []
    for picture in progress.track(pictures, "detecting", unit="picture"):
        try:
            grey = read_grey(picture.path)
        except PictureError as error:
            left_out.append(error)
            continue
        searched.append(picture)
        for of_cascade, detector in zip(found, detectors, strict=True):
            of_cascade.append(_search(detector, grey, options))
    if not searched:
        raise InputError(f"wanted pictures, found none that can be read: {left_out[0]}")
    return searched, found, left_out


def _search(detector: Detector, grey: Picture, options: DetectionOptions) -> _Found:
    start = time.perf_counter()
    windows = scan(detector, grey, options)
    chosen = group(windows, options.min_neighbors)
    milliseconds = 1000 * (time.perf_counter() - start)
    ranked, tried = group(windows, CURVE_NEIGHBORS), group(windows, TRIED_NEIGHBORS[0])
    return _Found(chosen, ranked, tried, milliseconds)


def _judge(
    path: Path,
    name: str,
    pictures: Sequence[AnnotatedPicture],
    found: Sequence[_Found],
    rule: MatchRule,
    box_scale: float | Literal["auto"],
) -> CascadeResult:
    ratio = _box_ratio(pictures, found)
    scale = (1 / ratio if ratio else 1.0) if box_scale == "auto" else box_scale
    results = tuple(
        PictureResult(
            picture,
            _judged(of_picture.chosen, picture, rule, scale),
            _judged(of_picture.ranked, picture, rule, scale),
            of_picture.milliseconds,
        )
        for picture, of_picture in zip(pictures, found, strict=True)
    )
    by_neighbors = {
        count: total(
            _tally_beyond(count, of_picture.tried, picture, rule, scale)
            for picture, of_picture in zip(pictures, found, strict=True)
        )
        for count in TRIED_NEIGHBORS
    }
    return CascadeResult(path, name, results, scale, ratio, by_neighbors)


def _tally_beyond(
    count: int, detections: Detections, picture: AnnotatedPicture, rule: MatchRule, scale: float
) -> Tally:
    """Return the tally of the detections of more than `count` windows."""
    kept = detections.neighbors > count
    of_count = Detections(
        detections.boxes_xywh[kept], detections.scores[kept], detections.neighbors[kept]
    )
    return tally_of(_judged(of_count, picture, rule, scale).verdicts, picture)


def _judged(
    detections: Detections, picture: AnnotatedPicture, rule: MatchRule, scale: float
) -> Judged:
    boxes = scaled(detections.boxes_xywh, scale)
    verdicts = match(boxes, picture.boxes_xywh, rule, ignored_xywh=picture.ignored_xywh)
    return Judged(boxes, detections.scores, verdicts)


def _box_ratio(pictures: Sequence[AnnotatedPicture], found: Sequence[_Found]) -> float | None:
    """Return the median ratio of a detection's side to its object's."""
    ratios: list[float] = []
    for picture, of_picture in zip(pictures, found, strict=True):
        boxes = scaled(of_picture.chosen.boxes_xywh, 1)
        truths = scaled(picture.boxes_xywh, 1)
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
    pictures: Path | None = None,
    labels: Collection[str] = (),
    options: DetectionOptions = DEFAULTS,
    rule: MatchRule | None = None,
    box_scale: float | Literal["auto"] = 1.0,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Evaluation:
    """Measure cascades on annotated pictures and on pictures without an object.

    Parameters
    ----------
    cascades : sequence of Path
    truth : Path, optional
        Annotations, with `format`, `pictures` and `labels` as `read_records`.
    backgrounds : Path, optional
        A list of pictures without an object.
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
        raise OptionError("wanted annotated pictures, backgrounds or both, found neither")
    annotated: list[AnnotatedPicture] = []
    if truth is not None:
        records = read_records(truth, format=format, pictures=pictures, labels=labels)
        # One by one, the objects of the others would be false alarms.
        annotated = joined_by_path(_in_pixels(record) for record in records)
        _refuse_empty(annotated, truth)
    if backgrounds is not None:
        names = read_background_list(backgrounds)
        if not names:
            raise AnnotationError("wanted a list of pictures, found none", path=backgrounds)
        annotated += [AnnotatedPicture(path, ()) for path in names]
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


def _in_pixels(record: Record) -> AnnotatedPicture:
    """Return the boxes in pixels; a picture that cannot be read for it is left out later."""
    try:
        return record.in_pixels()
    except PictureError:
        return AnnotatedPicture(record.path, ())


def _refuse_empty(pictures: Sequence[AnnotatedPicture], truth: Path) -> None:
    if not pictures:
        raise AnnotationError("wanted annotated pictures, found none", path=truth)
    for picture in pictures:
        for box in picture.boxes_xywh:
            if min(box[2:]) <= 0:
                raise AnnotationError(
                    f"wanted boxes with some width and height, found {box} in {picture.path}",
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
