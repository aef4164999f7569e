"""People: who is who, and what is smoothed."""

import numpy as np
import pytest

from fercli.recognition.pipeline import LatestOnly, prefetch
from fercli.recognition.tracking import DRAWN, REMEMBERED, Identities, SceneCuts

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
