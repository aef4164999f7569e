"""Evaluation from files to files: cascades, annotations and backgrounds in, a report out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from fercli.annotations.base import AnnotatedPicture, Record, joined_by_path
from fercli.annotations.formats import read_records
from fercli.annotations.opencv_lists import read_background_list
from fercli.cascade.detection.detector import DEFAULTS, DetectionOptions
from fercli.cascade.evaluation.evaluate import evaluate
from fercli.cascade.evaluation.matching import MatchRule
from fercli.cascade.evaluation.report import prepare_report_folder, save_report
from fercli.cascade.evaluation.results import CascadeResult, Evaluation
from fercli.common.errors import AnnotationError, OptionError, PictureError
from fercli.common.progress import SILENT, Progress

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
