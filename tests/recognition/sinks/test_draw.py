"""Faces drawn on images."""

import cv2
import numpy as np
import pytest

from fercli.recognition.sinks import draw
from fercli.recognition.sinks.draw import Window, draw_faces

CLASSES = ("angry", "happy", "neutral")


@pytest.mark.parametrize(
    "box", [(0, 0, 60, 60), (580, 0, 60, 60), (5, 420, 90, 90), (-9, -9, 660, 500)]
)
@pytest.mark.parametrize("bars", [False, True])
def test_labels_and_bars_stay_inside(box, bars, make_face):
    image = np.full((480, 640, 3), 128, np.uint8)
    drawn = draw_faces(image, [make_face(box=box)], CLASSES, bars=bars)
    assert drawn.shape == image.shape
    assert (image == 128).all()
    assert (drawn != image).any()
    # White letters: a whole label is somewhere.
    assert (drawn > 200).all(axis=2).sum() > 50


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (120, 160), (9, 2000)])
def test_images_of_any_size_are_drawn_on(shape, make_face):
    drawn = draw_faces(np.zeros((*shape, 3), np.uint8), [make_face()], CLASSES, bars=True)
    factor = drawn.shape[0] // shape[0]
    assert drawn.shape == (factor * shape[0], factor * shape[1], 3)
    assert factor == {(120, 160): 3, (9, 2000): 1}.get(shape, 4)


@pytest.fixture
def closed_with_its_x(monkeypatch):
    """A cv2 whose last window someone closes: Qt's raises when asked for it from then on."""

    def gone(*args):
        raise cv2.error("NULL guiReceiver (please create a window)")

    monkeypatch.setattr(draw, "_require_windows", lambda: None)
    for name in ("namedWindow", "imshow"):
        monkeypatch.setattr(cv2, name, lambda *args: None)
    monkeypatch.setattr(cv2, "waitKey", lambda delay: -1)
    for name in ("getWindowProperty", "destroyWindow"):
        monkeypatch.setattr(cv2, name, gone)


@pytest.mark.parametrize("wait", [False, True])
def test_a_window_closed_with_its_x_ends_in_good_order(closed_with_its_x, wait):
    with Window() as shown:
        assert not shown.show(np.zeros((4, 4, 3), np.uint8), wait=wait)
