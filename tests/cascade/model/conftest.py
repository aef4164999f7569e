"""Small cascades, good ones: by hand, and at random for hypothesis."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    LbpFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
)

WIDTH, HEIGHT = 12, 9


@pytest.fixture
def haar():
    """Two stages; a tree of two nodes and a stump; three features, one of them tilted."""
    features = (
        HaarFeature((WeightedRectangle(0, 0, 6, 4, -1.0), WeightedRectangle(3, 0, 3, 4, 2.0))),
        HaarFeature(
            (WeightedRectangle(5, 1, 2, 3, -1.0), WeightedRectangle(5, 1, 1, 3, 2.0)), True
        ),
        HaarFeature(
            (
                WeightedRectangle(0, 0, 12, 9, -1.0),
                WeightedRectangle(0, 0, 6, 4, 2.0),
                WeightedRectangle(6, 4, 6, 5, 2.0),
            )
        ),
    )
    tree = WeakClassifier(
        (Node(1, 0, 0, threshold=0.125), Node(-1, -2, 2, threshold=-0.5)), (0.5, -1.0, 0.75)
    )
    stump = WeakClassifier((Node(0, -1, 1, threshold=0.0),), (-1.0, 1.0))
    stages = (Stage(-0.25, (tree, stump)), Stage(0.5, (stump,)))
    return Cascade("HAAR", (WIDTH, HEIGHT), stages, features)


@pytest.fixture
def lbp():
    """One stage of one stump."""
    node = Node(0, -1, 0, subset=(-1, 0, 1, 2, 3, 4, 5, -(1 << 31)))
    weak = WeakClassifier((node,), (-0.5, 0.5))
    return Cascade("LBP", (WIDTH, HEIGHT), (Stage(0.25, (weak,)),), (LbpFeature(1, 0, 3, 2),))


real32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def haar_features(draw):
    tilted = draw(st.booleans())
    rectangles = []
    for _ in range(draw(st.integers(1, 3))):
        width, height = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        left = height if tilted else 0
        x = draw(st.integers(left, WIDTH - width))
        y = draw(st.integers(0, HEIGHT - (width + height if tilted else height)))
        rectangles.append(WeightedRectangle(x, y, width, height, draw(real32)))
    return HaarFeature(tuple(rectangles), tilted)


@st.composite
def lbp_features(draw):
    width, height = draw(st.integers(1, WIDTH // 3)), draw(st.integers(1, HEIGHT // 3))
    x = draw(st.integers(0, WIDTH - 3 * width))
    return LbpFeature(x, draw(st.integers(0, HEIGHT - 3 * height)), width, height)


@st.composite
def trees(draw, node_of, most_nodes):
    """A tree that grows by turning one of its leaves into a node, then leaves numbered at will."""
    children = [[None, None]]
    for number in range(1, draw(st.integers(1, most_nodes))):
        free = [(at, side) for at, pair in enumerate(children) for side in (0, 1) if not pair[side]]
        at, side = draw(st.sampled_from(free))
        children[at][side] = number
        children.append([None, None])
    count = len(children) + 1
    # All trees may turn out to be stumps, whose leaves OpenCV takes in order.
    order = list(range(count)) if count == 2 else draw(st.permutations(range(count)))
    numbers = iter(order)
    pairs = [[-next(numbers) if child is None else child for child in pair] for pair in children]
    leaves = tuple(draw(real32) for _ in range(count))
    return WeakClassifier(tuple(draw(node_of(left, right)) for left, right in pairs), leaves)


@st.composite
def cascades(draw):
    """A cascade that passes all checks; some of its features may be used by no node."""
    kind = draw(st.sampled_from(["HAAR", "LBP"]))
    one = haar_features() if kind == "HAAR" else lbp_features()
    features = tuple(draw(st.lists(one, min_size=1, max_size=6)))
    feature = st.integers(0, len(features) - 1)
    word = st.integers(-(1 << 31), (1 << 31) - 1)

    def node_of(left, right):
        if kind == "HAAR":
            return st.builds(Node, st.just(left), st.just(right), feature, threshold=real32)
        subset = st.tuples(*[word] * 8)
        return st.builds(Node, st.just(left), st.just(right), feature, subset=subset)

    weak = trees(node_of, draw(st.sampled_from([1, 4])))
    stage = st.builds(Stage, real32, st.lists(weak, min_size=1, max_size=3).map(tuple))
    stages = tuple(draw(st.lists(stage, min_size=1, max_size=3)))
    parameters = st.fixed_dictionaries(
        {"maxWeakCount": st.integers(1, 1000)},
        optional={
            "boostType": st.sampled_from(["GAB", "RAB"]),
            "minHitRate": st.floats(0, 1),
            "maxDepth": st.integers(1, 9),
        }
        | ({"mode": st.sampled_from(["BASIC", "ALL"])} if kind == "HAAR" else {}),
    )
    return Cascade(kind, (WIDTH, HEIGHT), stages, features, draw(parameters))


@pytest.fixture(scope="session")
def any_cascade():
    """The strategy `cascades`, for tests, which cannot import each other."""
    return cascades()
