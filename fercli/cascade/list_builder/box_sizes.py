"""The sizes of boxes: histograms, and the training window that fits them."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.errors import AnnotationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Shorter sides, in pixels: steps of about √2, in round numbers.
SIDE_EDGES = (1, 8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)

#: Width / height: steps of about 1.25 on both sides of the square.
ASPECT_EDGES = (0.25, 0.4, 0.5, 0.64, 0.8, 0.9, 0.98, 1.02, 1.11, 1.25, 1.56, 2.0, 2.5, 4.0)

#: The area of the window that most published cascades use, 24 × 24. The number of features grows
#: with the square of the area.
USUAL_AREA = 24 * 24

#: A window's side is at least this: with less there is little left to tell objects by.
LEAST_SIDE = 10

#: No more of the boxes than this should be smaller than the window, and so be enlarged.
ENLARGED = 0.1

#: Shapes this close to a square are taken for one.
NEARLY_SQUARE = 1.07


@dataclass(frozen=True)
class Histogram:
    """How many values lie between edges.

    Parameters
    ----------
    edges : tuple of float, n + 1
        Ascending; a value on an edge counts above it. The first bin holds what is less, too, the
        last what is more.
    counts : tuple of int, n
        How many lie in each bin.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class SizeStatistics:
    """The sizes of boxes.

    Parameters
    ----------
    boxes : int
        How many there are.
    smallest_wh, median_wh, largest_wh : (int, int)
        Quartiles 0, 2 and 4 of the widths and of the heights.
    median_aspect : float
        Of width / height.
    shorter_sides, aspects : Histogram
        Of the shorter side in pixels and of width / height.
    window_wh : (int, int)
        The training window that fits (`fitting_window`).
    smaller : int
        How many boxes are less wide or high than that window.
    """

    boxes: int
    smallest_wh: tuple[int, int]
    median_wh: tuple[int, int]
    largest_wh: tuple[int, int]
    median_aspect: float
    shorter_sides: Histogram
    aspects: Histogram
    window_wh: tuple[int, int]
    smaller: int


def describe_sizes(
    sizes_wh: Sequence[tuple[int, int]], window_wh: tuple[int, int] | None = None
) -> SizeStatistics:
    """Return the statistics of the sizes of boxes.

    Parameters
    ----------
    sizes_wh : sequence of (int, int)
        Width and height of each box, in pixels.
    window_wh : (int, int), optional
        The training window, if that has been decided. Defaults to the one that fits.

    Raises
    ------
    AnnotationError
        There is no box.
    """
    if not sizes_wh:
        raise AnnotationError("There is no box")
    sizes = np.asarray(sizes_wh, np.int64)
    aspects = sizes[:, 0] / sizes[:, 1]
    window = window_wh or fitting_window(sizes_wh)
    return SizeStatistics(
        len(sizes),
        _pair(sizes.min(axis=0)),
        _pair(np.median(sizes, axis=0)),
        _pair(sizes.max(axis=0)),
        float(np.median(aspects)),
        _histogram(sizes.min(axis=1), SIDE_EDGES),
        _histogram(aspects, ASPECT_EDGES),
        window,
        int((sizes < window).any(axis=1).sum()),
    )


def fitting_window(sizes_wh: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the training window that fits boxes of these sizes.

    Its shape is the boxes' median width / height, a square if that is nearly one; its area is
    that of 24 × 24, or less where more than a tenth of the boxes would have to be enlarged.
    """
    sizes = np.asarray(sizes_wh, np.float64)
    aspect = float(np.median(sizes[:, 0] / sizes[:, 1]))
    if 1 / NEARLY_SQUARE < aspect < NEARLY_SQUARE:
        aspect = 1.0
    # The height of the window that a box of some shape can just fill.
    heights = np.minimum(sizes[:, 1], sizes[:, 0] / aspect)
    height = min(math.sqrt(USUAL_AREA / aspect), float(np.quantile(heights, ENLARGED)))
    scale = max(1.0, LEAST_SIDE / (height * min(aspect, 1.0)))
    return round(height * scale * aspect), round(height * scale)


def draw_histogram(histogram: Histogram, *, width: int = 40) -> list[str]:
    """Return a histogram as lines of text: range, count, bar; empty bins at both ends left out."""
    filled = [at for at, count in enumerate(histogram.counts) if count]
    if not filled:
        return []
    most = max(histogram.counts)
    lines = []
    for at in range(filled[0], filled[-1] + 1):
        bar = "█" * math.ceil(histogram.counts[at] / most * width)
        lines.append(f"{_range_text(histogram, at):>13}  {histogram.counts[at]:>7}  {bar}".rstrip())
    return lines


def plot_sizes(statistics: SizeStatistics, path: Path, *, overwrite: bool = False) -> None:
    """Draw the boxes' sizes and shapes as two histograms, the window's place marked in both.

    Raises
    ------
    OutputError
        The file exists, cannot be written or has no suffix of a plot.
    """
    from fercli.common.drawing import new_plots, save_plot

    width, height = statistics.window_wh
    figure, (sides, shapes) = new_plots(
        [
            (f"Sizes of {statistics.boxes} boxes", "shorter side, pixels", "boxes"),
            ("Shapes", "width / height", "boxes"),
        ]
    )
    window = f"the window's, {width}x{height}"
    _draw_bars(sides, statistics.shorter_sides, min(width, height), window)
    _draw_bars(shapes, statistics.aspects, width / height, window)
    save_plot(figure, path, overwrite=overwrite)


def _draw_bars(axes: Axes, histogram: Histogram, mark: float, label: str) -> None:
    from fercli.common.drawing import COLORS

    marked = _bin_of(histogram.edges, mark)
    filled = [at for at, count in enumerate(histogram.counts) if count] + [marked]
    # An empty bin on each side shows that there is nothing beyond.
    shown = range(max(min(filled) - 1, 0), min(max(filled) + 2, len(histogram.counts)))
    axes.axvspan(marked - 0.5, marked + 0.5, color=COLORS[1], alpha=0.25, label=label)
    axes.bar(list(shown), [histogram.counts[at] for at in shown], color=COLORS[0], width=0.9)
    axes.set_xticks(list(shown), [_range_text(histogram, at) for at in shown], rotation=45,
                    ha="right", rotation_mode="anchor")  # fmt: skip
    axes.margins(y=0.15)
    axes.legend(frameon=False)


def _histogram(values: NDArray[Any], edges: Sequence[float]) -> Histogram:
    counts = [0] * (len(edges) - 1)
    for value in values.tolist():
        counts[_bin_of(edges, value)] += 1
    return Histogram(tuple(edges), tuple(counts))


def _bin_of(edges: Sequence[float], value: float) -> int:
    return min(max(bisect.bisect_right(edges, value) - 1, 0), len(edges) - 2)


def _range_text(histogram: Histogram, at: int) -> str:
    first, last = histogram.edges[at], histogram.edges[at + 1]
    if isinstance(first, int) and isinstance(last, int):
        return f"{first}+" if at == len(histogram.counts) - 1 else f"{first}–{last - 1}"
    return f"{first:.2f}–{last:.2f}"


def _pair(values: NDArray[Any]) -> tuple[int, int]:
    return int(values[0]), int(values[1])
