import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner.tables import feature_corners
from fercli.cascade.model import HaarFeature, LbpFeature, WeightedRectangle
from fercli.cascade.visualization.feature_sheets import pixel_weights


def test_an_upright_feature_by_hand():
    """The edge feature of Viola and Jones: minus the whole, plus twice the right half."""
    feature = HaarFeature((WeightedRectangle(1, 1, 4, 2, -1.0), WeightedRectangle(3, 1, 2, 2, 2.0)))
    wanted = [
        [0, 0, 0, 0, 0],
        [0, -1, -1, 1, 1],
        [0, -1, -1, 1, 1],
        [0, 0, 0, 0, 0],
    ]
    assert pixel_weights(feature, (5, 4)).tolist() == wanted


def test_a_tilted_feature_by_hand():
    """From the top corner two steps down to the right and one down to the left."""
    feature = HaarFeature((WeightedRectangle(2, 0, 2, 1, 3.0),), tilted=True)
    wanted = [
        [0, 3, 0, 0, 0],
        [0, 3, 3, 0, 0],
        [0, 0, 3, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert pixel_weights(feature, (5, 4)).tolist() == wanted


def test_a_pattern_by_hand():
    wanted = [[0, -1, -1, -1], [0, -1, -1, -1], [0, -1, 1, -1], [0, -1, 1, -1], [0, -1, -1, -1],
              [0, -1, -1, -1]]  # fmt: skip
    assert pixel_weights(LbpFeature(1, 0, 1, 2), (4, 6)).tolist() == wanted


@pytest.mark.parametrize("tilted", [False, True])
def test_the_weighted_pixels_sum_to_what_integral_images_give(random_cascade, tilted, rng):
    pixels = rng.integers(0, 256, (24, 24), np.uint8)
    images = cv2.integral3(pixels, sdepth=cv2.CV_32S)
    for feature in random_cascade(tilted=tilted).features:
        image = images[2 if feature.tilted else 0]
        corners = [int(image[y, x]) for x, y in feature_corners(feature)]
        parts = [corners[at : at + 4] for at in range(0, 12, 4)]
        value = sum(
            r.weight * (a - b - c + d)
            for r, (a, b, c, d) in zip(feature.rectangles, parts, strict=False)
        )
        weights = pixel_weights(feature, (24, 24))
        assert (weights * pixels).sum() == pytest.approx(value, abs=1e-6)
