"""The JSON API; ``openapi.json`` beside this file describes it."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request, send_file, url_for

from fercli import __version__
from fercli.web import uploads, worker
from fercli.web.app import services
from fercli.web.http_errors import HttpError
from fercli.web.jobs import Job
from fercli.web.recognition import ClientGoneError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from fercli.recognition.recognizer import Recognizer

api = Blueprint("api", __name__, url_prefix="/api/v1")

#: A browser that shows a paused video leaves the rest of an answer where it is. Parts that fit the
#: buffer of one answer hold no thread meanwhile.
PART = 1 << 20

#: The results of a job, by the name under which it tells of them: file and kind.
RESULTS = {
    "video": (worker.VIDEO, "video/mp4"),
    "timeline": (worker.TIMELINE, "image/png"),
    "csv": (worker.CSV, "text/csv"),
    "jsonl": (worker.JSONL, "application/jsonl"),
}


@api.get("/health")
def health() -> ResponseReturnValue:
    """Say that the server lives, and what it allows."""
    here = services()
    return jsonify(
        {
            "status": "ok",
            "version": __version__,
            "model": here.recognition.default,
            "camera": here.camera is not None,
            "jobs": here.jobs.counts(),
            "limits": asdict(here.settings.limits),
        }
    )


@api.get("/models")
def models() -> ResponseReturnValue:
    """Tell which networks there are."""
    return jsonify({"models": services().recognition.models()})


@api.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """Give the description of this API."""
    return jsonify(description())


@cache
def description() -> dict[str, Any]:
    """Return the description of this API, as OpenAPI 3.1 wants it."""
    text = Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    described["info"]["version"] = __version__
    return described


@api.post("/classify")
def classify() -> ResponseReturnValue:
    """Tell the expressions of the faces in one or several images."""
    here = services()
    recognizer = here.recognition.recognizer(request.args.get("model"))
    quickly = request.args.get("quick", "0") != "0"
    images = uploads.images_of(request, here.settings.limits)
    try:
        answers = [
            _look_at(recognizer, images, at + 1, quickly=quickly) for at in range(len(images))
        ]
    except ClientGoneError:
        return Response(status=499)  # nobody will read it
    name = request.args.get("model") or here.recognition.default
    return jsonify({"model": name, "classes": list(recognizer.classes), "images": answers})


def _look_at(
    recognizer: Recognizer, images: list[bytes], number: int, *, quickly: bool
) -> dict[str, Any]:
    is_gone = request.environ.get("waitress.client_disconnected", lambda: False)
    with services().recognition.turn(is_gone):
        image = uploads.decode_each(images, number)
        faces = recognizer.recognize(image, quickly=quickly)
    return {
        "width": image.shape[1],
        "height": image.shape[0],
        "faces": [face.to_dict(recognizer.classes) for face in faces],
    }


@api.post("/jobs")
def add_job() -> ResponseReturnValue:
    """Queue a video."""
    here = services()
    name = request.args.get("model") or here.recognition.default
    network, said = here.recognition.file(name), here.recognition.said(name)
    bars = request.args.get("bars", "1") != "0"
    limits = here.settings.limits
    job = here.jobs.add(
        lambda path: uploads.save_video(request, path, limits), network, said, bars=bars
    )
    place = {"Location": url_for("api.show_job", identity=job.id)}
    return jsonify(_plain(job)), 202, place


@api.get("/jobs/<identity>")
def show_job(identity: str) -> ResponseReturnValue:
    """Tell how far a job is."""
    return jsonify(_plain(services().jobs.find(identity)))


@api.delete("/jobs/<identity>")
def remove_job(identity: str) -> ResponseReturnValue:
    """End a job and remove its files."""
    services().jobs.remove(identity)
    return "", 204


@api.get("/jobs/<identity>/<any(video, timeline, csv, jsonl):result>")
def job_result(identity: str, result: str) -> ResponseReturnValue:
    """Give a file that came of a job."""
    job = services().jobs.find(identity)
    file, kind = RESULTS[result]
    path = job.folder / file
    if job.state != "done" or not path.is_file():
        raise HttpError(409, f"wanted a job that is done, found one that is {job.state}")
    _shorten_range(path.stat().st_size)
    saved = "download" in request.args
    response = send_file(path, kind, as_attachment=saved, download_name=f"fer-{file}")
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _shorten_range(size: int) -> None:
    """Make a request for the rest of a large file one for a part of it, as RFC 9110 14.2 allows."""
    ranges = request.range
    if ranges is None or len(ranges.ranges) != 1:
        return
    wanted = ranges.range_for_length(size)
    if wanted is not None and wanted[1] - wanted[0] > PART:
        request.environ["HTTP_RANGE"] = f"bytes={wanted[0]}-{wanted[0] + PART - 1}"


def _plain(job: Job) -> dict[str, Any]:
    known = job.known
    plain: dict[str, Any] = {
        "id": job.id,
        "state": job.state,
        "ahead": services().jobs.place(job),
        "frames": known.get("frames", 0),
        "total": known.get("total"),
        "seconds": job.seconds,
    }
    if job.state == "failed":
        plain["error"] = job.error
    if job.state == "done":
        plain["summary"] = known["summary"]
        plain["notes"] = known["notes"]
        plain["results"] = {
            name: url_for("api.job_result", identity=job.id, result=name) for name in RESULTS
        }
    return plain
