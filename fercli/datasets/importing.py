"""Import published sources into one tree, as a stream, on many cores, resumable.

The readers of `fercli.datasets.formats` yield entries in an order that is always the same. They
pass in batches to the workers, which decode, cut, scale and write the images; the journal notes
what is there. No more than a few batches are in memory at any time.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from fercli.common.errors import ImageError, InputError, image_errors
from fercli.common.files import free_name, shortened
from fercli.common.images import IMAGE_NOTES
from fercli.common.parallel import Workers, parallel_map
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted
from fercli.common.windows import usable_name
from fercli.datasets.entries import Dropped, Entry, Note, ReadOptions, read_entry
from fercli.datasets.expressions import ImportOptions, decide_by_votes
from fercli.datasets.formats.generic import classes_of
from fercli.datasets.journal import Journal
from fercli.datasets.manifest import FileRecord, Manifest
from fercli.datasets.sources import (
    Skipped,
    Source,
    SourceReport,
    checksum,
    compare_counts,
    write_skipped,
)
from fercli.datasets.tree import counts_table, finish_tree, require_apart, save_image

T = TypeVar("T")

#: Images that go to a worker at once: enough to hide the way there, few enough for the memory.
BATCH = 32

#: The longest an image's name may be, in bytes: file systems take 255, and a number, the suffix
#: and what a temporary name has in front of it must fit too.
LONGEST_NAME = 180


@dataclass(frozen=True)
class Repeated:
    """Counts of images that occur more than once in a tree, pixel by pixel.

    Parameters
    ----------
    images : int
        All of them.
    across_splits, across_classes : int
        Those that are in several splits, or under several classes.
    """

    images: int
    across_splits: int
    across_classes: int


@dataclass(frozen=True)
class ImportResult:
    """The result of an import."""

    root: Path
    manifest: Manifest
    reports: list[SourceReport]
    resumed: bool
    repeated: Repeated

    def to_dict(self) -> dict[str, Any]:
        """Return what was imported as plain values."""
        return {
            "classes": list(self.manifest.classes),
            "counts": self.manifest.counts,
            "sources": list(self.manifest.sources),
            "resumed": self.resumed,
            "repeated": asdict(self.repeated),
            "image_notes": IMAGE_NOTES.lines(),
        }

    def to_text(self) -> str:
        """Return the counts of the tree, and what was assumed and left out of each source."""
        lines = [counts_table(self.manifest.counts, self.manifest.classes), ""]
        for report in self.reports:
            lines += report.to_lines(self.root)
        repeated = self.repeated
        if repeated.images:
            lines.append(
                f"the same pixels more than once: {counted(repeated.images, 'image')}, "
                f"{repeated.across_splits:,} of them in several splits, "
                f"{repeated.across_classes:,} under several classes"
            )
        if repeated.across_splits:
            lines.append("  fer datasets split keeps such images in one split")
        return "\n".join([*lines, f"wrote {self.root}/"])


def import_sources(
    sources: Sequence[Source],
    out: Path,
    options: ImportOptions,
    *,
    overwrite: bool = False,
    workers: int | Workers | None = None,
    progress: Progress = SILENT,
) -> ImportResult:
    """Write the images of all sources into one tree.

    Parameters
    ----------
    sources : sequence of Source
        What to read; see `find_sources`.
    out : Path
        The root of the tree: missing, empty, or unfinished by the same import, which then goes
        on.
    options : ImportOptions
        What becomes of the images.
    overwrite : bool
        Whether a tree that fer made before is replaced, once the new one is whole.
    workers, progress
        As in `fercli.common.parallel.parallel_map`.

    Raises
    ------
    OptionError
        Labels are to be renamed where votes decide.
    InputError
        A source is malformed, or none of its images can be used. What was imported before it
        stays, and is gone on with, unless it was to replace a whole tree: that comes back.
    OutputError
        The tree cannot be written.
    """
    for source in sources:
        require_apart(source.path, out)
    options.require_renamable([source.form.name == "ferplus" for source in sources])
    reports = [
        SourceReport(
            source.name, source.form.name, str(source.path), checksum(source, reading(options))
        )
        for source in sources
    ]
    plan = {"import": [[r.format, r.path, r.sha256] for r in reports], "options": asdict(options)}
    labels = [name for source in sources for name in classes_of(source.path)]
    options = replace(options, scheme=options.scheme.with_labels(labels))
    with Journal(out, plan, overwrite=overwrite) as journal:
        if journal.resumed:
            progress.note(f"resumed: {counted(len(journal.done), 'image')} in {out} already")
        for stage in _stages(sources, reports, options):
            _import_one(stage, journal, workers, progress)
        _require_images(reports)
        write_skipped(out, [(r.name, item) for r in reports for item in r.skipped])
        repeated = _repeated(journal.records())
        manifest = finish_tree(
            journal,
            options.scheme.classes if options.scheme.fixed else None,
            voted=options.scheme.classes,
            sources=[report.to_dict() for report in reports],
            made_by=[{"command": "import", "options": _plain(options)}],
        )
    return ImportResult(out, manifest, reports, journal.resumed, repeated)


def reading(options: ImportOptions) -> ReadOptions:
    """Return the options of format readers."""
    return ReadOptions(options.votes, options.all_angles, options.peak_frames, options.label_of)


def _repeated(records: Iterable[FileRecord]) -> Repeated:
    """Count images that are, pixel by pixel, in several splits or under several classes."""
    places: dict[bytes, set[tuple[str, str]]] = {}
    often: Counter[bytes] = Counter()
    for record in records:
        digest = bytes.fromhex(record.sha256)
        often[digest] += 1
        if often[digest] == 1:
            places[digest] = {(record.split, record.label)}
        else:
            places[digest].add((record.split, record.label))
    again = [digest for digest, count in often.items() if count > 1]
    return Repeated(
        sum(often[one] for one in again),
        sum(often[one] for one in again if len({split for split, _ in places[one]}) > 1),
        sum(often[one] for one in again if len({label for _, label in places[one]}) > 1),
    )


@dataclass
class _Stage:
    """A source that is being imported."""

    source: Source
    report: SourceReport
    options: ImportOptions
    prefix: str
    taken: dict[str, int]
    found: Counter[tuple[str, str]] = field(default_factory=Counter)

    def jobs(self) -> Iterator[tuple[Entry, FileRecord]]:
        """Yield the images that belong into the tree, with the files they become."""
        for item in self.source.form.read(self.source.path, reading(self.options)):
            if isinstance(item, Note):
                self.report.notes.append(item.text)
                continue
            entry = item if isinstance(item, Entry) else None
            self.found[entry.split if entry else "", entry.label if entry else ""] += 1
            name, votes, reason = self._decide(item)
            if entry is None or name is None:
                self.report.dropped[reason] += 1
                continue
            self._note_renaming(entry, name)
            file = self._free_name(f"{entry.split}/{name}/{_file_name(self.prefix, entry.name)}")
            subject = self._subject(entry)
            yield entry, FileRecord(file, self.source.name, entry.origin, subject, "", votes)

    def _decide(self, item: Entry | Dropped) -> tuple[str | None, tuple[int, ...], str]:
        if isinstance(item, Dropped):
            return None, (), item.reason
        if item.votes:
            return decide_by_votes(item.votes, self.options)
        label = item.label if item.mapped else self.options.renamed(item.label)
        if not label:
            return None, (), f"labeled {item.word or item.label}"
        name = self.options.scheme.class_of(label, synonyms=not item.mapped)
        votes = self._votes(item.votes_of) if item.votes_of else ()
        return name, votes, f"{label}: not among the classes"

    def _votes(self, votes_of: Mapping[str, int]) -> tuple[int, ...]:
        """Return the votes for each class, of votes for labels of a tree that fer made."""
        scheme = self.options.scheme
        votes = Counter(dict.fromkeys(scheme.classes, 0))
        for label, count in votes_of.items():
            name = scheme.class_of(self.options.label_of(label) or label, synonyms=False)
            if name is not None:
                votes[name] += count
        return tuple(votes[name] for name in scheme.classes)

    def _subject(self, entry: Entry) -> str:
        """Return the person, with the source in front; a tree's persons have one already."""
        if not entry.subject or self.source.form.name == "tree":
            return entry.subject
        return f"{self.source.name}:{entry.subject}"

    def _note_renaming(self, entry: Entry, name: str) -> None:
        """Count an image whose class is called otherwise than the source calls it."""
        if entry.votes:
            return
        word = entry.word or entry.label
        label = entry.label if entry.mapped else self.options.renamed(entry.label)
        if word != name and not (word == label and label in self.options.scheme.members[name]):
            self.report.renamed[f"{word} to {name}"] += 1

    def _free_name(self, stem: str) -> str:
        """Return a file name that no other image has, also where case makes no difference."""
        return f"{free_name(stem, self.taken, fold=True)}.png"


def _stages(
    sources: Sequence[Source], reports: Sequence[SourceReport], options: ImportOptions
) -> list[_Stage]:
    taken: dict[str, int] = {}
    return [
        _Stage(source, report, options, f"{source.name}-" if len(sources) > 1 else "", taken)
        for source, report in zip(sources, reports, strict=True)
    ]


def _file_name(prefix: str, name: str) -> str:
    """Return the name of an image's file: printable, not hidden, not too long for a disk."""
    plain = "".join(c if c.isprintable() else "_" for c in name).lstrip(".") or "image"
    return _fitting(usable_name(f"{prefix}{plain}"), f"{prefix}{name}")


def _fitting(plain: str, whole: str) -> str:
    """Return a name; if it is too long, its beginning and a checksum of the whole name.

    Deep paths begin alike: without the checksum, their names would differ by a number only, which
    to find takes the longer the more there are.
    """
    if shortened(plain, LONGEST_NAME) == plain:
        return plain
    checksum = zlib.crc32(whole.encode("utf-8", "surrogatepass"))
    return f"{shortened(plain, LONGEST_NAME - 9)}-{checksum:08x}"


def _import_one(
    stage: _Stage, journal: Journal, workers: int | Workers | None, progress: Progress
) -> None:
    total = stage.source.form.count(stage.source.path)
    write = _Write(journal.root, stage.options)
    batches = _batches(_unwritten(stage.jobs(), journal, stage.report), BATCH)
    with progress.bar(f"import {stage.source.name}", total=total, unit="image") as bar:
        for results in parallel_map(write, batches, workers=workers):
            records = [result for result in results if isinstance(result, FileRecord)]
            journal.add(records)
            stage.report.images += len(records)
            stage.report.skipped += [item for item in results if isinstance(item, Skipped)]
            bar.advance(len(results))
    if stage.options.as_published:
        stage.report.published = compare_counts(
            stage.found, stage.source.form.published, closed=stage.source.form.closed
        )


def _unwritten(
    jobs: Iterable[tuple[Entry, FileRecord]], journal: Journal, report: SourceReport
) -> Iterator[tuple[Entry, FileRecord]]:
    for entry, record in jobs:
        if record.file in journal.done:
            report.images += 1
        else:
            yield entry, record


@dataclass(frozen=True)
class _Write:
    """Decodes, cuts, scales and writes a batch of images; runs in the workers."""

    root: Path
    options: ImportOptions

    def __call__(self, batch: Sequence[tuple[Entry, FileRecord]]) -> list[FileRecord | Skipped]:
        return [self._one(entry, record) for entry, record in batch]

    def _one(self, entry: Entry, record: FileRecord) -> FileRecord | Skipped:
        try:
            with image_errors(entry.image if isinstance(entry.image, Path) else None):
                image = read_entry(entry, self.options.size_wh, self.options.channels)
        except ImageError as error:
            if self.options.strict:
                raise
            return Skipped(record.origin, error.message)
        return save_image(self.root, record, image)


def _require_images(reports: Sequence[SourceReport]) -> None:
    """Raise `InputError` with the most frequent reasons if no image can be used."""
    skipped = [item for report in reports for item in report.skipped]
    reasons = Counter(item.reason for item in skipped)
    for report in reports:
        reasons.update(report.dropped)
    if not any(report.images for report in reports):
        listed = "; ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common(3))
        listed = listed or "there is none in it"
        example = f", such as {skipped[0].origin}" if skipped else ""
        raise InputError(
            f"No image can be used: {listed}{example}",
            hint="use `classes`, `renames`, or the layout that the card of the data set shows",
            path=Path(reports[0].path),
        )


def _plain(options: ImportOptions) -> dict[str, Any]:
    """Return options as JSON can hold them."""
    values = asdict(options) | {"votes": str(options.votes) if options.votes else None}
    return values | {"scheme": {k: list(v) for k, v in options.scheme.members.items()}}


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size` items (`itertools.batched`, which is of Python 3.12)."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
