"""Outputs: what a run is asked to write, and what came of each input."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fercli.common.errors import OptionError, OutputError
from fercli.common.files import free_name, input_among, shortened
from fercli.recognition.results import Face, Summary
from fercli.recognition.sinks.video_writer import SUFFIXES
from fercli.recognition.sources.inputs import Input


@dataclass(frozen=True)
class Outputs:
    """Where results go, besides the terminal.

    Parameters
    ----------
    csv, jsonl : Path, optional
        Files of all rows.
    save, timeline : Path, optional
        Where annotated images and videos, and plots, go: a file for one input, a folder for
        several (see `fercli.recognition.sinks.outputs`).
    show : bool
        Whether annotated images and frames are shown in a window.
    bars : bool
        Whether annotations have the probability of each class.
    empty : bool
        Whether images and frames without a face have a row.
    overwrite : bool
        Whether existing files may be replaced.
    """

    csv: Path | None = None
    jsonl: Path | None = None
    save: Path | None = None
    timeline: Path | None = None
    show: bool = False
    bars: bool = False
    empty: bool = False
    overwrite: bool = False


@dataclass
class Result:
    """What came of an input.

    Parameters
    ----------
    source : Input
    faces : list of Face
        Of an image.
    summary : Summary, optional
        Of a video, camera or stream.
    notes : list of str
        What was met on the way, such as damaged frames.
    error : str
        Why there is nothing, or not all.
    """

    source: Input
    faces: list[Face] = field(default_factory=list)
    summary: Summary | None = None
    notes: list[str] = field(default_factory=list)
    error: str = ""


# OutputPaths: which file each input's annotated copy and plot go to, and which may not be one.


#: Formats of annotated images; an image of another format is written as PNG.
WRITTEN = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

#: Suffixes that an annotated image may be asked for by name.
WRITABLE = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")

#: The longest stem, in bytes: most disks take names of 255, and a number and a suffix follow.
LONGEST = 220


class OutputPaths:
    """Where annotated copies and plots go.

    For one input a name with a suffix is a file. Anything else is a folder, which gets
    ``NAME.jpg``, ``NAME.mp4`` and ``NAME-timeline.png``, numbered where a name comes twice.

    Parameters
    ----------
    inputs : sequence of Input
    save, timeline : Path, optional
        As given by the user.

    Raises
    ------
    OptionError
        A file is given for several inputs, or one whose suffix does not suit the input.
    """

    def __init__(self, inputs: Sequence[Input], save: Path | None, timeline: Path | None) -> None:
        self._saved = {} if save is None else _spread(inputs, save, _suffix)
        videos = [one for one in inputs if one.kind != "image"]
        self._timelines = {} if timeline is None else _spread(videos, timeline, _plot_suffix)

    def saved(self, source: Input) -> Path | None:
        """Return where the annotated copy of an input goes, or None."""
        return self._saved.get(source.name)

    def timeline(self, source: Input) -> Path | None:
        """Return where the plot of an input goes, or None."""
        return self._timelines.get(source.name)

    def all(self) -> Iterator[Path]:
        """Yield all places."""
        yield from self._saved.values()
        yield from self._timelines.values()


def require_separate(inputs: Iterable[Input], outputs: Iterable[Path]) -> None:
    """Raise unless each output is a file of its own and none of the inputs.

    Raises
    ------
    OutputError
        An output is one of the inputs, which it would replace, or another output.
    """
    outputs = list(outputs)
    replaced = input_among(outputs, (one.path for one in inputs if not one.live))
    if replaced is not None:
        raise OutputError(
            "wanted a new file for the results, found an input", hint="another name", path=replaced
        )
    written: set[str] = set()
    for path in outputs:
        name = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118
        if name in written:
            raise OutputError(
                "wanted a file for each output, found one for two", hint="another name", path=path
            )
        written.add(name)


def _spread(inputs: Sequence[Input], place: Path, suffix: object) -> dict[str, Path]:
    assert callable(suffix)
    if place.suffix and not place.is_dir():
        if len(inputs) > 1:
            raise OptionError(
                f"wanted a folder for {len(inputs)} inputs, found {place}",
                hint="a name without a suffix",
            )
        for one in inputs:
            _require_suitable(one, place, plot=suffix is _plot_suffix)
        return {one.name: place for one in inputs}
    taken: dict[str, int] = {}
    places = {}
    for one in inputs:
        wanted = Path(_stem(one) + suffix(one))
        places[one.name] = place / free_name(wanted.stem, taken, wanted.suffix)
    return places


def _require_suitable(source: Input, place: Path, *, plot: bool) -> None:
    allowed = (".png", ".svg", ".pdf") if plot else _allowed(source)
    if place.suffix.lower() not in allowed:
        what = "plot" if plot else "image" if source.kind == "image" else "video"
        article = "an" if what == "image" else "a"
        raise OptionError(
            f"wanted a name for {article} {what}, found {place}",
            hint=f"a suffix of {', '.join(allowed)}",
        )


def _allowed(source: Input) -> tuple[str, ...]:
    return WRITABLE if source.kind == "image" else SUFFIXES


def _suffix(source: Input) -> str:
    if source.kind != "image":
        return ".mp4"
    suffix = source.path.suffix
    return suffix if suffix.lower() in WRITTEN else ".png"


def _plot_suffix(source: Input) -> str:
    return "-timeline.png"


def _stem(source: Input) -> str:
    if source.kind == "camera":
        return f"camera-{source.path.name}"
    if source.kind == "stream":
        address = source.shown.split("://")[1]  # a name must not tell a password
        stem = "".join(c if c.isalnum() else "-" for c in address).strip("-") or "stream"
    else:
        stem = source.path.stem
    return shortened(stem, LONGEST)
