"""Early refusals: how large a body is taken, decided by the headers before it.

waitress writes a body to the disk before the application sees anything of the request. A stranger
would fill the disk with it, so that waitress must know who may send how much.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.utilities import Error
from werkzeug.http import parse_cookie

from fercli.web.settings import MEGA, Limits

if TYPE_CHECKING:
    from fercli.web.auth import Guard

#: Where videos go.
VIDEOS = "/api/v1/jobs"

#: What a stranger may send: a token in a form.
FORM = 1 << 16


def most_bytes(guard: Guard, limits: Limits, path: str, authorization: str, cookies: str) -> int:
    """Return how many bytes the body of a request may have.

    Parameters
    ----------
    guard : Guard
    limits : Limits
    path, authorization, cookies : str
        The address and the two headers of the request.
    """
    if not guard.knows(authorization, parse_cookie(cookies)):
        return FORM
    # A form around the file takes a little as well; the application looks once more.
    return (limits.video_bytes if path == VIDEOS else limits.picture_bytes) + MEGA


def channel_class(guard: Guard, limits: Limits) -> type[HTTPChannel]:
    """Return waitress's class of connections, with bodies bounded by `most_bytes`."""

    class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
        adj: Any

        def parse_header(self, header_plus: bytes) -> None:
            super().parse_header(header_plus)
            names = ("AUTHORIZATION", "COOKIE")
            said = (self.headers.get(name, "") for name in names)
            self.adj = copy.copy(self.adj)
            self.adj.max_request_body_size = most_bytes(guard, limits, self.path, *said)

        def received(self, data: bytes) -> int:
            try:
                return int(super().received(data))
            except OSError as error:
                self.error = _FullError(f"the upload cannot be stored: {error.strerror}")
                self.completed = True
                return len(data)

    class Channel(HTTPChannel):  # type: ignore[misc]
        parser_class = Parser

    return Channel


class _FullError(Error):  # type: ignore[misc]
    """What waitress answers when its disk is full."""

    code, reason = 507, "Insufficient Storage"
