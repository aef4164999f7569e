"""What can be wrong with a list, and what OpenCV's programs then do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

#: What follows from each problem. Tried with the programs of OpenCV 3.4.18.
CONSEQUENCES = {
    "no boxes": "opencv_createsamples never ends",
    "no names": "opencv_traincascade cannot train",
    "byte-order mark": "it becomes a part of the first name, which is then missing",
    "CRLF": "opencv_createsamples -bg takes the carriage return for a part of each name",
    "blank line": "it ends a background list; an info file goes on",
    "comment": "an info file has none: opencv_createsamples tries the words as records",
    "white space in name": "opencv_createsamples takes the last word for the name, then aborts",
    "absolute name": "opencv_createsamples puts the folder of the info file before it, then aborts"
    " (save if started in that folder)",
    "wrong count": "opencv_createsamples stops there, or takes numbers for names",
    "no name": "opencv_createsamples takes a number for a name, then aborts or stops",
    "no count": "opencv_createsamples tries the words one after another as names, then stops",
    "decimals": "opencv_createsamples stops there",
    "not a number": "opencv_createsamples stops there",
    "out of range": "opencv_createsamples takes another number for it, or aborts",
    "empty box": "opencv_createsamples aborts",
    "box outside": "opencv_createsamples aborts",
    "missing": "opencv_createsamples aborts; opencv_traincascade goes on without it",
    "unreadable": "opencv_createsamples aborts; opencv_traincascade goes on without it",
    "format": "opencv_createsamples, if built without it (as by fer), aborts: convert it to PNG",
    "not here": "opencv_traincascade looks for names in the working directory: start it in the"
    " list's folder, or name the images absolutely",
    "too small": "opencv_traincascade passes over it, and aborts if all are",
    "blanks around name": "those before it are a part of the name, for both programs",
    "duplicate": "it counts twice in the training",
    "UTF-16": "OpenCV's programs read nothing of it",
    "quotes": "OpenCV's programs take them for a part of the name",
    "backslashes": "OpenCV's programs look for such a name only on Windows",
}

#: What follows from each problem of annotations that OpenCV's programs do not read.
IN_ANNOTATIONS = {
    "malformed": "build-info leaves it out; other commands end there",
    "missing": "build-info and evaluate leave it out; other commands end there",
    "unreadable": "build-info and evaluate leave it out; other commands end there",
    "empty box": "build-info leaves it out; other commands end there",
    "box outside": "build-info clips it, or leaves it out; create-samples and train end there",
    "duplicate": "it counts twice in the training",
    "no boxes": "there is nothing to train with",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Parameters
    ----------
    kind : str
        A key of `CONSEQUENCES`.
    detail : str
        What was found.
    record : int, optional
        The record, counted from 1; None for what concerns the whole file. Comments and blank
        lines are no records.
    line : int, optional
        The line of the file, counted from 1.
    """

    kind: str
    detail: str
    record: int | None = None
    line: int | None = None


@dataclass(frozen=True)
class CheckReport:
    """What was checked and what is wrong.

    Parameters
    ----------
    path : Path
        The list.
    kind : str
        "info" for an info file, "bg" for a background list, else a name of
        `fercli.annotations.FORMATS`.
    records, boxes : int
        How many it has.
    problems : tuple of Problem
        In the order of the records; those of the whole file first.
    title : str
        What people call the kind.
    notes : tuple of str
        What is assumed about the annotations when they are read.
    """

    path: Path
    kind: str
    records: int
    boxes: int
    problems: tuple[Problem, ...]
    title: str = ""
    notes: tuple[str, ...] = ()

    def consequence(self, kind: str) -> str:
        """Return what follows from a kind of problem."""
        return (CONSEQUENCES if self.kind in ("info", "bg") else IN_ANNOTATIONS)[kind]

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "records": self.records,
            "boxes": self.boxes,
            "problems": [
                {**asdict(problem), "consequence": self.consequence(problem.kind)}
                for problem in self.problems
            ],
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """Return the report for people: a table, and what follows from the problems."""
        from fercli.common.tables import format_table

        what = {"info": "info file", "bg": "background list"}.get(self.kind, self.title)
        boxes = "" if self.kind == "bg" else f", boxes: {self.boxes}"
        number = len(self.problems) or "none"
        summary = f"{self.path}: {what}; records: {self.records}{boxes}, problems: {number}"
        if not self.problems:
            return summary
        rows = [
            (_number(each.record), _number(each.line), each.kind, each.detail)
            for each in self.problems
        ]
        kinds = dict.fromkeys(each.kind for each in self.problems)
        return "\n".join(
            [
                format_table(["record", "line", "problem", "found"], rows),
                "",
                *(f"{kind}: {self.consequence(kind)}" for kind in kinds),
                "",
                summary,
            ]
        )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
