"""Reports of an evaluation: a table, JSON, CSV files, plots and images of the errors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from fercli.cascade.detection.batch import numbered
from fercli.cascade.evaluation.curves import recall_at
from fercli.cascade.evaluation.error_images import (
    remove_error_images,
    write_error_images,
    write_error_sheet,
)
from fercli.cascade.evaluation.matching import FALSE_ALARM, IGNORED
from fercli.cascade.evaluation.plots import plot_precision, plot_recall
from fercli.cascade.evaluation.results import CascadeResult, DetectionCounts, Evaluation
from fercli.common.errors import OutputExistsError
from fercli.common.files import make_folder, write_text
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import format_table

HEADERS = (
    "cascade", "AP", "precision", "recall", "F1", "hits", "misses", "false alarms", "per image",
    "ms",
)  # fmt: skip

#: How much F1 another choice of min neighbors must gain to be told.
WORTHWHILE = 0.01
#: False alarms in all images at which the recall is told.
FALSE_ALARMS_TOLD = (0, 10, 100)


def report_text(evaluation: Evaluation) -> str:
    """Return the figures of all cascades as lines for the terminal."""
    table = format_table(HEADERS, [_row(result) for result in evaluation.cascades])
    images, objects = evaluation.images, evaluation.cascades[0].tally.truths
    left_out = f" ({len(evaluation.left_out)} left out)" if evaluation.left_out else ""
    return (
        f"{table}\n\n"
        f"{_count(images, 'image')}{left_out}, {_count(objects, 'object')}; "
        f"a hit: {evaluation.rule}; min neighbors {evaluation.options.min_neighbors}"
        + "".join(map(_advice, evaluation.cascades))
    )


def _advice(result: CascadeResult) -> str:
    """Return a line on a better choice of min neighbors, if there is a much better one."""
    best = result.best_neighbors
    if best is None or (result.by_neighbors[best].f1 or 0) < (result.tally.f1 or 0) + WORTHWHILE:
        return ""
    tally = result.by_neighbors[best]
    return (
        f"\n{result.name}: --min-neighbors {best} gives F1 {tally.f1:.3f} "
        f"(precision {tally.precision:.3f}, recall {tally.recall:.3f})"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def summary(evaluation: Evaluation) -> dict[str, object]:
    """Return the figures of all cascades, as JSON has them; None for what is undefined."""
    first = evaluation.cascades[0]
    return {
        "images": evaluation.images,
        "objects": first.tally.truths,
        "left_out": [str(error) for error in evaluation.left_out],
        "detection": vars(evaluation.options),
        "match": {"rule": type(evaluation.rule).__name__, **vars(evaluation.rule)},
        "cascades": [_figures(result) for result in evaluation.cascades],
    }


def prepare_report_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Make the folder of a report; to be called before the work that is to be reported.

    Raises
    ------
    OutputExistsError
        It holds something, and `overwrite` is False.
    OutputError
        It cannot be made.
    """
    make_folder(folder)
    if not overwrite and any(folder.iterdir()):
        raise OutputExistsError(
            "wanted an empty folder", hint="--overwrite, or another folder", path=folder
        )


def save_report(
    evaluation: Evaluation, folder: Path, *, overwrite: bool = False, progress: Progress = SILENT
) -> list[Path]:
    """Write everything that is known of an evaluation, and return the files.

    ``summary.json``, ``images.csv`` (a line a cascade and image), ``detections.csv``,
    ``recall.png`` and ``precision.png`` (the curves), and for each cascade ``errors-NAME.png``,
    a sheet of what was missed and of false alarms, and a folder ``errors-NAME`` of the images
    where they are.

    Raises
    ------
    OutputExistsError, OutputError
        A file exists and `overwrite` is False, or cannot be written.
    """
    files = [folder / name for name in ("summary.json", "images.csv", "detections.csv")]
    texts = (
        json.dumps(summary(evaluation), indent=2) + "\n",  # ASCII, whatever names hold
        _csv(IMAGE_COLUMNS, _image_rows(evaluation)),
        _csv(DETECTION_COLUMNS, _detection_rows(evaluation)),
    )
    for path, text in zip(files, texts, strict=True):
        write_text(path, text, overwrite=overwrite)
    curves = [folder / "recall.png", folder / "precision.png"]
    if evaluation.cascades[0].tally.truths:
        plot_recall(evaluation, curves[0], overwrite=overwrite)
        plot_precision(evaluation, curves[1], overwrite=overwrite)
        files += curves
    elif overwrite:
        for path in curves:  # of an earlier report, which would contradict this one
            path.unlink(missing_ok=True)
    names = numbered("errors-" + result.name.replace("/", "-") for result in evaluation.cascades)
    for result, name in zip(evaluation.cascades, names, strict=True):
        if overwrite:
            remove_error_images(folder / name)
        if write_error_sheet(result, folder / f"{name}.png", overwrite=overwrite):
            files.append(folder / f"{name}.png")
        if write_error_images(result, folder / name, overwrite=overwrite, progress=progress):
            files.append(folder / name)
    return files


def _row(result: CascadeResult) -> list[object]:
    tally = result.tally
    shares = (result.average_precision, tally.precision, tally.recall, tally.f1)
    return [
        result.name,
        *("-" if share is None else share for share in shares),
        tally.hits,
        tally.misses,
        tally.false_alarms,
        f"{result.false_alarms_per_image:.2f}",
        f"{result.median_milliseconds:.1f}",
    ]


def _tally(tally: DetectionCounts) -> dict[str, object]:
    return {
        "precision": tally.precision,
        "recall": tally.recall,
        "f1": tally.f1,
        "hits": tally.hits,
        "misses": tally.misses,
        "false_alarms": tally.false_alarms,
    }


def _figures(result: CascadeResult) -> dict[str, object]:
    return {
        "cascade": str(result.path),
        "name": result.name,
        "average_precision": result.average_precision,
        **_tally(result.tally),
        "false_alarms_per_image": result.false_alarms_per_image,
        "median_milliseconds": result.median_milliseconds,
        "box_scale": result.box_scale,
        "box_ratio": result.box_ratio,
        "best_min_neighbors": result.best_neighbors,
        "by_min_neighbors": {
            str(count): _tally(tally) for count, tally in result.by_neighbors.items()
        },
        "recall_at_false_alarms": {
            str(count): recall_at(result.curve, count) for count in FALSE_ALARMS_TOLD
        },
    }


IMAGE_COLUMNS = (
    "cascade", "image", "objects", "hits", "misses", "false_alarms", "milliseconds",
)  # fmt: skip
DETECTION_COLUMNS = ("cascade", "image", "x", "y", "width", "height", "score", "verdict")


def _image_rows(evaluation: Evaluation) -> Iterable[Sequence[object]]:
    for result in evaluation.cascades:
        for of_image in result.images:
            tally = of_image.tally
            yield (
                result.name,
                of_image.image.path,
                tally.truths,
                tally.hits,
                tally.misses,
                tally.false_alarms,
                f"{of_image.milliseconds:.2f}",
            )


def _detection_rows(evaluation: Evaluation) -> Iterable[Sequence[object]]:
    words = {FALSE_ALARM: "false alarm", IGNORED: "ignored"}
    for result in evaluation.cascades:
        for of_image in result.images:
            found = of_image.chosen
            for box, score, verdict in zip(
                found.boxes_xywh.tolist(),
                found.scores.tolist(),
                found.verdicts.tolist(),
                strict=True,
            ):
                yield (
                    result.name,
                    of_image.image.path,
                    *(f"{value:g}" for value in box),
                    f"{score:.6g}",
                    words.get(verdict, "hit"),
                )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
