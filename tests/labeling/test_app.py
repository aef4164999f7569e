"""The page of annotation and what it asks for: coordinates, conflicts, odd images, safety."""

from __future__ import annotations

import logging
import re
import socket

import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.cascade.model import bundled_cascade
from fercli.common.images import read_color
from fercli.labeling.app import create_app, make_server
from fercli.labeling.session import AnnotateSettings, open_session


@pytest.fixture
def photos(make_image, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        make_image(f"photos/{name}", 80, 60)
    return tmp_path / "photos"


@pytest.fixture
def make_annotator(photos, tmp_path):
    """Return a client of the page: ``make_annotator(review=True, cascade=…)``."""

    def make(out="info.dat", **settings):
        session = open_session(AnnotateSettings(photos, tmp_path / out, **settings))
        return create_app(session).test_client()

    return make


@pytest.fixture
def annotator(make_annotator):
    return make_annotator()


def image(client, number=0):
    return client.get(f"/api/v1/images/{number}").get_json()


def put(client, number=0, **said):
    body = {**image(client, number), "done": True, **said}
    return client.put(f"/api/v1/images/{number}", json=body)


def refused(response, status, text):
    assert response.status_code == status
    assert text in response.get_json()["error"]["reason"]


def test_boxes_are_kept_in_the_file(annotator, tmp_path):
    assert image(annotator)["state"] == "unseen"
    answer = put(annotator, boxes=[[1, 2, 30, 40], [5, 6, 7, 8]])
    assert (answer.status_code, answer.get_json()["state"]) == (200, "done")
    assert (tmp_path / "info.dat").read_text() == "photos/a.png 2 1 2 30 40 5 6 7 8\n"
    put(annotator, 1, negative=True)
    assert (tmp_path / "bg.txt").read_text() == f"{tmp_path / 'photos' / 'b.png'}\n"
    listed = annotator.get("/api/v1/images").get_json()["images"]
    assert listed == [["a.png", "done", 2], ["b.png", "negative", 0], ["c.png", "unseen", 0]]


def test_two_clients_do_not_overwrite_each_other(annotator, tmp_path):
    first = image(annotator)
    put(annotator, boxes=[[1, 2, 30, 40]])
    late = annotator.put("/api/v1/images/0", json={**first, "boxes": [[9, 9, 9, 9]]})
    refused(late, 409, "a.png was changed elsewhere")
    current = late.get_json()["current"]
    assert current["boxes"] == [[1, 2, 30, 40]]
    assert "1 2 30 40" in (tmp_path / "info.dat").read_text()
    again = {**first, "boxes": [[9, 9, 9, 9]], "revision": current["revision"]}
    assert annotator.put("/api/v1/images/0", json=again).status_code == 200
    assert image(annotator)["boxes"] == [[9, 9, 9, 9]]


@pytest.mark.parametrize("depth", [800, 950, 960, 970, 980, 990, 5000])
@pytest.mark.parametrize("field", ["boxes", "revision"])
def test_json_that_is_nested_too_deeply_is_refused(annotator, field, depth):
    nested = "[" * depth + "]" * depth
    fields = {"name": '"a.png"', "revision": '"0"', "boxes": "[]", field: nested}
    body = "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
    answer = annotator.put("/api/v1/images/0", data=body, content_type="application/json")
    assert answer.status_code in (400, 422)


def test_a_page_of_an_earlier_start_writes_to_no_other_image(annotator):
    body = {**image(annotator), "name": "z.png", "boxes": [[1, 1, 1, 1]]}
    refused(annotator.put("/api/v1/images/0", json=body), 410, "load the page again")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"boxes": [[1, 2, 3]]}, "Expected integers x, y, width, height, got [1, 2, 3]"),
        ({"boxes": [[1, 2, 3, 4.5]]}, "Expected integers"),
        ({"boxes": [[1, 2, 0, 4]]}, "Expected integers"),
        ({"boxes": [[1, 2, True, 4]]}, "Expected integers"),
        ({"boxes": [[80, 2, 3, 4]]}, "is outside the image"),
        ({"boxes": [[10**30, 2, 3, 4]]}, "Expected integers"),
        ({"boxes": "x"}, "must be a list"),
        ({"boxes": [[0, 0, 1, 1]] * 10_001}, "at most 10000"),
        ({"boxes": [[1, 2, 3, 4]], "negative": True}, "must have no boxes"),
        ({"ignored": [[1]]}, "Expected integers"),
        ({"ignored": [[1, 2, 3, 4]], "reasons": [4]}, "Expected a reason for each ignored box"),
        ({"ignored": [[1, 2, 3, 4]], "reasons": [True]}, "Expected a reason for each"),
        ({"reasons": [1]}, "Expected a reason for each"),
    ],
)
def test_what_is_no_box_is_refused(annotator, tmp_path, said, text):
    refused(put(annotator, **said), 422, text)
    assert not (tmp_path / "info.dat").exists()


def test_boxes_that_are_not_counted_need_a_place(make_annotator, tmp_path):
    said = {"boxes": [[1, 2, 3, 4]], "ignored": [[5, 5, 9, 9]], "reasons": [1]}
    refused(put(make_annotator(), **said), 422, "The format info has no place for boxes that are")
    voc = make_annotator("voc", format="voc")
    refused(put(voc, **said), 422, "The format voc has no place for boxes that are to be ignored")
    assert put(voc, **said | {"reasons": [2]}).status_code == 200
    client = make_annotator("boxes.csv")
    assert put(client, **said).status_code == 200
    assert (tmp_path / "boxes.csv").read_text() == (
        "path,x,y,w,h,ignored\nphotos/a.png,1,2,3,4,\nphotos/a.png,5,5,9,9,1\n"
    )
    said = {"ignored": [[5, 5, 9, 9]], "reasons": [1], "negative": True}
    refused(put(client, 1, **said), 422, "must have no boxes")


def test_odd_requests_are_answered(annotator):
    refused(
        annotator.put("/api/v1/images/0", data="no JSON"), 400, "The body must be a JSON object"
    )
    refused(annotator.put("/api/v1/images/0", json=[1]), 400, "The body must be a JSON object")
    refused(annotator.get("/api/v1/images/3"), 404, "There is no image 3")
    assert annotator.get("/api/v1/images/-1").status_code == 404
    huge = {"data": b" " * (2 << 20), "content_type": "application/json"}
    assert annotator.put("/api/v1/images/0", **huge).status_code == 413


def test_a_full_disk_is_named_and_nothing_changes(annotator, tmp_path):
    put(annotator, boxes=[[1, 2, 30, 40]])
    (tmp_path / "info.dat").unlink()
    (tmp_path / "info.dat").mkdir()
    refused(put(annotator, boxes=[[1, 2, 30, 41]]), 422, "cannot be written")
    assert image(annotator)["boxes"] == [[1, 2, 30, 40]]


@pytest.mark.parametrize("turn", range(1, 9))
def test_coordinates_are_those_of_the_rest_of_fer(photos, make_annotator, turn):
    """An image turned by EXIF is shown, and measured, as training reads it."""
    pixels = np.zeros((40, 90, 3), np.uint8)
    pixels[:20, :45] = 255
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(pixels).save(photos / "a.jpg", exif=exif, quality=95)
    client = make_annotator()
    read = read_color(photos / "a.jpg")
    known = image(client)
    assert (known["height"], known["width"]) == read.shape[:2]
    sent = client.get("/api/v1/images/0/image").data
    assert b"Exif" not in sent
    shown = cv2.imdecode(np.frombuffer(sent, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(shown.astype(int) - read).mean() < 2


def test_large_images_are_sent_smaller_and_measured_whole(photos, make_annotator):
    cv2.imwrite(str(photos / "a.jpg"), np.zeros((100, 5000), np.uint8))
    client = make_annotator()
    assert image(client)["width"] == 5000
    data = np.frombuffer(client.get("/api/v1/images/0/image").data, np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (82, 4096, 3)
    data = np.frombuffer(client.get("/api/v1/images/0/thumbnail").data, np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (3, 144, 3)


def test_images_are_kept_by_the_browser_until_they_change(annotator):
    first = annotator.get("/api/v1/images/0/image")
    tag = {"If-None-Match": first.headers["ETag"]}
    assert annotator.get("/api/v1/images/0/image", headers=tag).status_code == 304


def test_an_unreadable_image_is_said_so(photos, make_annotator):
    (photos / "a.jpg").write_bytes(b"no image")
    client = make_annotator()
    assert client.get("/api/v1/images").get_json()["images"][0][1] == "unseen"
    refused(client.get("/api/v1/images/0"), 422, "neither OpenCV nor Pillow can decode")
    for what in ("image", "thumbnail", "suggestions"):
        status = client.get(f"/api/v1/images/0/{what}").status_code
        assert status == (200 if what == "suggestions" else 422)  # no cascade, nothing to look for
    assert client.get("/api/v1/images").get_json()["images"][0][1] == "unreadable"


def test_suggestions_are_what_the_cascade_finds(portrait, photos, make_annotator):
    cv2.imwrite(str(photos / "a.png"), portrait)
    client = make_annotator(cascade=bundled_cascade())
    (box,) = client.get("/api/v1/images/0/suggestions").get_json()["boxes"]
    assert 60 < box[0] < 120
    assert client.get("/api/v1/images/1/suggestions").get_json()["boxes"] == []
    assert image(client)["state"] == "unseen"


def test_a_review_lists_crops(portrait, photos, make_annotator, tmp_path):
    cv2.imwrite(str(photos / "a.png"), portrait)
    client = make_annotator("extra.txt", cascade=bundled_cascade(), review=True)
    boxes = client.get("/api/v1/images/0/suggestions").get_json()["boxes"]
    put(client, boxes=boxes)
    (crop,) = (tmp_path / "extra.txt").read_text().splitlines()
    assert crop.startswith(str(tmp_path / "extra_crops"))
    assert "Review false alarms" in client.get("/").text


# Who may come in, and what browsers are told


def test_another_name_for_this_machine_is_refused(annotator):
    refused(annotator.get("/api/v1/images", headers={"Host": "evil.example"}), 421, "localhost")


def test_other_sites_may_not_write(annotator):
    headers = {"Sec-Fetch-Site": "cross-site"}
    body = {**image(annotator), "boxes": [[1, 1, 5, 5]]}
    refused(annotator.put("/api/v1/images/0", json=body, headers=headers), 403, "of another site")
    assert annotator.get("/api/v1/images/0/image", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/api/v1/images", "/api/v1/images/0/image", "/nothing"])
def test_headers(annotator, path):
    headers = annotator.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(make_annotator):
    for client in (
        make_annotator(),
        make_annotator("e.txt", cascade=bundled_cascade(), review=True),
    ):
        text = client.get("/").text
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text)
        assert re.findall(r'(?:src|href)="(?!/|#)[^"]*"', text) == []


def test_requests_that_wait_for_a_thread_are_no_news(annotator):
    queue = logging.getLogger("waitress.queue")
    queue.setLevel(logging.NOTSET)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        make_server(annotator.application, listener).close()
    assert not queue.isEnabledFor(logging.WARNING)
