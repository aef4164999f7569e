"""The report: results as the terminal shows them, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fercli.common.tables import format_table
from fercli.recognition.classify import Result

HEADERS = ("picture", "person", "x", "y", "width", "height", "expression", "probability")


def as_text(results: Sequence[Result], classes: Sequence[str]) -> str:
    """Return tables of the faces in pictures and of the people in each video."""
    pictures = [one for one in results if one.summary is None and not one.error]
    videos = [one for one in results if one.summary is not None and one.summary.frames]
    parts = [_pictures(pictures)] if pictures else []
    parts += [f"{one.source.shown}\n{_video(one, classes)}" for one in videos]
    unreadable = len(results) - len(pictures) - len(videos)
    if unreadable:
        parts.append(f"{unreadable} of {len(results)} inputs could not be read")
    return "\n\n".join(parts)


def as_plain(results: Sequence[Result], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return results as plain values: faces of pictures, summaries of videos, errors."""
    return [_plain(one, classes) for one in results]


def complaints(results: Sequence[Result]) -> Iterator[str]:
    """Yield a line for each thing that went wrong."""
    for one in results:
        yield from (f"fer: {one.source.shown}: {note}" for note in one.notes)
        if one.error:
            yield f"fer: left out: {one.error}" if _has_nothing(one) else f"fer: {one.error}"


def _has_nothing(result: Result) -> bool:
    return result.summary is None or not result.summary.frames


def _pictures(results: Sequence[Result]) -> str:
    rows: list[tuple[object, ...]] = []
    for one in results:
        rows += _rows(one) or [(one.source.name, "-", "-", "-", "-", "-", "no face", "-")]
    faces = sum(len(one.faces) for one in results)
    without = sum(not one.faces for one in results)
    end = f"faces: {faces}, pictures: {len(results)}, without a face: {without}"
    return f"{format_table(HEADERS, rows)}\n{end}"


def _rows(result: Result) -> list[tuple[object, ...]]:
    return [
        (result.source.name, face.person, *face.box_xywh, face.label, f"{face.probability:.0%}")
        for face in result.faces
    ]


def _video(result: Result, classes: Sequence[str]) -> str:
    assert result.summary is not None
    return result.summary.as_text(classes)


def _plain(result: Result, classes: Sequence[str]) -> dict[str, Any]:
    plain: dict[str, Any] = {"source": result.source.shown, "kind": result.source.kind}
    if result.summary is not None:
        plain |= result.summary.as_plain()
    elif not result.error:
        plain["faces"] = [face.as_plain(classes) for face in result.faces]
    if result.notes:
        plain["notes"] = result.notes
    if result.error:
        plain["error"] = result.error
    return plain
