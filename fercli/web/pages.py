"""The HTML pages."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from flask import Blueprint, Response, redirect, render_template, request, url_for

from fercli.common.errors import VideoError
from fercli.recognition.sinks.outputs import COLUMNS
from fercli.web.app import services
from fercli.web.auth import local_address
from fercli.web.camera import MIMETYPE, SharedCamera
from fercli.web.http_errors import HttpError, without_path

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

pages = Blueprint("pages", __name__)


LISTED = (
    ("pages.start", "Upload"),
    ("pages.my_camera", "My camera"),
    ("pages.camera", "Server camera"),
)


@pages.app_context_processor
def _common() -> dict[str, object]:
    here = services()
    listed = [entry for entry in LISTED if here.camera or entry[0] != "pages.camera"]
    return {
        "limits": here.settings.limits,
        "has_camera": here.camera is not None,
        "has_token": bool(here.settings.token),
        "pages_listed": listed,
    }


@pages.get("/")
def start() -> ResponseReturnValue:
    """Show the page that takes images and videos."""
    here = services()
    recognizers = here.recognizers
    return render_template(
        "start.html",
        model=recognizers.default,
        models=recognizers.names,
        classes=recognizers.get().classes,
        threshold=here.settings.recognition.threshold,
    )


@pages.get("/image")
@pages.get("/video")
def upload() -> ResponseReturnValue:
    """Redirect to the start page, which takes images and videos."""
    return redirect(url_for("pages.start"), 301)


@pages.get("/my-camera")
def my_camera() -> ResponseReturnValue:
    """Show the page for the browser's own camera."""
    threshold = services().settings.recognition.threshold
    return render_template("my_camera.html", threshold=threshold, columns=" ".join(COLUMNS))


@pages.get("/camera")
def camera() -> ResponseReturnValue:
    """Show the page for the server's camera, which a button starts."""
    found = services().camera
    watching = "watch" in request.args and found is not None and found.is_open
    return _camera_page(watching=watching)


@pages.post("/camera")
def start_camera() -> ResponseReturnValue:
    """Start the server's camera; a page of another site cannot."""
    services().access.require_form()
    try:
        _camera().open()
    except VideoError as error:
        return _camera_page(watching=False, trouble=without_path(error))
    return redirect(url_for("pages.camera", watch=1), 303)


def _camera_page(*, watching: bool, trouble: str = "") -> str:
    key = services().access.form_key
    return render_template("camera.html", watching=watching, trouble=trouble, key=key)


@pages.get("/camera/stream")
def stream() -> ResponseReturnValue:
    """Return the server's camera as Motion JPEG."""
    parts = _camera().parts()
    first = next(parts)  # raises its errors before the headers are sent
    response = Response(_joined(first, parts), mimetype=MIMETYPE)
    response.call_on_close(parts.close)
    return response


@pages.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Sign in whoever has the token."""
    address = local_address(request.args.get("next", "/"))
    if request.method == "GET":
        return render_template("login.html", wrong=False)
    if not services().access.is_token(request.form.get("token", "")):
        return render_template("login.html", wrong=True), 401
    response = redirect(address, 303)
    services().access.sign_in(response)  # type: ignore[arg-type]  # werkzeug's, with the same methods
    return response


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    """Sign out."""
    response = redirect(url_for("pages.login"), 303)
    services().access.sign_out(response)  # type: ignore[arg-type]
    return response


@pages.get("/favicon.ico")
def icon() -> ResponseReturnValue:
    """Redirect browsers that request the icon under its usual name."""
    return redirect(url_for("static", filename="icon.svg"), 301)


def _camera() -> SharedCamera:
    found = services().camera
    if found is None:
        raise HttpError(
            404, "This server has no camera", hint="start it with `fer serve --camera 0`"
        )
    return found


def _joined(first: bytes, parts: Generator[bytes, None, None]) -> Iterator[bytes]:
    with closing(parts):
        yield first
        yield from parts
