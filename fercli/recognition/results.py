"""Results: a face, a frame with its faces, the people of a video, and what came of each input."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fercli.common.files import FolderFiles
from fercli.common.tables import counted, format_table
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.inputs import Input
from fercli.recognition.thumbnails import Thumbnails

#: The label of a face whose most probable expression is below the threshold.
UNCLEAR = "unclear"


@dataclass(frozen=True)
class Face:
    """A face and its expression.

    Parameters
    ----------
    box_xywh : tuple of 4 int
        In pixels of the image; it may reach over the image's edge by a little.
    probabilities : ndarray of float32, shape (classes,)
        In the order of the model's classes.
    label : str
        The most probable class, or `UNCLEAR`.
    person : int
        The number of the person, from 1 on: the same in all frames of a video. In an image,
        people are numbered from the largest face on.
    seen : bool
        False for a face that was lost less than a moment ago: it is drawn, so that boxes do not
        flicker, but not counted. Defaults to True.
    """

    box_xywh: tuple[int, int, int, int]
    probabilities: NDArray[np.float32]
    label: str
    person: int
    seen: bool = True

    @property
    def probability(self) -> float:
        """The probability of the most probable class."""
        return float(self.probabilities.max())

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return the face as plain values, for JSON."""
        numbers = (round(float(value), 6) for value in self.probabilities)
        return {
            "person": self.person,
            "box": list(self.box_xywh),
            "expression": self.label,
            "probabilities": dict(zip(classes, numbers, strict=True)),
        }


@dataclass(frozen=True)
class FrameFaces:
    """A frame of a video and its faces.

    Parameters
    ----------
    frame : Frame
    faces : tuple of Face
        In the order of their numbers.
    analyzed : bool
        False for a frame that was skipped (`every`); it has the faces of the frame before, none
        of them seen.
    """

    frame: Frame
    faces: tuple[Face, ...]
    analyzed: bool = True

    @property
    def found(self) -> tuple[Face, ...]:
        """The faces that were detected or tracked in this very frame."""
        return tuple(face for face in self.faces if face.seen)


def label_of(probabilities: NDArray[np.float32], classes: Sequence[str], threshold: float) -> str:
    """Return the most probable class, or `UNCLEAR` if its probability is below the threshold."""
    best = int(probabilities.argmax())
    return classes[best] if probabilities[best] >= threshold else UNCLEAR


# The people of a video


#: People seen for less than this, in seconds, are counted but not listed.
MIN_LISTED_SECONDS = 0.5


@dataclass
class PersonSummary:
    """A person in a video.

    Parameters
    ----------
    number : int
    first, last : float
        When first and last seen, in seconds.
    frames : int
        How many frames they were seen in.
    expressions : dict of str to float
        How long each label was shown, in seconds: a frame lasts until the next one.
    """

    number: int
    first: float
    last: float
    frames: int = 0
    expressions: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long they were seen, in seconds."""
        return sum(self.expressions.values())

    def shares(self) -> dict[str, float]:
        """Return the share of the time with each label, the largest first."""
        total = self.seconds or 1.0
        ordered = sorted(self.expressions.items(), key=lambda item: -item[1])
        return {name: seconds / total for name, seconds in ordered}


class Summary:
    """The people of a video, counted frame by frame; its size depends on their number alone.

    Shares of expressions are of time, which differs from frames where the rate varies. `finish`
    counts the last frame.

    Attributes
    ----------
    frames, analyzed, with_faces, faces : int
        Frames read, analyzed, and with at least one face; and faces in all frames.
    smallest : int or None
        Width of the smallest face, in pixels; None if there is none.
    watched : float
        Length of what was analyzed, in seconds.
    people : dict of int to PersonSummary
    thumbnails : Thumbnails or None

    Parameters
    ----------
    thumbnails : bool
        Whether the clearest face of each person with each label is kept. Defaults to False.
    """

    def __init__(self, *, thumbnails: bool = False) -> None:
        self.frames = self.analyzed = self.with_faces = self.faces = 0
        self.seconds = self.watched = 0.0
        self.thumbnails = Thumbnails() if thumbnails else None
        self.smallest: int | None = None
        self.people: dict[int, PersonSummary] = {}
        self._shown: tuple[Face, ...] = ()
        self._since = self._step = self._end = 0.0
        self._finished = False

    def add(self, one: FrameFaces) -> None:
        """Count a frame."""
        self.frames += 1
        self.analyzed += one.analyzed
        self.with_faces += bool(one.found)
        self.faces += len(one.found)
        self.seconds = one.frame.seconds
        if one.analyzed:
            if self.analyzed > 1:
                self._step = max(self.seconds - self._since, 0.0)
            self._add_time(self._step)
            self._shown, self._since = one.found, self.seconds
        self._end = self.seconds + one.frame.duration
        widths = [face.box_xywh[2] for face in one.found]
        if widths:
            self.smallest = min(*widths, self.smallest or widths[0])
        for face in one.found:
            person = self.people.setdefault(
                face.person, PersonSummary(face.person, self.seconds, self.seconds)
            )
            person.last = self.seconds
            person.frames += 1
            person.expressions.setdefault(face.label, 0.0)
        if self.thumbnails is not None:
            self.thumbnails.add(one)

    def finish(self) -> None:
        """Count the time of the last frame: its own, or else that of the one before."""
        if self.analyzed and not self._finished:
            last = self._end - self._since
            self._add_time(last if last > 0 else self._step or 1.0)
            self._finished = True

    def _add_time(self, seconds: float) -> None:
        """Count the time for which the last faces were shown."""
        self.watched += seconds
        for face in self._shown:
            self.people[face.person].expressions[face.label] += seconds

    def share_of_time(self, person: PersonSummary) -> float:
        """Return the share of the analyzed time in which a person was seen."""
        return person.seconds / self.watched if self.watched else 0.0

    def to_dict(self, *, thumbnails: bool = False) -> dict[str, Any]:
        """Return the summary as plain values for JSON, if asked for with the thumbnails."""
        kept = self.thumbnails if thumbnails else None
        people = [
            {
                "person": one.number,
                "first_seconds": round(one.first, 3),
                "last_seconds": round(one.last, 3),
                "frames": one.frames,
                "seconds": round(one.seconds, 3),
                "share": round(self.share_of_time(one), 4),
                "expressions": {name: round(share, 4) for name, share in one.shares().items()},
                **({"thumbnails": kept.of(one.number)} if kept else {}),
            }
            for one in self.people.values()
        ]
        return {
            "frames": self.frames,
            "frames_analyzed": self.analyzed,
            "frames_with_faces": self.with_faces,
            "faces": self.faces,
            "people": people,
        }

    def to_text(self, classes: Sequence[str]) -> str:
        """Return a table of people with their share of each expression."""
        people = list(self.people.values())
        listed = [one for one in people if one.last - one.first >= MIN_LISTED_SECONDS] or people
        lines = [format_table(*_table(listed, classes))] if listed else []
        brief = len(people) - len(listed)
        if brief:
            lines.append(f"and {brief} seen for less than {MIN_LISTED_SECONDS} s")
        without = self.analyzed - self.with_faces
        lines.append(
            f"{counted(self.frames, 'frame')}, {self.analyzed:,} analyzed: "
            f"{self.with_faces:,} with faces, {without:,} without"
        )
        return "\n".join(lines)


def _table(
    people: Sequence[PersonSummary], classes: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    shown = {name for one in people for name in one.expressions}
    columns = [*(name for name in classes if name in shown), *sorted(shown - set(classes))]
    headers = ["person", "from s", "to s", "frames", *columns]
    rows = [
        [
            str(one.number),
            f"{one.first:.1f}",
            f"{one.last:.1f}",
            str(one.frames),
            *(f"{one.shares().get(name, 0.0):.0%}" for name in columns),
        ]
        for one in people
    ]
    return headers, rows


# What inputs gave, for the terminal and for JSON


@dataclass
class InputResult:
    """What an input gave.

    Parameters
    ----------
    source : Input
    faces : list of Face
        Of an image.
    summary : Summary, optional
        Of a video, camera or stream.
    notes : list of str
        What the user should know, such as damaged frames.
    saved : Path, optional
        The annotated copy.
    error : str
        Why the input could not be read, or not to its end; "" if it was.
    thumbnails : Thumbnails, optional
        Of the faces of an image; those of a video are in its summary.
    """

    source: Input
    faces: list[Face] = field(default_factory=list)
    summary: Summary | None = None
    notes: list[str] = field(default_factory=list)
    saved: Path | None = None
    error: str = ""
    thumbnails: Thumbnails | None = None


class VideoFaces(Iterator[FrameFaces]):
    """The frames of a video with their faces, and a summary that grows with each.

    Parameters
    ----------
    frames : generator of FrameFaces
    summary : Summary

    Attributes
    ----------
    summary : Summary
        The people of the frames so far; complete after the last frame.
    """

    def __init__(self, frames: Generator[FrameFaces, None, None], summary: Summary) -> None:
        self.summary = summary
        self._frames = frames

    def __next__(self) -> FrameFaces:
        try:
            one = next(self._frames)
        except StopIteration:
            self.summary.finish()
            raise
        self.summary.add(one)
        return one

    def close(self) -> None:
        """End the reading of the video before its end."""
        self._frames.close()
        self.summary.finish()


def failed(results: Sequence[InputResult]) -> list[InputResult]:
    """Return the results of inputs that could not be read, or not to their end."""
    return [one for one in results if one.error]


#: Columns of the table of faces.
HEADERS = ("source", "person", "x", "y", "width", "height", "expression", "probability")


def to_text(results: Sequence[InputResult], classes: Sequence[str]) -> str:
    """Return tables of the faces in images and of the people in each video."""
    images = [one for one in results if one.summary is None and not one.error]
    # One that was interrupted before its first frame is no failure.
    videos = [
        one for one in results if one.summary is not None and (one.summary.frames or not one.error)
    ]
    parts = [_images(images)] if images else []
    parts += [f"{one.source.shown}\n{_video(one, classes)}" for one in videos]
    unreadable = len(results) - len(images) - len(videos)
    if unreadable:
        parts.append(f"{unreadable} of {counted(len(results), 'input')} could not be read")
    return "\n\n".join(parts)


def to_dict(
    results: Sequence[InputResult],
    classes: Sequence[str],
    folders: Sequence[FolderFiles] = (),
    *,
    thumbnails: bool = False,
) -> list[dict[str, Any]]:
    """Return results as plain values: faces of images, summaries of videos, errors.

    Folders with files that were skipped come last. `thumbnails` says whether those that were kept
    are among the values.
    """
    return [_plain(one, classes, thumbnails) for one in results] + [
        {
            "source": str(files.folder),
            "kind": "folder",
            "skipped": [str(path) for path in files.skipped],
        }
        for files in folders
    ]


def complaints(results: Sequence[InputResult]) -> Iterator[str]:
    """Yield a line for each note and each error."""
    for one in results:
        if one.summary is not None:  # those of images are counted in `IMAGE_NOTES`
            yield from (f"fer: {one.source.shown}: {note}" for note in one.notes)
        if one.error:
            yield f"fer: skipped: {one.error}" if _has_nothing(one) else f"fer: {one.error}"


def _has_nothing(result: InputResult) -> bool:
    return result.summary is None or not result.summary.frames


def _images(results: Sequence[InputResult]) -> str:
    rows: list[tuple[object, ...]] = []
    for one in results:
        rows += _rows(one) or [(one.source.name, "-", "-", "-", "-", "-", "no face", "-")]
    faces = sum(len(one.faces) for one in results)
    without = sum(not one.faces for one in results)
    end = f"faces: {faces}, images: {len(results)}, without a face: {without}"
    return f"{format_table(HEADERS, rows)}\n{end}"


def _rows(result: InputResult) -> list[tuple[object, ...]]:
    return [
        (result.source.name, face.person, *face.box_xywh, face.label, f"{face.probability:.0%}")
        for face in result.faces
    ]


def _video(result: InputResult, classes: Sequence[str]) -> str:
    assert result.summary is not None
    return result.summary.to_text(classes)


def _plain(result: InputResult, classes: Sequence[str], thumbnails: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"source": result.source.shown, "kind": result.source.kind}
    kept = result.thumbnails if thumbnails else None
    if result.summary is not None:
        plain |= result.summary.to_dict(thumbnails=thumbnails)
    elif not result.error:
        plain["faces"] = [
            face.to_dict(classes) | ({"thumbnails": kept.of(face.person)} if kept else {})
            for face in result.faces
        ]
    if result.saved is not None:
        plain["saved"] = str(result.saved)
    if result.notes:
        plain["notes"] = result.notes
    if result.error:
        plain["error"] = result.error
    return plain
