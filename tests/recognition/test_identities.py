"""People: who is who, and what is smoothed."""

import cv2
import numpy as np
import pytest

from fercli.recognition import identities as identities_module
from fercli.recognition.identities import DRAWN, REMEMBERED, Gallery, Identities, describe

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


def face(seed, *, lighter=0.0):
    """A face as the model gets it: a pattern of its own."""
    rng = np.random.default_rng(seed)
    pattern = cv2.resize(rng.uniform(40, 160, (8, 8)).astype(np.float32), (48, 48))
    noise = np.random.default_rng(99).normal(0, 1, pattern.shape)
    return np.uint8(pattern * (1 + lighter) + noise)[None, ..., None]


def test_a_person_is_known_again_by_appearance():
    here, elsewhere = boxes((0, 0, 40, 40)), boxes((300, 90, 60, 60))
    people_seen = Identities(lambda answer: "happy", 0.0, appearance=True)
    assert people(people_seen.update(0.0, here, HAPPY[None], face(1))) == [1]
    people_seen.reset()  # a cut
    both = boxes((0, 0, 40, 40), (300, 90, 60, 60))
    crops = np.concatenate([face(2), face(1, lighter=0.3)])
    faces = people_seen.update(0.1, both, np.stack([HAPPY, SAD]), crops)
    assert {one.person: one.box_xywh[0] for one in faces} == {1: 300, 2: 0}
    # long after: by the look, and not by the place
    faces = people_seen.update(60.0, elsewhere, HAPPY[None], face(2, lighter=-0.2))
    assert people(faces) == [2]
    # looks far apart: the place is enough
    assert people(people_seen.update(61.5, elsewhere, HAPPY[None], face(3))) == [2]
    # out of sight, and somebody else in the place
    nobody = boxes(), np.empty((0, 2), np.float32), np.empty((0, 48, 48, 1), np.uint8)
    for seconds in (61.6, 61.8):
        people_seen.update(seconds, *nobody)
    assert people(people_seen.update(61.9, elsewhere, HAPPY[None], face(4))) == [3]


def naive_description(gray):
    """Histograms of uniform patterns, pixel by pixel."""
    codes = sorted(
        code for code in range(256)
        if sum((code >> at & 1) != (code >> (at + 1) % 8 & 1) for at in range(8)) <= 2
    )  # fmt: skip
    counts = np.zeros((4, 4, 59))
    around = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    for y in range(1, 47):
        for x in range(1, 47):
            code = sum((gray[y + dy, x + dx] >= gray[y, x]) << at
                       for at, (dy, dx) in enumerate(around))  # fmt: skip
            which = codes.index(code) if code in codes else 58
            counts[(y - 1) * 4 // 46, (x - 1) * 4 // 46, which] += 1
    return np.sqrt(counts.ravel() / 46**2)


def test_descriptions_are_those_of_the_paper():
    crop = face(5)
    smoothed = cv2.GaussianBlur(crop[0, ..., 0], (3, 3), 0)
    assert np.allclose(describe(crop[0]), naive_description(smoothed), atol=1e-6)
    look = describe(crop[0])
    assert look @ look == pytest.approx(1)
    assert look @ describe(face(5, lighter=0.2)[0]) > look @ describe(face(6)[0])
    colors = np.repeat(crop[0], 3, axis=2)
    assert colors.shape == (48, 48, 3)
    assert np.allclose(describe(colors), look)


def test_a_gallery_is_bounded(monkeypatch):
    monkeypatch.setattr(identities_module, "GALLERY", 3)
    gallery = Gallery()
    looks = [describe(face(seed)[0]) for seed in range(12)]
    for person, look in enumerate(looks[:4]):
        gallery.add(person, look)
    assert gallery.find([looks[0]], ()) == {}  # seen longest ago
    assert gallery.find([looks[3], looks[3]], ()) == {0: 3}  # each person once
    assert gallery.find([looks[3]], [3]) == {}
    for look in looks[3:] * 2:
        gallery.add(3, look)
    assert len(gallery._looks[3]) == identities_module.LOOKS
