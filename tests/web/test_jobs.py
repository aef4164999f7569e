"""The queue of videos: its bounds, its end, what crashes."""

import sys

import pytest

from fercli.web.app import services

from .conftest import eventually, refused


def test_the_queue_is_bounded_and_a_removed_job_makes_room(make_client, make_video, tmp_path):
    client = make_client(waiting=1)
    data = make_video(tmp_path / "long.mp4", 400).read_bytes()
    first = client.post("/api/v1/jobs", data=data).json["id"]
    eventually(lambda: client.get(f"/api/v1/jobs/{first}").json["state"] == "running")
    second = client.post("/api/v1/jobs", data=data).json
    assert (second["state"], second["ahead"]) == ("waiting", 1)
    full = client.post("/api/v1/jobs", data=data)
    refused(full, 503, "No more videos can wait now (already waiting: 1)")
    assert int(full.headers["Retry-After"]) > 0
    assert client.delete(f"/api/v1/jobs/{second['id']}").status_code == 204
    third = client.post("/api/v1/jobs", data=data)
    assert third.status_code == 202
    client.delete(f"/api/v1/jobs/{first}")
    eventually(lambda: client.get(f"/api/v1/jobs/{third.json['id']}").json["state"] == "running")


def test_work_that_takes_too_long_is_ended(make_client, video):
    client = make_client(job_seconds=0.1)
    job = client.post("/api/v1/jobs", data=video.read_bytes()).json["id"]
    eventually(lambda: client.get(f"/api/v1/jobs/{job}").json["state"] == "failed")
    known = client.get(f"/api/v1/jobs/{job}").json
    assert known["error"] == "Processing took more than 0.1 seconds"
    folder = services(client.application).jobs.find(job).folder
    assert list(folder.iterdir()) == []


def test_jobs_that_nobody_asks_after_are_removed(make_client, video, monkeypatch):
    from fercli.web import jobs

    monkeypatch.setattr(jobs, "SWEEP", 0.05)
    client = make_client(patience=0.2, kept_seconds=0.2)
    job = client.post("/api/v1/jobs", data=video.read_bytes()).json["id"]
    found = services(client.application).jobs.find(job)
    assert found.folder.exists()
    eventually(lambda: not found.folder.exists())
    assert client.get("/api/v1/health").json["jobs"] == {"waiting": 0, "running": 0, "kept": 0}
    refused(client.get(f"/api/v1/jobs/{job}"), 404, "This result is no longer kept")


def test_results_are_kept_in_bounded_number(make_client, monkeypatch):
    from fercli.web import jobs

    monkeypatch.setattr(jobs, "SWEEP", 0.05)
    client = make_client(kept=1)
    broken = b"OggS" * 100
    for _ in range(2):
        job = client.post("/api/v1/jobs", data=broken).json["id"]
        eventually(lambda job=job: client.get(f"/api/v1/jobs/{job}").json["state"] == "failed")
    eventually(lambda: client.get("/api/v1/health").json["jobs"]["kept"] == 1)
    assert client.get(f"/api/v1/jobs/{job}").status_code == 200


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e", "../../etc/passwd", "."])
def test_jobs_are_no_paths(client, name):
    for path in (f"/api/v1/jobs/{name}", f"/api/v1/jobs/{name}/video"):
        assert client.get(path).status_code in (404, 405), path


def test_what_a_server_that_died_has_left_is_removed(make_client, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    running = services(make_client().application).jobs
    for name in ("fer-serve-dead", "another's"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "video").write_bytes(b"private")
    make_client()
    left = {folder.name for folder in tmp_path.iterdir()}
    assert "fer-serve-dead" not in left
    assert {"another's", running._folder.name} <= left


def test_work_that_breaks_off_is_named(client, video):
    job = client.post("/api/v1/jobs", data=video.read_bytes()).json["id"]
    found = services(client.application).jobs.find(job)
    eventually(lambda: found._process is not None)
    found._process.kill()  # as the system does when memory runs out
    eventually(lambda: client.get(f"/api/v1/jobs/{job}").json["state"] == "failed")
    assert "crashed" in client.get(f"/api/v1/jobs/{job}").json["error"]
    assert list(found.folder.iterdir()) == []


def test_work_that_cannot_begin_is_named_and_the_next_begins(client, monkeypatch):
    def outcome():
        address = f"/api/v1/jobs/{client.post('/api/v1/jobs', data=b'OggS' * 100).json['id']}"
        eventually(lambda: client.get(address).json["state"] == "failed")
        return client.get(address).json["error"]

    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        assert "could not be started: No such file" in outcome()
    assert "cannot be read as a video" in outcome()
