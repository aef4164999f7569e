"""The JSON API; ``openapi.json`` beside this file describes it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request, send_file, url_for

from fercli import __version__
from fercli.common.processes import release_memory
from fercli.web import uploads, worker
from fercli.web.app import SMALLEST_FACE, ClientGoneError, services, with_min_face
from fercli.web.http_errors import HttpError
from fercli.web.jobs import VideoJob

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from fercli.recognition.recognizer import Recognizer

api = Blueprint("api", __name__, url_prefix="/api/v1")

#: A browser that shows a paused video does not read the rest of the response. Parts that fit the
#: buffer of a response keep no thread busy meanwhile.
PART = 1 << 20

#: Pixels of an image after which memory is given back to the system.
LARGE = 8_000_000

#: File and MIME type of each result of a job, by its name in the API.
RESULTS = {
    "video": (worker.VIDEO, "video/mp4"),
    "timeline": (worker.TIMELINE, "image/png"),
    "csv": (worker.CSV, "text/csv"),
    "jsonl": (worker.JSONL, "application/jsonl"),
    "summary": (worker.SUMMARY, "application/json"),
}


#: Responses that every request may get, with their names in ``openapi.json``.
ANY_REQUEST = {"400": "Malformed", "403": "OtherSite", "421": "OtherHost", "429": "Guesses"}

#: Parameters of each endpoint; all others are refused.
PARAMETERS = {
    "api.classify": ("model", "quick", "min_face"),
    "api.add_job": ("model", "bars", "min_face"),
    "api.job_result": ("download",),
}


@api.before_request
def refuse_unknown_parameters() -> None:
    """Refuse parameters that would be ignored."""
    known = PARAMETERS.get(request.endpoint or "", ())
    unknown = sorted(set(request.args) - set(known))
    if unknown:
        names = ", ".join(f"`{name}`" for name in known)
        found = f"There is no parameter `{unknown[0][:50]}`"
        raise HttpError(400, found, hint=f"the parameters are {names}" if known else None)


@api.get("/health")
def health() -> ResponseReturnValue:
    """Return the state of the server and its limits."""
    here = services()
    return jsonify(
        {
            "status": "ok",
            "version": __version__,
            "model": here.recognizers.default,
            "camera": here.camera is not None,
            "jobs": here.jobs.counts(),
            "limits": asdict(here.settings.limits),
        }
    )


@api.get("/models")
def models() -> ResponseReturnValue:
    """List the models."""
    return jsonify({"models": services().recognizers.models()})


@api.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """Return the description of this API."""
    return jsonify(description())


@cache
def description() -> dict[str, Any]:
    """Return the description of this API in the form of OpenAPI 3.1."""
    text = Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    described["info"]["version"] = __version__
    operations = (
        operation
        for path in described["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    )
    for operation in operations:  # what every request may get
        for status, name in ANY_REQUEST.items():
            operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{name}"})
    return described


@api.post("/classify")
def classify() -> ResponseReturnValue:
    """Classify the expressions of the faces in one or several images."""
    here = services()
    recognizer = here.recognizers.get(request.args.get("model"))
    quick, min_face = _flag("quick", default=False), _min_face()
    images = uploads.images_of(request, here.settings.limits)
    try:
        answers = [
            _classify_image(recognizer, images, at + 1, min_face, quick=quick)
            for at in range(len(images))
        ]
    except ClientGoneError:
        return Response(status=499)  # "Client Closed Request", as nginx logs it
    name = request.args.get("model") or here.recognizers.default
    return jsonify({"model": name, "classes": list(recognizer.classes), "images": answers})


def _classify_image(
    recognizer: Recognizer, images: list[bytes], number: int, min_face: int | None, *, quick: bool
) -> dict[str, Any]:
    is_gone = request.environ.get("waitress.client_disconnected", lambda: False)
    with services().recognizers.slot(is_gone):
        notes: list[str] = []
        image = uploads.decode_each(images, number, notes)
        if min_face is not None:
            recognizer = with_min_face(recognizer, min_face, image.shape)
        faces = recognizer.recognize(image, quick=quick)
        smallest = recognizer.smallest_face(image, video=quick)
        shape = image.shape
        del image
    if shape[0] * shape[1] > LARGE:
        release_memory()
    return {
        "width": shape[1],
        "height": shape[0],
        "smallest_face": smallest,
        "faces": [face.to_dict(recognizer.classes) for face in faces],
        **({"notes": notes} if notes else {}),
    }


@api.post("/jobs")
def add_job() -> ResponseReturnValue:
    """Queue a video."""
    here = services()
    name = request.args.get("model") or here.recognizers.default
    model, settings = here.recognizers.file(name), here.recognizers.settings(name)
    bars, min_face = _flag("bars", default=True), _min_face()
    limits = here.settings.limits
    job = here.jobs.add(
        lambda path: uploads.save_video(request, path, limits),
        model,
        settings,
        bars=bars,
        min_face=min_face,
    )
    headers = {"Location": url_for("api.show_job", identity=job.id)}
    return jsonify(_plain(job)), 202, headers


@api.get("/jobs/<identity>")
def show_job(identity: str) -> ResponseReturnValue:
    """Return the progress of a job."""
    return jsonify(_plain(services().jobs.find(identity)))


@api.delete("/jobs/<identity>")
def remove_job(identity: str) -> ResponseReturnValue:
    """Cancel a job and remove its files."""
    services().jobs.remove(identity)
    return "", 204


@api.get("/jobs/<identity>/<any(video, timeline, csv, jsonl, summary):result>")
def job_result(identity: str, result: str) -> ResponseReturnValue:
    """Return a result of a job."""
    job = services().jobs.find(identity)
    file, kind = RESULTS[result]
    path = job.folder / file
    if job.state != "done" or not path.is_file():
        raise HttpError(409, f"The video is not finished: it is {job.state}")
    _simplify_range(path.stat().st_size)
    saved = "download" in request.args
    response = send_file(path, kind, as_attachment=saved, download_name=f"fer-{file}")
    if not saved:  # else it would win over the name that a page gives
        response.headers.pop("Content-Disposition", None)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _flag(name: str, *, default: bool) -> bool:
    """Return a parameter that is 0 or 1."""
    value = request.args.get(name, str(int(default)))
    if value not in ("0", "1"):
        raise HttpError(400, f"Expected 0 or 1 for `{name}`, got {value[:50]!r}")
    return value == "1"


def _min_face() -> int | None:
    """Return the side of the smallest face to detect, in pixels; None for the server's."""
    value = request.args.get("min_face")
    if value is None:
        return None
    if not re.fullmatch("[0-9]{1,5}", value) or int(value) < SMALLEST_FACE:
        found = f"got {value[:50]!r}"
        raise HttpError(400, f"Expected at least {SMALLEST_FACE} pixels for `min_face`, {found}")
    return int(value)


def _simplify_range(size: int) -> None:
    """Drop a range that is malformed or several; shorten that of a browser's player.

    RFC 9110, 14.2 allows both. A player asks for the next part; a program that resumes a download
    takes the end of the response for that of the file.
    """
    ranges = request.range
    if ranges is None or ranges.units != "bytes" or len(ranges.ranges) != 1:
        request.environ.pop("HTTP_RANGE", None)
        return
    wanted = ranges.range_for_length(size)
    if (
        request.headers.get("Sec-Fetch-Dest") in ("video", "audio")
        and wanted is not None
        and wanted[1] - wanted[0] > PART
    ):
        request.environ["HTTP_RANGE"] = f"bytes={wanted[0]}-{wanted[0] + PART - 1}"


def _plain(job: VideoJob) -> dict[str, Any]:
    status = job.status
    plain: dict[str, Any] = {
        "id": job.id,
        "state": job.state,
        "ahead": services().jobs.position(job),
        "frames": status.get("frames", 0),
        "total": status.get("total"),
        "seconds": job.seconds,
    }
    if job.state == "failed":
        plain["error"] = job.error
    if job.state == "done":
        plain["summary"] = status["summary"]
        plain["notes"] = status["notes"]
        plain["results"] = {
            name: url_for("api.job_result", identity=job.id, result=name) for name in RESULTS
        }
    return plain
