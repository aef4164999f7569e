"""Frames of a video as images, and boxes between two that are annotated."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from fercli.common.errors import OptionError, VideoError
from fercli.labeling import BoxOutput, ImageAnnotation, open_store
from fercli.labeling.app import create_app
from fercli.labeling.images import Suggestion
from fercli.labeling.session import AnnotateSettings, open_session
from fercli.labeling.video import (
    FrameTracker,
    extract_frames,
    follow,
    joined_suggestions,
    pair_boxes,
)

from .moving_object import EVERY, FRAMES, SIZE, place, scene, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "walk.avi")


def save(store, number, *boxes, **said):
    revision = store.annotation(number, SIZE).revision(store.names[number])
    store.save(number, ImageAnnotation(boxes, **said), revision, SIZE)


def tracked(tmp_path, video):
    extract_frames(video, tmp_path / "info_frames", EVERY)
    store = open_store(BoxOutput(tmp_path / "info.dat", tmp_path / "info_frames"))
    return store, FrameTracker(store)


def test_every_tenth_frame_is_an_image(video, tmp_path):
    folder = tmp_path / "frames"
    assert extract_frames(video, folder, EVERY) == 5
    names = sorted(path.name for path in folder.glob("*.jpg"))
    assert names == [f"walk-{number:06d}.jpg" for number in range(0, FRAMES, EVERY)]
    image = cv2.imread(str(folder / "walk-000020.jpg"))
    assert np.abs(image.astype(int) - scene(20, np.random.default_rng(0))).mean() < 8
    # Those that are there stay as they are; others are not mixed with them.
    (folder / "walk-000000.jpg").write_bytes(b"mine")
    assert extract_frames(video, folder, EVERY) == 5
    assert (folder / "walk-000000.jpg").read_bytes() == b"mine"
    with pytest.raises(OptionError, match=r"holds every 10th frame of walk\.avi"):
        extract_frames(video, folder, 5)


def test_a_run_that_was_interrupted_is_begun_anew(video, tmp_path):
    folder = tmp_path / "frames"
    extract_frames(video, folder, EVERY)
    source = json.loads((folder / "frames.json").read_text())
    (folder / "frames.json").write_text(json.dumps({**source, "complete": False}))
    (folder / "walk-000040.jpg").unlink()
    assert extract_frames(video, folder, EVERY) == 5
    assert (folder / "walk-000040.jpg").exists()


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / "walk.mp4").write_bytes(b"no video")
    for name in ("walk.mp4", "missing.mp4"):
        with pytest.raises(VideoError):
            extract_frames(tmp_path / name, tmp_path / "frames")
    assert not (tmp_path / "frames").exists()


def test_the_object_is_found_between_two_frames(video, tmp_path):
    store, tracker = tracked(tmp_path, video)
    save(store, 0, place(0))
    assert tracker.suggestions(2) == []  # nothing is known of what follows
    save(store, 4, place(40), done=False)
    assert tracker.suggestions(2) == []
    save(store, 4, place(40))
    for number in (1, 2, 3):
        (found,) = tracker.suggestions(number)
        assert np.abs(np.subtract(found.box_xywh, place(10 * number))).max() <= 2
    # A straight way would have been 37 pixels off, more than the object is wide.
    assert place(20)[0] + 35 < (place(0)[0] + place(40)[0]) / 2
    save(store, 2, place(20))
    (found,) = tracker.suggestions(3)
    assert np.abs(np.subtract(found.box_xywh, place(30))).max() <= 2


def test_where_nothing_looks_like_the_object_the_way_is_straight():
    blank = np.full(SIZE[::-1], 90, np.uint8)
    assert follow([blank] * 3, (10, 20, 30, 30), (50, 40, 40, 30), 0.25) == (20, 25, 32, 30)
    outside = follow([blank] * 3, (-60, 20, 30, 30), (-50, 20, 30, 30), 0.5)
    assert outside is None


def test_an_object_at_the_border_and_one_larger_than_the_image():
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, SIZE[::-1], np.uint8)
    assert follow([image] * 3, (0, 0, 30, 30), (0, 0, 30, 30), 0.5) == (0, 0, 30, 30)
    whole = (0, 0, *SIZE)
    assert follow([image] * 3, whole, whole, 0.5) == whole
    assert follow([image] * 3, (-20, -20, 300, 300), whole, 0.5) == whole


@pytest.mark.parametrize(
    ("first", "last", "wanted"),
    [
        ([((0, 0, 9, 9), "")], [((5, 0, 9, 9), "")], [((0, 0, 9, 9), (5, 0, 9, 9), "")]),
        ([((0, 0, 9, 9), "a")], [((5, 0, 9, 9), "b")], []),
        ([((0, 0, 9, 9), "")], [((5, 0, 30, 9), "")], []),  # more than three times as wide
        ([((0, 0, 9, 9), ""), ((40, 0, 9, 9), "")], [((38, 0, 9, 9), "")],
         [((40, 0, 9, 9), (38, 0, 9, 9), "")]),
        ([], [((5, 0, 9, 9), "")], []),
    ],
)  # fmt: skip
def test_boxes_of_one_object_are_paired(first, last, wanted):
    assert pair_boxes(first, last) == wanted


def test_a_cascade_adds_what_was_not_followed():
    followed = Suggestion((0, 0, 20, 20), 1.0)
    same, other = (Suggestion((x, 0, 20, 20), 3.0, cascade="") for x in (3, 60))
    assert joined_suggestions([followed], [same, other]) == [followed, other]
    assert joined_suggestions([], [same]) == [same]
    assert joined_suggestions([followed], []) == [followed]


def test_the_page_of_a_video(video, tmp_path):
    session = open_session(AnnotateSettings(video, tmp_path / "info.dat", every=EVERY))
    client = create_app(session).test_client()
    for number, frame in ((0, 0), (4, 40)):
        body = client.get(f"/api/v1/images/{number}").get_json()
        body |= {"boxes": [place(frame)], "done": True}
        assert client.put(f"/api/v1/images/{number}", json=body).status_code == 200
    answer = client.get("/api/v1/images/2/suggestions").get_json()
    assert np.abs(np.subtract(answer["boxes"], [place(20)])).max() <= 2
    assert (answer["cascades"], answer["rounds"]) == ([None], [0])
    assert 'data-tracks="true"' in client.get("/").text
    # A training reads the frames beside the annotation.
    text = (tmp_path / "info.dat").read_text()
    assert text.startswith("info_frames/walk-000000.jpg 1 10 40 32 32\n")
