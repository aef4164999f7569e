"""The web application: uploads and calls of its API, without a network between."""

from __future__ import annotations

import io
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.fuzz.reader import MB, Reader
from scripts.fuzz.targets.corpus import encoded
from scripts.fuzz.targets.media import images

if TYPE_CHECKING:
    from flask import Flask

BOUNDARY = b"----part"
CALLS = (
    b"GET /api/v1/health\nAccept: application/json\n\n",
    b"GET /api/v1/models\n\n",
    b"GET /api/v1/openapi.json\nIf-None-Match: x\n\n",
    b"GET /api/v1/jobs/AAAAAAAAAAAAAAAAAAAAAA\n\n",
    b"GET /api/v1/jobs/AAAAAAAAAAAAAAAAAAAAAA/video?download=1\nRange: bytes=0-99\n\n",
    b"DELETE /api/v1/jobs/AAAAAAAAAAAAAAAAAAAAAA\nOrigin: http://127.0.0.1\n\n",
    b"POST /api/v1/jobs?model=ferplus&bars=0\nContent-Type: video/mp4\n\nnot a video",
    b"POST /api/v1/classify?model=ferplus&quick=1\nContent-Type: image/png\n\nnot an image",
    b"POST /login\nContent-Type: application/x-www-form-urlencoded\n\ntoken=x&next=%2F",
    b"GET /\nHost: 127.0.0.1\nCookie: session=x\nAuthorization: Bearer x\n\n",
    b"GET /static/app.js\n\n",
    b"GET /images\nHost: [::1]:8000\n\n",
    b"GET /video?a=%ff&b=%00\nX-Forwarded-Host: x\n\n",
)


@cache
def _app() -> Flask:
    from fercli.web.app import Limits, ServerSettings, create_app

    limits = Limits(waiting=1, image_pixels=4_000_000)
    app = create_app(ServerSettings(camera="", limits=limits))
    app.register_error_handler(Exception, _raised)
    return app


def _raised(error: Exception) -> Any:
    """Let what the server would answer with 500 be seen."""
    raise error


def _ask(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> object:
    """Hand a request to the application as a server does, and read the whole answer."""
    environment = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        own = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        environment[key if own else f"HTTP_{key}"] = value
    answered: list[str] = []
    parts = _app()(environment, lambda status, headers, info=None: answered.append(status))
    try:
        length = sum(len(part) for part in parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    assert answered[0][0] in "1234", answered
    if answered[0].startswith("4"):
        raise RefusedRequestError(answered[0])
    return answered[0], length


class RefusedRequestError(Exception):
    """Raised for an answer that refuses a request: a named error."""


def _upload(folder: Path) -> object:
    body = (folder / "body").read_bytes()
    return _ask("POST", "/api/v1/classify", "", {"Content-Type": "image/png"}, body)


def _forms() -> list[bytes]:
    head = b'--%b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n' % BOUNDARY
    head += b"Content-Type: image/png\r\n\r\n"
    end = b"\r\n--%b--\r\n" % BOUNDARY
    small, other = encoded(".png"), encoded(".jpg", color=True)
    return [head + small + end, head + small + b"\r\n" + head + other + end]


def _upload_form(folder: Path) -> object:
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    body = (folder / "body").read_bytes()
    return _ask("POST", "/api/v1/classify", "quick=1", {"Content-Type": kind}, body)


def _call(folder: Path) -> object:
    """Take a case for a request: a line of method and address, headers, a body."""
    head, _, body = (folder / "request").read_bytes().partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    method, _, address = first.partition(" ")
    path, _, query = address.partition("?")
    pairs = (line.partition(":") for line in lines if ":" in line)
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    return _ask(method or "GET", path or "/", query, headers, body)


REFUSED = (RefusedRequestError,)
READERS = (
    Reader("upload", "body", images, _upload, share=1, memory=512 * MB, refusals=REFUSED),
    Reader("upload by form", "body", _forms, _upload_form, share=1, memory=512 * MB,
           refusals=REFUSED),
    Reader("call of the API", "request", lambda: CALLS, _call, share=4, refusals=REFUSED),
)  # fmt: skip
