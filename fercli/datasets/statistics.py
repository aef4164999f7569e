"""Statistics and contact sheets: what is in a tree, and what is wrong with it."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fercli.cascade.samples.viewing import contact_sheet
from fercli.common.drawing import COLORS, new_plot, save_plot
from fercli.common.errors import ImageError, OptionError, image_errors
from fercli.common.files import require_absent
from fercli.common.groups import exact_pairs, groups
from fercli.common.images import read_gray, write_image
from fercli.common.parallel import Workers
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted, format_table, listed
from fercli.datasets.duplicates import Fingerprint, fingerprints, near_pairs
from fercli.datasets.entries import fit
from fercli.datasets.manifest import FileRecord
from fercli.datasets.options import PreviewOptions
from fercli.datasets.tree import Tree, counts, counts_table, unreadable_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Alike:
    """Images that are the same, exactly or nearly, in groups.

    Parameters
    ----------
    groups : int
        Groups of two or more.
    images : int
        Images in them.
    superfluous : int
        Images that could go if one of each group stayed.
    crossing : int
        Images of groups that are in more than one split: what a network is tested on, it has
        then seen in training.
    crossing_by_split : dict
        Of these, those in each split.
    conflicts : int
        Groups whose images have different classes.
    conflicting : list of list of str
        The files of those groups.
    """

    groups: int
    images: int
    superfluous: int
    crossing: int
    crossing_by_split: Mapping[str, int]
    conflicts: int
    conflicting: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Statistics:
    """The statistics of a tree.

    Parameters
    ----------
    classes : sequence of str
        Those of the manifest, and behind them those that it lacks.
    counts : dict
        Images by split and class.
    sizes : dict
        Images by ``"WxH"``, the most frequent first.
    color : int
        Images that are not gray.
    gray_levels : dict
        For each class the mean gray level and the mean contrast (deviation within an image).
    histograms : dict
        For each class the share of pixels in each of 32 ranges of gray levels.
    votes : int
        Images with people's votes.
    subjects : int
        Persons that are known.
    subjects_crossing : int
        Persons in more than one split.
    exact, near : Alike
        Duplicates; near ones include the exact ones.
    constant : list of str
        Files whose pixels are all the same.
    unreadable : dict
        Files that cannot be read, and why.
    notes : sequence of str
        As in `fercli.datasets.tree.Tree`.
    """

    root: Path
    classes: Sequence[str]
    counts: Mapping[str, Mapping[str, int]]
    sizes: Mapping[str, int]
    color: int
    gray_levels: Mapping[str, tuple[float, float]]
    histograms: Mapping[str, Sequence[float]]
    votes: int
    subjects: int
    subjects_crossing: int
    exact: Alike
    near: Alike
    constant: Sequence[str]
    unreadable: Mapping[str, str]
    notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"root": str(self.root)}

    def to_text(self) -> str:
        """Return the statistics for people."""
        lines = [counts_table(self.counts, self.classes), "", *_contents(self), ""]
        lines += _alike("exact duplicates", self.exact) + _alike("near duplicates", self.near)
        lines += _named("constant images", self.constant)
        lines += _named("unreadable files", [f"{k} ({v})" for k, v in self.unreadable.items()])
        return "\n".join([*lines, *self.notes])


def describe_tree(
    tree: Tree, *, workers: int | Workers | None = None, progress: Progress = SILENT
) -> Statistics:
    """Return the statistics of a tree, for which each image is read once."""
    classes = tree.all_classes
    paths = [tree.path(record) for record in tree.records]
    prints = fingerprints(paths, workers=workers, progress=progress)
    exact = list(exact_pairs([print_.pixels for print_ in prints]))
    near = exact + [(a, b) for a, b in near_pairs(prints).tolist()]
    usable = [
        (record, print_)
        for record, print_ in zip(tree.records, prints, strict=True)
        if not print_.error
    ]
    sizes = Counter(f"{print_.size_wh[0]}x{print_.size_wh[1]}" for _, print_ in usable)
    by_class = {name: [p for record, p in usable if record.label == name] for name in classes}
    return Statistics(
        root=tree.root,
        classes=classes,
        counts=counts(tree.records),
        sizes=dict(sizes.most_common()),
        color=sum(print_.color for _, print_ in usable),
        gray_levels={name: _levels(some) for name, some in by_class.items()},
        histograms={name: _histogram(some) for name, some in by_class.items()},
        votes=sum(bool(record.votes) for record in tree.records),
        subjects=len(_splits_of_subjects(tree.records)),
        subjects_crossing=sum(len(s) > 1 for s in _splits_of_subjects(tree.records).values()),
        exact=find_alike(tree.records, exact),
        near=find_alike(tree.records, near),
        constant=[record.file for record, print_ in usable if print_.constant],
        unreadable={
            record.file: print_.error
            for record, print_ in zip(tree.records, prints, strict=True)
            if print_.error
        },
        notes=tree.notes,
    )


def find_alike(records: Sequence[FileRecord], pairs: Sequence[tuple[int, int]]) -> Alike:
    """Summarize pairs of similar images: groups, and how many cross splits or classes."""
    members: dict[int, list[FileRecord]] = {}
    for record, group in zip(records, groups(len(records), pairs).tolist(), strict=True):
        members.setdefault(group, []).append(record)
    several = [group for group in members.values() if len(group) > 1]
    crossing = [group for group in several if len({record.split for record in group}) > 1]
    conflicting = [group for group in several if len({record.label for record in group}) > 1]
    by_split = Counter(record.split for group in crossing for record in group)
    images = sum(map(len, several))
    return Alike(
        groups=len(several),
        images=images,
        superfluous=images - len(several),
        crossing=sum(by_split.values()),
        crossing_by_split=dict(by_split),
        conflicts=len(conflicting),
        conflicting=[[record.file for record in group] for group in conflicting],
    )


def _splits_of_subjects(records: Sequence[FileRecord]) -> dict[str, set[str]]:
    splits: dict[str, set[str]] = {}
    for record in records:
        if record.subject:
            splits.setdefault(record.subject, set()).add(record.split)
    return splits


def _levels(prints: Sequence[Fingerprint]) -> tuple[float, float]:
    if not prints:
        return 0.0, 0.0
    mean = np.mean([(print_.mean, print_.deviation) for print_ in prints], axis=0)
    return float(mean[0]), float(mean[1])


def _histogram(prints: Sequence[Fingerprint]) -> list[float]:
    """Return the mean of the images' histograms: a large image weighs as much as a small."""
    if not prints:
        return []
    rows = np.frombuffer(b"".join(print_.histogram for print_ in prints), np.uint32)
    rows = rows.reshape(len(prints), -1)
    shares = (rows / rows.sum(axis=1, keepdims=True)).mean(axis=0)
    return [float(share) for share in shares]


# The statistics of a tree as text and as a plot.


def plot(found: Statistics, path: Path, *, overwrite: bool = False) -> None:
    """Draw the counts of each class and split, and the gray levels of each class, to a file."""
    figure, axes = new_plot(
        f"{found.root.name}: images a class", "", "images", size_inches=(11, 4.5)
    )
    grid = figure.add_gridspec(1, 2)
    axes.set_subplotspec(grid[0, 0])
    _draw_counts(axes, found)
    _draw_levels(figure.add_subplot(grid[0, 1]), found)
    save_plot(figure, path, overwrite=overwrite)


def _contents(found: Statistics) -> list[str]:
    sizes = [f"{size} ({count:,})" for size, count in found.sizes.items()]
    rows = [[name, f"{m:.0f}", f"{d:.0f}"] for name, (m, d) in found.gray_levels.items()]
    lines = [
        format_table(["class", "mean gray level", "contrast"], rows),
        "",
        f"sizes: {listed(sizes)}",
        f"color: {counted(found.color, 'image')}",
    ]
    if found.votes:
        lines.append(f"votes: {counted(found.votes, 'image')}")
    if found.subjects:
        crossing = f", {found.subjects_crossing:,} in more than one split"
        lines.append(f"persons: {found.subjects:,}{crossing}")
    return lines


def _alike(title: str, alike: Alike) -> list[str]:
    if not alike.groups:
        return [f"{title}: none"]
    lines = [
        f"{title}: {counted(alike.images, 'image')} in {counted(alike.groups, 'group')} "
        f"({alike.superfluous:,} superfluous)"
    ]
    if alike.crossing:
        where = ", ".join(
            f"{count:,} in {split}" for split, count in alike.crossing_by_split.items()
        )
        lines.append(f"  LEAK: {alike.crossing:,} of them are in more than one split ({where})")
    if alike.conflicts:
        by_class = {file.split("/")[1]: file for file in alike.conflicting[0]}
        example = " and ".join(list(by_class.values())[:2])
        have = "has" if alike.conflicts == 1 else "have"
        groups = counted(alike.conflicts, "group")
        lines.append(f"  {groups} {have} several classes, such as {example}")
    return lines


def _named(title: str, names: Sequence[str]) -> list[str]:
    return [f"{title}: {len(names):,}" + (f": {listed(list(names))}" if names else "")]


def _draw_counts(axes: Axes, found: Statistics) -> None:
    """Draw a bar for each split beside each other at each class."""
    at = np.arange(len(found.classes))
    width = 0.8 / len(found.counts)
    for number, (split, row) in enumerate(found.counts.items()):
        heights = [row.get(name, 0) for name in found.classes]
        offset = (number - (len(found.counts) - 1) / 2) * width
        axes.bar(at + offset, heights, width, label=split, color=COLORS[number % len(COLORS)])
    axes.set_xticks(at, found.classes, rotation=30, ha="right")
    axes.grid(axis="x", visible=False)
    if len(found.counts) > 1:
        axes.legend(frameon=False)


def _draw_levels(axes: Axes, found: Statistics) -> None:
    """Draw the share of pixels at each gray level, a line a class."""
    styles = ("-", "--")
    for number, (name, shares) in enumerate(found.histograms.items()):
        if shares:
            levels = (np.arange(len(shares)) + 0.5) * 256 / len(shares)
            style = styles[number // len(COLORS) % len(styles)]
            axes.plot(levels, np.array(shares) * 100, style, label=name,
                      color=COLORS[number % len(COLORS)])  # fmt: skip
    axes.set_title("Gray levels", loc="left", fontweight="bold")
    axes.set_xlabel("gray level")
    axes.set_ylabel("share of pixels in 8 levels (%)")
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=2)


# Preview: a contact sheet a class, so that people see what a network is to learn.


@dataclass(frozen=True)
class Sheet:
    """A contact sheet: its file, its class, how many images it shows, and those left out, with why.

    Without an image it is not written.
    """

    path: Path
    label: str
    images: int
    unreadable: Mapping[str, str]

    def to_text(self) -> str:
        """Return a line for people."""
        images = counted(self.images, "image") if self.images else "not written"
        return "; ".join([f"{self.path}: {images}", *unreadable_lines(self.unreadable)])


def write_previews(
    tree: Tree,
    out: Path,
    options: PreviewOptions,
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[Sheet]:
    """Write ``<class>.png`` for each class of a tree into the folder `out`.

    Images that cannot be read are left out and counted.

    Raises
    ------
    OptionError
        The tree has no such split.
    ImageError
        None of the images can be read.
    OutputError
        A sheet exists already or cannot be written.
    """
    if options.split is not None and options.split not in tree.splits:
        raise OptionError(
            f"No split {options.split!r}: the tree has {', '.join(tree.splits)}",
            hint="without --split for all of them",
        )
    records = [r for r in tree.records if options.split in (None, r.split)]
    by_class = {
        name: [record for record in records if record.label == name] for name in tree.all_classes
    }
    wanted = {name: some for name, some in by_class.items() if some}
    for name in wanted:
        require_absent(out / f"{name}.png", overwrite=overwrite)
    sheets = [
        _write(tree, out / f"{name}.png", some, options, overwrite)
        for name, some in progress.track(list(wanted.items()), "draw", unit="class")
    ]
    if not any(sheet.images for sheet in sheets):
        [line] = unreadable_lines({k: v for sheet in sheets for k, v in sheet.unreadable.items()})
        raise ImageError(f"No image can be drawn: {line}", path=tree.root)
    return sheets


def _write(
    tree: Tree, path: Path, records: Sequence[FileRecord], options: PreviewOptions, overwrite: bool
) -> Sheet:
    images, unreadable = [], dict[str, str]()
    for record in _chosen(records, options):
        try:
            with image_errors(tree.path(record)):
                images.append(fit(read_gray(tree.path(record)), options.size_wh))
        except ImageError as error:
            unreadable[record.file] = error.message
    if images:
        sheet = contact_sheet(np.stack(images), options.columns)
        write_image(path, sheet, overwrite=overwrite)
    return Sheet(path, records[0].label, len(images), unreadable)


def _chosen(records: Sequence[FileRecord], options: PreviewOptions) -> list[FileRecord]:
    rng = np.random.default_rng([options.seed, zlib.crc32(records[0].label.encode())])
    count = min(options.count, len(records))
    return [records[at] for at in sorted(rng.choice(len(records), count, replace=False))]
