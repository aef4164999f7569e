import cv2
import numpy as np
import pytest

from fercli.cascade.features.integral_images import IntegralImages, integral_rows
from fercli.cascade.features.sample_matrix import to_sample_matrix
from fercli.common.parallel import KernelPool


@pytest.mark.parametrize("size_wh", [(12, 12), (7, 10), (10, 7)])
def test_equal_to_cv2(rng, size_wh):
    width, height = size_wh
    samples = rng.integers(0, 256, (5, height, width), np.uint8)
    images = IntegralImages(to_sample_matrix(samples), tilted=True, pool=KernelPool(1)).of(
        np.arange(5)
    )
    rows = integral_rows(size_wh, tilted=False)
    for column, sample in enumerate(samples):
        upright, _, tilted = cv2.integral3(sample)
        assert (images[:rows, column].reshape(upright.shape) == upright).all()
        assert (images[rows:, column].reshape(tilted.shape) == tilted).all()


def test_columns_are_those_that_are_asked_for(rng):
    samples = rng.integers(0, 256, (4, 6, 5), np.uint8)
    images = IntegralImages(to_sample_matrix(samples), tilted=False, pool=KernelPool(2))
    chosen = images.of(np.array([3, 1, 1]), keep=True)
    assert (chosen[-1] == samples.sum(axis=(1, 2))[[3, 1, 1]]).all()
    assert images.of(np.array([3, 1, 1])) is chosen
    assert images.of(np.array([0, 2])).shape == (6 * 7, 2)


def test_brightest_possible_window_does_not_overflow():
    samples = np.full((1, 64, 64), 255, np.uint8)
    images = IntegralImages(to_sample_matrix(samples), tilted=True, pool=KernelPool(1)).of(
        np.array([0])
    )
    assert images[65 * 65 - 1, 0] == 64 * 64 * 255
    assert images.min() == 0
