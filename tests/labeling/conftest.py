"""Photographs with drawn signs, which a cascade learns in seconds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from fercli.demo import draw_sign

SIZE = (240, 180)


@pytest.fixture
def sign_photos(tmp_path):
    """The boxes of the signs in each of the four photographs that are written to `photos/`."""
    return write_photos(tmp_path / "photos")


def write_photos(folder, count=4):
    """Write parts of a photograph with six signs each, and return the boxes of the signs."""
    folder.mkdir()
    rng, scene, (sign, mask) = np.random.default_rng(1), skimage.data.camera(), draw_sign()
    truth = []
    for number in range(count):
        y, x = rng.integers(0, 300, 2)
        photo = np.ascontiguousarray(scene[y : y + SIZE[1], x : x + SIZE[0]])
        boxes = []
        for cell in range(6):
            side = int(rng.integers(36, 56))
            left, top = (int(rng.integers(0, most - side)) for most in (80, 90))
            box = left + cell % 3 * 80, top + cell // 3 * 90, side, side
            part = photo[box[1] : box[1] + side, box[0] : box[0] + side]
            drawn, alpha = (cv2.resize(each, (side, side)) for each in (sign, mask))
            noise = rng.normal(0, 4, part.shape)
            part[:] = np.where(alpha > 127, np.clip(0.9 * drawn + noise, 0, 255), part)
            boxes.append(box)
        cv2.imwrite(str(folder / f"{number}.png"), photo)
        truth.append(tuple(boxes))
    return truth
