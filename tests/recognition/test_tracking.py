"""Tracking, scene cuts, and pipelines of threads."""

import cv2
import numpy as np

from fercli.recognition import recognizer as recognizer_module
from fercli.recognition.pipeline import LatestOnly, prefetch
from fercli.recognition.sources.frames import Frame
from fercli.recognition.tracking import FaceTracker, SceneCuts


def test_a_face_that_no_search_confirms_is_dropped_after_a_second(portrait, monkeypatch):
    monkeypatch.setattr(recognizer_module, "TRACKING_FEWER_NEIGHBORS", 15)
    recognizer = recognizer_module.Recognizer(min_neighbors=20)
    tracker = FaceTracker(recognizer, 0.1)
    ((upright,),) = tracker.process([Frame(0, 0.0, portrait)], detect=True)
    center, size_wh = tuple((upright[:2] + upright[2:] / 2).tolist()), portrait.shape[1::-1]

    def only_tracked(image):
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        near = recognizer.track(gray, [upright])
        sure = recognizer.track(gray, near, strict=True), recognizer.detect(gray, quick=True)
        return len(near) and not any(map(len, sure))

    turns = (cv2.getRotationMatrix2D(center, angle, 1) for angle in range(20, 30))
    images = (cv2.warpAffine(portrait, turn, size_wh, borderMode=1) for turn in turns)
    doubtful = next(filter(only_tracked, images))
    seen = [tracker.process([Frame(at, at / 10, doubtful)], detect=True)[0] for at in range(1, 15)]
    assert [len(boxes) for boxes in seen] == [1] * 10 + [0] * 4


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
