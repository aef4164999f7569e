"""Haar cascades of the old format, ``opencv-haar-classifier``: each node holds its own feature.

See: OpenCV 4.14, ``modules/objdetect/src/cascadedetect_convert.cpp``, whose conversion this is.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from fercli.cascade.cascade_file.features import haar_feature
from fercli.cascade.cascade_file.values import each, integer, numbers_of, real, text_of
from fercli.cascade.model.parts import Cascade, HaarFeature, Node, Stage, WeakClassifier
from fercli.common.errors import CascadeFileError


def old_cascade(root: Element) -> Cascade:
    """Return a cascade of the old format, converted as OpenCV does."""
    size = root.find("size")
    assert size is not None
    width, height = (integer(text, "size") for text in numbers_of(size, 2, "size"))
    features: list[HaarFeature] = []
    stages = tuple(each(root, "stages", lambda s, w: _old_stage(s, features, w), "stage"))
    return Cascade("HAAR", (width, height), stages, tuple(features))


def _old_stage(element: Element, features: list[HaarFeature], where: str) -> Stage:
    trees = each(
        element,
        "trees",
        lambda tree, here: _old_tree(tree, features, f"{where}, {here}"),
        "weak classifier",
        where,
    )
    weak_classifiers = tuple(trees)
    return Stage(real(text_of(element, "stage_threshold", where), where), weak_classifiers)


def _old_tree(element: Element, features: list[HaarFeature], where: str) -> WeakClassifier:
    nodes: list[Node] = []
    leaves: list[float] = []

    def child(node: Element, side: str) -> int:
        value = node.findtext(f"{side}_val")
        if value is not None:
            leaves.append(real(value.strip(), where))
            return -(len(leaves) - 1)
        number = integer(text_of(node, f"{side}_node", where), where)
        if number < 1:
            raise CascadeFileError(f"{where}: wanted a node above 0 as a child, found {number}")
        return number

    for node in element:
        feature = node.find("feature")
        if feature is None:
            raise CascadeFileError(f"{where}: wanted <feature>, found none")
        threshold = real(text_of(node, "threshold", where), where)
        nodes.append(
            Node(child(node, "left"), child(node, "right"), len(features), threshold=threshold)
        )
        features.append(haar_feature(feature, where))
    return WeakClassifier(tuple(nodes), tuple(leaves))
