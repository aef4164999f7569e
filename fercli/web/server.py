"""The server: the application behind waitress, from its start to its end."""

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
from fercli.common.signals import handled
from fercli.web.app import create_app, services
from fercli.web.settings import MEGA, Limits, ServerSettings, require_token

if TYPE_CHECKING:
    from flask import Flask
if TYPE_CHECKING:
    from fercli.web.auth import Guard


#: Threads besides those of views of the camera: more than cores, since some wait.
THREADS = 8

#: Bytes of one answer that wait for a slow client before its thread waits too.
BUFFER = 2 * MEGA

#: Connections at once; more wait.
CONNECTIONS = 100


def serve(settings: ServerSettings, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until the process is interrupted or told to end.

    Parameters
    ----------
    settings : ServerSettings
    host : str
        A name or address of this machine.
    port : int
        0 for one that is free.
    started : callable
        Told the address once clients can come.

    Raises
    ------
    OptionError
        Other machines could come in without a token, or the place is taken or none of ours.
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
    """Return waitress's server of the page on a socket that listens."""
    here = services(app)
    limits = here.settings.limits
    server = quiet_server(
        app,
        listener,
        threads=THREADS + limits.watchers,
        connection_limit=CONNECTIONS,
        outbuf_high_watermark=BUFFER,
        # So that a client that goes away is noticed while its request waits.
        channel_request_lookahead=1,
    )
    server.channel_class = channel_class(here.guard, limits)
    return server


def quiet_server(app: Flask, listener: socket.socket, **settings: Any) -> Any:
    """Return waitress's server of an application, which neither names itself nor its queue."""
    import waitress

    # That requests wait for a thread is no news: each has its turn.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return waitress.create_server(
        app, sockets=[listener], ident=None, clear_untrusted_proxy_headers=True, **settings
    )


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Give a socket that listens.

    Parameters
    ----------
    host : str
        A name or address of this machine.
    port : int
        0 for one that is free.

    Raises
    ------
    OptionError
        The place is taken or none of ours.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address, family=family, backlog=CONNECTIONS)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "that it is taken" if taken else getattr(error, "strerror", None) or str(error)
        raise OptionError(
            f"wanted to listen on {host}, port {port}, found {reason}",
            hint="--port 0 for one that is free, --host 127.0.0.1",
        ) from error
    with listener:
        yield listener


def address_of(host: str, listener: socket.socket) -> str:
    """Return the address of the pages that a `host` serves on a socket, the `listener`."""
    port = listener.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


@contextmanager
def _ended_by_signals(app: Flask) -> Iterator[None]:
    """Let signals end views of the camera first, whose threads waitress would wait for.

    They are Ctrl-C, SIGTERM and, unless it is ignored (``nohup``), the end of the terminal.
    """

    def end(number: int, frame: object) -> None:
        # A terminal that closes tells it twice, its shell first: files are removed in between.
        for one in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        camera = services(app).camera
        if camera is not None:
            camera.close()
        raise SystemExit

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    with handled(signals, end):
        yield


# Early refusals: how large a body is taken, decided by the headers before it.
#
# waitress writes a body to the disk before the application sees anything of the request. A stranger
# would fill the disk with it, so that waitress must know who may send how much.


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
    return (limits.video_bytes if path == VIDEOS else limits.image_bytes) + MEGA


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
