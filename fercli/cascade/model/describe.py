"""Describe the content of a cascade file, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from fercli.cascade.model import Cascade, HaarFeature, Stage, WeakClassifier
from fercli.cascade.model.read import checked_cascade, is_old_format
from fercli.cascade.model.xml_storage import read_storage
from fercli.common.tables import format_table

HEADERS = ("stage", "weak classifiers", "nodes", "depth", "features", "threshold")


@dataclass(frozen=True)
class CascadeDescription:
    """A cascade and the file that it came from.

    Parameters
    ----------
    path : Path
    file_size : int
        Bytes.
    old_format : bool
        Whether it is an ``opencv-haar-classifier``, which OpenCV converts on loading.
    cascade : Cascade
    notes : tuple of str
        Where the file says something else than it holds, which no detector looks at.
    """

    path: Path
    file_size: int
    old_format: bool
    cascade: Cascade
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the description as lines for the terminal."""
        facts = dict(self._facts())
        width = max(map(len, facts))
        lines = [f"{name:<{width}}  {value}" for name, value in facts.items()]
        rows = [list(_stage(at, stage).values()) for at, stage in enumerate(self.cascade.stages)]
        notes = [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, *notes, "", format_table(HEADERS, rows)])

    def to_dict(self) -> dict[str, object]:
        """Return the description as JSON has it."""
        cascade = self.cascade
        return {
            "path": str(self.path),
            "file_size": self.file_size,
            "format": "old" if self.old_format else "new",
            "feature_type": cascade.feature_type,
            "window": list(cascade.size_wh),
            "weak_classifiers": cascade.weak_count,
            "depth": max(depth(weak) for weak in _weak_classifiers(cascade)),
            "features": len(cascade.features),
            "distinct_features": len(set(cascade.features)),
            "tilted_features": _tilted(cascade),
            "parameters": dict(cascade.parameters),
            "notes": list(self.notes),
            "stages": [_stage(at, stage) for at, stage in enumerate(cascade.stages)],
        }

    def _facts(self) -> Iterator[tuple[str, str]]:
        cascade = self.cascade
        described = self.to_dict()
        kind = "old (opencv-haar-classifier)" if self.old_format else "new (opencv_traincascade)"
        yield "file", f"{self.path}, {self.file_size:,} bytes"
        yield "format", kind
        yield "feature type", cascade.feature_type
        yield "window", f"{cascade.size_wh[0]}x{cascade.size_wh[1]}"
        yield "stages", f"{len(cascade.stages)}"
        yield "weak classifiers", f"{described['weak_classifiers']:,}, {_trees(cascade)}"
        yield "features", _features(cascade)
        if cascade.parameters:
            yield "trained with", _parameters(cascade)


def describe_cascade(path: Path) -> CascadeDescription:
    """Return what a cascade file holds.

    Raises
    ------
    CascadeFileError
        The file is no cascade that a detector may load; says what is wrong (see `read_cascade`).
    """
    root = read_storage(path)
    cascade = checked_cascade(root, path)
    size, notes = path.stat().st_size, tuple(_contradictions(root, cascade))
    return CascadeDescription(path, size, is_old_format(root), cascade, notes)


def _contradictions(root: Element, cascade: Cascade) -> Iterator[str]:
    """Yield where the counts in a file differ from what is counted."""
    stages = [stage.findtext("maxWeakCount") for stage in root.find("stages") or ()]
    weak = [len(stage.weak_classifiers) for stage in cascade.stages]
    counts = [("stages", root.findtext("stageNum"), len(weak))]
    counts += [
        (f"weak classifiers in stage {at}", *both)
        for at, both in enumerate(zip(stages, weak, strict=True))
    ]
    for name, said, count in counts:
        if said is not None and said.strip() != str(count):
            yield f"the file says {said.strip()[:40]} {name}, and has {count}"


def depth(weak: WeakClassifier) -> int:
    """Return the longest way from the root to a leaf, in nodes: 1 for a stump."""
    deepest, waiting = 0, [(0, 1)]
    while waiting:
        at, level = waiting.pop()
        deepest = max(deepest, level)
        node = weak.nodes[at]
        waiting.extend((child, level + 1) for child in (node.left, node.right) if child > 0)
    return deepest


def _stage(at: int, stage: Stage) -> dict[str, int | float]:
    nodes = [node for weak in stage.weak_classifiers for node in weak.nodes]
    return {
        "stage": at,
        "weak_classifiers": len(stage.weak_classifiers),
        "nodes": len(nodes),
        "depth": max(map(depth, stage.weak_classifiers)),
        "features": len({node.feature for node in nodes}),
        "threshold": stage.threshold,
    }


def _weak_classifiers(cascade: Cascade) -> Iterator[WeakClassifier]:
    for stage in cascade.stages:
        yield from stage.weak_classifiers


def _tilted(cascade: Cascade) -> int:
    return sum(isinstance(feature, HaarFeature) and feature.tilted for feature in cascade.features)


def _trees(cascade: Cascade) -> str:
    depths = {depth(weak) for weak in _weak_classifiers(cascade)}
    if depths == {1}:
        return "all stumps"
    return (
        f"trees of depth {min(depths)} to {max(depths)}"
        if len(depths) > 1
        else (f"trees of depth {max(depths)}")
    )


def _features(cascade: Cascade) -> str:
    distinct, tilted = len(set(cascade.features)), _tilted(cascade)
    text = f"{len(cascade.features):,}"
    if distinct < len(cascade.features):
        text += f", {distinct:,} of them different"
    return text + (f", {tilted:,} tilted" if tilted else "")


def _parameters(cascade: Cascade) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in cascade.parameters.items()
    )
