"""Write ``cascade.xml`` in the layout of ``opencv_traincascade``, and files of others anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from fercli.cascade.model.cascade import (
    CATEGORIES,
    Cascade,
    HaarFeature,
    LbpFeature,
    Node,
    Stage,
    WeakClassifier,
    check_cascade,
    float32,
)
from fercli.cascade.model.read import read_cascade
from fercli.common.errors import OptionError
from fercli.common.files import write_text
from fercli.common.tables import counted

#: OpenCV breaks the line of a list where the next number (its space not counted) would go beyond.
LAST_COLUMN = 71
#: The parameters of a training, in the order of OpenCV's files.
STAGE_PARAMETERS = (
    "boostType", "minHitRate", "maxFalseAlarm", "weightTrimRate", "maxDepth", "maxWeakCount",
)  # fmt: skip


#: A number as `_number` writes it.
_LONG_NUMBER = re.compile(r"-?\d\.\d{16}e[+-]\d\d")


def write_cascade(
    path: Path, cascade: Cascade, *, overwrite: bool = False, compact: bool = False
) -> None:
    """Write a cascade that ``cv2.CascadeClassifier`` loads, whole or not at all.

    The same cascade gives the same bytes. Numbers are rounded to float32, and every float32 comes
    back exactly. Only features that nodes use are written, in their order, numbered anew from 0,
    as ``opencv_traincascade`` does.

    Parameters
    ----------
    path : Path
    cascade : Cascade
    overwrite : bool
        Whether the file may be replaced. Defaults to False.
    compact : bool
        As `cascade_text`.

    Raises
    ------
    CascadeFileError
        The cascade is none that a detector can load (see `check_cascade`).
    OutputExistsError, OutputError
        The file exists and `overwrite` is False, or cannot be written.
    """
    write_text(path, cascade_text(cascade, compact=compact), overwrite=overwrite)


def cascade_text(cascade: Cascade, *, compact: bool = False) -> str:
    """Return the content of the file that `write_cascade` writes.

    Parameters
    ----------
    cascade : Cascade
    compact : bool
        Whether to leave out blanks and digits that nobody needs: about half the size, and the
        same cascade. Defaults to False: the layout of ``opencv_traincascade``.
    """
    check_cascade(cascade)
    text = "\n".join(_lines(cascade)) + "\n"
    return _compacted(text) if compact else text


def _compacted(text: str) -> str:
    """Return the same storage with a line for each weak classifier and each feature."""
    head, stages, rest = text.partition("  <stages>\n")
    # Parameters keep their digits: they are doubles.
    rest = _LONG_NUMBER.sub(lambda number: _short_number(float(number[0])), rest)
    rest = re.sub(r"\s+", " ", rest).replace("> ", ">").replace(" <", "<")
    rest = re.sub(r"<_>(?=<(internalNodes|maxWeakCount|rects?)>)", "\n<_>", rest)
    return f"{head}{stages.rstrip()}{rest}\n"


def _lines(cascade: Cascade) -> Iterator[str]:
    width, height = cascade.size_wh
    used = sorted({node.feature for node in _nodes(cascade)})
    renumbered = {old: new for new, old in enumerate(used)}
    yield '<?xml version="1.0"?>'
    yield "<opencv_storage>"
    yield "<cascade>"
    yield "  <stageType>BOOST</stageType>"
    yield f"  <featureType>{cascade.feature_type}</featureType>"
    yield f"  <height>{height}</height>"
    yield f"  <width>{width}</width>"
    yield from _parameters(cascade)
    yield f"  <stageNum>{len(cascade.stages)}</stageNum>"
    yield "  <stages>"
    yield from _closed(_stages(cascade, renumbered), "</stages>")
    yield "  <features>"
    yield from _closed(
        _features([cascade.features[index] for index in used]), "</features></cascade>"
    )
    yield "</opencv_storage>"


def _nodes(cascade: Cascade) -> Iterator[Node]:
    for stage in cascade.stages:
        for weak in stage.weak_classifiers:
            yield from weak.nodes


def _closed(lines: Iterable[str], end: str) -> Iterator[str]:
    """Yield `lines`, the last with the closing tag of what they are in, as OpenCV closes it."""
    *others, last = lines
    yield from others
    yield last + end


def _parameters(cascade: Cascade) -> Iterator[str]:
    values = cascade.parameters
    stage = {name: values[name] for name in STAGE_PARAMETERS if values.get(name) is not None}
    stage.setdefault("maxWeakCount", max(len(stage.weak_classifiers) for stage in cascade.stages))
    feature: dict[str, object] = {
        "maxCatCount": CATEGORIES[cascade.feature_type],
        "featSize": 1,
    }
    if cascade.feature_type == "HAAR" and values.get("mode") is not None:
        feature["mode"] = values["mode"]
    yield "  <stageParams>"
    yield from _closed((_scalar(name, value) for name, value in stage.items()), "</stageParams>")
    yield "  <featureParams>"
    yield from _closed(
        (_scalar(name, value) for name, value in feature.items()), "</featureParams>"
    )


def _scalar(name: str, value: object) -> str:
    text = _number(value) if isinstance(value, float) else escape(str(value))
    return f"    <{name}>{text}</{name}>"


def _stages(cascade: Cascade, renumbered: Mapping[int, int]) -> Iterator[str]:
    for at, stage in enumerate(cascade.stages):
        yield f"    <!-- stage {at} -->"
        yield from _stage(stage, renumbered)


def _stage(stage: Stage, renumbered: Mapping[int, int]) -> Iterator[str]:
    yield "    <_>"
    yield f"      <maxWeakCount>{len(stage.weak_classifiers)}</maxWeakCount>"
    yield f"      <stageThreshold>{number_text(stage.threshold)}</stageThreshold>"
    yield "      <weakClassifiers>"
    trees = (line for weak in stage.weak_classifiers for line in _weak_classifier(weak, renumbered))
    yield from _closed(trees, "</weakClassifiers></_>")


def _weak_classifier(weak: WeakClassifier, renumbered: Mapping[int, int]) -> Iterator[str]:
    yield "        <_>"
    yield "          <internalNodes>"
    numbers = (text for node in weak.nodes for text in _node(node, renumbered))
    yield from _closed(wrapped(numbers, 12), "</internalNodes>")
    yield "          <leafValues>"
    yield from _closed(wrapped(map(number_text, weak.leaves), 12), "</leafValues></_>")


def _node(node: Node, renumbered: Mapping[int, int]) -> Iterator[str]:
    yield from map(str, (node.left, node.right, renumbered[node.feature]))
    if node.subset is not None:
        yield from map(str, node.subset)
    elif node.threshold is not None:
        yield number_text(node.threshold)


def _features(features: Iterable[HaarFeature | LbpFeature]) -> Iterator[str]:
    for feature in features:
        yield "    <_>"
        if isinstance(feature, LbpFeature):
            numbers = (feature.x, feature.y, feature.width, feature.height)
            yield "      <rect>"
            yield from _closed(wrapped(map(str, numbers), 8), "</rect></_>")
            continue
        yield "      <rects>"
        yield from _closed(_rectangles(feature), "</rects>")
        yield f"      <tilted>{int(feature.tilted)}</tilted></_>"


def _rectangles(feature: HaarFeature) -> Iterator[str]:
    for part in feature.rectangles:
        yield "        <_>"
        numbers = map(str, (part.x, part.y, part.width, part.height))
        yield from _closed(wrapped([*numbers, number_text(part.weight)], 10), "</_>")


def wrapped(texts: Iterable[str], indent: int) -> Iterator[str]:
    """Yield `texts` in lines of at most `LAST_COLUMN` characters, broken as OpenCV breaks them."""
    line = ""
    for text in texts:
        if line and indent + len(line) + len(text) > LAST_COLUMN:
            yield " " * indent + line
            line = text
        else:
            line = f"{line} {text}" if line else text
    yield " " * indent + line


def number_text(value: float) -> str:
    """Return a float32 in so many digits that it comes back exactly."""
    return _number(float32(value))


def _short_number(value: float) -> str:
    """Return a float32 in the fewest digits from which it comes back exactly."""
    return np.format_float_scientific(np.float32(value), trim="-", exp_digits=1)


def _number(value: float) -> str:
    """Return a float in seventeen significant digits, from which it comes back exactly."""
    # Whole numbers are written as "2.", decided by a conversion to a 32-bit integer.
    if -(1 << 31) <= value < 1 << 31 and value == int(value):
        return f"{int(value)}."
    return f"{value:.16e}"


# Files of any format written anew: shorter, or in the present format.


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Parameters
    ----------
    path : Path
        The new file.
    cascade : Cascade
        What it holds.
    bytes_before, bytes_after : int
        Sizes of the two files.
    """

    path: Path
    cascade: Cascade
    bytes_before: int
    bytes_after: int

    def to_text(self) -> str:
        """Return the conversion in one line."""
        return (
            f"{self.path}: {counted(len(self.cascade.stages), 'stage')}, "
            f"{counted(self.cascade.weak_count, 'weak classifier')}, "
            f"{self.bytes_after / 1000:.0f} kB (before: {self.bytes_before / 1000:.0f} kB)"
        )


def convert_cascade(
    source: Path,
    out: Path,
    *,
    stages: int | None = None,
    compact: bool = False,
    overwrite: bool = False,
) -> Conversion:
    """Write a cascade of any format as a ``cascade.xml`` of the present one.

    Parameters
    ----------
    source : Path
        A cascade of the new or old format, also one that OpenCV refuses because of its encoding,
        its line ends or the missing XML declaration; or a ``.cascade`` of OpenMV.
    out : Path
        The file to write.
    stages : int, optional
        Keep only the first so many. Defaults to all.
    compact : bool
        Whether to leave out blanks and digits that nobody needs; the cascade stays the same.
    overwrite : bool
        Whether `out` may be replaced. Defaults to False.

    Raises
    ------
    CascadeFileError
        The file is no cascade that a detector may load.
    OptionError
        It has not so many stages.
    OutputExistsError, OutputError
        `out` exists and `overwrite` is False, or cannot be written.
    """
    cascade = _read_any(source)
    there = len(cascade.stages)
    if stages is not None and not 1 <= stages <= there:
        raise OptionError(f"`stages`: expected 1 to {there}, the stages of {source}, got {stages}")
    before = source.stat().st_size
    shorter = replace(cascade, stages=cascade.stages[:stages])
    write_cascade(out, shorter, overwrite=overwrite, compact=compact)
    return Conversion(out, shorter, before, out.stat().st_size)


def _read_any(source: Path) -> Cascade:
    """Return the cascade of a file of any format, that of OpenMV included."""
    from fercli.cascade.model.export.openmv import is_openmv, read_openmv

    with suppress(OSError), source.open("rb") as file:
        if is_openmv(file.read(12)):
            return read_openmv(source)
    return read_cascade(source, repair=True)
