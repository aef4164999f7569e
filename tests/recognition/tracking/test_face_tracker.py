"""People: who is who, and what is smoothed."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fercli.cascade.detection.detector import Detector
from fercli.cascade.model import read_cascade, write_cascade
from fercli.recognition import face_search
from fercli.recognition.face_search import (
    SAME_FACE,
    merge_windows,
    overlap,
    track_face,
    without_duplicates,
)
from fercli.recognition.pipeline import LatestOnly, prefetch
from fercli.recognition.tracking.face_tracker import SceneCuts
from fercli.recognition.tracking.identities import DRAWN, REMEMBERED, Identities

HAPPY, SAD = np.float32([1, 0]), np.float32([0, 1])


def tracks(smooth=0.0):
    return Identities(lambda answer: ("happy", "sad")[int(answer.argmax())], smooth)


def boxes(*values):
    return np.array(values, np.int32).reshape(-1, 4)


def people(faces):
    return [face.person for face in faces]


def test_people_who_cross_keep_their_numbers():
    people_seen = tracks()
    for at in range(11):
        left, right = (10 * at, 0, 40, 40), (200 - 10 * at, 60, 40, 40)
        faces = people_seen.update(at / 20, boxes(right, left), np.stack([SAD, HAPPY]))
        assert {face.person: face.label for face in faces} == {1: "sad", 2: "happy"}


@pytest.mark.parametrize(
    ("box", "person"),
    [
        ((10, 0, 40, 40), 1),  # a quarter of its side away
        ((30, 0, 40, 40), 2),  # three quarters
        ((0, 0, 60, 60), 1),  # half as large again
        ((0, 0, 90, 90), 2),  # more than twice as large
    ],
)
def test_who_is_the_same(box, person):
    people_seen = tracks()
    people_seen.update(0.0, boxes((0, 0, 40, 40)), HAPPY[None])
    faces = people_seen.update(0.05, boxes(box), HAPPY[None])
    assert [face.person for face in faces if face.seen] == [person]


def test_people_out_of_sight_are_drawn_for_a_moment_and_remembered_longer():
    people_seen = tracks()
    people_seen.update(0.0, boxes((0, 0, 40, 40)), HAPPY[None])
    (held,) = people_seen.update(DRAWN, boxes(), np.empty((0, 2), np.float32))
    assert (held.person, held.seen) == (1, False)
    assert people_seen.update(DRAWN + 0.01, boxes(), np.empty((0, 2), np.float32)) == ()
    back = people_seen.update(REMEMBERED, boxes((5, 0, 40, 40)), HAPPY[None])
    assert people(back) == [1]
    later = people_seen.update(2 * REMEMBERED + 0.1, boxes((5, 0, 40, 40)), HAPPY[None])
    assert people(later) == [2]


def test_probabilities_are_smoothed_by_time_and_not_by_frames():
    for step in (0.05, 0.1):
        people_seen = tracks(smooth=0.5)
        for at in np.arange(0, 2.01, step):
            answer = HAPPY if at == 0 else SAD
            (face,) = people_seen.update(float(at), boxes((0, 0, 40, 40)), answer[None])
        assert face.probabilities[0] == pytest.approx(np.exp(-2 / 0.5), rel=1e-3)
    people_seen = tracks(smooth=0)
    people_seen.update(0.0, boxes((0, 0, 40, 40)), HAPPY[None])
    (face,) = people_seen.update(0.1, boxes((2, 0, 40, 40)), SAD[None])
    assert face.probabilities.tolist() == [0, 1]
    assert face.box_xywh == (2, 0, 40, 40)


def test_still_boxes_do_not_tremble_and_moving_ones_are_not_left_behind():
    people_seen = tracks(smooth=0.3)
    people_seen.update(0.0, boxes((0, 0, 100, 100)), HAPPY[None])
    (still,) = people_seen.update(0.05, boxes((2, 0, 100, 100)), HAPPY[None])
    (moved,) = people_seen.update(0.1, boxes((20, 0, 100, 100)), HAPPY[None])
    assert still.box_xywh[0] <= 1
    assert moved.box_xywh[0] >= 19


def test_shares_of_boxes_by_hand():
    others = boxes((5, 0, 10, 10), (20, 0, 10, 10), (0, 0, 40, 40))
    assert overlap(np.int32([0, 0, 10, 10]), others).tolist() == [0.5, 0, 1]
    assert len(without_duplicates(boxes((0, 0, 40, 40), (1, 1, 10, 10), (30, 0, 40, 40)))) == 2
    assert without_duplicates(boxes()).shape == (0, 4)


def test_windows_that_share_a_face_are_joined():
    windows = boxes((90, 90, 20, 20), (0, 0, 40, 40), (4, 0, 44, 40), (8, 0, 48, 40))
    assert merge_windows(windows).tolist() == [[4, 0, 44, 40], [90, 90, 20, 20]]
    assert merge_windows(boxes()).shape == (0, 4)


def merged_slowly(windows):
    means, left = [], windows
    while len(left):
        same = np.array([overlap(box, left) > SAME_FACE for box in left])
        largest = same[int(same.sum(axis=1).argmax())]
        means.append(left[largest].mean(axis=0))
        left = left[~largest]
    return np.rint(np.array(means).reshape(-1, 4)).astype(np.int32)


@pytest.mark.parametrize("size", [20, 60])
def test_windows_are_joined_as_by_comparing_again_for_each_group(rng, monkeypatch, size):
    corners, sides = rng.integers(0, 300, (200, 2)), rng.integers(size // 2, 2 * size, (200, 1))
    windows = np.hstack([corners, sides, sides]).astype(np.int32)
    expected = merged_slowly(windows)
    compared = []
    monkeypatch.setattr(face_search, "overlap", lambda *args: compared.append(1) or overlap(*args))
    assert merge_windows(windows).tolist() == expected.tolist()
    assert len(expected) > 5
    assert len(compared) == len(windows)


@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_windows_that_are_not_square_are_looked_for_in_their_own_shape(
    face_cascade, tmp_path, portrait, shape
):
    cascade = read_cascade(face_cascade)
    width, height = cascade.size_wh
    tall = shape == "tall"
    # The face is in the upper or left half; what is in the other does not matter.
    size = (width, 2 * height) if tall else (2 * width, height)
    write_cascade(tmp_path / "half.xml", replace(cascade, size_wh=size))
    detector = Detector(tmp_path / "half.xml")
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    gray = cv2.copyMakeBorder(gray, 0, 180, 0, 240, cv2.BORDER_REPLICATE)
    x, y, side = 68, 60, 90
    box = (x, y, side, 2 * side) if tall else (x, y, 2 * side, side)
    found = track_face(detector, gray, box, scale_factor=1.1, min_neighbors=3)
    assert len(found)
    assert overlap(np.int32(box), found)[0] > 0.7
    assert len(track_face(detector, 0 * gray + 90, box, scale_factor=1.1, min_neighbors=0)) == 0


def test_cuts(rng):
    scenes = SceneCuts()
    one, other = (rng.integers(0, 255, (9, 16), np.uint8).repeat(20, 0).repeat(20, 1) for _ in "12")
    flat = np.full_like(one, 9)
    images = [one, one, np.roll(one, 4, 1), other, other // 2, flat, flat, one]
    answers = [scenes.is_new(image) for image in images]
    assert answers == [False, False, False, True, False, False, False, False]


def test_run_ahead_is_bounded():
    taken = []

    def source():
        for at in range(100):
            taken.append(at)
            yield at

    items = prefetch(source(), 3)
    assert next(items) == 0
    items.close()
    assert len(taken) <= 6


def test_the_newest_of_a_source_that_is_faster():
    import time

    def source():
        for at in range(50):
            time.sleep(0.002)
            yield at

    seen = []
    for item in LatestOnly(source()):
        seen.append(item)
        time.sleep(0.02)
    assert seen == sorted(seen)
    assert len(seen) < 40
    assert seen[-1] >= 45


def test_a_person_keeps_the_number_where_frames_are_far_apart():
    identities = Identities(lambda probabilities: "happy", smooth=0.3)
    box, answers = np.array([[10, 10, 40, 40]], np.int32), np.ones((1, 3), np.float32) / 3
    seen = [identities.update(at * 2.4, box, answers)[0].person for at in range(8)]
    assert seen == [1] * 8
    # away for more than three looks
    nobody = np.empty((0, 4), np.int32), np.empty((0, 3), np.float32)
    for at in range(8, 12):
        assert identities.update(at * 2.4, *nobody) == ()
    assert identities.update(12 * 2.4, box, answers)[0].person == 2
