import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.cascade.detection.scanner import feature_corners
from fercli.cascade.model import HaarFeature, LbpFeature, WeightedRectangle
from fercli.cascade.visualization.feature_sheets import (
    LARGE,
    MINUS,
    PLUS,
    SHOWN_FEATURES,
    FeatureRenderer,
    mean_of,
    pixel_weights,
    write_sheet,
)

KINDS = {
    "haar": {},
    "tilted": {"tilted": True},
    "trees": {"nodes": 3},
    "lbp": {"feature_type": "LBP"},
    "wide": {"size_wh": (60, 20)},
    "large": {"size_wh": (200, 150)},
}


def colored(image, color):
    """Return how many pixels are nearer to a color than to gray."""
    pixels = np.asarray(image).astype(int)
    tint = np.array(color) - np.mean(color)
    return int((((pixels - pixels.mean(axis=2, keepdims=True)) @ tint) > 2000).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_every_feature_is_drawn(kind, random_cascade):
    cascade = random_cascade(**KINDS[kind])
    sheet = FeatureRenderer(cascade, "cascade.xml").stage_sheet(0)
    nodes = sum(len(weak.nodes) for weak in cascade.stages[0].weak_classifiers)
    zoom = max(round(LARGE / max(cascade.size_wh)), 1)
    assert sheet.width * sheet.height > nodes * np.prod(cascade.size_wh) * zoom**2
    assert colored(sheet, PLUS) > 0
    assert colored(sheet, MINUS) > 0


def test_the_backdrop_shows_and_votes_differ(random_cascade, rng):
    cascade = random_cascade()
    plain = np.asarray(FeatureRenderer(cascade, "a").stage_sheet(1))
    face = rng.integers(0, 256, (24, 24), np.uint8)
    on_face = np.asarray(FeatureRenderer(cascade, "a", face).stage_sheet(1))
    assert plain.shape == on_face.shape
    assert (plain != on_face).mean() > 0.2
    assert (plain != np.asarray(FeatureRenderer(cascade, "a").stage_sheet(2))[: len(plain)]).any()


def test_the_contact_sheet_has_a_row_a_stage(random_cascade):
    cascade = random_cascade(nodes=3)
    sheet = FeatureRenderer(cascade, "cascade.xml").contact_sheet()
    taller = FeatureRenderer(random_cascade(nodes=2), "cascade.xml").contact_sheet()
    # Fifteen nodes a stage, of which the first are shown; ten of the other.
    assert SHOWN_FEATURES == 14
    assert sheet.width > taller.width
    assert sheet.height == taller.height


def test_means_are_stretched():
    samples = np.array([[[10, 20]], [[30, 60]]], np.uint8)
    assert mean_of(samples).tolist() == [[0, 255]]
    assert mean_of(np.full((3, 2, 2), 7, np.uint8)).tolist() == [[0, 0], [0, 0]]


def test_sheets_are_written_nearly_as_drawn(random_cascade, tmp_path, rng):
    face = rng.integers(0, 256, (24, 24), np.uint8)
    sheet = FeatureRenderer(random_cascade(), "cascade.xml", face).stage_sheet(0)
    write_sheet(tmp_path / "sheet.png", sheet)
    with Image.open(tmp_path / "sheet.png") as image:
        written = np.asarray(image.convert("RGB")).astype(int)
    assert abs(written - np.asarray(sheet)).max() <= 12


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
