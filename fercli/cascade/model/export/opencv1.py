"""The format of OpenCV 1 to 2.3, ``opencv-haar-classifier``, which older ports read as well.

Each node holds its own feature, and children stand behind their parent. OpenCV 4 and 5 still
load it.

See: OpenCV 2.3, ``modules/objdetect/src/haar.cpp`` (``icvReadHaarClassifier``).
"""

from __future__ import annotations

from collections.abc import Iterator

from fercli.cascade.model.cascade import Cascade, HaarFeature, Node, WeakClassifier, check_cascade
from fercli.cascade.model.export import identifier
from fercli.cascade.model.write import number_text
from fercli.common.errors import CascadeFileError

#: OpenCV 1 takes the weight of the first rectangle from the others; a difference of this share of
#: it is rounding.
BALANCED = 1e-4


def opencv1_text(cascade: Cascade, *, name: str = "cascade") -> str:
    """Return the file of a cascade in the format of OpenCV 1.

    Parameters
    ----------
    cascade : Cascade
        Haar features, upright or tilted, in trees of any depth.
    name : str
        That of the classifier in its file.

    Raises
    ------
    CascadeFileError
        The cascade has LBP features, which the format does not know.
    """
    check_cascade(cascade)
    if cascade.feature_type != "HAAR":
        raise CascadeFileError(
            f"{cascade.feature_type} features, which the format of OpenCV 1 does not know",
            hint="train with `fer cascade train --feature-type HAAR`",
        )
    return "\n".join(_lines(cascade, identifier(name))) + "\n"


def unbalanced(cascade: Cascade) -> int:
    """Return how many features of nodes have rectangles whose weighted areas do not cancel out.

    OpenCV 1 and 2 replace the first weight of these, and decide otherwise than OpenCV 4.
    """
    used = {
        node.feature
        for stage in cascade.stages
        for weak in stage.weak_classifiers
        for node in weak.nodes
    }
    return sum(not _is_balanced(cascade.features[at]) for at in used)


def _is_balanced(feature: object) -> bool:
    if not isinstance(feature, HaarFeature):
        return True
    areas = [part.weight * part.width * part.height for part in feature.rectangles]
    return abs(sum(areas)) <= BALANCED * abs(areas[0])


def _lines(cascade: Cascade, name: str) -> Iterator[str]:
    yield '<?xml version="1.0"?>'
    yield "<opencv_storage>"
    yield f'<{name} type_id="opencv-haar-classifier">'
    yield f"  <size>{cascade.size_wh[0]} {cascade.size_wh[1]}</size>"
    yield "  <stages>"
    for at, stage in enumerate(cascade.stages):
        yield f"    <_><!-- stage {at} -->"
        yield "      <trees>"
        for weak in stage.weak_classifiers:
            yield "        <_>"
            yield from _tree(weak, cascade)
            yield "        </_>"
        yield "      </trees>"
        yield f"      <stage_threshold>{number_text(stage.threshold)}</stage_threshold>"
        yield f"      <parent>{at - 1}</parent>"
        yield "      <next>-1</next></_>"
    yield "  </stages>"
    yield f"</{name}>"
    yield "</opencv_storage>"


def _tree(weak: WeakClassifier, cascade: Cascade) -> Iterator[str]:
    order = weak.from_the_root()
    numbers = {node: at for at, node in enumerate(order)}
    for number in order:
        node = weak.nodes[number]
        feature = cascade.features[node.feature]
        assert isinstance(feature, HaarFeature)
        assert node.threshold is not None
        yield "          <_><feature><rects>"
        for part in feature.rectangles:
            corners = f"{part.x} {part.y} {part.width} {part.height}"
            yield f"            <_>{corners} {number_text(part.weight)}</_>"
        yield f"            </rects><tilted>{int(feature.tilted)}</tilted></feature>"
        yield f"            <threshold>{number_text(node.threshold)}</threshold>"
        left, right = (_child(weak, node, side, numbers) for side in ("left", "right"))
        yield f"            {left}"
        yield f"            {right}</_>"


def _child(weak: WeakClassifier, node: Node, side: str, numbers: dict[int, int]) -> str:
    child = node.left if side == "left" else node.right
    if child > 0:
        return f"<{side}_node>{numbers[child]}</{side}_node>"
    return f"<{side}_val>{number_text(weak.leaves[-child])}</{side}_val>"
