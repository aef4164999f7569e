"""The statistics of a tree as text and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fercli.common.plots import COLOURS, new_plot, save_plot
from fercli.common.tables import format_table
from fercli.datasets.reports import counts_table
from fercli.datasets.statistics import Alike, Statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: How many files of a kind are named before "and … more".
NAMED = 3


def as_text(found: Statistics) -> str:
    """Return the statistics for people."""
    parts = [counts_table(found.counts, found.classes), "", *_contents(found), ""]
    parts += _alike("exact duplicates", found.exact) + _alike("near duplicates", found.near)
    parts += _named("constant pictures", found.constant)
    parts += _named("unreadable files", [f"{k} ({v})" for k, v in found.unreadable.items()])
    return "\n".join(parts)


def plot(found: Statistics, path: Path, *, overwrite: bool = False) -> None:
    """Draw the counts of each class and split, and the grey levels of each class, to a file."""
    figure, axes = new_plot(
        f"{found.root.name}: pictures a class", "", "pictures", size_inches=(11, 4.5)
    )
    grid = figure.add_gridspec(1, 2)
    axes.set_subplotspec(grid[0, 0])
    _draw_counts(axes, found)
    _draw_levels(figure.add_subplot(grid[0, 1]), found)
    save_plot(figure, path, overwrite=overwrite)


def _contents(found: Statistics) -> list[str]:
    sizes = list(found.sizes.items())
    shown = ", ".join(f"{size} ({count:,})" for size, count in sizes[:NAMED])
    more = f" and {len(sizes) - NAMED:,} more" if len(sizes) > NAMED else ""
    rows = [[name, f"{m:.0f}", f"{d:.0f}"] for name, (m, d) in found.grey_levels.items()]
    lines = [
        format_table(["class", "mean grey level", "contrast"], rows),
        "",
        f"sizes: {shown}{more}",
        f"colour: {found.colour:,} pictures",
    ]
    if found.votes:
        lines.append(f"votes: {found.votes:,} pictures")
    if found.subjects:
        crossing = f", {found.subjects_crossing:,} in more than one split"
        lines.append(f"persons: {found.subjects:,}{crossing}")
    return lines


def _alike(title: str, alike: Alike) -> list[str]:
    if not alike.groups:
        return [f"{title}: none"]
    lines = [
        f"{title}: {alike.pictures:,} pictures in {_count(alike.groups, 'group')} "
        f"({alike.superfluous:,} superfluous)"
    ]
    if alike.crossing:
        where = ", ".join(
            f"{count:,} in {split}" for split, count in alike.crossing_by_split.items()
        )
        lines.append(f"  LEAK: {alike.crossing:,} of them are in more than one split ({where})")
    if alike.conflicts:
        by_class = {file.split("/")[1]: file for file in alike.conflicting[0]}
        example = " and ".join(list(by_class.values())[:2])
        have = "has" if alike.conflicts == 1 else "have"
        groups = _count(alike.conflicts, "group")
        lines.append(f"  {groups} {have} several classes, such as {example}")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _named(title: str, names: Sequence[str]) -> list[str]:
    files = list(names)
    more = f" and {len(files) - NAMED:,} more" if len(files) > NAMED else ""
    return [f"{title}: {len(files):,}" + (f": {', '.join(files[:NAMED])}{more}" if files else "")]


def _draw_counts(axes: Axes, found: Statistics) -> None:
    """Draw a bar for each split beside each other at each class."""
    at = np.arange(len(found.classes))
    width = 0.8 / len(found.counts)
    for number, (split, row) in enumerate(found.counts.items()):
        heights = [row.get(name, 0) for name in found.classes]
        offset = (number - (len(found.counts) - 1) / 2) * width
        axes.bar(at + offset, heights, width, label=split, color=COLOURS[number % len(COLOURS)])
    axes.set_xticks(at, found.classes, rotation=30, ha="right")
    axes.grid(axis="x", visible=False)
    if len(found.counts) > 1:
        axes.legend(frameon=False)


def _draw_levels(axes: Axes, found: Statistics) -> None:
    """Draw the share of pixels at each grey level, a line a class."""
    styles = ("-", "--")
    for number, (name, shares) in enumerate(found.histograms.items()):
        if shares:
            levels = (np.arange(len(shares)) + 0.5) * 256 / len(shares)
            style = styles[number // len(COLOURS) % len(styles)]
            axes.plot(levels, np.array(shares) * 100, style, label=name,
                      color=COLOURS[number % len(COLOURS)])  # fmt: skip
    axes.set_title("Grey levels", loc="left", fontweight="bold")
    axes.set_xlabel("grey level")
    axes.set_ylabel("share of pixels in 8 levels (%)")
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=2)
