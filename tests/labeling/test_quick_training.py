"""Train now and suggest: real trainings on drawn signs, and what became of suggestions."""

from __future__ import annotations

import json
import time

import cv2
import pytest
import skimage.data

from fercli.annotations.base import AnnotatedImage
from fercli.cascade.detection.detector import DEFAULTS
from fercli.common.errors import InputError, OptionError
from fercli.labeling import BoxOutput, ImageAnnotation, open_store
from fercli.labeling.app import create_app, session_of
from fercli.labeling.images import ImageCache
from fercli.labeling.quick_training import QuickTraining, window_for
from fercli.labeling.rounds import compare
from fercli.labeling.session import AnnotateSettings, open_session

SIZE = (240, 180)
ROUND = {
    "label": "", "boxes": 12, "images": 2, "stages": 5, "seconds": 2.5, "threshold": 0.5,
    "shown": {},
}  # fmt: skip


def training_in(folder, classes=(), **settings):
    """Return a store of `photos/` in a folder, and its quick training."""
    out = "boxes.csv" if classes else "info.dat"
    store = open_store(BoxOutput(folder / out, folder / "photos", None, classes), folder / "bg.txt")
    images = ImageCache(store.images)
    training = QuickTraining(store, images, folder / "info_cascade", detection=DEFAULTS, **settings)
    return store, images, training


def save(store, number, boxes, **said):
    revision = store.annotation(number, SIZE).revision(store.names[number])
    store.save(number, ImageAnnotation(tuple(boxes), **said), revision, SIZE)


def finish(training, seconds=300):
    """Wait for the end of a training, and return its state."""
    end = time.monotonic() + seconds
    while training.to_dict()["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.02)
    return training.to_dict()


@pytest.fixture
def photos(sign_photos):
    """The boxes of the signs in each photograph."""
    return sign_photos


@pytest.mark.slow
@pytest.mark.compiled
def test_a_cascade_of_a_dozen_boxes_finds_those_of_other_images(photos, tmp_path):
    store, images, training = training_in(tmp_path)
    for number in range(2):
        save(store, number, photos[number])
    training.start()
    with pytest.raises(OptionError, match="under way"):
        training.start()
    ended = finish(training)
    assert (ended["state"], ended["reason"]) == ("ready", "")
    (only,) = ended["rounds"]
    assert (only["boxes"], only["images"], only["number"]) == (12, 2, 1)
    assert 2 <= only["stages"] <= 20
    (finder,) = images.finders
    suggested = [each for each in images.suggestions(2) if each.score >= finder.threshold]
    right, corrected, added, _ = compare([each.box_xywh for each in suggested], photos[2])
    assert right + corrected >= 5
    assert added <= 1
    assert {each.round for each in suggested} == {1}
    # What becomes of them is counted once the image is finished, from the boxes as they are.
    training.note_shown(1, "2.png", [each.box_xywh for each in suggested])
    assert training.to_dict()["rounds"][0]["corrections"]["images"] == 0
    save(store, 2, [each.box_xywh for each in suggested][:-1])
    counts = training.to_dict()["rounds"][0]["corrections"]
    assert counts == {
        "images": 1, "right": len(suggested) - 1, "corrected": 0, "added": 0, "deleted": 1,
    }  # fmt: skip
    # A new start goes on with the cascade and the counts.
    _, again, restored = training_in(tmp_path)
    restored.restore()
    assert [each.box_xywh for each in again.suggestions(3)] == [
        each.box_xywh for each in images.suggestions(3)
    ]
    assert restored.to_dict()["rounds"][0]["corrections"] == counts
    # With no time left, the stages that are trained are enough.
    _, _, hurried = training_in(tmp_path, most_seconds=0)
    hurried.start()
    assert [each["stages"] for each in finish(hurried)["rounds"]] == [only["stages"], 1]


def test_a_training_that_is_canceled_leaves_nothing(photos, tmp_path):
    store, images, training = training_in(tmp_path)
    for number in range(2):
        save(store, number, photos[number])
    training.start()
    training.cancel()
    assert finish(training)["state"] == "cancelled"
    assert images.finders == ()
    assert not (tmp_path / "info_cascade").exists()
    training.close()


def test_too_little_is_said_plainly(photos, tmp_path):
    store, _, training = training_in(tmp_path)
    with pytest.raises(InputError, match="at least 11 boxes, there are 0 so far: draw 11 more"):
        training.start()
    save(store, 0, photos[0])
    save(store, 1, photos[1][:4])
    with pytest.raises(InputError, match="there are 10 so far: draw 1 more"):
        training.start()
    for number in range(2):
        save(store, number, photos[number], done=False)
    with pytest.raises(InputError, match=r"No image is finished yet.*Done, next"):
        training.start()
    assert training.to_dict()["state"] == "idle"


def test_other_backgrounds_do_where_no_image_is_finished(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    store, _, training = training_in(tmp_path, backgrounds=tmp_path / "empty")
    for number in range(2):
        save(store, number, photos[number], done=False)
    with pytest.raises(InputError, match="no background images"):
        training.start()
    cv2.imwrite(str(tmp_path / "empty" / "a.png"), skimage.data.camera())
    training.start()
    training.close()
    assert finish(training)["state"] == "cancelled"


def test_only_boxes_of_the_class_count(photos, tmp_path):
    store, _, training = training_in(tmp_path, classes=("sign", "hand"))
    save(store, 0, photos[0], labels=("sign",) * 5 + ("hand",))
    with pytest.raises(InputError, match="11 boxes of 'hand', there are 1 so far"):
        training.start("hand")


@pytest.mark.parametrize(
    ("shown", "boxes", "wanted"),
    [
        ([], [], (0, 0, 0, 0)),
        ([(0, 0, 10, 10)], [(0, 0, 10, 10)], (1, 0, 0, 0)),
        ([(0, 0, 10, 10)], [(2, 0, 10, 10)], (0, 1, 0, 0)),  # 80 of 120 pixels in common
        ([(0, 0, 10, 10)], [(4, 0, 10, 10)], (0, 0, 1, 1)),  # 60 of 140
        ([(0, 0, 9, 9), (20, 0, 9, 9)], [(20, 0, 9, 9), (40, 0, 9, 9)], (1, 0, 1, 1)),
    ],
)
def test_what_became_of_suggestions(shown, boxes, wanted):
    assert compare(shown, boxes) == wanted


@pytest.mark.parametrize(
    ("boxes", "wanted_wh", "window_wh"),
    [
        ([(0, 0, 50, 50), (0, 0, 60, 60)], None, (24, 24)),
        ([(0, 0, 40, 90)] * 3, None, (16, 36)),
        ([(0, 0, 300, 3)], None, (64, 12)),
        ([(0, 0, 50, 50)], (20, 30), (20, 30)),
        ([(0, 0, 50, 50)], (1, 1), (24, 24)),
        ([(0, 0, 50, 50)], (4, 9), (16, 36)),
    ],
)
def test_the_window_has_the_shape_of_the_boxes(tmp_path, boxes, wanted_wh, window_wh):
    assert window_for([AnnotatedImage(tmp_path, tuple(boxes))], wanted_wh) == window_wh


@pytest.mark.parametrize("text", ["{", "[]", '{"rounds": [{}]}', '{"rounds": 3}'])
def test_a_garbled_list_of_rounds_is_named(photos, tmp_path, text):
    (tmp_path / "info_cascade").mkdir()
    (tmp_path / "info_cascade" / "rounds.json").write_text(text)
    with pytest.raises(InputError, match="not the list of rounds"):
        training_in(tmp_path)


@pytest.fixture
def client(photos, tmp_path):
    """The page of four photographs, where a round was before."""
    (tmp_path / "info_cascade").mkdir()
    rounds = json.dumps({"rounds": [ROUND]})
    (tmp_path / "info_cascade" / "rounds.json").write_text(rounds)
    app = create_app(open_session(AnnotateSettings(tmp_path / "photos", tmp_path / "info.dat")))
    yield app.test_client()
    session_of(app).training.close()


def test_the_page_tells_what_was_suggested(client):
    def put(number, **said):
        body = {**client.get(f"/api/v1/images/{number}").get_json(), **said}
        assert client.put(f"/api/v1/images/{number}", json=body).status_code == 200
        return client.get("/api/v1/training").get_json()["rounds"][0]["corrections"]

    suggested = {"1": [[0, 0, 10, 10], [50, 50, 10, 10]]}
    begun = put(0, boxes=[[0, 0, 10, 10]], done=False, suggested=suggested)
    assert begun == {"images": 0, "right": 0, "corrected": 0, "added": 0, "deleted": 0}
    done = put(0, boxes=[[0, 0, 10, 10], [90, 0, 9, 9]], done=True, suggested=suggested)
    assert done == {"images": 1, "right": 1, "corrected": 0, "added": 1, "deleted": 1}
    assert put(1, negative=True, suggested={"1": []})["images"] == 2
    assert put(2, negative=True, suggested={"7": []})["images"] == 2  # no such round
    for odd in ({"x": []}, [], {"1": [[1]]}):
        body = {**client.get("/api/v1/images/3").get_json(), "suggested": odd}
        assert client.put("/api/v1/images/3", json=body).status_code == 422


def test_a_training_over_http(client, photos):
    def train(**said):
        answer = client.post("/api/v1/training", json=said)
        return answer.status_code, answer.get_json()

    status, answer = train()
    assert status == 422
    assert "draw 11 more" in answer["error"]["reason"]
    assert train(label="hand")[0] == 422
    for number in range(2):
        body = client.get(f"/api/v1/images/{number}").get_json()
        body |= {"boxes": photos[number], "done": True}
        client.put(f"/api/v1/images/{number}", json=body)
    status, answer = train(label="")
    assert (status, answer["state"]) == (202, "running")
    assert answer["progress"].keys() == {"stage", "stages", "text"}
    assert train()[0] == 409
    assert client.delete("/api/v1/training").status_code == 200
