"""The summary file and its thumbnails."""

import base64
import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.common.errors import OptionError
from fercli.recognition.results import FrameFaces, InputResult, Summary, VideoFaces
from fercli.recognition.sinks.summary import require_summary_suffix, write_summary
from fercli.recognition.sources.frames import Frame
from fercli.recognition.sources.inputs import Input
from fercli.recognition.thumbnails import SIDE, Thumbnails, encode_face

CLASSES = ("angry", "happy", "neutral")


@pytest.fixture
def results(make_face):
    """A video of ten frames a second, of which a person is in four and another in one; an image."""
    summary = Summary(thumbnails=True)
    green = np.full((60, 80, 3), (0, 200, 0), np.uint8)
    for at, label in enumerate(("happy", "happy", "happy", "angry", None)):
        faces = (make_face(label=label),) if label else ()
        if at == 1:
            faces += (make_face(box=(50, 30, 20, 20), person=2, label="neutral"),)
        summary.add(FrameFaces(Frame(at, at / 10, green), faces))
    summary.finish()
    image = InputResult(Input("=a.jpg", "image"), [make_face(label="unclear")])
    image.thumbnails = Thumbnails()
    image.thumbnails.add_image(green, image.faces)
    return [InputResult(Input("a.mp4", "video"), summary=summary), image]


def decoded(address):
    assert address.startswith("data:image/jpeg;base64,")
    content = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
    return cv2.imdecode(content, cv2.IMREAD_COLOR)


def test_json_has_shares_times_and_thumbnails(tmp_path, results):
    write_summary(tmp_path / "s.json", results, CLASSES)
    plain = json.loads((tmp_path / "s.json").read_text())
    video, image = plain["inputs"]
    first, second = video["people"]
    assert (first["first_seconds"], first["last_seconds"], first["seconds"]) == (0, 0.3, 0.4)
    assert (first["share"], second["share"]) == (0.8, 0.2)  # of 0.5 s
    assert first["expressions"] == {"happy": 0.75, "angry": 0.25}
    assert set(first["thumbnails"]) == {"happy", "angry"}
    assert decoded(first["thumbnails"]["angry"]).shape == (SIDE, SIDE, 3)
    assert set(image["faces"][0]["thumbnails"]) == {"unclear"}
    assert plain["classes"] == list(CLASSES)


def test_csv_has_a_row_a_person(tmp_path, results):
    write_summary(tmp_path / "s.csv", results, CLASSES)
    first, second, image = csv.DictReader((tmp_path / "s.csv").read_text().splitlines())
    assert first == {
        "source": "a.mp4", "person": "1", "first_seconds": "0.000", "last_seconds": "0.300",
        "frames": "4", "seconds": "0.400", "share": "0.8000", "expression": "happy",
        "angry": "0.2500", "happy": "0.7500", "neutral": "0.0000", "unclear": "0.0000",
    }  # fmt: skip
    assert (second["person"], second["neutral"]) == ("2", "1.0000")
    assert (image["source"], image["seconds"], image["unclear"]) == ("./=a.jpg", "", "1.0000")


def test_the_clearest_face_is_kept(make_face):
    kept = Thumbnails()
    for level, probability in ((50, 0.5), (200, 0.9), (100, 0.7)):
        face = make_face(probabilities=(0, probability, 1 - probability))
        kept.add(FrameFaces(Frame(0, 0, np.full((60, 80, 3), level, np.uint8)), (face,)))
    assert abs(int(decoded(kept.of(1)["happy"]).mean()) - 200) < 3
    assert kept.of(2) == {}


@pytest.mark.parametrize("box", [(-10, -10, 30, 30), (70, 50, 40, 40), (0, 0, 80, 40)])
def test_a_face_over_the_edge_fills_its_thumbnail(box):
    content = encode_face(np.full((60, 80, 3), 150, np.uint8), box)
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (SIDE, SIDE, 3)
    assert abs(image.astype(int) - 150).max() < 3  # the edge, no black


def test_other_suffixes_are_refused():
    with pytest.raises(OptionError, match=r"ends in \.json or \.csv, got a\.txt"):
        require_summary_suffix(Path("a.txt"))


def test_a_summary_grows_with_the_frames(make_face):
    frames = (FrameFaces(Frame(at, at / 10, np.zeros((4, 4, 3), np.uint8)), (make_face(),))
              for at in range(3))  # fmt: skip
    video = VideoFaces(frames, Summary())
    next(video)
    assert video.summary.people[1].frames == 1
    assert len(list(video)) == 2
    assert video.summary.watched == pytest.approx(0.3)
    video.close()
    assert video.summary.watched == pytest.approx(0.3)  # not counted again
