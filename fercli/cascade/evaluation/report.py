"""Reports of an evaluation: a table, JSON, CSV files, plots and images of the errors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fercli.cascade.detection.batch import numbered
from fercli.cascade.evaluation.curves import CONFIDENCE, Interval, recall_at
from fercli.cascade.evaluation.error_images import (
    remove_error_images,
    write_error_images,
    write_error_sheet,
)
from fercli.cascade.evaluation.matching import FALSE_ALARM, IGNORED
from fercli.cascade.evaluation.results import (
    FALSE_ALARM_RATES,
    CascadeEvaluation,
    CascadeResult,
    DetectionCounts,
    Difference,
)
from fercli.common.drawing import COLORS, new_plot, save_plot
from fercli.common.errors import OutputExistsError
from fercli.common.files import make_folder, write_text
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted, format_table

HEADERS = (
    "cascade", "AP", "precision", "recall", "F1", "hits", "misses", "false alarms", "per image",
    "ms",
)  # fmt: skip

#: Least gain in F1 for which another choice of min neighbors is suggested.
MIN_F1_GAIN = 0.01
#: Total numbers of false alarms at which the recall is reported.
REPORTED_FALSE_ALARMS = (0, 10, 100)


def report_text(evaluation: CascadeEvaluation) -> str:
    """Return the figures of all cascades as a table for the terminal."""
    table = format_table(HEADERS, [_row(result) for result in evaluation.cascades])
    images, objects = evaluation.images, evaluation.cascades[0].counts.truths
    left_out = f" ({len(evaluation.left_out)} left out)" if evaluation.left_out else ""
    details = f"\n\n{details_text(evaluation)}" if objects else ""
    return (
        f"{table}{details}\n\n"
        f"{counted(images, 'image')}{left_out}, {counted(objects, 'object')}; "
        f"a hit: {evaluation.rule}; min neighbors {evaluation.options.min_neighbors}"
        + "".join(map(_advice, evaluation.cascades))
    )


def details_text(evaluation: CascadeEvaluation) -> str:
    """Return tables of intervals, of recall at given false alarms and of recall by size."""
    confidence = f"{CONFIDENCE:.0%}".replace("%", " %")
    lines = [
        f"{confidence} confidence intervals (bootstrap over images); recall at most so many false "
        "alarms an image:",
        format_table(
            ("cascade", "AP", "recall", *(f"at {rate:g}" for rate in FALSE_ALARM_RATES)),
            [_interval_row(result) for result in evaluation.cascades],
        ),
        *(_difference_line(difference) for difference in evaluation.differences()),
        "",
        "recall by the side of the object in pixels (objects):",
        format_table(
            (
                "cascade",
                *(f"{group} ({group.objects})" for group in evaluation.cascades[0].by_size),
            ),
            [
                (result.name, *(_with_interval(g.recall, g.interval) for g in result.by_size))
                for result in evaluation.cascades
            ],
        ),
    ]
    return "\n".join(lines)


def _interval_row(result: CascadeResult) -> list[str]:
    rates = {f"recall_at_{rate:g}": result.recall_at_rate(rate) for rate in FALSE_ALARM_RATES}
    figures = {
        "average_precision": result.average_precision,
        "recall": result.counts.recall,
        **rates,
    }
    return [
        result.name,
        *(_with_interval(value, result.intervals[name]) for name, value in figures.items()),
    ]


def _with_interval(value: float | None, interval: Interval | None) -> str:
    shown = "-" if value is None else f"{value:.3f}"
    return shown if interval is None else f"{shown} ({interval})"


def _difference_line(difference: Difference) -> str:
    verdict = "may be noise" if difference.is_noise else "more than noise"
    return (
        f"AP of {difference.better} is {difference.difference:.3f} above {difference.other}'s "
        f"({difference.interval}): {verdict}"
    )


def _advice(result: CascadeResult) -> str:
    """Return a line on a better choice of min neighbors, if there is one."""
    best = result.best_neighbors
    if best is None or (result.by_neighbors[best].f1 or 0) < (result.counts.f1 or 0) + MIN_F1_GAIN:
        return ""
    counts = result.by_neighbors[best]
    return (
        f"\n{result.name}: `min_neighbors` {best} gives F1 {counts.f1:.3f} "
        f"(precision {counts.precision:.3f}, recall {counts.recall:.3f})"
    )


def summary(evaluation: CascadeEvaluation) -> dict[str, object]:
    """Return the figures of all cascades as JSON-compatible values; None for undefined ones."""
    first = evaluation.cascades[0]
    return {
        "images": evaluation.images,
        "objects": first.counts.truths,
        "left_out": [str(error) for error in evaluation.left_out],
        "notes": list(evaluation.notes),
        "detection": vars(evaluation.options),
        "match": {"rule": type(evaluation.rule).__name__, **vars(evaluation.rule)},
        "cascades": [_figures(result) for result in evaluation.cascades],
        "differences": [
            {
                "better": each.better,
                "other": each.other,
                "average_precision": each.difference,
                "confidence_interval": _bounds(each.interval),
                "may_be_noise": each.is_noise,
            }
            for each in evaluation.differences()
        ],
    }


def prepare_report_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Make the folder of a report; called before the evaluation, to fail early.

    Raises
    ------
    OutputExistsError
        It is not empty, and `overwrite` is False.
    OutputError
        It cannot be made.
    """
    make_folder(folder)
    if not overwrite and any(folder.iterdir()):
        raise OutputExistsError(
            "The folder is not empty", hint="use `overwrite`, or another folder", path=folder
        )


def save_report(
    evaluation: CascadeEvaluation,
    folder: Path,
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[Path]:
    """Write the report of an evaluation, and return its files.

    ``summary.json``, ``images.csv`` (a line for each cascade and image), ``detections.csv``,
    ``recall.png`` and ``precision.png`` (the curves), and for each cascade ``errors-NAME.png``,
    a sheet of misses and false alarms, and a folder ``errors-NAME`` of the images with errors.

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
    if evaluation.cascades[0].counts.truths:
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
    counts = result.counts
    shares = (result.average_precision, counts.precision, counts.recall, counts.f1)
    return [
        result.name,
        *("-" if share is None else share for share in shares),
        counts.hits,
        counts.misses,
        counts.false_alarms,
        f"{result.false_alarms_per_image:.2f}",
        f"{result.median_milliseconds:.1f}",
    ]


def _figures_of_counts(counts: DetectionCounts) -> dict[str, object]:
    return {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "hits": counts.hits,
        "misses": counts.misses,
        "false_alarms": counts.false_alarms,
    }


def _bounds(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _figures(result: CascadeResult) -> dict[str, object]:
    return {
        "cascade": str(result.path),
        "name": result.name,
        "average_precision": result.average_precision,
        **_figures_of_counts(result.counts),
        "false_alarms_per_image": result.false_alarms_per_image,
        "median_milliseconds": result.median_milliseconds,
        "box_scale": result.box_scale,
        "box_ratio": result.box_ratio,
        "best_min_neighbors": result.best_neighbors,
        "by_min_neighbors": {
            str(neighbors): _figures_of_counts(counts)
            for neighbors, counts in result.by_neighbors.items()
        },
        "recall_at_false_alarms": {
            str(count): recall_at(result.curve, count) for count in REPORTED_FALSE_ALARMS
        },
        "recall_at_false_alarms_per_image": {
            f"{rate:g}": result.recall_at_rate(rate) for rate in FALSE_ALARM_RATES
        },
        "confidence_intervals": {
            name: _bounds(interval) for name, interval in result.intervals.items()
        },
        "by_size": [
            {
                "side": [group.low, group.high],
                "objects": group.objects,
                "hits": group.hits,
                "recall": group.recall,
                "confidence_interval": _bounds(group.interval),
            }
            for group in result.by_size
        ],
    }


IMAGE_COLUMNS = (
    "cascade", "image", "objects", "hits", "misses", "false_alarms", "milliseconds",
)  # fmt: skip
DETECTION_COLUMNS = ("cascade", "image", "x", "y", "width", "height", "score", "verdict")


def _image_rows(evaluation: CascadeEvaluation) -> Iterable[Sequence[object]]:
    for result in evaluation.cascades:
        for of_image in result.images:
            counts = of_image.counts
            yield (
                result.name,
                of_image.image.path,
                counts.truths,
                counts.hits,
                counts.misses,
                counts.false_alarms,
                f"{of_image.milliseconds:.2f}",
            )


def _detection_rows(evaluation: CascadeEvaluation) -> Iterable[Sequence[object]]:
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


if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEGEND_COLUMNS = 2


def plot_recall(evaluation: CascadeEvaluation, path: Path, *, overwrite: bool = False) -> None:
    """Draw recall over the number of false alarms, with the operating point.

    The axis of false alarms is logarithmic from 1 on and includes 0.
    """
    figure, axes = new_plot(
        "Recall over false alarms",
        f"false alarms in {counted(evaluation.images, 'image')}",
        "recall",
    )
    for result, style in zip(evaluation.cascades, _styles(), strict=False):
        curve = result.curve
        # A step goes up at a false alarm, so only the last point of each number of them counts.
        last = np.flatnonzero(np.diff(curve.false_alarms, append=-1))
        axes.step(
            curve.false_alarms[last], curve.recall[last], style, where="post", label=_label(result)
        )
        _operating_point(axes, result, result.counts.false_alarms, result.counts.recall)
    most = max((result.curve.false_alarms[-1:].sum() for result in evaluation.cascades), default=1)
    _logarithmic_from_1(axes, int(most))
    _finish(axes, evaluation)
    save_plot(figure, path, overwrite=overwrite)


def plot_precision(evaluation: CascadeEvaluation, path: Path, *, overwrite: bool = False) -> None:
    """Draw precision over recall, with the operating point."""
    figure, axes = new_plot("Precision over recall", "recall", "precision")
    for result, style in zip(evaluation.cascades, _styles(), strict=False):
        curve = result.curve
        axes.plot(curve.recall, curve.precision, style, label=_label(result))
        _operating_point(axes, result, result.counts.recall, result.counts.precision)
    axes.set_xlim(0, 1.02)
    _finish(axes, evaluation)
    save_plot(figure, path, overwrite=overwrite)


def _styles() -> Iterator[str]:
    """Yield a line style for each cascade, the next one when the colors repeat."""
    return (style for style in cycle(("-", "--", ":", "-.")) for _ in COLORS)


def _label(result: CascadeResult) -> str:
    precision = result.average_precision
    return result.name if precision is None else f"{result.name}: AP {precision:.3f}"


def _operating_point(axes: Axes, result: CascadeResult, x: float | None, y: float | None) -> None:
    if x is not None and y is not None:
        axes.plot(x, y, "o", color=axes.lines[-1].get_color(), markersize=7, clip_on=False)


def _logarithmic_from_1(axes: Axes, most: int) -> None:
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    axes.set_xlim(0, max(most, 2) * 1.05)
    decades = range(len(str(max(most, 2))))
    ticks = [0, *(step * 10**decade for decade in decades for step in (1, 2, 5))]
    ticks = [tick for tick in ticks if tick <= max(most, 2)]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()


def _finish(axes: Axes, evaluation: CascadeEvaluation) -> None:
    axes.set_ylim(0, 1.02)
    neighbors = evaluation.options.min_neighbors
    axes.plot([], [], "o", color="#777777", label=f"operating point: min neighbors {neighbors}")
    # Below the plot, where it hides no curve; the figure grows so that the plot keeps its height.
    figure = axes.get_figure(root=True)
    assert figure is not None
    rows = -(-(len(evaluation.cascades) + 1) // LEGEND_COLUMNS)
    figure.set_figheight(figure.get_figheight() + 0.22 * rows)
    figure.legend(loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize="small", frameon=False)
