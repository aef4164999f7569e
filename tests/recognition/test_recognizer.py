import threading

import cv2
import numpy as np
import pytest

from fercli.common.errors import OptionError
from fercli.recognition.options import RecognitionOptions, VideoOptions
from fercli.recognition.recognizer import Recognizer
from fercli.recognition.results import UNCLEAR


def contains(face, x, y):
    left, top, width, height = face.box_xywh
    return left <= x <= left + width and top <= y <= top + height


def test_a_face_and_what_it_shows(recognizer, portrait):
    (face,) = recognizer.recognize(portrait)
    assert contains(face, 112, 105)  # between her eyes
    assert face.label == "happy"
    assert face.probabilities.sum() == pytest.approx(1, abs=1e-3)
    assert face.person == 1
    assert face.seen
    plain = face.to_dict(recognizer.classes)
    assert list(plain["probabilities"]) == list(recognizer.classes)


def test_many_images_have_the_same_faces_as_each_alone(recognizer, portrait):
    blank = np.zeros_like(portrait)
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    together = recognizer.recognize_many([portrait, blank, gray])
    assert [len(faces) for faces in together] == [1, 0, 1]
    assert together[0][0].box_xywh == recognizer.recognize(portrait)[0].box_xywh
    assert recognizer.recognize_many([]) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (23, 23), (40, 2000)])
def test_images_too_small_for_a_face(recognizer, shape):
    assert recognizer.recognize(np.full((*shape, 3), 90, np.uint8)) == []


def test_large_images_are_searched_small_and_boxes_are_theirs(recognizer, portrait):
    large = cv2.resize(portrait, None, fx=12, fy=12)
    (face,) = recognizer.recognize(large)
    assert contains(face, 12 * 112, 12 * 105)
    assert face.label == "happy"


def test_options_choose_faces(portrait):
    pair = np.hstack([portrait, cv2.copyMakeBorder(portrait[::2, ::2], 0, 90, 0, 0, 0)])
    assert len(Recognizer().recognize(pair)) == 2
    assert len(Recognizer(options=RecognitionOptions(largest=True)).recognize(pair)) == 1
    assert len(Recognizer(options=RecognitionOptions(min_face=80)).recognize(pair)) == 1
    (face,) = Recognizer(options=RecognitionOptions(threshold=1.0)).recognize(portrait)
    assert face.label == UNCLEAR


def test_threads_share_a_recognizer(recognizer, portrait):
    expected = recognizer.recognize(portrait)[0].box_xywh
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(recognizer.recognize(portrait)[0].box_xywh))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (RecognitionOptions, {"min_face": 0}),
        (RecognitionOptions, {"threshold": float("nan")}),
        (RecognitionOptions, {"margin": 5.0}),
        (RecognitionOptions, {"scale_factor": 1.0}),
        (VideoOptions, {"every": 0}),
        (VideoOptions, {"start": 2.0, "end": 1.0}),
        (VideoOptions, {"smooth": float("nan")}),
        (VideoOptions, {"batch": 0}),
    ],
)
def test_options_out_of_range(kind, options):
    with pytest.raises(OptionError, match=r"`\w+`: expected .*, got|must come after"):
        kind(**options)
