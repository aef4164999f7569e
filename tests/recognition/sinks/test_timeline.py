"""The timeline."""

import os

import cv2
import numpy as np
import pytest

from fercli.recognition.results import (
    FrameFaces,
)
from fercli.recognition.sinks.timeline import Timeline
from fercli.recognition.sources.frames import Frame

CLASSES = ("angry", "happy", "neutral")


def frame_faces(at, *faces, rate=10):
    image = np.zeros((4, 4, 3), np.uint8)
    return FrameFaces(Frame(at, at / rate, image), faces)


def test_timeline_joins_frames_and_has_gaps(tmp_path, make_face):
    timeline = Timeline(CLASSES)
    for at in [*range(10), *range(30, 40)]:
        timeline.add(frame_faces(at, make_face(probabilities=(0, at % 2, 1 - at % 2)), rate=20))
    seconds, probabilities = timeline.curve(1)
    assert np.isnan(probabilities).any(axis=1).sum() == 1
    assert np.nanmax(np.abs(probabilities[:, 1] - 0.5)) == 0  # two frames a bin: their mean
    assert np.diff(seconds).max() == pytest.approx(1.1)
    timeline.save(tmp_path / "plot.png", "a title")
    assert cv2.imread(str(tmp_path / "plot.png")).shape[1] > 1000
    Timeline(CLASSES).save(tmp_path / "empty.png", "nobody in " + os.fsdecode(b"\xe4.mp4"))


def test_who_is_looked_for_now_and_then_is_seen_on_the_timeline(tmp_path, make_face):
    timeline = Timeline(CLASSES)
    for at in range(3):  # farther apart than a gap: no line joins them
        timeline.add(frame_faces(at, make_face(), rate=0.5))
    timeline.save(tmp_path / "plot.png", "a title")
    plot = cv2.imread(str(tmp_path / "plot.png"))[:, :1100].astype(int)  # less the legend
    happy = np.abs(plot - (0x00, 0x5E, 0xD5)).max(axis=2) < 40  # vermilion, the second color
    assert len(np.unique(np.flatnonzero(happy.any(axis=0)) // 100)) == 2


def test_a_long_timeline_stays_small(make_face):
    timeline = Timeline(CLASSES)
    for second in range(7200):
        timeline.add(frame_faces(second, make_face(), rate=1))
    assert len(timeline.curve(1)[0]) <= 601
