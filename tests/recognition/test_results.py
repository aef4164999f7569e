"""Results: summaries of people, and reports."""

import json

import numpy as np

from fercli.recognition.results import (
    FrameFaces,
    InputResult,
    Summary,
    complaints,
    to_dict,
    to_text,
)
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.inputs import Input

CLASSES = ("angry", "happy", "neutral")
BLACK = np.zeros((4, 4, 3), np.uint8)


def frame_faces(at, *faces, rate=10):
    image = np.zeros((4, 4, 3), np.uint8)
    return FrameFaces(Frame(at, at / rate, image), faces)


def test_summary(make_face):
    summary = Summary()
    for at in range(10):
        label = "happy" if at < 7 else "neutral"
        summary.add(frame_faces(at, make_face(label=label), make_face(person=2, seen=at == 0)))
    summary.add(frame_faces(10))
    plain = summary.to_dict()
    assert plain["people"][0]["expressions"] == {"happy": 0.7, "neutral": 0.3}
    assert (plain["frames"], plain["frames_with_faces"], plain["faces"]) == (11, 10, 11)
    text = summary.to_text(CLASSES)
    assert "70%" in text
    assert "and 1 seen for less than 0.5 s" in text
    assert text.endswith("11 frames, 11 analyzed: 10 with faces, 1 without")


def test_shares_are_of_time_where_the_rate_varies(make_face):
    summary = Summary()
    for seconds, label in ((0, "happy"), (0.1, "happy"), (0.2, "happy"), (0.3, "neutral")):
        summary.add(FrameFaces(Frame(0, seconds, BLACK), (make_face(label=label),)))
    summary.add(FrameFaces(Frame(0, 0.7, BLACK), ()))
    summary.add(FrameFaces(Frame(0, 0.9, BLACK, duration=0.3), (make_face(label="angry"),)))
    summary.finish()
    (person,) = summary.to_dict()["people"]
    # happy 3 × 0.1 s, neutral 0.4 s, nobody 0.2 s, angry as long as its frame says: 1.0 s
    assert person["expressions"] == {"neutral": 0.4, "happy": 0.3, "angry": 0.3}
    assert person["seconds"] == 1.0


def test_a_frame_that_is_skipped_belongs_to_the_one_before(make_face):
    summary = Summary()
    for at, label in enumerate(("happy", None, None, "neutral")):  # every third
        shown = (make_face(label=label or "happy", seen=label is not None),)
        summary.add(FrameFaces(Frame(at, at / 10, BLACK), shown, analyzed=label is not None))
    summary.finish()  # the last lasts as long as the one before: 0.3 s
    assert summary.to_dict()["people"][0]["expressions"] == {"happy": 0.5, "neutral": 0.5}


def test_one_frame_has_all_of_the_time(make_face):
    summary = Summary()
    summary.add(frame_faces(0, make_face()))
    summary.finish()
    assert summary.to_dict()["people"][0]["expressions"] == {"happy": 1.0}


def test_results_of_streams_hold_no_password(make_face):
    source = Input("rtsp://admin:secret@cam:554/s/1?token=secret", "stream")
    result = InputResult(source, summary=Summary(), notes=["broken off"])
    result.summary.add(frame_faces(0, make_face()))
    text = "\n".join([to_text([result], CLASSES), *complaints([result])])
    assert "rtsp://cam:554/s/1\n" in text
    assert "fer: rtsp://cam:554/s/1: broken off" in text
    (plain,) = to_dict([result], CLASSES)
    assert plain["source"] == "rtsp://cam:554/s/1"
    assert "secret" not in text + json.dumps(plain)


def test_an_input_interrupted_before_its_first_frame_is_no_failure():
    result = InputResult(Input("rtsp://door/s", "stream"), summary=Summary())
    assert to_text([result], CLASSES).endswith("0 frames, 0 analyzed: 0 with faces, 0 without")
    failed = InputResult(Input("a.mp4", "video"), summary=Summary(), error="a.mp4: no video")
    assert to_text([failed], CLASSES) == "1 of 1 input could not be read"
