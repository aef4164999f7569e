"""The timeline: each person's expressions over the time of a video, as a plot or as a page.

The plot has a line for each class where people are few and the video is short, otherwise a lane
for each person in which the probabilities are stacked. The page (``.html``) is one file that loads
nothing from elsewhere.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from fercli.common.drawing import COLORS, new_plot, save_plot
from fercli.common.files import shown_name, write_text
from fercli.recognition.results import FrameFaces, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Probabilities are averaged over so many seconds at first. The bins of a longer video become
#: twice as long, so that there are never more than `BINS` (two hours have bins of 0.8 s).
BIN, BINS = 0.1, 1 << 14

#: Bins that are stored together.
BLOCK = 64

#: Most points drawn for each person, and most people of a plot and of a page: those seen longest.
POINTS, PEOPLE, PAGE_PEOPLE = 600, 30, 100

#: Where there were more than twice so many people, only these are remembered: those seen longest.
REMEMBERED = 250

#: Lines are drawn for so many people and seconds at most; lanes for more.
LINES, SHORT = 4, 600.0

#: A line is interrupted where a person is not seen for so many seconds.
GAP = 1.0

#: Width and height of a lane, in pixels.
LANE_WH = (1200, 32)

#: The color of neutral; the other classes have those of `COLORS`.
NEUTRAL = "#999999"

#: The most bytes of probabilities in a page; where a video has more, they are averaged.
PAGE_BYTES = 3_000_000

#: A probability of 1 in a page, and a bin in which a person was not seen.
FULL, ABSENT = 250, 255

TEMPLATE = Path(__file__).with_name("timeline.html")


class Timeline:
    """Probabilities of each person over time, added frame by frame.

    Takes at most `BINS` bins for each of 2 × `REMEMBERED` people, whatever the length of the video.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._step = BIN
        self._analyzed, self._first, self._last = 0, 0.0, 0.0
        self._people: dict[int, dict[int, NDArray[np.float32]]] = {}
        self._forgotten = 0

    def add(self, one: FrameFaces) -> None:
        """Add a frame."""
        if one.analyzed:
            self._first = self._first if self._analyzed else one.frame.seconds
            self._last, self._analyzed = one.frame.seconds, self._analyzed + 1
        at = int(one.frame.seconds / self._step + 1e-6)  # 0.3 / 0.1 is below 3
        while at >= BINS:
            self._double_step()
            at //= 2
        for face in one.found:
            blocks = self._people.setdefault(face.person, {})
            # The last number of a bin counts what was added.
            bins = blocks.setdefault(
                at // BLOCK, np.zeros((BLOCK, len(self.classes) + 1), np.float32)
            )
            bins[at % BLOCK, :-1] += face.probabilities
            bins[at % BLOCK, -1] += 1
        if len(self._people) > 2 * REMEMBERED:
            self._forget_brief({face.person for face in one.found})

    def _forget_brief(self, present: set[int]) -> None:
        """Forget all but those seen longest and those who are there now."""
        kept = present.union(self._seen_longest(REMEMBERED))
        self._forgotten += len(self._people) - len(kept)
        self._people = {person: self._people[person] for person in kept}

    def _double_step(self) -> None:
        """Join each two bins."""
        self._step *= 2
        for person, blocks in self._people.items():
            joined: dict[int, NDArray[np.float32]] = {}
            for at, bins in blocks.items():
                half = bins.reshape(BLOCK // 2, 2, -1).sum(axis=1)
                block = joined.setdefault(at // 2, np.zeros_like(bins))
                start = (at % 2) * (BLOCK // 2)
                block[start : start + BLOCK // 2] = half
            self._people[person] = joined

    def _bins(self, person: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the numbers of the bins in which a person was seen, and their sums."""
        blocks = sorted(self._people[person].items())
        numbers = np.concatenate([np.arange(BLOCK) + at * BLOCK for at, _ in blocks])
        sums = np.concatenate([bins for _, bins in blocks]).astype(np.float64)
        seen = sums[:, -1] > 0
        return numbers[seen], sums[seen]

    @property
    def _longest_gap(self) -> float:
        """The longest time between two looks at a person who is taken to be there in between."""
        interval = (self._last - self._first) / max(self._analyzed - 1, 1)
        return max(GAP, 2 * self._step, 1.5 * interval)

    def _filled(
        self, numbers: NDArray[np.int64], values: NDArray[np.float64], several: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return bins with those of short gaps, which have the values of the bin before."""
        most = self._longest_gap / (self._step * several)
        steps = np.diff(numbers, append=numbers[-1] + 1)
        counts = np.where(steps <= most, steps, 1)
        within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        return np.repeat(numbers, counts) + within, np.repeat(values, counts, axis=0)

    def _joined(self, person: int, several: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return bins that are `several` times as long, and their mean probabilities."""
        numbers, sums = self._bins(person)
        joined, where = np.unique(numbers // several, return_inverse=True)
        totals = np.zeros((len(joined), sums.shape[1]))
        np.add.at(totals, where, sums)
        return joined, totals[:, :-1] / totals[:, -1:]

    def curve(self, person: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return a person's times and probabilities.

        Returns
        -------
        seconds : ndarray of float64, shape (n,)
        probabilities : ndarray of float64, shape (n, classes)
            NaN at a gap.
        """
        numbers, _ = self._bins(person)
        several = max(-(-int(numbers[-1] - numbers[0] + 1) // POINTS), 1)
        bins, probabilities = self._joined(person, several)
        step = self._step * several
        seconds = (bins + 0.5) * np.float64(step)
        return _with_gaps(seconds, probabilities, max(GAP, 2 * step))

    def _seen_longest(self, most: int) -> list[int]:
        """Return the people seen in most bins, by their number."""
        lengths = {person: -len(self._bins(person)[0]) for person in self._people}
        return sorted(sorted(lengths, key=lambda person: (lengths[person], person))[:most])

    def _extent(self) -> tuple[float, float]:
        """Return when somebody is seen first and last, in seconds."""
        if not self._people:
            return 0.0, self._step
        bins = [self._bins(person)[0] for person in self._people]
        first, last = min(one[0] for one in bins), max(one[-1] for one in bins)
        return float(first * self._step), float((last + 1) * self._step)

    # The plot

    def save(self, path: Path, title: str, *, overwrite: bool = False) -> None:
        """Write the plot; errors as `fercli.common.drawing.save_plot`.

        The people seen longest have a row each.
        """
        shown = self._seen_longest(PEOPLE)
        start, end = self._extent()
        lanes = len(shown) > LINES or end - start > SHORT
        people = len(self._people) + self._forgotten
        if len(shown) < people:
            title += f", {len(shown)} of {people:,} people, those seen longest"
        row = 0.36 if lanes else 1.5
        figure, first = new_plot(title, "", "", size_inches=(10, 1.2 + row * max(len(shown), 1)))
        rows = [first]
        if len(shown) > 1:
            first.remove()
            rows = list(figure.subplots(len(shown), 1, sharex=True))
            figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        for axes, person in zip(rows, shown, strict=False):
            if lanes:
                self._draw_lane(axes, person, (start, end))
            else:
                self._draw(axes, person)
        if not shown:
            first.text(0.5, 0.5, "no faces", ha="center", transform=first.transAxes)
        else:
            _label_time(rows[-1], end)
            handles = _handles(self.classes)
            figure.legend(handles=handles, loc="outside right upper", frameon=False)
        save_plot(figure, path, overwrite=overwrite)

    def _draw(self, axes: Axes, person: int) -> None:
        """Draw a line for each class."""
        seconds, probabilities = self.curve(person)
        alone = _alone(probabilities)
        for values, color in zip(probabilities.T, colors_of(self.classes), strict=True):
            axes.plot(seconds, values, color=color, linewidth=1.6)
            axes.plot(seconds[alone], values[alone], ".", color=color)
        axes.set_ylim(-0.02, 1.02)
        axes.set_yticks([0, 0.5, 1])
        axes.set_ylabel(f"person {person}")
        axes.grid(color="#dddddd", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)

    def _draw_lane(self, axes: Axes, person: int, extent: tuple[float, float]) -> None:
        """Draw the probabilities of a person one above the other."""
        image = self._lane(person, extent)
        axes.imshow(image, extent=(*extent, 0, 1), aspect="auto", interpolation="nearest")
        axes.set_yticks([])
        axes.tick_params(length=2)
        axes.set_ylabel(f"person {person}", rotation=0, ha="right", va="center")
        axes.spines[["top", "right", "left"]].set_visible(False)

    def _lane(self, person: int, extent: tuple[float, float]) -> NDArray[np.uint8]:
        """Return a person's lane as an image, white where they are not seen."""
        width, height = LANE_WH
        numbers, sums = self._filled(*self._bins(person))
        # At least a column for each bin: a face that is looked for now and then is seen.
        scale = width * self._step / (extent[1] - extent[0])
        first = ((numbers - extent[0] / self._step) * scale).astype(int)
        totals = np.zeros((width, sums.shape[1]))
        for more in range(max(int(np.ceil(scale)), 1)):
            np.add.at(totals, np.minimum(first + more, width - 1), sums)
        tops = totals[:, :-1].cumsum(axis=1) / np.maximum(totals[:, -1:], 1)
        levels = (np.arange(height)[::-1] + 0.5) / height
        which = (levels[:, None, None] > tops[None]).sum(axis=2)
        palette = [_rgb(color) for color in colors_of(self.classes)]
        lane: NDArray[np.uint8] = np.array([*palette, palette[-1]], np.uint8)[which]
        lane[:, totals[:, -1] == 0] = 255
        return lane

    # The page

    def save_page(
        self,
        path: Path,
        title: str,
        summary: Summary,
        *,
        video: Path | None = None,
        start: float = 0.0,
        overwrite: bool = False,
    ) -> None:
        """Write the page.

        Parameters
        ----------
        path : Path
            An .html file.
        title : str
        summary : Summary
            Of the same frames; its thumbnails are shown, if it has any.
        video : Path, optional
            The annotated copy, which the page plays.
        start : float
            The time at which the copy begins, in seconds. Defaults to 0.
        overwrite : bool
            Whether an existing file may be replaced. Defaults to False.

        Raises
        ------
        OutputError
            The file exists or cannot be written.
        """
        shown = self._seen_longest(PAGE_PEOPLE)
        spans = {person: self._bins(person)[0][[0, -1]] for person in shown}
        size = sum(int(last - first + 1) for first, last in spans.values()) * len(self.classes)
        several = max(-(-size // PAGE_BYTES), 1)
        plain = {
            "title": shown_name(title),
            "classes": self.classes,
            "colors": colors_of(self.classes),
            "step": self._step * several,
            "extent": self._extent(),
            "video": _address(video, path),
            "start": start,
            "left_out": len(self._people) + self._forgotten - len(shown),
            "people": [self._plain(person, several, summary) for person in shown],
        }
        # "<" could end the script element.
        data = json.dumps(plain, ensure_ascii=True).replace("<", "\\u003c")
        page = TEMPLATE.read_text(encoding="utf-8").replace("{{data}}", data)
        write_text(path, page, overwrite=overwrite)

    def _plain(self, person: int, several: int, summary: Summary) -> dict[str, Any]:
        bins, probabilities = self._filled(*self._joined(person, several), several)
        values = np.full((int(bins[-1] - bins[0]) + 1, len(self.classes)), ABSENT, np.uint8)
        values[bins - bins[0]] = np.rint(probabilities * FULL)
        one = summary.people[person]
        return {
            "number": person,
            "first": one.first,
            "last": one.last,
            "share": summary.share_of_time(one),
            "expressions": one.shares(),
            "thumbnails": summary.thumbnails.of(person) if summary.thumbnails else {},
            "begin": int(bins[0]),
            "values": base64.b64encode(values.tobytes()).decode(),
        }


def _address(video: Path | None, page: Path) -> str | None:
    """Return the address of a video relative to a page."""
    if video is None:
        return None
    try:
        relative = os.path.relpath(video, page.parent)
    except ValueError:  # another drive on Windows
        return None
    return quote(os.fsencode(relative.replace(os.sep, "/")))


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


def _label_time(axes: Axes, end: float) -> None:
    """Name the axis of time: seconds, or hours, minutes and seconds in a longer video."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if end <= 120:
        axes.set_xlabel("time in seconds")
        return
    axes.set_xlabel("time")
    axes.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 1.2, 1.5, 2, 3, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _handles(classes: Sequence[str]) -> list[Any]:
    from matplotlib.patches import Patch

    return [
        Patch(color=color, label=name)
        for name, color in zip(classes, colors_of(classes), strict=True)
    ]


def _rgb(color: str) -> list[int]:
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]


def colors_of(classes: Sequence[str]) -> list[str]:
    """Return a color for each class, gray for neutral."""
    others: Iterator[str] = iter(COLORS * (1 + len(classes) // len(COLORS)))
    return [NEUTRAL if name == "neutral" else next(others) for name in classes]
