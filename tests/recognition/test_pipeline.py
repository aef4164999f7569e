"""Frames through the pipeline."""

import time
from contextlib import closing
from fractions import Fraction

import cv2
import numpy as np
import psutil
import pytest

from fercli.common.errors import ImageError, VideoError
from fercli.recognition.options import VideoOptions
from fercli.recognition.pipeline import recognize_frames
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.video_file import VideoFile


def look(recognizer, path, live=False, **options):
    with VideoFile(path) as video:
        return list(
            recognize_frames(recognizer, video.frames(), VideoOptions(**options), live=live)
        )


def test_one_person_keeps_a_number_and_is_found_in_each_frame(recognizer, video):
    seen = look(recognizer, video)
    assert [one.frame.number for one in seen] == list(range(24))
    assert [face.person for one in seen for face in one.found] == [1] * 24
    left = [one.found[0].box_xywh[0] for one in seen]
    assert left[-1] - left[0] == pytest.approx(46, abs=8)
    assert all(one.found[0].label == "happy" for one in seen)


def test_as_many_faces_as_a_full_search_of_each_frame(recognizer, video):
    full = look(recognizer, video, search_interval=0, smooth=0)
    quick = look(recognizer, video, smooth=0)
    for one, other in zip(full, quick, strict=True):
        assert len(one.found) == len(other.found) == 1
        assert np.abs(np.subtract(one.found[0].box_xywh, other.found[0].box_xywh)).max() < 20


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_the_batch_changes_nothing(recognizer, video, batch):
    one, other = look(recognizer, video), look(recognizer, video, batch=batch)
    assert [f.faces[0].box_xywh for f in one] == [f.faces[0].box_xywh for f in other]


def test_frames_passed_over_carry_the_last_faces(recognizer, video):
    seen = look(recognizer, video, every=5)
    assert [one.frame.number for one in seen if one.analyzed] == [0, 5, 10, 15, 20]
    assert all(len(one.faces) == 1 for one in seen)
    assert all(not one.found for one in seen if not one.analyzed)


def test_a_face_that_appears_between_two_searches_is_found_back(recognizer, portrait):
    blank = np.full_like(portrait, 90)
    blank[::7] = 100  # some structure, so that it is no new scene
    blank = np.where(portrait > 0, portrait, 0).astype(np.uint8)
    blank[40:170, 50:180] = 90
    images = [blank] * 3 + [portrait] * 5
    frames = [Frame(at, at / 20, image) for at, image in enumerate(images)]
    seen = list(recognize_frames(recognizer, frames, VideoOptions(search_interval=0.2)))
    assert [len(one.found) for one in seen] == [0, 0, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(("identities", "back"), [("appearance", True), ("off", False)])
def test_a_cut_leaves_no_ghosts_and_who_comes_back_is_known(recognizer, portrait, identities, back):
    images = [portrait] * 4 + [255 - portrait[::-1]] * 4 + [portrait] * 4
    frames = [Frame(at, at / 20, image) for at, image in enumerate(images)]
    seen = list(recognize_frames(recognizer, frames, VideoOptions(identities=identities)))
    assert [[face.person for face in one.faces] for one in seen[:4]] == [[1]] * 4
    assert all(face.person != 1 for one in seen[4:8] for face in one.faces)
    assert all((face.person == 1) == back for one in seen[8:] for face in one.faces)
    assert all(one.found for one in seen[8:])


def test_live_frames_are_answered_and_may_be_dropped(recognizer, video):
    seen = look(recognizer, video, live=True)
    numbers = [one.frame.number for one in seen]
    assert numbers == sorted(set(numbers))
    assert all(len(one.faces) == 1 for one in seen)


@pytest.mark.slow
def test_memory_stays_the_same_however_long_a_video_is(recognizer, portrait):
    # A large frame, so that a few kept ones would show.
    large = cv2.resize(portrait, (1280, 720))
    frames = (Frame(at, at / 25, large.copy()) for at in range(400))
    process, sizes = psutil.Process(), []
    for one in recognize_frames(recognizer, frames, VideoOptions(every=10)):
        if one.frame.number % 50 == 49:
            sizes.append(process.memory_info().rss)
    assert max(sizes[2:]) - sizes[1] < 80e6  # 30 frames


def test_few_frames_are_underway_where_they_are_large(recognizer):
    taken, large = [], np.zeros((2160, 3840, 3), np.uint8)

    def endless():
        while True:
            taken.append(Frame(len(taken), len(taken) / 25, large))
            yield taken[-1]

    with closing(recognize_frames(recognizer, endless(), VideoOptions(search_interval=60))) as seen:
        next(seen)
        before = 0
        while len(taken) > before:  # until all that may run ahead has
            before = len(taken)
            time.sleep(0.2)
    assert before < 32  # four times as many of smaller ones


def test_closing_ends_the_threads_and_the_source(recognizer, portrait):
    closed = []

    def endless():
        try:
            at = 0
            while True:
                yield Frame(at, at / 20, portrait)
                at += 1
        finally:
            closed.append(True)

    seen = recognize_frames(recognizer, endless())
    next(seen)
    seen.close()
    assert closed == [True]


def test_an_error_in_the_middle_closes_the_source(recognizer, portrait):
    closed = []

    def source():
        try:
            for at in range(100):
                yield Frame(at, at / 20, portrait if at < 30 else portrait.astype(np.float64))
        finally:
            closed.append(True)

    with pytest.raises(ImageError, match="float64"):
        list(recognize_frames(recognizer, source()))
    assert closed == [True]


def test_errors_of_the_source_come_after_its_frames(recognizer, portrait):
    def broken():
        yield Frame(0, 0.0, portrait)
        raise VideoError("unplugged")

    seen = recognize_frames(recognizer, broken())
    assert next(seen).frame.number == 0
    with pytest.raises(VideoError, match="unplugged"):
        next(seen)


def test_faces_of_mirrored_video_and_of_pixels_that_are_not_square(
    recognizer, portrait, make_video, tmp_path, with_matrix
):
    plain = make_video(tmp_path / "plain.mp4", [portrait] * 3)
    (face,) = look(recognizer, plain)[0].faces
    x, y, width, height = face.box_xywh
    mirrored = tmp_path / "mirrored.mp4"
    mirrored.write_bytes(with_matrix(plain.read_bytes(), -1, 0, 0, 1))
    (found,) = look(recognizer, mirrored)[0].faces
    assert found.box_xywh == pytest.approx((portrait.shape[1] - x - width, y, width, height), abs=6)
    # Half of the columns, twice as wide each: boxes are in the pixels of the file.
    narrow = cv2.resize(portrait, (portrait.shape[1] // 2, portrait.shape[0]))
    wide = make_video(tmp_path / "wide.mp4", [narrow] * 3, pixel_aspect=Fraction(2))
    (found,) = look(recognizer, wide)[0].faces
    assert found.box_xywh == pytest.approx((x / 2, y, width / 2, height), abs=5)
    assert found.label == face.label
    low = cv2.resize(portrait, (portrait.shape[1], portrait.shape[0] // 2))
    high = make_video(tmp_path / "high.mp4", [low] * 3, pixel_aspect=Fraction(1, 2))
    (found,) = look(recognizer, high)[0].faces
    assert found.box_xywh == pytest.approx((x, y / 2, width, height / 2), abs=5)
