"""The rejection profile: the number of windows of real images that enter each stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.model import Cascade
from fercli.common.drawing import COLORS, new_plots
from fercli.common.errors import ImageError, InputError, image_errors
from fercli.common.images import read_gray
from fercli.common.parallel import parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted, format_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADERS = ("stage", "weak classifiers", "windows", "share", "passed")


@dataclass(frozen=True)
class RejectionProfile:
    """Number of windows that enter each stage of a cascade.

    Parameters
    ----------
    images : int
        Number of images scanned.
    windows : int
        Windows that the detector evaluates.
    entered : tuple of int
        Windows that enter each stage; Haar cascades reject flat windows before the first.
    accepted : int
        Windows that pass all stages.
    weak_counts : tuple of int
        Number of weak classifiers of each stage.
    """

    images: int
    windows: int
    entered: tuple[int, ...]
    accepted: int
    weak_counts: tuple[int, ...]

    @property
    def weak_classifiers_a_window(self) -> float:
        """Mean number of weak classifiers evaluated for a window: the cost of a detection."""
        work = sum(n * weak for n, weak in zip(self.entered, self.weak_counts, strict=True))
        return work / max(self.windows, 1)

    def rows(self) -> list[dict[str, int | float]]:
        """Return a row for each stage; shares are from 0 to 1."""
        left = [*self.entered[1:], self.accepted]
        return [
            {
                "stage": number,
                "weak_classifiers": weak,
                "windows": entered,
                "share": entered / max(self.windows, 1),
                "passed": passed / max(entered, 1),
            }
            for number, (weak, entered, passed) in enumerate(
                zip(self.weak_counts, self.entered, left, strict=True)
            )
        ]

    def to_dict(self) -> dict[str, object]:
        """Return the profile as JSON-compatible values."""
        return {
            "images": self.images,
            "windows": self.windows,
            "flat": self.windows - self.entered[0],
            "accepted": self.accepted,
            "weak_classifiers_a_window": self.weak_classifiers_a_window,
            "stages": self.rows(),
        }

    def to_text(self) -> str:
        """Return the profile as a table for the terminal."""
        rows = [
            [
                str(row["stage"]),
                str(row["weak_classifiers"]),
                f"{row['windows']:,}",
                _percent(row["share"]),
                _percent(row["passed"]),
            ]
            for row in self.rows()
        ]
        flat = self.windows - self.entered[0]
        rare = f" (1 in {self.windows / self.accepted:,.0f})" if self.accepted else ""
        return "\n".join(
            [
                format_table(HEADERS, rows),
                "",
                f"{counted(self.windows, 'window')} in {counted(self.images, 'image')}, "
                f"{flat:,} of them flat; {self.accepted:,} accepted{rare}",
                f"{self.weak_classifiers_a_window:.1f} weak classifiers evaluated a window",
            ]
        )


def measure_profile(
    cascade: Cascade,
    images: Sequence[Path],
    *,
    scale_factor: float = 1.1,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> RejectionProfile:
    """Count how many windows enter each stage, on the detector's own grid.

    Parameters
    ----------
    cascade : Cascade
    images : sequence of Path
        Unreadable ones are left out, with a note to `progress`.
    scale_factor : float
        Ratio of consecutive scales of the detector. Defaults to 1.1.
    workers : int, optional
    progress : Progress

    Raises
    ------
    InputError
        No image can be read.
    """
    scanner = Scanner(cascade)

    def scan(path: Path) -> np.ndarray | ImageError:
        try:
            with image_errors(path):
                image = read_gray(path)
                return scanner.detect(image, scale_factor=scale_factor, workers=1).entered
        except ImageError as error:
            return error

    total = np.zeros(len(cascade.stages) + 2, np.int64)
    read, why = 0, ""
    for result in parallel_map(
        scan,
        images,
        workers=workers,
        prefer="threads",
        progress=progress,
        description="Scanning images",
    ):
        if isinstance(result, ImageError):
            progress.note(f"left out: {result}")
            why = why or f"; the first: {result}"
            continue
        total += result
        read += 1
    if not read:
        raise InputError(f"No image can be read of {len(images)} to scan{why}")
    windows, *entered, accepted = total.tolist()
    if not windows:
        raise InputError(
            "All images to scan are smaller than the window of {}x{} pixels".format(
                *cascade.size_wh
            )
        )
    weak_counts = tuple(len(stage.weak_classifiers) for stage in cascade.stages)
    return RejectionProfile(read, windows, tuple(entered), accepted, weak_counts)


def plot_profile(profile: RejectionProfile, name: str) -> Figure:
    """Plot the share of windows that enter each stage, and the work in each stage."""
    from matplotlib.ticker import MaxNLocator

    figure, (left, right) = new_plots(
        [
            ("Windows that enter a stage", "stage", "share of windows"),
            ("Work in a stage", "stage", "weak classifiers evaluated a window"),
        ],
        size_inches=(6.4, 4.2),
    )
    figure.suptitle(name, x=0.01, ha="left")
    shares = [row["share"] for row in profile.rows()]
    stages = np.arange(len(shares) + 1)
    accepted = profile.accepted / max(profile.windows, 1)
    values = [*shares, accepted]
    left.step(stages, values, where="mid", color=COLORS[0])
    left.plot(stages, values, "o", color=COLORS[0], markersize=4)
    left.plot(stages[-1:], values[-1:], "o", color=COLORS[1], markersize=7)
    if accepted:
        left.annotate(
            f"accepted: 1 in {1 / accepted:,.0f}",
            (stages[-1], accepted),
            xytext=(-10, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            color=COLORS[1],
        )
    left.set_yscale("log")
    # Space for the label; if nothing is accepted, 0 has no place on the logarithmic axis.
    left.set_ylim(bottom=min(value for value in values if value) / 4)
    work = [share * weak for share, weak in zip(shares, profile.weak_counts, strict=True)]
    right.bar(stages[:-1], work, color=COLORS[0])
    right.set_title(f"{profile.weak_classifiers_a_window:.1f} in all", loc="right", color=COLORS[1])
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
