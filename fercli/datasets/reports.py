"""Reports of the commands: tables of counts, and the results as text and plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fercli.common.images import IMAGE_NOTES
from fercli.common.tables import format_table
from fercli.datasets.augment import AugmentResult
from fercli.datasets.face_cropping import CropResult
from fercli.datasets.importing import ImportResult
from fercli.datasets.sources import SourceReport
from fercli.datasets.splitting import SplitResult

#: Reasons that are shown of images that could not be used.
SHOWN_REASONS = 5


def counts_table(counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> str:
    """Return a table of images by class and split, with sums."""
    splits = list(counts)
    rows: list[list[object]] = [
        [name, *(counts[split].get(name, 0) for split in splits)] for name in classes
    ]
    rows.append(["total", *(sum(counts[split].values()) for split in splits)])
    if len(splits) > 1:
        for row in rows:
            row.append(sum(count for count in row[1:] if isinstance(count, int)))
    return format_table(["class", *splits, *(["total"] if len(splits) > 1 else [])], rows)


def import_as_text(result: ImportResult, out: Path) -> str:
    """Describe the result of an import as text."""
    parts = [counts_table(result.manifest.counts, result.manifest.classes), ""]
    for report in result.reports:
        parts += _source_lines(report, out)
    repeated = result.repeated
    if repeated.images:
        parts.append(
            f"the same pixels more than once: {repeated.images:,} images, "
            f"{repeated.across_splits:,} of them in several splits, "
            f"{repeated.across_classes:,} under several classes"
        )
    if repeated.across_splits:
        parts.append("  fer datasets split keeps such images in one split")
    return "\n".join([*parts, f"wrote {out}/"])


def import_as_json(result: ImportResult) -> dict[str, Any]:
    """Return the result of an import as plain values."""
    return {
        "classes": list(result.manifest.classes),
        "counts": result.manifest.counts,
        "sources": list(result.manifest.sources),
        "resumed": result.resumed,
        "repeated": asdict(result.repeated),
        "image_notes": IMAGE_NOTES.lines(),
    }


def _source_lines(report: SourceReport, out: Path) -> list[str]:
    lines = [f"{report.name} ({report.path}): {report.images:,} images"]
    lines += [f"  note: {note}" for note in report.notes]
    lines += [f"  renamed: {words} ({count:,})" for words, count in report.renamed.most_common()]
    lines += [f"  left out: {count:,} {reason}" for reason, count in report.dropped.most_common()]
    if report.skipped:
        lines.append(
            f"  could not be used: {len(report.skipped):,}, listed in {out / 'skipped.csv'}"
        )
        lines += [
            f"    {count:,} {reason}" for reason, count in report.reasons.most_common(SHOWN_REASONS)
        ]
    lines += [
        f"  {split}: {'counts ' if verdict == 'as published' else ''}"
        f"{verdict if verdict in ('as published', 'absent') else 'not as published: ' + verdict}"
        for split, verdict in report.published.items()
    ]
    return lines


def split_as_text(result: SplitResult) -> str:
    """Describe the result of a split as text."""
    parts = []
    for root, manifest in result.trees.items():
        parts += [*([f"{root}:"] if len(result.trees) > 1 else [])]
        parts += [counts_table(manifest.counts, manifest.classes), ""]
    if result.alike:
        parts.append(
            f"kept together: {result.alike_images:,} images in {result.alike:,} groups that "
            "look alike"
        )
    if result.subjects:
        parts.append(f"kept together: the images of each of {result.subjects:,} persons")
    parts += result.notes
    return "\n".join([*parts, *(f"wrote {root}/" for root in result.trees)])


def split_as_json(result: SplitResult) -> dict[str, Any]:
    """Return the result of a split as plain values."""
    return {
        "trees": {str(root): manifest.counts for root, manifest in result.trees.items()},
        "groups_alike": result.alike,
        "images_alike": result.alike_images,
        "subjects": result.subjects,
        "notes": list(result.notes),
    }


def augment_as_text(result: AugmentResult, out: Path) -> str:
    """Describe the result of an augmentation as text."""
    before = sum(sum(row.values()) for row in result.before.values()) - result.skipped
    after = sum(sum(row.values()) for row in result.manifest.counts.values())
    table = counts_table(result.manifest.counts, result.manifest.classes)
    lines = [table, "", f"{before:,} images and {after - before:,} changed copies"]
    if result.skipped:
        lines.append(f"could not be read: {result.skipped:,}, listed in {out / 'skipped.csv'}")
    lines += result.notes
    return "\n".join([*lines, f"wrote {out}/"])


def augment_as_json(result: AugmentResult) -> dict[str, Any]:
    """Return the result of an augmentation as plain values."""
    return {
        "before": result.before,
        "after": result.manifest.counts,
        "skipped": result.skipped,
        "notes": list(result.notes),
    }


def crop_as_text(result: CropResult, out: Path) -> str:
    """Describe the result of a crop as text."""
    faces = sum(record.faces for record in result.records)
    lines = [f"{len(result.records):,} images, {faces:,} faces, {result.crops:,} crops"]
    if result.looked_at < len(result.records):
        lines.append(f"looked at {result.looked_at:,}: the others were done already")
    for title, files in (
        ("no face was found in", result.without_face),
        ("could not be read:", list(result.unreadable)),
    ):
        if files:
            more = f" and {len(files) - 3:,} more" if len(files) > 3 else ""
            lines.append(f"{title} {len(files):,}: {', '.join(files[:3])}{more}")
    if result.note:
        lines.append(result.note)
    return "\n".join([*lines, f"wrote {out}/ and {out / 'crops.csv'}"])
