"""Scene cuts, and pipelines of threads."""

import numpy as np

from fercli.recognition.pipeline import LatestOnly, prefetch
from fercli.recognition.tracking import SceneCuts


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
