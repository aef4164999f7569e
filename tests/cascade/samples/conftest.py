import cv2
import numpy as np
import pytest

from fercli.cascade.samples.vec import write_vec


@pytest.fixture
def make_vec(tmp_path, rng):
    """Write random samples: ``make_vec("a.vec", count, width, height)`` gives path and samples."""

    def make(name="a.vec", count=10, width=6, height=5):
        samples = rng.integers(0, 256, (count, height, width), np.uint8)
        write_vec(tmp_path / name, samples)
        return tmp_path / name, samples

    return make


@pytest.fixture
def smooth_image(tmp_path):
    """An image 96 wide and 120 high without fine detail, so that ways to shrink it agree."""
    y, x = np.mgrid[0:120, 0:96]
    path = tmp_path / "object.png"
    cv2.imwrite(str(path), (90 + 100 * x / 96 + 40 * np.sin(y / 10)).astype(np.uint8))
    return path


@pytest.fixture
def make_backgrounds(tmp_path, make_image):
    """Write a list of textured backgrounds: ``make_backgrounds(count, width, height)``."""

    def make(count=12, width=90, height=70):
        paths = [make_image(f"scenes/{at}.png", width, height) for at in range(count)]
        (tmp_path / "bg.txt").write_text("".join(f"{path}\n" for path in paths))
        return tmp_path / "bg.txt"

    return make
