import cv2
import numpy as np
import pytest

from fercli.cascade.samples.from_annotations import crop
from fercli.cascade.training.augmentation import BLURRED, degrade, vary
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


@pytest.fixture
def face(lfw):
    return lfw(24)[0][0]


def degraded(sample, seeds=range(60), **amounts):
    jitter = Jitter(variants=1, **amounts)
    return [degrade(sample, jitter, np.random.default_rng(seed)) for seed in seeds]


@pytest.mark.parametrize(
    "amounts",
    [{"blur": 0.5}, {"blur": 0.01}, {"noise": 0.2}, {"contrast": 1.0}, {"jpeg": 80.0},
     {"occlusion": 0.5}],
)  # fmt: skip
def test_each_amount_changes_variants_and_repeats(face, amounts):
    first, again = degraded(face, **amounts), degraded(face, **amounts)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert all(sample.shape == (24, 24) and sample.dtype == np.uint8 for sample in first)
    assert len({sample.tobytes() for sample in first}) > 2


def test_without_amounts_nothing_is_degraded_and_no_number_is_drawn(face):
    rng = np.random.default_rng(1)
    assert degrade(face, Jitter(variants=1), rng) is face
    assert rng.random() == np.random.default_rng(1).random()


def test_blur_takes_detail_from_a_share_of_the_variants(face):
    edges = np.abs(np.diff(face.astype(float))).mean()
    blurred = [sample for sample in degraded(face, range(400), blur=1.0) if sample is not face]
    assert len(blurred) / 400 == pytest.approx(BLURRED, abs=0.07)
    assert all(np.abs(np.diff(sample.astype(float))).mean() <= edges for sample in blurred)
    assert np.abs(np.mean([sample.mean() for sample in blurred]) - face.mean()) < 1


def test_noise_is_at_most_its_share_of_the_standard_deviation(face):
    added = [(sample.astype(float) - face).std() for sample in degraded(face, noise=0.3)]
    assert sum(value == 0 for value in added) > 10
    assert 0.15 * face.std() < max(added) < 0.33 * face.std()


def test_contrast_is_about_the_mean_and_clipped():
    sample = np.array([[80, 120], [80, 120]], np.uint8)
    for variant in degraded(sample, contrast=1.0):
        low, high = variant[0].astype(int)
        assert 10 <= 100 - low <= 40
        assert low + high == 200
    black_and_white = np.array([[0, 255], [0, 255]], np.uint8)
    assert min(variant[0, 0] for variant in degraded(black_and_white, contrast=1.0)) == 0


def test_jpeg_is_near_the_sample_at_high_quality(face):
    slight, strong = degraded(face, jpeg=5.0), degraded(face, jpeg=95.0)
    assert max(np.abs(sample.astype(int) - face).max() for sample in slight) <= 10
    assert max(np.abs(sample.astype(int) - face).mean() for sample in strong) > 10


def test_occlusion_covers_one_corner_with_one_level(face):
    corners = set()
    for variant in degraded(face, range(200), occlusion=0.5):
        rows, columns = np.nonzero(variant != face)
        if not len(rows):
            continue
        block = variant[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        top, left = rows.min() == 0, columns.min() == 0
        assert max(block.shape) <= 12
        assert np.median(block) == np.bincount(block.ravel()).argmax()
        if min(block.shape) > 3:
            corners.add((top, left))
            assert (block == np.median(block)).mean() > 0.9
    assert len(corners) == 4


def test_copies():
    assert Jitter().copies == 1
    assert Jitter(variants=2).copies == 3
    assert Jitter(variants=2, mirror=True).copies == 6
