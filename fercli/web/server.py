"""The server: the application behind waitress."""

from __future__ import annotations

import copy
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.utilities import Error
from werkzeug.http import parse_cookie

from fercli.common.errors import OptionError
from fercli.common.signals import END_SIGNALS, handled
from fercli.web.app import Limits, ServerSettings, create_app, services
from fercli.web.auth import require_token
from fercli.web.http_errors import MEGA

if TYPE_CHECKING:
    from flask import Flask

    from fercli.web.auth import AccessControl


#: Threads besides those of viewers of the camera: more than cores, since some wait.
THREADS = 8

#: Bytes of a response that are buffered for a slow client before its thread blocks.
BUFFER = 2 * MEGA

#: Most connections at once; others wait.
CONNECTIONS = 100


def serve(settings: ServerSettings, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until the process is interrupted or terminated.

    Parameters
    ----------
    settings : ServerSettings
    host : str
        A name or address of this machine.
    port : int
        0 for a free one.
    started : callable
        Called with the address once the server accepts connections.

    Raises
    ------
    OptionError
        Other machines could connect without a token, or host or port cannot be used.
    FerError
        As `create_app`.
    """
    require_token(host, settings.token)
    with listening(host, port) as listener:
        app = create_app(settings)
        with _ended_by_signals(app):
            try:
                server = make_server(app, listener)
                started(address_of(host, listener))
                server.run()
            finally:
                services(app).close()


def make_server(app: Flask, listener: socket.socket) -> Any:
    """Return the waitress server of the pages on a listening socket."""
    here = services(app)
    limits = here.settings.limits
    server = create_waitress(
        app,
        listener,
        threads=THREADS + limits.watchers,
        connection_limit=CONNECTIONS,
        outbuf_high_watermark=BUFFER,
        # Lets waitress notice that a client disconnects while its request waits.
        channel_request_lookahead=1,
    )
    server.channel_class = channel_class(here.access, limits)
    return server


def create_waitress(app: Flask, listener: socket.socket, **settings: Any) -> Any:
    """Return a waitress server that sends no Server header and logs no waiting requests."""
    import waitress

    # Requests may wait for a thread: that needs no warning.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return waitress.create_server(
        app, sockets=[listener], ident=None, clear_untrusted_proxy_headers=True, **settings
    )


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Give a listening socket.

    Parameters
    ----------
    host : str
        A name or address of this machine.
    port : int
        0 for a free one.

    Raises
    ------
    OptionError
        The port is taken, or the host is not of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address, family=family, backlog=CONNECTIONS)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "it is in use" if taken else getattr(error, "strerror", None) or str(error)
        raise OptionError(
            f"The server cannot listen on {host}, port {port}: {reason}",
            hint="use `port` 0 for a free one, or `host` 127.0.0.1",
        ) from error
    with listener:
        yield listener


def address_of(host: str, listener: socket.socket) -> str:
    """Return the address of the pages on a listening socket of a host."""
    port = listener.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


@contextmanager
def _ended_by_signals(app: Flask) -> Iterator[None]:
    """Let signals end the streams of the camera first: waitress would wait for their threads.

    The signals are SIGINT, SIGTERM and, unless it is ignored (``nohup``), SIGHUP.
    """

    def end(number: int, frame: object) -> None:
        # A terminal that closes sends two signals, its shell the first: ignore the second, which
        # would interrupt the removal of files.
        for one in END_SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        camera = services(app).camera
        if camera is not None:
            camera.close()
        raise SystemExit

    terminal = END_SIGNALS[1]
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(terminal) is not signal.SIG_IGN:
        signals.append(terminal)
    with handled(signals, end):
        yield


# Upload limits, decided by the headers before the body
#
# waitress writes a body to the disk before the application sees the request: without a limit, a
# client without the token could fill the disk.


#: Path of uploads of videos.
VIDEOS = "/api/v1/jobs"

#: Most bytes of a client without the token: those of the form to sign in.
FORM = 1 << 16


def most_bytes(
    access: AccessControl, limits: Limits, path: str, authorization: str, cookies: str
) -> int:
    """Return the most bytes that the body of a request may have.

    Parameters
    ----------
    access : AccessControl
    limits : Limits
    path, authorization, cookies : str
        The path and two headers of the request.
    """
    if not access.is_authorized(authorization, parse_cookie(cookies)):
        return FORM
    # A form around the file needs some more; the application checks again.
    return (limits.video_bytes if path == VIDEOS else limits.image_bytes) + MEGA


def channel_class(access: AccessControl, limits: Limits) -> type[HTTPChannel]:
    """Return a waitress channel class with bodies bounded by `most_bytes`."""

    class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
        adj: Any

        def parse_header(self, header_plus: bytes) -> None:
            super().parse_header(header_plus)
            names = ("AUTHORIZATION", "COOKIE")
            sent = (self.headers.get(name, "") for name in names)
            self.adj = copy.copy(self.adj)
            self.adj.max_request_body_size = most_bytes(access, limits, self.path, *sent)

        def received(self, data: bytes) -> int:
            try:
                return int(super().received(data))
            except OSError as error:
                self.error = _FullError(f"The upload cannot be stored: {error.strerror}")
                self.completed = True
                return len(data)

    class Channel(HTTPChannel):  # type: ignore[misc]
        parser_class = Parser

    return Channel


class _FullError(Error):  # type: ignore[misc]
    """The response of waitress when its disk is full."""

    code, reason = 507, "Insufficient Storage"
