"""What `fer cascade build-info` found and did, as data and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fercli.cascade import HIT_RATE, STAGES
from fercli.cascade.list_builder.box_sizes import SizeStatistics, draw_histogram
from fercli.cascade.list_builder.image_audit import AuditedImage, LeftOut
from fercli.cascade.samples.inspection import usable_positives
from fercli.common.tables import counted

#: So many of what was left out are shown; all are in the table beside the list.
MOST_SHOWN = 10

#: Left out for these reasons, an image is named in the report; for others it is only counted.
REASONS_LISTED = (
    "unreadable", "malformed annotation", "seems to hold the object", "the object is marked in it",
    "also a positive",
)  # fmt: skip

#: A hit rate that asks less of the number of samples than the usual one.
HIGHER_HIT_RATE = 0.999


@dataclass(frozen=True)
class ImageSource:
    """A file or folder that was read: as what, how many images it names, boxes by label."""

    path: Path
    format: str
    images: int
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CollectedImages:
    """One half of a description, positives or negatives.

    Parameters
    ----------
    sources : tuple of ImageSource
        Where the images come from.
    training, test : tuple of AuditedImage
        The images that are used, in the order of the lists.
    left_out : tuple of LeftOut
        What cannot be used.
    without_box : int
        How many images were fine but have no box that is used.
    not_taken : int
        How many usable images were not drawn.
    """

    sources: tuple[ImageSource, ...]
    training: tuple[AuditedImage, ...]
    test: tuple[AuditedImage, ...]
    left_out: tuple[LeftOut, ...]
    without_box: int = 0
    not_taken: int = 0

    @property
    def used(self) -> tuple[AuditedImage, ...]:
        """The images that are used, for training and test."""
        return self.training + self.test

    @property
    def reasons(self) -> dict[str, int]:
        """How many were left out for each reason, the most frequent first."""
        return dict(Counter(each.reason for each in self.left_out).most_common())


@dataclass(frozen=True)
class BuildReport:
    """The whole of it.

    Parameters
    ----------
    positives, negatives : CollectedImages, optional
        None where none were given.
    sizes : SizeStatistics, optional
        Of the positives' boxes.
    files : dict of Path to str
        What was written, and what is in it.
    notes : tuple of str
        What was assumed about annotations, and which files were skipped.
    """

    positives: CollectedImages | None
    negatives: CollectedImages | None
    sizes: SizeStatistics | None
    files: Mapping[Path, str]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        boxes = 0 if self.positives is None else count_boxes(self.positives.training)
        return {
            "positives": None if self.positives is None else _part_dict(self.positives),
            "negatives": None if self.negatives is None else _part_dict(self.negatives),
            "sizes": None if self.sizes is None else asdict(self.sizes),
            "usable_positives": usable_positives(boxes) if boxes else None,
            "files": {str(path): content for path, content in self.files.items()},
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """Return the report for people, lines of text."""
        lines: list[str] = []
        for name, part in (("positives", self.positives), ("negatives", self.negatives)):
            if part is not None:
                lines += [*_part_lines(name, part), ""]
        if self.sizes is not None and self.positives is not None:
            lines += [*_size_lines(self.sizes, self.positives), ""]
        lines += [f"{shown(path)}: {content}" for path, content in self.files.items()]
        return "\n".join(lines)


def count_boxes(images: Sequence[AuditedImage]) -> int:
    """Return the number of usable boxes in images."""
    return sum(len(image.samples) for image in images)


def shown(path: Path) -> str:
    """Return a path as it can be printed: on one line, and whatever its bytes are."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _part_dict(part: CollectedImages) -> dict[str, object]:
    samples = [sample for image in part.used for sample in image.samples]
    return {
        "sources": [{**asdict(source), "path": str(source.path)} for source in part.sources],
        "images": len(part.used),
        "training_images": len(part.training),
        "test_images": len(part.test),
        "boxes": len(samples),
        "training_boxes": count_boxes(part.training),
        "test_boxes": count_boxes(part.test),
        "clipped": sum(sample.clipped for sample in samples),
        "stretched": sum(sample.stretched for sample in samples),
        "without_box": part.without_box,
        "not_taken": part.not_taken,
        "left_out_counts": part.reasons,
        "left_out": [{**asdict(each), "path": str(each.path)} for each in part.left_out],
    }


def _part_lines(name: str, part: CollectedImages) -> Iterator[str]:
    boxes = f", {counted(count_boxes(part.used), 'box')}" if name == "positives" else ""
    test = f", {len(part.test)} of them for testing" if part.test else ""
    yield f"{name}: {counted(len(part.used), 'image')}{test}{boxes}"
    for source in part.sources:
        yield f"  from {shown(source.path)} ({source.format}): {source.images}"
        if len(source.labels) > 1:
            yield f"  of several labels (--label takes one): {_counts(source.labels)}"
    yield from (f"  left out, {reason}: {count}" for reason, count in part.reasons.items())
    samples = [sample for image in part.used for sample in image.samples]
    notes = {
        "left out, without a box": part.without_box,
        "not drawn": part.not_taken,
        "boxes clipped to the image": sum(sample.clipped for sample in samples),
        "boxes not of the window's shape, the image being too small": sum(
            sample.stretched for sample in samples
        ),
    }
    yield from (f"  {text}: {count}" for text, count in notes.items() if count)
    yield from _named_lines([each for each in part.left_out if each.reason in REASONS_LISTED])


def _counts(counts: Mapping[str, int]) -> str:
    most = list(counts.items())[:MOST_SHOWN]
    text = ", ".join(f"{count} {name or 'without label'}" for name, count in most)
    return text if len(counts) <= MOST_SHOWN else f"{text}, …"


def _named_lines(left_out: Sequence[LeftOut]) -> Iterator[str]:
    for each in left_out[:MOST_SHOWN]:
        yield f"  {each.reason}: {shown(each.path)}: {each.detail}"
    if len(left_out) > MOST_SHOWN:
        yield f"  … and {len(left_out) - MOST_SHOWN} more, in the table of what was left out"


def _size_lines(sizes: SizeStatistics, positives: CollectedImages) -> Iterator[str]:
    yield "shorter sides of the boxes, pixels"
    yield from draw_histogram(sizes.shorter_sides)
    yield "width / height of the boxes"
    yield from draw_histogram(sizes.aspects)
    width, height = sizes.window_wh
    yield (
        f"window: -w {width} -h {height} (--size {width}x{height}); the median box is "
        f"{sizes.median_wh[0]}x{sizes.median_wh[1]}, smaller: {counted(sizes.smaller, 'box')}"
    )
    boxes = count_boxes(positives.training)
    most, higher = usable_positives(boxes), usable_positives(boxes, hit_rate=HIGHER_HIT_RATE)
    yield (
        f"{STAGES} stages can use {most} positives of {boxes} at a hit rate of {HIT_RATE} "
        f"({higher} at {HIGHER_HIT_RATE}); a tenth fewer leaves room for odd ones"
    )
