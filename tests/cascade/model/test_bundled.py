from pathlib import Path

import pytest
import skimage.data

from fercli.cascade.detection.detector import Detector
from fercli.cascade.model import bundled
from fercli.common.errors import DependencyError
from fercli.common.images import read_color


def test_a_copy_without_it_says_what_to_give(monkeypatch, tmp_path):
    monkeypatch.setattr(bundled, "FRONTAL_FACE", tmp_path / "missing.xml")
    with pytest.raises(DependencyError, match=r"without its face cascade; try: give another"):
        bundled.bundled_cascade()


def test_it_finds_the_one_face_of_a_photograph():
    photograph = read_color(Path(skimage.data.__file__).parent / "astronaut.png")
    ((x, y, width, height),) = (
        Detector(bundled.bundled_cascade()).detect(photograph).boxes_xywh.tolist()
    )
    assert x < 202 < 246 < x + width  # her eyes
    assert y < 106 < y + height


def test_it_is_small():
    assert bundled.bundled_cascade().stat().st_size < 200_000
