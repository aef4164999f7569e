"""The pages as text, and errors as pages."""

import json
import re
from pathlib import Path

import pytest

from fercli.recognition.options import RecognitionOptions
from fercli.web.http_errors import MEGA

from .conftest import refused


def test_pages_tell_limits_below_one(make_client):
    client = make_client(image_bytes=MEGA // 2, video_bytes=MEGA // 4, kept_seconds=12)
    assert "up to 0.5 MB" in client.get("/").text
    assert "up to 0.25 MB" in client.get("/").text
    assert "0.2 minutes" in client.get("/").text


def test_the_page_of_the_browsers_camera_knows_the_threshold(make_client):
    page = make_client(recognition=RecognitionOptions(threshold=0.6)).get("/my-camera")
    assert 'data-threshold="0.6"' in page.text


@pytest.mark.parametrize("path", ["/", "/my-camera", "/login", "/nothing"])
def test_pages_have_nothing_inline_and_nothing_from_elsewhere(client, path):

    text = client.get(path).text
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text)
    assert re.findall(r'(?:src|href)="(?!/|#)[^"]*"', text) == []


def test_a_bug_gives_no_trace(client, monkeypatch, caplog):
    def broken():
        raise RuntimeError("a secret")

    monkeypatch.setitem(client.application.view_functions, "api.models", broken)
    response = client.get("/api/v1/models")
    refused(response, 500, "The server failed")
    assert "secret" not in response.text
    assert "a secret" in caplog.text


def test_unknown_addresses_and_methods(client):
    refused(client.get("/api/v1/nothing"), 404, "There is nothing at this address")
    response = client.get("/api/v1/classify")
    refused(response, 405, "not allowed")
    assert "POST" in response.headers["Allow"]
    assert "<h1>Page not found</h1>" in client.get("/<script>alert(1)</script>").text


def test_the_sample_result_is_what_the_model_answers(client):
    static = Path(client.application.static_folder)
    answer = client.post("/api/v1/classify", data=(static / "sample.jpg").read_bytes()).json
    kept = json.loads((static / "sample.json").read_text())
    (found,), (shown,) = answer["images"][0]["faces"], kept["images"][0]["faces"]
    assert (found["box"], found["expression"]) == (shown["box"], shown["expression"])
    assert kept["classes"] == answer["classes"]


def test_old_addresses_lead_to_the_page_that_takes_files(client):
    assert [client.get(path).location for path in ("/image", "/video")] == ["/", "/"]
