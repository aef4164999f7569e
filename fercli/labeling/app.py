"""The page of ``fer cascade annotate``: an application for one person on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)

from fercli.annotations.base import Reason
from fercli.common.errors import ImageError, OptionError
from fercli.common.files import folder_lock, make_folder
from fercli.common.processes import signals_as_interrupts
from fercli.common.progress import SILENT, Progress
from fercli.labeling.box_output import REASONS, BoxOutput
from fercli.labeling.images import ShownImage
from fercli.labeling.quick_training import QuickTraining
from fercli.labeling.request_body import annotation_of, json_object, suggested_of
from fercli.labeling.session import AnnotateSettings, LabelingSession, open_session
from fercli.labeling.store import ConflictError, ImageAnnotation
from fercli.labeling.video import joined_suggestions
from fercli.web import http_errors
from fercli.web.auth import AccessControl
from fercli.web.http_errors import HttpError, without_path
from fercli.web.server import address_of, create_waitress, listening

if TYPE_CHECKING:
    import socket

    from flask.typing import ResponseReturnValue

HOST = "127.0.0.1"
THREADS = 8

#: The most bytes of a request: some ten thousand boxes.
MOST_BYTES = 1 << 20

api = Blueprint("api", __name__, url_prefix="/api/v1")
pages = Blueprint("pages", __name__)


def create_app(session: LabelingSession) -> Flask:
    """Return the application that shows a session."""
    # Its pages lie among those of the web page, whose style they share.
    app = Flask("fercli.web")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.extensions["fer"] = session
    AccessControl("").install(app)
    http_errors.install(app)
    app.register_blueprint(api)
    app.register_blueprint(pages)
    return app


def session_of(app: Flask | None = None) -> LabelingSession:
    """Return what an application shows; the one of the request by default."""
    session = (app or current_app).extensions["fer"]
    assert isinstance(session, LabelingSession)
    return session


def annotate(
    settings: AnnotateSettings,
    port: int,
    started: Callable[[str, LabelingSession], None],
    *,
    progress: Progress = SILENT,
) -> LabelingSession:
    """Serve the page until the process is interrupted or told to end.

    Parameters
    ----------
    settings : AnnotateSettings
    port : int
        0 for one that is free.
    started : callable
        Told the address and what is there already, once the page can be opened.
    progress : Progress
        Of writing the frames of a video.

    Returns
    -------
    LabelingSession
        What there is at the end.

    Raises
    ------
    OutputError
        Someone annotates in the same place, or it cannot be written.
    OptionError
        The port is taken.
    FerError
        As `open_session`.
    """
    with ExitStack() as stack:
        stack.enter_context(signals_as_interrupts())
        folder = make_folder(settings.out.absolute().parent)
        stack.enter_context(folder_lock(folder, "an annotation"))
        session = open_session(settings, progress=progress)
        listener = stack.enter_context(listening(HOST, port))
        server = make_server(create_app(session), listener)
        started(address_of(HOST, listener), session)
        try:
            server.run()  # which returns when it is interrupted
        finally:
            if session.training is not None:
                session.training.close()
    return session


def make_server(app: Flask, listener: socket.socket) -> Any:
    """Return waitress's server of the page of annotation on a socket that listens."""
    return create_waitress(app, listener, threads=THREADS, max_request_body_size=MOST_BYTES)


# Pages and API


@pages.get("/")
def start() -> ResponseReturnValue:
    """Show the page."""
    settings = session_of().settings
    return render_template(
        "annotate.html",
        review=settings.review,
        trains=session_of().training is not None,
        reasons=int(session_of().store.output.reasons),
        tracks=session_of().tracker is not None,
        out=str(settings.out),
        window=settings.window_wh or (1, 1),
        locked=settings.window_wh is not None,
        classes=settings.classes,
    )


@pages.get("/favicon.ico")
def icon() -> ResponseReturnValue:
    """Lead browsers that ask by habit to the icon."""
    return redirect(url_for("static", filename="icon.svg"), 301)


@api.get("/images")
def list_images() -> ResponseReturnValue:
    """Tell the name, state and number of boxes of each image, none of which is opened."""
    session = session_of()
    unreadable = session.images.unreadable
    listed = [
        [name, "unreadable" if at in unreadable else state, boxes]
        for at, (name, (state, boxes)) in enumerate(
            zip(session.store.names, session.store.states(), strict=True)
        )
    ]
    return jsonify({"images": listed})


@api.get("/images/<int:number>")
def show_image(number: int) -> ResponseReturnValue:
    """Tell what has been said of an image."""
    opened = _opened(number)
    return jsonify(_plain(number, opened))


@api.get("/images/<int:number>/image")
def image(number: int) -> ResponseReturnValue:
    """Give an image, as fer reads it."""
    return _kept(_opened(number).jpeg)


@api.get("/images/<int:number>/thumbnail")
def thumbnail(number: int) -> ResponseReturnValue:
    """Give a small image."""
    _require(number)
    return _kept(_read(session_of().images.thumbnail, number))


@api.get("/images/<int:number>/suggestions")
def suggestions(number: int) -> ResponseReturnValue:
    """Tell what the cascade finds in an image."""
    _require(number)
    session = session_of()
    found = list(_read(session.images.suggestions, number))
    if session.tracker is not None:
        found = joined_suggestions(_read(session.tracker.suggestions, number), found)
    return jsonify(
        {
            "boxes": [each.box_xywh for each in found],
            "scores": [each.score for each in found],
            "labels": [each.label for each in found],
            "rounds": [each.round for each in found],
            "cascades": [each.cascade for each in found],
        }
    )


@api.get("/training")
def training() -> ResponseReturnValue:
    """Tell how far a training is, and how good the suggestions of earlier ones were."""
    return jsonify(_training_state())


@api.post("/training")
def train() -> ResponseReturnValue:
    """Train a quick cascade of a class on what is annotated so far; 409 if one is trained."""
    label, classes = json_object().get("label", ""), session_of().settings.classes
    if label not in (classes or ("",)):
        raise HttpError(422, f"Expected a label out of {', '.join(classes) or 'none'}")
    try:
        _training().start(label)
    except OptionError as error:
        raise HttpError(409, error.message) from error
    return jsonify(_training_state()), 202


@api.delete("/training")
def cancel() -> ResponseReturnValue:
    """Let a training end without a result."""
    _training().cancel()
    return jsonify(_training_state())


def _training() -> QuickTraining:
    found = session_of().training
    if found is None:
        raise HttpError(404, "A review trains nothing")
    return found


def _training_state() -> dict[str, Any]:
    finders = session_of().images.finders
    suggests = {each.label: each.threshold for each in finders}
    return {**_training().to_dict(), "thresholds": suggests}


@api.put("/images/<int:number>")
def save(number: int) -> ResponseReturnValue:
    """Keep what is said of an image; 409 with the present version if it was made from another."""
    opened = _opened(number)
    session, body = session_of(), json_object()
    if body.get("name") != session.store.names[number]:
        raise HttpError(410, "the folder has other images now", hint="load the page again")
    annotation = annotation_of(body, opened.size_wh, session.settings.classes)
    if annotation.ignored_xywh and not session.settings.review:
        _require_ignored(session.store.output, annotation)
    revision, suggested = body.get("revision"), suggested_of(body, opened.size_wh)
    if not isinstance(revision, str):
        raise HttpError(422, "The body must have the revision that the boxes were made from")
    try:
        session.store.save(number, annotation, revision, opened.size_wh)
    except ConflictError as error:
        reason = {"status": 409, "reason": error.message}
        return jsonify({"error": reason, "current": _plain(number, opened)}), 409
    if session.training is not None and annotation.state in ("done", "negative"):
        for each, boxes in suggested.items():
            session.training.note_shown(each, session.store.names[number], boxes)
    return jsonify(_plain(number, opened))


def _require(number: int) -> None:
    if number >= len(session_of().store.images):
        raise HttpError(404, f"There is no image {number}")


def _opened(number: int) -> ShownImage:
    _require(number)
    opened: ShownImage = _read(session_of().images.open, number)
    return opened


def _read(make: Any, number: int) -> Any:
    try:
        return make(number)
    except ImageError as error:
        raise HttpError(422, without_path(error)) from error


def _require_ignored(output: BoxOutput, annotation: ImageAnnotation) -> None:
    if annotation.negative:
        raise HttpError(422, "An image without the object must have no boxes that are not counted")
    for reason, what in ((Reason.IGNORED, "to be ignored"), (Reason.DIFFICULT, "difficult")):
        if any(one & reason for one in annotation.reasons) and not output.reasons & reason:
            names = ", ".join(name for name, held in REASONS.items() if held & reason)
            raise HttpError(
                422,
                f"The format {output.format.name} has no place for boxes that are {what}",
                hint=f"use --format with {names}",
            )


def _plain(number: int, opened: ShownImage) -> dict[str, Any]:
    store = session_of().store
    annotation = store.annotation(number, opened.size_wh)
    name = store.names[number]
    return {
        "number": number,
        "name": name,
        "width": opened.size_wh[0],
        "height": opened.size_wh[1],
        "boxes": annotation.boxes_xywh,
        "ignored": annotation.ignored_xywh,
        "labels": annotation.labels,
        "ignored_labels": annotation.ignored_labels,
        "reasons": annotation.reasons or [Reason.IGNORED] * len(annotation.ignored_xywh),
        "negative": annotation.negative,
        "done": annotation.done,
        "state": annotation.state,
        "revision": annotation.revision(name),
    }


def _kept(jpeg: bytes) -> Response:
    response = Response(jpeg, mimetype="image/jpeg")
    # Kept by the browser while the page is open; asked for anew after a change of the file.
    response.headers["Cache-Control"] = "private, no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response
