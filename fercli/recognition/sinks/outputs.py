"""Outputs: what a run is asked to write, and what came of each input."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fercli.recognition.results import Face
from fercli.recognition.sources.inputs import Input
from fercli.recognition.summary import Summary


@dataclass(frozen=True)
class Outputs:
    """Where results go, besides the terminal.

    Parameters
    ----------
    csv, jsonl : Path, optional
        Files of all rows.
    save, timeline : Path, optional
        Where annotated pictures and videos, and plots, go: a file for one input, a folder for
        several (see `fercli.recognition.places`).
    show : bool
        Whether annotated pictures and frames are shown in a window.
    bars : bool
        Whether annotations have the probability of each class.
    empty : bool
        Whether pictures and frames without a face have a row.
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
        Of a picture.
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
