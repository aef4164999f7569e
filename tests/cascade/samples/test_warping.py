import math

import cv2
import numpy as np
import pytest

from fercli.cascade.samples.options import Distortion
from fercli.cascade.samples.warping import (
    Foreground,
    Pose,
    compose,
    cut_out,
    draw_pose,
    fitted,
    rotated_corners,
)
from fercli.common.errors import OptionError

STILL = Distortion(0, 0, 0, 0)
GRAY = np.full((40, 40), 128, np.uint8)


def a_pose(foreground, shift=0, inverted=False):
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * foreground.size_wh
    return Pose(corners.astype(float), shift, inverted)


def opaque(image):
    return cut_out(image, None, 80)


def test_a_still_image_of_the_samples_size_is_the_sample(rng):
    image = rng.integers(0, 256, (20, 24), np.uint8)
    pose = draw_pose((24, 20), STILL, rng)
    placed = compose(opaque(image), pose, np.zeros((20, 24), np.uint8))
    np.testing.assert_array_equal(placed, image)


def test_a_still_image_four_times_as_large_is_averaged(rng):
    image = rng.integers(0, 256, (80, 96), np.uint8)
    foreground = opaque(image)
    placed = compose(foreground, a_pose(foreground), np.zeros((20, 24), np.uint8))
    expected = cv2.resize(image.astype(float), (24, 20), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(placed, expected, atol=0.51)


def test_fitting_to_the_samples_hardly_changes_them(rng):
    image = cv2.GaussianBlur(rng.integers(0, 256, (500, 400), np.uint8), (0, 0), 9)
    foreground = opaque(image)
    small = fitted(foreground, (24, 30))
    assert small.size_wh == (96, 120)
    background = np.zeros((30, 24), np.uint8)
    for seed in range(5):
        # The quadrilateral scales with the image; the same random numbers turn it alike.
        poses = [
            draw_pose(each.size_wh, Distortion(), np.random.default_rng(seed))
            for each in (foreground, small)
        ]
        large_sample = compose(foreground, poses[0], background).astype(int)
        small_sample = compose(small, poses[1], background).astype(int)
        assert np.abs(large_sample - small_sample).max() <= 3


def test_the_shape_is_kept_and_the_rest_is_background(rng):
    foreground = opaque(np.full((40, 20), 200, np.uint8))
    placed = compose(foreground, a_pose(foreground), np.full((20, 20), 7, np.uint8))
    assert (placed[:, 7:13] == 200).all()
    assert (placed[:, :4] == 7).all()
    assert (placed[:, 16:] == 7).all()


def test_gray_levels_are_shifted_then_inverted():
    foreground = opaque(np.full((8, 8), 100, np.uint8))
    background = np.zeros((8, 8), np.uint8)
    assert compose(foreground, a_pose(foreground, 30), background)[4, 4] == 130
    assert compose(foreground, a_pose(foreground, 30, inverted=True), background)[4, 4] == 125
    assert compose(foreground, a_pose(foreground, 200), background)[4, 4] == 255
    assert compose(foreground, a_pose(foreground, -200), background)[4, 4] == 0


def test_transparent_pixels_show_the_background_and_leave_no_fringe():
    image = np.full((96, 96), 255, np.uint8)
    cv2.circle(image, (48, 48), 30, 60, -1)
    foreground = cut_out(image, 255, 10)
    placed = compose(foreground, a_pose(foreground), np.full((24, 24), 60, np.uint8))
    # Object and background are of one gray level: white at the edge would be left from the
    # transparent pixels.
    assert np.abs(placed.astype(int) - 60).max() <= 1


def test_extended_edges_hide_the_background(rng):
    image = rng.integers(100, 200, (30, 30), np.uint8)
    foreground = Foreground(image, np.full_like(image, 255), edges_extend=True)
    for _ in range(20):
        pose = draw_pose((30, 30), Distortion(1, 1, 1, 0), rng)
        assert compose(foreground, pose, np.zeros((24, 24), np.uint8)).min() >= 100


def test_the_background_is_not_changed(rng):
    background = np.zeros((24, 24), np.uint8)
    compose(opaque(GRAY), draw_pose((40, 40), Distortion(), rng), background)
    assert not background.any()


def test_inscribed_images_lie_within_the_sample(rng):
    foreground = opaque(np.full((60, 60), 255, np.uint8))
    for _ in range(20):
        pose = draw_pose((60, 60), Distortion(1, 1, 1.5, 0), rng)
        placed = compose(foreground, pose, np.zeros((40, 40), np.uint8), inscribe=True)
        whole = cv2.contourArea(pose.quad.astype(np.float32))
        extent = (pose.quad.max(axis=0) - pose.quad.min(axis=0)).max()
        # Nothing is cut off: the share of white is that of the quadrilateral.
        assert placed.sum() / 255 == pytest.approx(whole * (40 / extent) ** 2, rel=0.05)


@pytest.mark.parametrize("color", [0, 90, 255])
def test_what_is_transparent(color):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    alpha = cut_out(image, color, 20).alpha
    expected = np.abs(np.arange(256).reshape(16, 16) - color) > 20
    np.testing.assert_array_equal(alpha == 255, expected)
    np.testing.assert_array_equal(alpha == 0, ~expected)


def test_a_image_of_background_alone_is_named():
    with pytest.raises(OptionError, match="transparent: within 80 gray levels of `bg_color`"):
        cut_out(np.full((10, 10), 60, np.uint8), 0, 80)


@pytest.mark.parametrize(
    ("rotation", "corners"),
    [
        ((0, 0, 0), [[0, 0], [20, 0], [20, 10], [0, 10]]),
        ((0, 0, math.pi / 2), [[15, -5], [15, 15], [5, 15], [5, -5]]),
        # Around y by 60°: the right side comes 10·sin 60° = 8.66 nearer, of a distance of 40.
        (
            (0, math.pi / 3, 0),
            [
                [10 - 5 * 40 / 48.66, 5 - 5 * 40 / 48.66],
                [10 + 5 * 40 / 31.34, 5 - 5 * 40 / 31.34],
                [10 + 5 * 40 / 31.34, 5 + 5 * 40 / 31.34],
                [10 - 5 * 40 / 48.66, 5 + 5 * 40 / 48.66],
            ],
        ),
    ],
)
def test_corners_turn_as_computed_by_hand(rotation, corners):
    quad = rotated_corners((20, 10), rotation, 40)
    np.testing.assert_allclose(quad, corners, atol=0.01)


@pytest.mark.parametrize("rotation", [(math.pi, 0, 0), (0, math.pi / 2, 0), (0, 2, 0)])
def test_the_back_of_a_image_is_no_view_of_it(rotation):
    assert rotated_corners((20, 20), rotation, 60) is None


def test_a_corner_behind_the_camera_is_no_view():
    assert rotated_corners((10, 100), (1.4, 0, 0), 30) is None


def test_angles_are_drawn_as_opencv_draws_them(monkeypatch):
    drawn = []

    def note(size_wh, rotation, distance):
        drawn.append((*rotation, distance))
        return np.zeros((4, 2))

    monkeypatch.setattr("fercli.cascade.samples.warping.rotated_corners", note)
    rng = np.random.default_rng(0)
    for _ in range(4000):
        draw_pose((50, 80), Distortion(0.4, 1.0, 0.3), rng)
    x, y, z, distance = np.array(drawn).T
    assert np.abs(x).max() == pytest.approx(0.4, rel=0.01)
    assert (np.abs(y) <= 1.0 - np.abs(x)).all()
    assert np.abs(y).max() > 0.9
    assert np.abs(z).max() == pytest.approx(0.3, rel=0.01)
    assert (distance.min(), distance.max()) == pytest.approx((100, 200), rel=0.01)
    # A uniform variable's standard deviation is its half-width / √3.
    assert x.std() == pytest.approx(0.4 / 3**0.5, rel=0.05)
    assert distance.mean() == pytest.approx(150, rel=0.02)
    assert abs(np.corrcoef(x, z)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("invert", "share"), [("never", 0.0), ("always", 1.0), ("random", pytest.approx(0.5, abs=0.05))]
)
def test_how_often_it_is_inverted_and_how_it_is_shifted(invert, share, rng):
    distortion = Distortion(0, 0, 0, 7, invert)
    poses = [draw_pose((10, 10), distortion, rng) for _ in range(1500)]
    assert np.mean([pose.inverted for pose in poses]) == share
    assert {pose.intensity_shift for pose in poses} == set(range(-7, 8))


def test_angles_at_which_nothing_is_seen_are_named(rng):
    with pytest.raises(OptionError, match=r"in 100 attempts.*smaller `max_x_angle`"):
        draw_pose((1, 4000), Distortion(1.5, 0, 0), rng)
