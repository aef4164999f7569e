import cv2
import numpy as np
import pytest

from fercli.annotations.base import AnnotatedImage
from fercli.cascade.detection.detector import Detector


@pytest.fixture(scope="session")
def face(face_cascade, astronaut):
    """The box that the cascade gives the astronaut's face."""
    (box,) = Detector(face_cascade).detect(astronaut).boxes_xywh[:1].tolist()
    return tuple(box)


@pytest.fixture
def make_annotated(tmp_path, astronaut):
    """Write the astronaut's image and annotate it: ``make_annotated("a.png", box, …)``."""

    def make(name, *boxes, ignored=(), image=astronaut):
        cv2.imwrite(str(tmp_path / name), image)
        return AnnotatedImage(tmp_path / name, boxes, tuple(ignored))

    return make


@pytest.fixture
def blank(make_annotated):
    """An image of nothing, in which nothing is."""
    return make_annotated("blank.png", image=np.full((60, 80), 127, np.uint8))
