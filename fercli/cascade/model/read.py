"""Read cascades of the new and the old format, with every number checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

from fercli.cascade import FeatureType
from fercli.cascade.model.cascade import (
    CATEGORIES,
    SUBSET_WORDS,
    Cascade,
    HaarFeature,
    LbpFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    check_cascade,
)
from fercli.cascade.model.xml_storage import (
    NUMBER,
    each,
    integer,
    numbers_of,
    read_storage,
    real,
    text_of,
)
from fercli.common.errors import CascadeFileError, DependencyError

#: The cascades that come with fer, by name; the first finds faces wherever none is given.
BUNDLED = {
    name: Path(__file__).parent / "data" / f"{name}.xml"
    for name in ("frontalface", "frontalface-small")
}
FRONTAL_FACE = BUNDLED["frontalface"]

#: The parameters of a training, by where they stand and how they are read.
PARAMETERS: tuple[tuple[str, str, type], ...] = (
    ("stageParams", "boostType", str),
    ("stageParams", "minHitRate", float),
    ("stageParams", "maxFalseAlarm", float),
    ("stageParams", "weightTrimRate", float),
    ("stageParams", "maxDepth", int),
    ("stageParams", "maxWeakCount", int),
    ("featureParams", "mode", str),
)


def bundled_cascade() -> Path:
    """Return the file of the face cascade that comes with fer.

    Raises
    ------
    DependencyError
        This copy of fer does not have it.
    """
    if not FRONTAL_FACE.is_file():
        raise DependencyError(
            "This copy of fer comes without its face cascade",
            hint="give another as `cascade`",
            path=FRONTAL_FACE,
        )
    return FRONTAL_FACE


def find_cascade(name_or_path: Path) -> Path:
    """Return the path; of a cascade that comes with fer its name will do, if no file has it."""
    return name_or_path if name_or_path.exists() else BUNDLED.get(str(name_or_path), name_or_path)


def read_cascade(path: Path, *, repair: bool = False) -> Cascade:
    """Return the cascade of a file, new format or old (``opencv-haar-classifier``).

    What is returned has passed `check_cascade`, so a detector may load the file. Numbers are
    rounded to float32, as the detector does. The features of an old file are those of its nodes,
    in their order, as OpenCV converts them.

    Parameters
    ----------
    path : Path
    repair : bool
        As `fercli.cascade.model.xml_storage.read_storage`.

    Raises
    ------
    CascadeFileError
        The file is not a cascade, or not one that a detector may load; says what it is instead,
        or which stage, weak classifier or feature is wrong.
    """
    return checked_cascade(read_storage(path, repair=repair), path)


def checked_cascade(root: Element, path: Path) -> Cascade:
    """Return the cascade that the first node of a storage holds; errors as `read_cascade`."""
    try:
        cascade = old_cascade(root) if is_old_format(root) else _new_cascade(root)
        check_cascade(cascade)
    except CascadeFileError as error:
        message = error.message[:1].upper() + error.message[1:]
        raise CascadeFileError(message, hint=error.hint, path=path) from error
    return cascade


def is_old_format(root: Element) -> bool:
    """Return whether the first node of a storage is an ``opencv-haar-classifier``."""
    return root.find("stages") is not None and root.find("size") is not None


def _new_cascade(root: Element) -> Cascade:
    _refuse_others(root)
    feature_type = _feature_type(root)
    _check_categories(root, feature_type)
    read_feature: Callable[[Element, str], HaarFeature | LbpFeature]
    read_feature = haar_feature if feature_type == "HAAR" else lbp_feature
    return Cascade(
        feature_type,
        (integer(text_of(root, "width"), "width"), integer(text_of(root, "height"), "height")),
        tuple(each(root, "stages", lambda s, w: _stage(s, feature_type, w), "stage")),
        tuple(each(root, "features", read_feature, "feature")),
        _parameters(root),
    )


def _refuse_others(root: Element) -> None:
    """Raise for the other files of a training, and for other storages."""
    if root.find("stages") is not None and root.find("stageType") is not None:
        return
    if root.find("weakClassifiers") is not None:
        raise CascadeFileError(
            "The file is not a cascade but a single stage of a training",
            hint="use the cascade.xml beside it (`fer cascade train --finish` writes it)",
        )
    if root.find("stageParams") is not None:
        raise CascadeFileError(
            "The file is not a cascade but the parameters of a training",
            hint="use the cascade.xml beside it (`fer cascade train --finish` writes it)",
        )
    raise CascadeFileError(
        f"The file is not a cascade (with <stageType> and <stages>) but a storage of <{root.tag}>"
    )


def _feature_type(root: Element) -> FeatureType:
    stage_type = text_of(root, "stageType")
    if stage_type != "BOOST":
        raise CascadeFileError(f"Expected the stage type BOOST, got {stage_type!r}")
    found = text_of(root, "featureType")
    if found == "HOG":
        raise CascadeFileError(
            "The cascade has HOG features, which OpenCV trains but has not loaded since 3.0",
            hint="train again with LBP features",
        )
    if found == "HAAR":
        return "HAAR"
    if found == "LBP":
        return "LBP"
    raise CascadeFileError(f"Expected the feature type HAAR or LBP, got {found!r}")


def _check_categories(root: Element, feature_type: FeatureType) -> None:
    section = root.find("featureParams")
    if section is None or len(section) == 0:
        others = [e.tag for e in root if e.tag not in ("features", "featureType")]
        misspelled = next((tag for tag in others if tag.startswith("feat")), None)
        found = f"<{misspelled}>" if misspelled else "none"
        raise CascadeFileError(
            f"Expected a section <featureParams>, got {found}: OpenCV loads nothing without it"
        )
    count = integer(text_of(section, "maxCatCount", default="0"), "maxCatCount")
    if count != CATEGORIES[feature_type]:
        raise CascadeFileError(
            f"Expected maxCatCount {CATEGORIES[feature_type]} for {feature_type} features, "
            f"got {count}"
        )


def _parameters(root: Element) -> dict[str, object]:
    """Return the parameters of the training, without malformed ones: no detector uses them."""
    found: dict[str, object] = {}
    for section, name, kind in PARAMETERS:
        text = (root.findtext(f"{section}/{name}") or "").strip()
        if kind is str and text:
            found[name] = text
        elif NUMBER.fullmatch(text) and math.isfinite(float(text)):
            found[name] = kind(float(text))
    return found


def _stage(element: Element, feature_type: FeatureType, where: str) -> Stage:
    return Stage(
        real(text_of(element, "stageThreshold", where), where),
        tuple(
            each(
                element,
                "weakClassifiers",
                lambda weak, here: _weak_classifier(weak, feature_type, here),
                "weak classifier",
                where,
            )
        ),
    )


def _weak_classifier(element: Element, feature_type: FeatureType, where: str) -> WeakClassifier:
    numbers = text_of(element, "internalNodes", where).split()
    step = 4 if feature_type == "HAAR" else 3 + SUBSET_WORDS
    if not numbers or len(numbers) % step:
        raise CascadeFileError(
            f"{where}: expected {step} numbers a node, got {len(numbers)} in all"
        )
    return WeakClassifier(
        tuple(_node(numbers[at : at + step], where) for at in range(0, len(numbers), step)),
        tuple(real(text, where) for text in text_of(element, "leafValues", where).split()),
    )


def _node(numbers: list[str], where: str) -> Node:
    left, right, feature = (integer(text, where) for text in numbers[:3])
    if len(numbers) == 4:
        return Node(left, right, feature, threshold=real(numbers[3], where))
    return Node(left, right, feature, subset=tuple(integer(text, where) for text in numbers[3:]))


# Features as the elements of a storage hold them.


def haar_feature(element: Element, where: str) -> HaarFeature:
    """Return the Haar feature that an element of ``features`` holds."""
    rectangles = tuple(each(element, "rects", _rectangle, "rectangle", where))
    tilted = integer(text_of(element, "tilted", where, default="0"), where)
    return HaarFeature(rectangles, bool(tilted))


def _rectangle(element: Element, where: str) -> WeightedRectangle:
    *corners, weight = numbers_of(element, 5, where)
    x, y, width, height = (integer(text, where) for text in corners)
    return WeightedRectangle(x, y, width, height, real(weight, where))


def lbp_feature(element: Element, where: str) -> LbpFeature:
    """Return the LBP feature that an element holds; raise `CascadeFileError` if it holds none."""
    rectangle = element.find("rect")
    if rectangle is None:
        raise CascadeFileError(f"{where}: expected <rect>, got none")
    x, y, width, height = (integer(text, where) for text in numbers_of(rectangle, 4, where))
    return LbpFeature(x, y, width, height)


# Haar cascades of the old format, ``opencv-haar-classifier``: each node holds its own feature.
#
# See: OpenCV 4.14, ``modules/objdetect/src/cascadedetect_convert.cpp``, whose conversion this is.


def old_cascade(root: Element) -> Cascade:
    """Return a cascade of the old format, converted as OpenCV does."""
    size = root.find("size")
    assert size is not None
    _refuse_branches(root)
    width, height = (integer(text, "size") for text in numbers_of(size, 2, "size"))
    features: list[HaarFeature] = []
    stages = tuple(each(root, "stages", lambda s, w: _old_stage(s, features, w), "stage"))
    return Cascade("HAAR", (width, height), stages, tuple(features))


def _refuse_branches(root: Element) -> None:
    """Raise if stages form a tree: cv2 flattens it to a row, which is another cascade."""
    for number, stage in enumerate(root.find("stages") or ()):
        for name, expected in (("parent", number - 1), ("next", -1)):
            where = f"stage {number}"
            found = integer(text_of(stage, name, where, default=str(expected)), where)
            if found != expected:
                raise CascadeFileError(
                    f"{where}: <{name}> is {found} and not {expected}: the stages form a tree, "
                    "which OpenCV has not evaluated since 3.0 but loads as a plain row",
                    hint="use a cascade without branches",
                )


def _old_stage(element: Element, features: list[HaarFeature], where: str) -> Stage:
    trees = each(
        element,
        "trees",
        lambda tree, here: _old_tree(tree, features, here),
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
            raise CascadeFileError(f"{where}: expected a node above 0 as a child, got {number}")
        return number

    for node in element:
        feature = node.find("feature")
        if feature is None:
            raise CascadeFileError(f"{where}: expected <feature>, got none")
        threshold = real(text_of(node, "threshold", where), where)
        nodes.append(
            Node(child(node, "left"), child(node, "right"), len(features), threshold=threshold)
        )
        features.append(haar_feature(feature, where))
    return WeakClassifier(tuple(nodes), tuple(leaves))
