"""The parts of a cascade: stages of weak classifiers, which are small trees of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fercli.cascade import FeatureType


@dataclass(frozen=True)
class WeightedRectangle:
    """One rectangle of a Haar feature, in pixels of the window.

    Parameters
    ----------
    x, y, width, height : int
        If the feature is tilted, (x, y) is the top corner, and the rectangle reaches `width` steps
        down to the right and `height` steps down to the left.
    weight : float
        What the sum of its pixels is multiplied by (a float32).
    """

    x: int
    y: int
    width: int
    height: int
    weight: float


@dataclass(frozen=True)
class HaarFeature:
    """One to three weighted rectangles; if `tilted`, all of them stand on a corner."""

    rectangles: tuple[WeightedRectangle, ...]
    tilted: bool = False


@dataclass(frozen=True)
class LbpFeature:
    """Local binary pattern of 3×3 equal blocks: the first of them, in pixels of the window."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Node:
    """A node of a weak classifier: a test of a feature, which chooses the left or right child.

    Parameters
    ----------
    left, right : int
        Above 0, the number of a node; otherwise minus the number of a leaf. Node 0 is the root.
    feature : int
        Index in the cascade's features.
    threshold : float, optional
        Haar only (a float32): a smaller value of the feature goes left.
    subset : tuple of 8 int, optional
        LBP only: the 256 codes as 8 int32; a code whose bit is set goes left
        (code c is bit ``c % 32`` of number ``c // 32``).
    """

    left: int
    right: int
    feature: int
    threshold: float | None = None
    subset: tuple[int, ...] | None = None


@dataclass(frozen=True)
class WeakClassifier:
    """A binary tree: n nodes, n + 1 leaves with what it adds to the stage's sum (float32)."""

    nodes: tuple[Node, ...]
    leaves: tuple[float, ...]


@dataclass(frozen=True)
class Stage:
    """Weak classifiers whose sum must reach `threshold` (as in the file) for a window to pass.

    The detector subtracts 1e-5 from the threshold before it compares.
    """

    threshold: float
    weak_classifiers: tuple[WeakClassifier, ...]


@dataclass(frozen=True)
class Cascade:
    """A detector: a window must pass all stages.

    Parameters
    ----------
    feature_type : {"HAAR", "LBP"}
    size_wh : tuple of 2 int
        The window.
    stages : tuple of Stage
    features : tuple of HaarFeature or of LbpFeature
        What the nodes refer to; features that no node uses are allowed and not written.
    parameters : mapping, optional
        How it was trained, where known: ``boostType`` and ``mode`` (str), ``minHitRate``,
        ``maxFalseAlarm`` and ``weightTrimRate`` (float), ``maxDepth`` and ``maxWeakCount`` (int).
    """

    feature_type: FeatureType
    size_wh: tuple[int, int]
    stages: tuple[Stage, ...]
    features: tuple[HaarFeature | LbpFeature, ...]
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def weak_count(self) -> int:
        """How many weak classifiers all stages have."""
        return sum(len(stage.weak_classifiers) for stage in self.stages)
