import cv2
import numpy as np
import pytest

from fercli.cascade.samples.options import Distortion
from fercli.cascade.samples.warping import Foreground, Pose, cut_out, draw_pose, fitted, place
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
    placed = place(opaque(image), pose, np.zeros((20, 24), np.uint8))
    np.testing.assert_array_equal(placed, image)


def test_a_still_image_four_times_as_large_is_averaged(rng):
    image = rng.integers(0, 256, (80, 96), np.uint8)
    foreground = opaque(image)
    placed = place(foreground, a_pose(foreground), np.zeros((20, 24), np.uint8))
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
        large_sample = place(foreground, poses[0], background).astype(int)
        small_sample = place(small, poses[1], background).astype(int)
        assert np.abs(large_sample - small_sample).max() <= 3


def test_the_shape_is_kept_and_the_rest_is_background(rng):
    foreground = opaque(np.full((40, 20), 200, np.uint8))
    placed = place(foreground, a_pose(foreground), np.full((20, 20), 7, np.uint8))
    assert (placed[:, 7:13] == 200).all()
    assert (placed[:, :4] == 7).all()
    assert (placed[:, 16:] == 7).all()


def test_gray_levels_are_shifted_then_inverted():
    foreground = opaque(np.full((8, 8), 100, np.uint8))
    background = np.zeros((8, 8), np.uint8)
    assert place(foreground, a_pose(foreground, 30), background)[4, 4] == 130
    assert place(foreground, a_pose(foreground, 30, inverted=True), background)[4, 4] == 125
    assert place(foreground, a_pose(foreground, 200), background)[4, 4] == 255
    assert place(foreground, a_pose(foreground, -200), background)[4, 4] == 0


def test_transparent_pixels_show_the_background_and_leave_no_fringe():
    image = np.full((96, 96), 255, np.uint8)
    cv2.circle(image, (48, 48), 30, 60, -1)
    foreground = cut_out(image, 255, 10)
    placed = place(foreground, a_pose(foreground), np.full((24, 24), 60, np.uint8))
    # Object and background are of one gray level: white at the edge would be left from the
    # transparent pixels.
    assert np.abs(placed.astype(int) - 60).max() <= 1


def test_extended_edges_hide_the_background(rng):
    image = rng.integers(100, 200, (30, 30), np.uint8)
    foreground = Foreground(image, np.full_like(image, 255), edges_extend=True)
    for _ in range(20):
        pose = draw_pose((30, 30), Distortion(1, 1, 1, 0), rng)
        assert place(foreground, pose, np.zeros((24, 24), np.uint8)).min() >= 100


def test_the_background_is_not_changed(rng):
    background = np.zeros((24, 24), np.uint8)
    place(opaque(GRAY), draw_pose((40, 40), Distortion(), rng), background)
    assert not background.any()


def test_inscribed_images_lie_within_the_sample(rng):
    foreground = opaque(np.full((60, 60), 255, np.uint8))
    for _ in range(20):
        pose = draw_pose((60, 60), Distortion(1, 1, 1.5, 0), rng)
        placed = place(foreground, pose, np.zeros((40, 40), np.uint8), inscribe=True)
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
    with pytest.raises(OptionError, match="all of it within 80 gray levels of the background"):
        cut_out(np.full((10, 10), 60, np.uint8), 0, 80)
