"""Faces drawn on images."""

import cv2
import numpy as np
import pytest

from fercli.recognition.sinks import window
from fercli.recognition.sinks.draw import Annotator, draw_faces
from fercli.recognition.sinks.window import Window

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


GRAY = 128


def untouched(drawn, box):
    """Whether the inside of a face, less the line around it, is as it was."""
    x, y, width, height = box
    return bool((drawn[y + 6 : y + height - 5, x + 6 : x + width - 5] == GRAY).all())


def dimmed(drawn):
    """Where the backgrounds of panels are."""
    return (drawn == int(GRAY * 0.35)).all(axis=2)


@pytest.mark.parametrize("size_wh", [(320, 240), (640, 360), (1920, 1080)])
def test_labels_and_bars_cover_no_face_where_there_is_room(size_wh, make_face):
    width, height = size_wh
    side = height // 5
    image = np.full((height, width, 3), GRAY, np.uint8)
    boxes = [(width * at // 8, height // 3, side, side) for at in (0, 3, 6)]
    faces = [make_face(box=box, person=at) for at, box in enumerate(boxes, 1)]
    drawn = draw_faces(image, faces, CLASSES, bars=True, strip="auto")
    factor = drawn.shape[0] // height
    assert drawn.shape[1] == factor * width  # no strip
    assert all(untouched(drawn, [factor * value for value in box]) for box in boxes)
    groups, *_ = cv2.connectedComponents(
        cv2.dilate(dimmed(drawn).astype(np.uint8), np.ones((9, 9)))
    )
    assert groups - 1 == 3


def test_bars_without_room_are_in_a_strip_of_an_image(make_face):
    image = np.full((480, 640, 3), GRAY, np.uint8)
    box = (2, 2, 636, 476)
    drawn = draw_faces(image, [make_face(box=box)], CLASSES, bars=True, strip="auto")
    assert drawn.shape > image.shape
    assert not dimmed(drawn).any()
    covered = (drawn[6:475, 6:635] != GRAY).any(axis=2).mean()
    assert covered < 0.06  # a label inside, since there is no other place


def test_faces_that_touch_have_their_labels_beside_or_shortened(make_face):
    image = np.full((480, 640, 3), GRAY, np.uint8)
    boxes = [(120 + 60 * (at % 6), 120 + 60 * (at // 6), 58, 58) for at in range(24)]
    faces = [make_face(box=box, person=at) for at, box in enumerate(boxes, 1)]
    drawn = draw_faces(image, faces, CLASSES)
    for x, y, width, height in boxes:
        inside = drawn[y + 4 : y + height - 3, x + 4 : x + width - 3]
        assert (inside != GRAY).any(axis=2).mean() < 0.25  # a number at most


def test_all_frames_with_a_strip_are_of_one_size(make_face):
    image = np.full((360, 640, 3), GRAY, np.uint8)
    annotator = Annotator(CLASSES, strip="always")
    drawn = [
        annotator.draw(image, [make_face(box=(9, 9, 30, 30), person=at + 1) for at in range(count)])
        for count in (0, 1, 5, 60)
    ]
    assert len({one.shape for one in drawn}) == 1
    assert not any(dimmed(one[:360, :640]).any() for one in drawn)
    assert annotator.without_room == 0


def test_bars_stay_on_their_side_of_a_face_that_moves(make_face):
    image = np.full((360, 640, 3), GRAY, np.uint8)
    annotator = Annotator(CLASSES, bars=True)
    # Too near to the right edge at first; later there would be room on both sides.
    sides = []
    for x in (540, 400, 250):
        drawn = annotator.draw(image, [make_face(box=(x, 100, 90, 90))])
        sides.append(int(np.flatnonzero(dimmed(drawn).any(axis=0)).mean()) < x)
    assert sides == [True, True, True]
    fresh = draw_faces(image, [make_face(box=(250, 100, 90, 90))], CLASSES, bars=True)
    assert np.flatnonzero(dimmed(fresh).any(axis=0)).mean() > 250


def test_frames_without_room_for_bars_are_counted(make_face):
    annotator = Annotator(CLASSES, bars=True)
    annotator.draw(np.full((480, 640, 3), GRAY, np.uint8), [make_face(box=(0, 0, 640, 480))])
    assert annotator.without_room == 1


@pytest.fixture
def closed_with_its_x(monkeypatch):
    """A cv2 whose last window someone closes: Qt's raises when asked for it from then on."""

    def gone(*args):
        raise cv2.error("NULL guiReceiver (please create a window)")

    monkeypatch.setattr(window, "_require_windows", lambda: None)
    for name in ("namedWindow", "imshow"):
        monkeypatch.setattr(cv2, name, lambda *args: None)
    monkeypatch.setattr(cv2, "waitKey", lambda delay: -1)
    for name in ("getWindowProperty", "destroyWindow"):
        monkeypatch.setattr(cv2, name, gone)


@pytest.mark.parametrize("wait", [False, True])
def test_a_window_closed_with_its_x_ends_in_good_order(closed_with_its_x, wait):
    with Window() as shown:
        assert not shown.show(np.zeros((4, 4, 3), np.uint8), wait=wait)
