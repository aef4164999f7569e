import cv2
import numpy as np
import pytest

from fercli.cascade.samples.from_annotations import crop
from fercli.cascade.training.augmentation import vary
from fercli.cascade.training.options import Jitter

STILL = Jitter(variants=1, shift=0, scale=0, angle=0, brightness=0)


@pytest.fixture
def image(rng):
    noise = rng.integers(0, 256, (120, 150), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


@pytest.mark.parametrize(
    "box", [(40, 30, 48, 48), (0, 0, 24, 24), (60, 50, 31, 31), (9, 9, 60, 40)]
)
def test_without_amounts_a_variant_is_the_crop(image, rng, box):
    variant = vary(image, box, (24, 24), STILL, rng)
    # Two steps of resampling against one, and areas of whole pixels against shares of them.
    difference = np.abs(variant.astype(int) - crop(image, box, (24, 24)))
    assert difference.mean() < 3
    assert variant.shape == (24, 24)


def test_without_amounts_a_sample_is_itself(rng):
    sample = rng.integers(0, 256, (16, 12), np.uint8)
    assert (vary(sample, (0, 0, 12, 16), (12, 16), STILL, rng) == sample).all()


def test_same_numbers_same_variant(image):
    jitter = Jitter(variants=1)
    first, second, other = (
        vary(image, (40, 30, 48, 48), (24, 24), jitter, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert (first == second).all()
    assert (first != other).any()


class Fixed:
    """Random numbers as they are wanted: shift x and y, scale, angle, brightness."""

    def __init__(self, *values):
        self.values = np.array(values, float)

    def uniform(self, low, high, count):
        return self.values[:count]


def test_shift_moves_the_window(image):
    jitter = Jitter(variants=1, shift=0.25, scale=0, angle=0, brightness=0)
    shifted = vary(image, (40, 30, 24, 24), (24, 24), jitter, Fixed(1, -0.5, 0, 0, 0))
    assert (shifted == image[27:51, 46:70]).all()


def test_scale_takes_more_of_the_image(image):
    jitter = Jitter(variants=1, shift=0, scale=0.5, angle=0, brightness=0)
    larger = vary(image, (40, 30, 48, 48), (24, 24), jitter, Fixed(0, 0, 1, 0, 0))
    expected = crop(image, (28, 18, 72, 72), (24, 24))
    assert np.abs(larger.astype(int) - expected).mean() < 6


def test_a_quarter_turn(image):
    jitter = Jitter(variants=1, shift=0, scale=0, angle=90, brightness=0)
    turned = vary(image, (40, 30, 24, 24), (24, 24), jitter, Fixed(0, 0, 0, 1, 0))
    window = image[30:54, 40:64]
    assert min(np.abs(turned.astype(int) - np.rot90(window, k)).max() for k in (1, 3)) <= 1


def test_brightness_bends_gray_levels_and_keeps_black_and_white():
    sample = np.array([[0, 64], [128, 255]], np.uint8)
    jitter = Jitter(variants=1, shift=0, scale=0, angle=0, brightness=1)
    darker = vary(sample, (0, 0, 2, 2), (2, 2), jitter, Fixed(0, 0, 0, 0, 1))
    assert darker.tolist() == [[0, 16], [64, 255]]


def test_border_is_continued():
    sample = np.full((10, 10), 200, np.uint8)
    jitter = Jitter(variants=1, shift=0.5, scale=0, angle=30, brightness=0)
    assert (vary(sample, (0, 0, 10, 10), (10, 10), jitter, Fixed(1, 1, 0, 1, 0)) == 200).all()


def test_copies():
    assert Jitter().copies == 1
    assert Jitter(variants=2).copies == 3
    assert Jitter(variants=2, mirror=True).copies == 6
