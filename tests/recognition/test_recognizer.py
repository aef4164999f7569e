import copy
import threading

import cv2
import numpy as np
import pytest

from fercli.common.errors import ImageError, OptionError
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
    with pytest.raises(ImageError, match="Expected several images, got one of the shape"):
        recognizer.recognize_many(portrait)


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


@pytest.mark.parametrize(
    ("options", "smallest"),
    [
        # 1/50 of 1000 is less than the window of the cascade
        (RecognitionOptions(), 24),
        # a window of 24 pixels at 1280 of 2000 pixels: 24 × 2000 / 1280 = 37.5
        (RecognitionOptions(min_face=20, resolution=1280), 38),
        # the image stays as large as needed
        (RecognitionOptions(min_face=30), 30),
        (RecognitionOptions(min_face=20), 24),
    ],
)
def test_the_smallest_face_that_is_detected(options, smallest):
    recognizer = Recognizer(options=options)
    assert recognizer.smallest_face(np.zeros((1000, 2000, 3), np.uint8)) == smallest


def test_small_faces_are_detected_where_they_are_asked_for(portrait):
    small = cv2.resize(portrait, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    image = np.full((1500, 2400, 3), 90, np.uint8)
    image[700 : 700 + small.shape[0], 900 : 900 + small.shape[1]] = small  # a face of 36 pixels
    assert Recognizer(min_face=75).recognize(image) == []
    (face,) = Recognizer().recognize(image)  # from 1/50 of 1500 on
    assert 30 < face.box_xywh[2] < 48


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            RecognitionOptions,
            {"min_neighbors": 2**31},
            "`min_neighbors`: expected 0 to 2147483647, got",
        ),
        (RecognitionOptions, {"min_face": 2**31}, "`min_face`: expected 1 to 2147483647, got"),
        (RecognitionOptions, {"resolution": 9}, r"`resolution`: expected 32 to .*, got 9"),
        (VideoOptions, {"start": 3, "end": 2.5}, r"`end` 2.5 s must come after `start` 3 s"),
        (VideoOptions, {"smooth": float("nan")}, "`smooth`: expected 0 or more, got nan"),
    ],
)
def test_options_out_of_range_are_named(kind, options, message):
    with pytest.raises(OptionError, match=message):
        kind(**options)


def test_a_copy_shares_cascade_and_model(recognizer):
    copied = copy.copy(recognizer)
    assert copied._model is recognizer._model
    assert copied._search is recognizer._search
