"""Faces drawn on images."""

import numpy as np
import pytest

from fercli.recognition.results import (
    Face,
)
from fercli.recognition.sinks.draw import draw_faces

CLASSES = ("angry", "happy", "neutral")


def face(box=(10, 20, 30, 30), probabilities=(0.1, 0.7, 0.2), person=1, label="happy", seen=True):
    return Face(box, np.float32(probabilities), label, person, seen)


@pytest.mark.parametrize(
    "box", [(0, 0, 60, 60), (580, 0, 60, 60), (5, 420, 90, 90), (-9, -9, 660, 500)]
)
@pytest.mark.parametrize("bars", [False, True])
def test_labels_and_bars_stay_inside(box, bars):
    image = np.full((480, 640, 3), 128, np.uint8)
    drawn = draw_faces(image, [face(box=box)], CLASSES, bars=bars)
    assert drawn.shape == image.shape
    assert (image == 128).all()
    assert (drawn != image).any()
    # White letters: a whole label is somewhere.
    assert (drawn > 200).all(axis=2).sum() > 50


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (120, 160), (9, 2000)])
def test_images_of_any_size_are_drawn_on(shape):
    drawn = draw_faces(np.zeros((*shape, 3), np.uint8), [face()], CLASSES, bars=True)
    factor = drawn.shape[0] // shape[0]
    assert drawn.shape == (factor * shape[0], factor * shape[1], 3)
    assert factor == {(120, 160): 3, (9, 2000): 1}.get(shape, 4)
