"""Reading cascades of the new and the old format, with every number checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

from fercli.cascade.cascade_file.features import haar_feature, lbp_feature
from fercli.cascade.cascade_file.old_format import old_cascade
from fercli.cascade.cascade_file.values import NUMBER, each, integer, real, text_of
from fercli.cascade.model.parts import (
    Cascade,
    FeatureType,
    HaarFeature,
    LbpFeature,
    Node,
    Stage,
    WeakClassifier,
)
from fercli.cascade.model.validate import CATEGORIES, SUBSET_WORDS, check_cascade
from fercli.cascade.model.xml_storage import read_storage
from fercli.common.errors import CascadeFileError

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


def read_cascade(path: Path) -> Cascade:
    """Return the cascade of a file, new format or old (``opencv-haar-classifier``).

    What is returned has passed `check_cascade`, so a detector may load the file. Numbers are
    rounded to float32, as the detector does. The features of an old file are those of its nodes,
    in their order, as OpenCV converts them.

    Raises
    ------
    CascadeFileError
        The file is not a cascade, or not one that a detector may load; says what it is instead,
        or which stage, weak classifier or feature is wrong.
    """
    return checked_cascade(read_storage(path), path)


def checked_cascade(root: Element, path: Path) -> Cascade:
    """Return the cascade that the first node of a storage holds; errors as `read_cascade`."""
    try:
        cascade = old_cascade(root) if is_old_format(root) else _new_cascade(root)
        check_cascade(cascade)
    except CascadeFileError as error:
        raise CascadeFileError(error.message, hint=error.hint, path=path) from error
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
    """Raise for the other files of a training, and for what is no cascade at all."""
    if root.find("stages") is not None and root.find("stageType") is not None:
        return
    if root.find("weakClassifiers") is not None:
        raise CascadeFileError(
            "wanted a cascade, found a single stage of a training",
            hint="the cascade.xml beside it (`fer cascade train --finish` writes it)",
        )
    if root.find("stageParams") is not None:
        raise CascadeFileError(
            "wanted a cascade, found the parameters of a training",
            hint="the cascade.xml beside it (`fer cascade train --finish` writes it)",
        )
    raise CascadeFileError(
        f"wanted a cascade (with <stageType> and <stages>), found a storage of <{root.tag}>"
    )


def _feature_type(root: Element) -> FeatureType:
    stage_type = text_of(root, "stageType")
    if stage_type != "BOOST":
        raise CascadeFileError(f"wanted the stage type BOOST, found {stage_type!r}")
    found = text_of(root, "featureType")
    if found == "HOG":
        raise CascadeFileError(
            "wanted a HAAR or LBP cascade, found a HOG cascade, which OpenCV trains but has not "
            "loaded since 3.0",
            hint="train again with LBP features",
        )
    if found == "HAAR":
        return "HAAR"
    if found == "LBP":
        return "LBP"
    raise CascadeFileError(f"wanted the feature type HAAR or LBP, found {found!r}")


def _check_categories(root: Element, feature_type: FeatureType) -> None:
    section = root.find("featureParams")
    if section is None or len(section) == 0:
        others = [e.tag for e in root if e.tag not in ("features", "featureType")]
        misspelled = next((tag for tag in others if tag.startswith("feat")), None)
        found = f"<{misspelled}>" if misspelled else "none"
        raise CascadeFileError(
            f"wanted a section <featureParams>, found {found}: OpenCV loads nothing without it"
        )
    count = integer(text_of(section, "maxCatCount", default="0"), "maxCatCount")
    if count != CATEGORIES[feature_type]:
        raise CascadeFileError(
            f"wanted maxCatCount {CATEGORIES[feature_type]} for {feature_type} features, "
            f"found {count}"
        )


def _parameters(root: Element) -> dict[str, object]:
    """Return what is told of the training; what cannot be read of it matters to no detector."""
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
                lambda weak, here: _weak_classifier(weak, feature_type, f"{where}, {here}"),
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
            f"{where}: wanted {step} numbers a node, found {len(numbers)} in all"
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
