"""The sources of an import, and the report of each."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fercli.common.errors import OptionError
from fercli.common.files import find_files, input_error, write_text
from fercli.common.tables import counted
from fercli.datasets.entries import Counts, DatasetFormat, ReadOptions
from fercli.datasets.formats import DATASET_FORMATS, detect_format, require_there
from fercli.datasets.formats.fer2013 import votes_file
from fercli.datasets.tree import require_finished

#: The table of images that could not be used.
SKIPPED = "skipped.csv"


@dataclass(frozen=True)
class Source:
    """A source as the user gives it: a format and a path, and the name it has in the tree."""

    name: str
    form: DatasetFormat
    path: Path


@dataclass(frozen=True)
class Skipped:
    """An image that could not be used, and why."""

    origin: str
    reason: str


def write_skipped(root: Path, skipped: Sequence[tuple[str, Skipped]]) -> None:
    """Write ``skipped.csv`` into a tree: a line for each image; without any, none."""
    if not skipped:
        return
    rows = [(source, item.origin, item.reason) for source, item in skipped]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("source", "origin", "reason"), *rows])
    write_text(root / SKIPPED, text.getvalue(), overwrite=True, errors="backslashreplace")


#: Reasons that are shown of images that could not be used.
SHOWN_REASONS = 5

#: Reasons that are counted in the manifest; there may be one for each image.
MOST_REASONS = 20


@dataclass
class SourceReport:
    """The result of one source of an import.

    Parameters
    ----------
    images : int
        How many are in the tree.
    dropped : Counter
        How many were left out on purpose, by reason.
    skipped : list of Skipped
        Those that could not be used.
    renamed : Counter
        Images whose class is called otherwise than in the source: ``"joy to happy"``.
    notes : list of str
        What had to be assumed, and what was noticed.
    published : dict
        For each split that has published counts: ``"as published"``, ``"absent"``, or what
        differs.
    """

    name: str
    format: str
    path: str
    sha256: str
    images: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)
    published: dict[str, str] = field(default_factory=dict)
    renamed: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def reasons(self) -> Counter[str]:
        """How many could not be used, by reason."""
        return Counter(item.reason for item in self.skipped)

    def to_lines(self, out: Path) -> list[str]:
        """Return lines for people: what became of the images; `out` is the root of the tree."""
        lines = [f"{self.name} ({self.path}): {counted(self.images, 'image')}"]
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  renamed: {words} ({count:,})" for words, count in self.renamed.most_common()]
        lines += [f"  left out: {count:,} {reason}" for reason, count in self.dropped.most_common()]
        if self.skipped:
            listed = out / SKIPPED
            lines.append(f"  could not be used: {len(self.skipped):,}, listed in {listed}")
            shown = self.reasons.most_common(SHOWN_REASONS)
            lines += [f"    {count:,} {reason}" for reason, count in shown]
        for split, verdict in self.published.items():
            expected = {"as published": "counts as published", "absent": "absent"}
            lines.append(f"  {split}: {expected.get(verdict, f'not as published: {verdict}')}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the manifest; skipped images are counted, not listed."""
        return asdict(self) | {
            "skipped": len(self.skipped),
            "skipped_reasons": dict(self.reasons.most_common(MOST_REASONS)),
            "dropped": dict(self.dropped),
            "renamed": dict(self.renamed),
        }


def parse_source(text: str) -> tuple[str | None, Path]:
    """Return the format (None: to be found out) and the path of ``[FORMAT=]PATH``."""
    name, sign, path = text.partition("=")
    return (name, Path(path)) if sign and name in DATASET_FORMATS else (None, Path(text))


def find_sources(texts: Sequence[str], votes: Path | None = None) -> list[Source]:
    """Return the sources that ``[FORMAT=]PATH`` name.

    Raises
    ------
    InputError
        One is missing, of no known form, or a tree that is unfinished.
    OptionError
        There is none, or votes are given and no FER-2013.
    """
    sources: list[Source] = []
    used: Counter[str] = Counter()
    for text in texts:
        name, path = parse_source(text)
        require_there(path)
        require_finished(path)
        form = DATASET_FORMATS[name] if name else detect_format(path)
        # FER-2013's table together with votes can only mean FER+.
        if name is None and form.name == "fer2013" and votes is not None and path.is_file():
            form = DATASET_FORMATS["ferplus"]
        used[form.name] += 1
        number = used[form.name]
        sources.append(Source(form.name + (str(number) if number > 1 else ""), form, path))
    if not sources:
        raise OptionError("No data set to import was given")
    if votes is not None and "ferplus" not in used:
        raise OptionError("`votes` needs the CSV of FER-2013, which is not among the sources")
    return sources


def compare_counts(
    found: Mapping[tuple[str, str], int], published: Counts, *, closed: bool = False
) -> dict[str, str]:
    """Return for each split how what was found compares with what is published.

    Nothing if the set is `closed` and has labels of another one.
    """
    known = {label for wanted in published.values() for label in wanted}
    others = {label for (_, label), count in found.items() if count and label} - known
    if closed and others:
        return {}
    verdicts = {}
    for split, wanted in published.items():
        differing = [
            f"{label} {found.get((split, label), 0):,} for {count:,}"
            for label, count in wanted.items()
            if found.get((split, label), 0) != count
        ]
        present = any(found.get((split, label)) for label in wanted)
        verdicts[split] = (
            "absent" if not present else ", ".join(differing) if differing else "as published"
        )
    return verdicts


def checksum(source: Source, options: ReadOptions) -> str:
    """Return a checksum of a source: of a file's bytes, or of a folder's names and sizes.

    Raises
    ------
    InputError
        The source, or a folder in it, cannot be read.
    """
    try:
        if source.path.is_file():
            return _checksum_of_table(source, options)
    except OSError as error:
        raise input_error(error, source.path) from error
    digest = hashlib.sha256()
    for file in find_files(source.path, ("",)):
        name = file.relative_to(source.path).as_posix()
        # A link to nothing is told of when it is read.
        size = file.stat().st_size if file.exists() else -1
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _checksum_of_table(source: Source, options: ReadOptions) -> str:
    with source.path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    votes = votes_file(source.path, options)
    if source.form.name == "ferplus" and votes.is_file():
        digest.update(votes.read_bytes())
    return digest.hexdigest()
