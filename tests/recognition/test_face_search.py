"""Faces of images: search, tracking around a box, joining windows."""

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


def boxes(*values):
    return np.array(values, np.int32).reshape(-1, 4)


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
