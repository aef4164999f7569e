"""HTTP errors: as JSON for programs, as a page for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, jsonify, render_template, request
from werkzeug.exceptions import (
    BadHost,
    HTTPException,
    NotFound,
    RequestEntityTooLarge,
    SecurityError,
)

from fercli.common.errors import FerError

if TYPE_CHECKING:
    from flask import Flask

MEGA = 1 << 20

#: Paths of the API begin so.
API = "/api/"


class HttpError(FerError):
    """Raised when a request is refused.

    Parameters
    ----------
    status : int
        The status of HTTP.
    message, hint : str
        As in `FerError`; shown to the client.
    retry : int, optional
        Seconds after which to try again.

    Attributes
    ----------
    headers : dict of str to str
        Of the response.
    """

    def __init__(
        self, status: int, message: str, *, hint: str | None = None, retry: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.headers = {} if retry is None else {"Retry-After": str(retry)}
        if status == 401:
            self.headers["WWW-Authenticate"] = 'Bearer realm="fer"'


def install(app: Flask) -> None:
    """Let an application answer every error with a reason and never with a traceback."""
    app.register_error_handler(HttpError, _refused)
    app.register_error_handler(FerError, _failed)
    app.register_error_handler(HTTPException, _not_understood)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(SecurityError, _no_address)
    app.register_error_handler(BadHost, _no_address)
    app.register_error_handler(Exception, _broken)


def without_path(error: FerError) -> str:
    """Return the message of an error without the path, which clients need not know."""
    return f"{error.message}; try: {error.hint}" if error.hint else error.message


def _refused(error: HttpError) -> Response:
    return _answer(error.status, without_path(error), error.headers)


def _failed(error: FerError) -> Response:
    return _answer(422, without_path(error))


def _not_understood(error: HTTPException) -> Response:
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return _answer(error.code or 500, error.description or error.name, headers)


def _not_found(error: NotFound) -> Response:
    return _answer(404, "There is nothing at this address")


def _too_large(error: RequestEntityTooLarge) -> Response:
    most, found = request.max_content_length, request.content_length
    if most is None or found is None or found <= most:  # a field or the number of fields
        return _not_understood(error)
    allowed, sent = (math.ceil(100 * size / MEGA) / 100 for size in (most, found))
    return _answer(413, f"Expected at most {allowed:g} MB, got {sent:g} MB; try: a smaller file")


def _no_address(error: SecurityError | BadHost) -> Response:
    """Answer a request without a valid Host header, for which no page can be rendered."""
    return Response("The Host header is not a valid host\n", 400, mimetype="text/plain")


def _broken(error: Exception) -> Response:
    current_app.logger.exception("%s %s", request.method, request.path, exc_info=error)
    return _answer(500, "The server failed; its log has the reason")


def _answer(status: int, reason: str, headers: dict[str, Any] | None = None) -> Response:
    if request.path.startswith(API):
        response = jsonify({"error": {"status": status, "reason": reason}})
    elif isinstance(request.routing_exception, SecurityError | BadHost):
        response = Response(f"{reason}\n", mimetype="text/plain")
    else:
        response = Response(render_template("error.html", status=status, reason=reason))
    response.status_code = status
    response.headers.update(headers or {})
    return response
