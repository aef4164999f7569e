"""What the page of annotation asks for: images, their boxes, what a cascade suggests."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for

from fercli.annotations.base import Box
from fercli.common.errors import ImageError
from fercli.common.files import parse_json
from fercli.labeling import ConflictError, ImageAnnotation
from fercli.labeling.app import session_of
from fercli.web.http_errors import HttpError, without_path

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from fercli.labeling.images import ShownImage

api = Blueprint("api", __name__, url_prefix="/api/v1")
pages = Blueprint("pages", __name__)

#: More boxes in one image are refused.
MOST_BOXES = 10_000


@pages.get("/")
def start() -> ResponseReturnValue:
    """Show the page."""
    settings = session_of().settings
    return render_template(
        "annotate.html",
        review=settings.review,
        suggests=settings.cascade is not None,
        out=str(settings.out),
        window=settings.window_wh or (1, 1),
        locked=settings.window_wh is not None,
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
    return jsonify({"boxes": _read(session_of().images.suggestions, number)})


@api.put("/images/<int:number>")
def save(number: int) -> ResponseReturnValue:
    """Keep what is said of an image; 409 with the present version if it was made from another."""
    opened = _opened(number)
    session, body = session_of(), _body()
    if body.get("name") != session.store.names[number]:
        raise HttpError(410, "the folder has other images now", hint="load the page again")
    annotation, revision = _annotation_of(body, opened.size_wh), body.get("revision")
    if not isinstance(revision, str):
        raise HttpError(422, "The body must have the revision that the boxes were made from")
    try:
        session.store.save(number, annotation, revision, opened.size_wh)
    except ConflictError as error:
        reason = {"status": 409, "reason": error.message}
        return jsonify({"error": reason, "current": _plain(number, opened)}), 409
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


def _body() -> dict[str, Any]:
    """Return the JSON object that was sent."""
    try:
        body = parse_json(request.get_data()) if request.is_json else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise HttpError(400, "The body must be a JSON object")
    return body


def _annotation_of(body: dict[str, Any], size_wh: tuple[int, int]) -> ImageAnnotation:
    boxes = _boxes(body.get("boxes"), size_wh)
    ignored = _boxes(body.get("ignored", []), size_wh)
    negative = body.get("negative") is True
    if boxes and negative:
        raise HttpError(422, f"An image without the object must have no boxes, got {len(boxes)}")
    return ImageAnnotation(boxes, ignored, negative, body.get("done") is True)


def _boxes(value: Any, size_wh: tuple[int, int]) -> tuple[Box, ...]:
    if not isinstance(value, list) or len(value) > MOST_BOXES:
        raise HttpError(422, f"Boxes must be a list of at most {MOST_BOXES}")
    return tuple(_box(each, size_wh) for each in value)


def _box(value: Any, size_wh: tuple[int, int]) -> Box:
    whole = isinstance(value, list) and len(value) == 4 and all(type(n) is int for n in value)
    if not whole or min(value[2:]) < 1 or max(map(abs, value)) > 1 << 28:
        raise HttpError(422, f"Expected integers x, y, width, height, got {reprlib.repr(value)}")
    x, y, width, height = value
    if x >= size_wh[0] or y >= size_wh[1] or x + width <= 0 or y + height <= 0:
        raise HttpError(422, f"The box {value} is outside the image")
    return x, y, width, height
