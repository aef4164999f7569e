"""The timeline: a plot of each person's expressions over the time of a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fercli.common.drawing import COLORS, new_plot, save_plot
from fercli.recognition.results import FrameFaces

#: Probabilities are averaged over so many seconds: an hour of video takes a few megabytes.
BIN = 0.1

#: Most points drawn for each person, and most people: those seen longest.
POINTS, PEOPLE = 600, 8

#: A line is interrupted where a person is not seen for so many seconds.
GAP = 1.0

#: The color of neutral; the other classes have those of `COLORS`.
NEUTRAL = "#999999"


class Timeline:
    """Probabilities of each person over time, added frame by frame."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._people: dict[int, dict[int, NDArray[np.float32]]] = {}

    def add(self, one: FrameFaces) -> None:
        """Add a frame."""
        at = int(one.frame.seconds / BIN + 1e-6)  # 0.3 / 0.1 is below 3
        for face in one.found:
            bins = self._people.setdefault(face.person, {})
            if at not in bins:
                # The last number counts what was added.
                bins[at] = np.zeros(len(self.classes) + 1, np.float32)
            bins[at] += np.append(face.probabilities, np.float32(1))

    def curve(self, person: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return a person's times and probabilities.

        Returns
        -------
        seconds : ndarray of float64, shape (n,)
        probabilities : ndarray of float64, shape (n, classes)
            NaN at a gap.
        """
        bins = self._people[person]
        joined = max(-(-(max(bins) - min(bins) + 1) // POINTS), 1)
        sums: dict[int, NDArray[np.float64]] = {}
        for at in sorted(bins):
            sums[at // joined] = sums.get(at // joined, 0) + bins[at].astype(np.float64)
        step = BIN * joined
        seconds = (np.array(list(sums)) + 0.5) * step
        totals = np.array(list(sums.values()))
        return _with_gaps(seconds, totals[:, :-1] / totals[:, -1:], max(GAP, 2 * step))

    def save(self, path: Path, title: str, *, overwrite: bool = False) -> None:
        """Write the plot; errors as `fercli.common.drawing.save_plot`.

        The people seen longest have a row each.
        """
        people = sorted(self._people, key=lambda person: (-len(self._people[person]), person))
        shown = sorted(people[:PEOPLE])
        height = 1.1 + 1.5 * max(len(shown), 1)
        figure, first = new_plot(title, "time in seconds", "", size_inches=(10, height))
        rows = [first]
        if len(shown) > 1:
            first.remove()
            rows = list(figure.subplots(len(shown), 1, sharex=True))
            figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        for axes, person in zip(rows, shown, strict=False):
            self._draw(axes, person)
        if not shown:
            first.text(0.5, 0.5, "no faces", ha="center", transform=first.transAxes)
        else:
            rows[-1].set_xlabel("time in seconds")
            handles, labels = rows[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside right upper", frameon=False)
        save_plot(figure, path, overwrite=overwrite)

    def _draw(self, axes: object, person: int) -> None:
        from matplotlib.axes import Axes

        assert isinstance(axes, Axes)
        seconds, probabilities = self.curve(person)
        alone = _alone(probabilities)
        for name, values, color in zip(
            self.classes, probabilities.T, _colors(self.classes), strict=True
        ):
            axes.plot(seconds, values, label=name, color=color, linewidth=1.6)
            axes.plot(seconds[alone], values[alone], ".", color=color)
        axes.set_ylim(-0.02, 1.02)
        axes.set_yticks([0, 0.5, 1])
        axes.set_ylabel(f"person {person}")
        axes.grid(color="#dddddd", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)


def _with_gaps(
    seconds: NDArray[np.float64], values: NDArray[np.float64], gap: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a curve with NaN inserted at gaps, so that no line is drawn across them."""
    breaks = np.flatnonzero(np.diff(seconds) > gap) + 1
    return np.insert(seconds, breaks, seconds[breaks - 1]), np.insert(
        values, breaks, np.nan, axis=0
    )


def _alone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points of a curve have a gap on both sides, and so no line."""
    gap = np.pad(np.isnan(values[:, 0]), 1, constant_values=True)
    return np.asarray(~gap[1:-1] & gap[:-2] & gap[2:], bool)


def _colors(classes: Sequence[str]) -> list[str]:
    others = iter(COLORS * (1 + len(classes) // len(COLORS)))
    return [NEUTRAL if name == "neutral" else next(others) for name in classes]
