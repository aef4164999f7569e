"""Plots of an evaluation: recall over false alarms, precision over recall."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fercli.cascade.evaluation.results import CascadeResult, Evaluation
from fercli.common.plots import COLORS, new_plot, save_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEGEND_COLUMNS = 2


def plot_recall(evaluation: Evaluation, path: Path, *, overwrite: bool = False) -> None:
    """Draw the recall that is had at each number of false alarms, with the point of operation.

    False alarms are counted on a scale that is logarithmic from 1 on, and has a 0.
    """
    figure, axes = new_plot(
        "Recall over false alarms",
        f"false alarms in {evaluation.images:,} images",
        "recall",
    )
    for result, style in zip(evaluation.cascades, _styles(), strict=False):
        curve = result.curve
        # A step goes up at a false alarm, so only the last point of each number of them counts.
        last = np.flatnonzero(np.diff(curve.false_alarms, append=-1))
        axes.step(
            curve.false_alarms[last], curve.recall[last], style, where="post", label=_label(result)
        )
        _point_of_operation(axes, result, result.tally.false_alarms, result.tally.recall)
    most = max((result.curve.false_alarms[-1:].sum() for result in evaluation.cascades), default=1)
    _logarithmic_from_1(axes, int(most))
    _finish(axes, evaluation)
    save_plot(figure, path, overwrite=overwrite)


def plot_precision(evaluation: Evaluation, path: Path, *, overwrite: bool = False) -> None:
    """Draw precision over recall, with the point of operation."""
    figure, axes = new_plot("Precision over recall", "recall", "precision")
    for result, style in zip(evaluation.cascades, _styles(), strict=False):
        curve = result.curve
        axes.plot(curve.recall, curve.precision, style, label=_label(result))
        _point_of_operation(axes, result, result.tally.recall, result.tally.precision)
    axes.set_xlim(0, 1.02)
    _finish(axes, evaluation)
    save_plot(figure, path, overwrite=overwrite)


def _styles() -> Iterator[str]:
    """Yield a line style for each cascade: once the colors begin again, another."""
    return (style for style in cycle(("-", "--", ":", "-.")) for _ in COLORS)


def _label(result: CascadeResult) -> str:
    precision = result.average_precision
    return result.name if precision is None else f"{result.name}: AP {precision:.3f}"


def _point_of_operation(
    axes: Axes, result: CascadeResult, x: float | None, y: float | None
) -> None:
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


def _finish(axes: Axes, evaluation: Evaluation) -> None:
    axes.set_ylim(0, 1.02)
    neighbors = evaluation.options.min_neighbors
    axes.plot([], [], "o", color="#777777", label=f"as used: min neighbors {neighbors}")
    # Below the plot, where it hides no curve; the plot keeps its height.
    figure = axes.get_figure(root=True)
    assert figure is not None
    rows = -(-(len(evaluation.cascades) + 1) // LEGEND_COLUMNS)
    figure.set_figheight(figure.get_figheight() + 0.22 * rows)
    figure.legend(loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize="small", frameon=False)
