from dataclasses import replace

import pytest

from fercli.cascade.model import (
    HaarFeature,
    LbpFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    check_cascade,
    write_cascade,
)
from fercli.common.errors import CascadeFileError


def one_feature(*rectangles, tilted=False):
    return (HaarFeature(tuple(WeightedRectangle(*r) for r in rectangles), tilted),) * 3


def one_tree(*children, leaves=None, feature=0):
    nodes = tuple(Node(left, right, feature, threshold=0.0) for left, right in children)
    values = (0.0,) * (len(nodes) + 1) if leaves is None else leaves
    return (Stage(0.0, (WeakClassifier(nodes, values),)),)


def test_good_cascades_pass(haar, lbp):
    check_cascade(haar)
    check_cascade(lbp)


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature_type": "HOG"}, "Expected feature type HAAR or LBP, got 'HOG'"),
        ({"size_wh": (12, 2)}, "got 12x2"),
        ({"size_wh": (1 << 20, 9)}, "got 1048576x9"),
        ({"stages": ()}, "Expected at least one stage, got none"),
        ({"stages": (Stage(0.0, ()),)}, "stage 0: expected at least one weak classifier"),
        ({"parameters": {"minHitRate": NAN}}, "Expected a finite minHitRate, got nan"),
        (
            {"features": ()},
            "weak classifier 0: expected the index of one of the 0 features",
        ),
        ({"features": (LbpFeature(0, 0, 1, 1),) * 3}, "feature 0: not a feature of a HAAR cascade"),
        ({"features": one_feature()}, "feature 0: expected 1 to 3 rectangles, got 0"),
        ({"features": one_feature(*[(0, 0, 1, 1, 1.0)] * 4)}, "expected 1 to 3 rectangles, got 4"),
        ({"features": one_feature((0, 0, 1, 1, NAN))}, "rectangle 0: expected a finite weight"),
        ({"features": one_feature((0, 0, 1, 1, 1e39))}, "expected a finite weight, got 1e\\+39"),
        # The window is 12x9: just inside passes (see below), one pixel further does not.
        ({"features": one_feature((1, 0, 12, 9, 1.0))}, "rectangle inside the window of 12x9"),
        ({"features": one_feature((0, 1, 12, 9, 1.0))}, "got x 0, y 1, width 12, height 9"),
        ({"features": one_feature((-1, 0, 1, 1, 1.0))}, "got x -1"),
        ({"features": one_feature((0, -1, 1, 1, 1.0))}, "got x 0, y -1"),
        ({"features": one_feature((0, 0, 0, 1, 1.0))}, "width 0"),
        ({"features": one_feature((0, 0, 1, 0, 1.0))}, "height 0"),
        # A tilted one reaches `height` to the left, `width` to the right, and both down.
        ({"features": one_feature((3, 0, 5, 4, 1.0), tilted=True)}, "got x 3"),
        ({"features": one_feature((8, 0, 5, 4, 1.0), tilted=True)}, "got x 8"),
        ({"features": one_feature((4, 1, 5, 4, 1.0), tilted=True)}, "got x 4, y 1"),
        ({"stages": one_tree((0, -1), feature=3)}, "one of the 3 features, got 3"),
        ({"stages": one_tree((0, -1), feature=-1)}, "one of the 3 features, got -1"),
        ({"stages": one_tree()}, "expected at least one node, got none"),
        ({"stages": one_tree((0, -1), leaves=(1.0,))}, "expected 2 leaves for 1 nodes, got 1"),
        ({"stages": one_tree((0, -1), leaves=(1.0, INFINITY))}, "finite leaf values, got inf"),
        ({"stages": one_tree((1, 0), (1, -1))}, "expected a tree, got node 1 as a child twice"),
        ({"stages": one_tree((1, 0), (0, -1))}, "expected a tree, got leaf 0 as a child twice"),
        ({"stages": one_tree((2, 0), (2, -1), (-2, -3))}, "nodes that the root does not reach"),
        ({"stages": one_tree((1, 0))}, "expected children from -1 to 0, got 1"),
        ({"stages": one_tree((0, -2))}, "expected children from -1 to 0, got -2"),
        ({"stages": one_tree((-1, 0))}, "expected the children 0 and -1 of a stump, got -1 and 0"),
        ({"stages": (Stage(NAN, one_tree((0, -1))[0].weak_classifiers),)}, "stage 0: .* got nan"),
    ],
)
def test_what_no_detector_may_load_is_refused(haar, change, message, tmp_path):
    changed = replace(haar, **change)
    with pytest.raises(CascadeFileError, match=message):
        check_cascade(changed)
    with pytest.raises(CascadeFileError, match=message):
        write_cascade(tmp_path / "cascade.xml", changed)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "features",
    [
        one_feature((0, 0, 12, 9, 1.0)),
        one_feature((11, 8, 1, 1, 1.0)),
        one_feature((4, 0, 5, 4, 1.0), tilted=True),
        one_feature((7, 0, 5, 4, 1.0), tilted=True),
    ],
)
def test_what_just_fits_the_window_passes(haar, features):
    check_cascade(replace(haar, features=features))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node(0, -1, 0, threshold=1.0), "expected a subset of 8 32-bit integers, got None"),
        (Node(0, -1, 0, subset=(0,) * 7), "expected a subset of 8"),
        (Node(0, -1, 0, subset=(1 << 31,) + (0,) * 7), "expected a subset of 8"),
    ],
)
def test_nodes_of_an_lbp_cascade_need_a_subset(lbp, node, message):
    stages = (Stage(0.0, (WeakClassifier((node,), (0.0, 1.0)),)),)
    with pytest.raises(CascadeFileError, match=message):
        check_cascade(replace(lbp, stages=stages))


def test_nodes_of_a_haar_cascade_need_a_threshold(haar):
    node = Node(0, -1, 0, subset=(0,) * 8)
    stages = (Stage(0.0, (WeakClassifier((node,), (0.0, 1.0)),)),)
    with pytest.raises(CascadeFileError, match="expected a finite threshold, got None"):
        check_cascade(replace(haar, stages=stages))


@pytest.mark.parametrize("xywh", [(4, 0, 3, 2), (0, 4, 3, 2), (-1, 0, 1, 1), (0, 0, 0, 1)])
def test_blocks_outside_the_window_are_refused(lbp, xywh):
    with pytest.raises(CascadeFileError, match="feature 0: expected a rectangle inside"):
        check_cascade(replace(lbp, features=(LbpFeature(*xywh),)))


def test_leaves_may_be_swapped_where_a_cascade_has_larger_trees(haar):
    (tree, _), swapped = haar.stages[0].weak_classifiers, one_tree((-1, 0))[0].weak_classifiers[0]
    check_cascade(replace(haar, stages=(Stage(0.0, (tree, swapped)),)))


def test_a_node_has_either_a_threshold_or_a_subset(haar, lbp):
    both = Node(0, -1, 0, threshold=0.0, subset=(0,) * 8)
    stages = (Stage(0.0, (WeakClassifier((both,), (0.0, 1.0)),)),)
    for cascade in (haar, lbp):
        with pytest.raises(CascadeFileError, match="stage 0, weak classifier 0: expected a"):
            check_cascade(replace(cascade, stages=stages))


@pytest.mark.parametrize("size_wh", [(3, 3), (1 << 14, 1 << 14)])
def test_the_smallest_and_the_largest_window(haar, size_wh):
    check_cascade(replace(haar, size_wh=size_wh, features=one_feature((0, 0, 1, 1, 1.0))))
