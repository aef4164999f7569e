import numpy as np
import pytest

from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    LbpFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    check_cascade,
)


@pytest.fixture
def random_cascade(rng):
    """Make a cascade of four stages of random features, of which each passes about a half."""

    def rectangle(size_wh, tilted):
        width, height = size_wh
        while True:
            x, y = rng.integers(0, width), rng.integers(0, height)
            w, h = rng.integers(1, width), rng.integers(1, height)
            upright = x + w <= width and y + h <= height
            if upright and not (tilted and (x - h < 0 or y + w + h > height)):
                return int(x), int(y), int(w), int(h)

    def haar(size_wh, tilted):
        rectangles = [rectangle(size_wh, tilted) for _ in range(rng.integers(2, 4))]
        areas = [w * h for _, _, w, h in rectangles]
        # Balanced, so that its value is about 0, with weights that are no whole numbers.
        weights = [-1.0, *(areas[0] / area / (len(areas) - 1) for area in areas[1:])]
        return HaarFeature(
            tuple(
                WeightedRectangle(*corners, float(np.float32(weight)))
                for corners, weight in zip(rectangles, weights, strict=True)
            ),
            tilted,
        )

    def lbp(size_wh):
        w, h = (int(rng.integers(1, side // 3 + 1)) for side in size_wh)
        x, y = (int(rng.integers(0, s - 3 * b + 1)) for s, b in zip(size_wh, (w, h), strict=True))
        return LbpFeature(x, y, w, h)

    def tree(nodes, first, feature_type):
        def node(number, left, right):
            if feature_type == "LBP":
                subset = tuple(map(int, rng.integers(-(2**31), 2**31, 8)))
                return Node(left, right, first + number, subset=subset)
            threshold = float(np.float32(rng.normal(0, 0.02)))
            return Node(left, right, first + number, threshold=threshold)

        # A chain whose children stand before and after each other, as files have them.
        shapes = {1: [(0, -1)], 2: [(1, 0), (-1, -2)], 3: [(2, 1), (0, -1), (-2, -3)]}
        signs = rng.choice([-1, 1]) * np.resize([1, -1], nodes + 1)
        leaves = tuple(float(np.float32(v)) for v in signs * rng.uniform(0.5, 1.5, nodes + 1))
        return WeakClassifier(
            tuple(node(number, *pair) for number, pair in enumerate(shapes[nodes])), leaves
        )

    def make(feature_type="HAAR", size_wh=(24, 24), *, tilted=False, nodes=1, stage_threshold=-0.5):
        weak_count = 5
        count = 4 * weak_count * nodes
        features = tuple(
            lbp(size_wh) if feature_type == "LBP" else haar(size_wh, tilted and at % 2 == 0)
            for at in range(count)
        )
        trees = [tree(nodes, first, feature_type) for first in range(0, count, nodes)]
        stages = tuple(
            Stage(stage_threshold, tuple(trees[at : at + weak_count]))
            for at in range(0, len(trees), weak_count)
        )
        cascade = Cascade(feature_type, size_wh, stages, features)
        check_cascade(cascade)
        return cascade

    return make
