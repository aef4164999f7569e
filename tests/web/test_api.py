"""The JSON API, asked as programs ask it."""

import csv
import io
import json
import re
import shutil
import time

import av
import cv2
import jsonschema
import numpy as np
import pytest
from openapi_spec_validator import validate

from fercli.models.catalog import bundled_models
from fercli.models.model_card import ModelSettings
from fercli.web import api
from fercli.web.api import description
from fercli.web.app import ServerSettings, create_app, services


def schema(name):
    return {"$ref": f"#/components/schemas/{name}", "components": description()["components"]}


def checked(response, name, status=200):
    """The answer of a response, which the description must have foreseen."""
    assert response.status_code == status, response.text
    jsonschema.validate(response.json, schema(name))
    return response.json


def reason(response, status):
    return checked(response, "Error", status)["error"]["reason"]


def wait_for(client, job, states=("done", "failed"), seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        known = checked(client.get(f"/api/v1/jobs/{job}"), "Job")
        if known["state"] in states:
            return known
        time.sleep(0.05)
    raise AssertionError(known)


def test_the_description_is_openapi_and_names_every_route(client):
    described = client.get("/api/v1/openapi.json").json
    validate(described)
    wanted = {
        (path, method) for path, item in described["paths"].items() for method in item
        if method != "parameters"
    }  # fmt: skip
    found = {
        (re.sub(r"<(any.*:)?(\w+)>", r"{\2}", rule.rule.removeprefix("/api/v1")), method.lower())
        for rule in client.application.url_map.iter_rules() if rule.rule.startswith("/api/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }  # fmt: skip
    assert found == wanted


def test_health_and_models(client):
    assert checked(client.get("/api/v1/health"), "Health")["model"] == "ferplus"
    (first, *_) = checked(client.get("/api/v1/models"), "Models")["models"]
    assert (first["name"], first["default"]) == ("ferplus", True)
    assert "happy" in first["classes"]


def test_a_image_as_the_body(client, jpeg):
    answer = checked(client.post("/api/v1/classify", data=jpeg), "Answer")
    (image,) = answer["images"]
    assert (image["width"], image["height"]) == (240, 180)
    (face,) = image["faces"]
    assert face["expression"] == "happy"
    assert list(face["probabilities"]) == answer["classes"]
    x, y, width, height = face["box"]
    assert x < 112 < x + width
    assert y < 105 < y + height


def test_several_images_of_a_form(client, jpeg, portrait):
    import cv2

    dark = cv2.imencode(".png", portrait * 0)[1].tobytes()
    files = {"image": [(io.BytesIO(jpeg), "../../etc/passwd"), (io.BytesIO(dark), "ü.png")]}
    answer = checked(client.post("/api/v1/classify", data=files), "Answer")
    assert [len(image["faces"]) for image in answer["images"]] == [1, 0]


def test_what_is_assumed_of_an_image_is_said(client, portrait):
    opaque = np.full((*portrait.shape[:2], 1), 255, np.uint8)
    opaque[:9] = 0
    data = cv2.imencode(".png", np.dstack([portrait, opaque]))[1].tobytes()
    (image,) = checked(client.post("/api/v1/classify", data=data), "Answer")["images"]
    assert image["notes"] == ["has transparent parts: they are shown on white"]
    assert len(image["faces"]) == 1


def test_the_model_is_chosen_by_name_alone(client, jpeg):
    answer = checked(client.post("/api/v1/classify?model=ferplus", data=jpeg), "Answer")
    assert answer["model"] == "ferplus"
    for name in ("nobody", "../ferplus", "/etc/passwd", "ferplus.onnx"):
        response = client.post("/api/v1/classify", query_string={"model": name}, data=jpeg)
        assert "There is no model" in reason(response, 404)


def test_a_video_from_upload_to_removal(client, video):
    added = client.post("/api/v1/jobs", data=video.read_bytes())
    job = checked(added, "Job", 202)["id"]
    assert added.headers["Location"] == f"/api/v1/jobs/{job}"
    known = wait_for(client, job)
    assert known["state"] == "done", known
    assert (known["frames"], known["total"]) == (24, 24)
    (person,) = known["summary"]["people"]
    assert person["expressions"]["happy"] > 0.9
    results = {name: client.get(path, buffered=True) for name, path in known["results"].items()}
    kinds = {name: response.mimetype for name, response in results.items()}
    assert (kinds["video"], kinds["timeline"]) == ("video/mp4", "image/png")
    assert (kinds["csv"], kinds["jsonl"]) == ("text/csv", "application/jsonl")
    with av.open(io.BytesIO(results["video"].data)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in container.decode(video=0)) == 24
    rows = list(csv.DictReader(io.StringIO(results["csv"].text)))
    assert len(rows) == 24
    lines = [json.loads(line) for line in results["jsonl"].text.splitlines()]
    assert [line["frame"] for line in lines] == list(range(24))
    # Nothing tells where the server keeps its files.
    assert {row["source"] for row in rows} == {line["source"] for line in lines} == {"video"}
    assert client.delete(f"/api/v1/jobs/{job}").status_code == 204
    assert "This result is no longer kept" in reason(client.get(f"/api/v1/jobs/{job}"), 404)


def test_settings_of_the_default_model_are_of_no_other(make_client, video, tmp_path):
    mine = shutil.copy(bundled_models()["ferplus"], tmp_path / "mine.onnx")
    said = ModelSettings(classes=list("abcdefgh"), size_wh=(48, 48), mean=127.5, std=127.5)
    client = make_client(model=str(mine), model_settings=said)
    recognizers = services(client.application).recognizers
    assert [recognizers.settings(name) for name in ("mine", "fer2013")] == [said, ModelSettings()]
    job = checked(client.post("/api/v1/jobs", data=video.read_bytes()), "Job", 202)["id"]
    known = wait_for(client, job)
    assert known["state"] == "done", known
    (person,) = known["summary"]["people"]
    assert max(person["expressions"], key=person["expressions"].get) == "e"


@pytest.fixture(scope="module")
def finished(video):
    """A client and the path of the video that a job has made."""
    app = create_app(ServerSettings(camera=""))
    client = app.test_client()
    form = {"video": (video.open("rb"), "face.mp4")}
    job = checked(client.post("/api/v1/jobs?bars=0", data=form), "Job", 202)["id"]
    yield client, wait_for(client, job)["results"]["video"]
    services(app).close()


def test_parts_of_a_video_for_browsers(finished):
    client, path = finished
    whole = client.get(path, buffered=True).data
    part = client.get(path, headers={"Range": "bytes=10-19"}, buffered=True)
    assert (part.status_code, part.data) == (206, whole[10:20])
    assert client.get(path, headers={"Range": "bytes=0-"}, buffered=True).data == whole
    assert client.get(path, headers={"Range": "bytes=9999999-"}, buffered=True).status_code == 416
    saved = client.get(f"{path}?download", buffered=True)
    assert "fer-video.mp4" in saved.headers["Content-Disposition"]


def test_the_rest_of_a_large_file_comes_in_parts(finished, monkeypatch):
    monkeypatch.setattr(api, "PART", 1000)
    client, path = finished
    whole = client.get(path, buffered=True).data
    parts = []
    while sum(map(len, parts)) < len(whole):
        start = sum(map(len, parts))
        headers = {"Range": f"bytes={start}-", "Sec-Fetch-Dest": "video"}
        part = client.get(path, headers=headers, buffered=True)
        assert part.headers["Content-Range"].endswith(f"/{len(whole)}")
        parts.append(part.data)
    assert b"".join(parts) == whole
    assert max(map(len, parts)) == 1000
    # A program that resumes a download gets all of the rest at once.
    rest = client.get(path, headers={"Range": "bytes=1500-"}, buffered=True)
    assert (rest.status_code, rest.data) == (206, whole[1500:])
    for odd in ("bytes=a-b", "lines=1-2", "bytes=0-1,5-9", "bytes", "bytes=9-2"):
        all_of_it = client.get(path, headers={"Range": odd}, buffered=True)
        assert (all_of_it.status_code, all_of_it.data) == (200, whole), odd


def test_a_video_that_cannot_be_read_fails_with_a_reason(client):
    begin = b"\0\0\0\x18ftypisom" + bytes(500)
    job = checked(client.post("/api/v1/jobs", data=begin), "Job", 202)["id"]
    known = wait_for(client, job)
    assert known["state"] == "failed"
    assert "cannot be read as a video" in known["error"]
    assert "/" not in known["error"].replace("/ ", "")
    assert "The video is not finished" in reason(client.get(f"/api/v1/jobs/{job}/video"), 409)


def test_frames_that_are_too_large(make_client, video):
    client = make_client(video_pixels=1000)
    job = checked(client.post("/api/v1/jobs", data=video.read_bytes()), "Job", 202)["id"]
    assert "got 240 × 180" in wait_for(client, job)["error"]


@pytest.mark.parametrize(
    ("path", "parameters", "text"),
    [
        ("classify", "min_faces=60", "There is no parameter `min_faces`; try: the parameters are"),
        ("classify", "min_face=19", "at least 20 pixels for `min_face`, got '19'"),
        ("classify", "min_face=²", "at least 20 pixels for `min_face`"),
        ("classify", "quick=yes", "Expected 0 or 1 for `quick`, got 'yes'"),
        ("jobs", "bars=2", "Expected 0 or 1 for `bars`, got '2'"),
        ("jobs", "quick=1", "There is no parameter `quick`"),
    ],
)
def test_parameters_that_would_be_ignored_are_refused(client, jpeg, path, parameters, text):
    assert text in reason(client.post(f"/api/v1/{path}?{parameters}", data=jpeg), 400)


def test_every_operation_tells_of_the_refusals_that_any_request_may_get(client):
    for path in client.get("/api/v1/openapi.json").json["paths"].values():
        for method, operation in path.items():
            if method != "parameters":
                assert {"400", "403", "421", "429"} <= set(operation["responses"])


def test_the_smallest_face_is_chosen_and_told(client, portrait):
    image = np.zeros((600, 600, 3), np.uint8)
    image[:60, :80] = cv2.resize(portrait, (80, 60), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".png", image)[1].tobytes()
    (found,) = checked(client.post("/api/v1/classify?min_face=60", data=data), "Answer")["images"]
    assert (found["smallest_face"], len(found["faces"])) == (60, 0)
    (found,) = checked(client.post("/api/v1/classify?min_face=24", data=data), "Answer")["images"]
    assert (found["smallest_face"], len(found["faces"])) == (24, 1)
