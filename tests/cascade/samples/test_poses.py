import math

import numpy as np
import pytest

from fercli.cascade.samples.options import Distortion
from fercli.cascade.samples.warping import draw_pose, turned_corners
from fercli.common.errors import OptionError


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
    quad = turned_corners((20, 10), rotation, 40)
    np.testing.assert_allclose(quad, corners, atol=0.01)


@pytest.mark.parametrize("rotation", [(math.pi, 0, 0), (0, math.pi / 2, 0), (0, 2, 0)])
def test_the_back_of_a_image_is_no_view_of_it(rotation):
    assert turned_corners((20, 20), rotation, 60) is None


def test_a_corner_behind_the_camera_is_no_view():
    assert turned_corners((10, 100), (1.4, 0, 0), 30) is None


def test_angles_are_drawn_as_opencv_draws_them(monkeypatch):
    drawn = []

    def note(size_wh, rotation, distance):
        drawn.append((*rotation, distance))
        return np.zeros((4, 2))

    monkeypatch.setattr("fercli.cascade.samples.warping.turned_corners", note)
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
    with pytest.raises(OptionError, match=r"found none in 100 attempts.*smaller --max-x-angle"):
        draw_pose((1, 4000), Distortion(1.5, 0, 0), rng)
