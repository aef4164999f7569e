import numpy as np
import pytest

from fercli.cascade.samples.scene import cut_window, read_background
from fercli.common.errors import ImageError


def test_windows_come_from_everywhere_at_all_scales(rng):
    y, x = np.mgrid[0:100, 0:200]
    columns, rows = x.astype(np.uint8), y.astype(np.uint8)
    lefts, widths = [], []
    for seed in range(400):
        across = cut_window(columns, (20, 20), np.random.default_rng(seed)).astype(int)
        down = cut_window(rows, (20, 20), np.random.default_rng(seed)).astype(int)
        assert np.abs(across - across[0]).max() <= 1
        assert np.abs(down - down[:, :1]).max() <= 1
        lefts.append(across[0, 0])
        widths.append((across[0, -1] - across[0, 0]) / 19 * 20)
    assert min(lefts) <= 2
    assert max(lefts) >= 165
    assert min(widths) == pytest.approx(20, abs=1)
    assert max(widths) == pytest.approx(100, abs=2)
    # Logarithmically uniform: half of them below the geometric mean.
    assert np.mean(np.array(widths) < (20 * 100) ** 0.5) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("size_wh", [(20, 20), (30, 7), (7, 30), (1, 1), (64, 48)])
def test_windows_have_the_size_whatever_its_shape(make_image, size_wh, rng):
    image = read_background(make_image("a.png", 64, 48), (1, 1))
    for _ in range(50):
        assert cut_window(image, size_wh, rng).shape == size_wh[::-1]


def test_a_image_of_the_windows_size_is_the_window(rng):
    image = rng.integers(0, 256, (10, 12), np.uint8)
    np.testing.assert_array_equal(cut_window(image, (12, 10), rng), image)


@pytest.mark.parametrize("least", [(65, 10), (10, 49)])
def test_small_backgrounds_are_named(make_image, least):
    with pytest.raises(ImageError, match=r"is 64x48; expected at least"):
        read_background(make_image("a.png", 64, 48), least)
