"""The server: the application behind waitress.

Of four servers, waitress alone lets the headers of a request decide whether its body is read, and
where it waits; docs/web-page.md has the comparison. Its channel and its parser are subclassed here.
"""

from __future__ import annotations

import copy
import errno
import json
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from flask import request
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ThreadedTaskDispatcher
from waitress.utilities import Error
from werkzeug.http import parse_cookie

from fercli.common.errors import OptionError
from fercli.common.processes import END_SIGNALS, handled
from fercli.web.app import Limits, ServerSettings, create_app, services
from fercli.web.auth import require_token
from fercli.web.http_errors import MEGA

if TYPE_CHECKING:
    from flask import Flask

    from fercli.web.auth import AccessControl
    from fercli.web.jobs import JobQueue


#: Threads of requests with images, some of which wait for a core, and of all other requests
#: besides those of viewers of the camera.
IMAGE_THREADS, THREADS = 4, 6

#: Most requests with images that wait for a thread, and how long the last one may have to wait, in
#: seconds, as far as can be told from the time that others take; more are refused.
WAITING, WAITING_SECONDS = 24, 4.0

#: Weight of a request in the mean time that requests with images take.
RECENT = 0.1

#: Bytes of a response that are buffered for a slow client before its thread blocks.
BUFFER = 2 * MEGA

#: Most connections at once; for one more, the one that was idle longest is closed. And most from
#: one address, unless it is of this machine or of the proxy.
CONNECTIONS, PER_ADDRESS = 100, 24
LOCAL = ("127.0.0.1", "::1", "::ffff:127.0.0.1")

#: Seconds until a connection without a request is closed, and one whose headers are incomplete.
IDLE_SECONDS, HEADER_SECONDS = 30.0, 10.0

#: A body must come at this rate, in bytes a second, after the first seconds.
BODY_RATE, BODY_SECONDS = 4096, 20.0

#: Paths of uploads of videos and of images.
VIDEOS, IMAGES = "/api/v1/jobs", "/api/v1/classify"

#: Most bytes of a client without the token: those of the form to sign in.
FORM = 1 << 16

#: Bodies of images that are received at once, as a multiple of the largest.
UPLOADS = 16


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
    require_token(settings.trusted_proxy or host, settings.token)
    with listening(host, port) as listener:
        app = create_app(settings)
        app.before_request(_prepare_search)
        with _ended_by_signals(app):
            try:
                server = make_server(app, listener)
                started(address_of(host, listener))
                server.run()
            finally:
                services(app).close()
    preparation = services(app).recognizers.preparation
    if preparation is not None and preparation.is_alive():
        # Numba cannot be interrupted, and Python would abort if it ended meanwhile.
        sys.stdout.flush()
        os._exit(0)


def _prepare_search() -> None:
    """Begin to load the faster search when the first image comes."""
    if request.path == IMAGES:
        services().recognizers.prepare_search()


def make_server(app: Flask, listener: socket.socket) -> Any:
    """Return the waitress server of the pages on a listening socket."""
    here = services(app)
    limits = here.settings.limits
    threads = RequestThreads(IMAGE_THREADS, THREADS + limits.watchers)
    proxy = here.settings.trusted_proxy
    server = create_waitress(
        app,
        listener,
        _dispatcher=threads,
        connection_limit=2 * CONNECTIONS,
        outbuf_high_watermark=BUFFER,
        **(_proxy_settings(proxy) if proxy else {}),
        # Lets waitress notice that a client disconnects while its request waits.
        channel_request_lookahead=1,
    )
    uploads = UploadLimits(here.access, limits, here.jobs, threads)
    server.channel_class = channel_class(uploads, proxy)
    return server


def _proxy_settings(address: str) -> dict[str, Any]:
    """Return the settings of waitress for a proxy that tells who its client is."""
    return {
        "trusted_proxy": address,
        "trusted_proxy_count": 1,
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"},
    }


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


# Requests are decided by their headers
#
# waitress writes a body to the disk before the application sees the request, and lets a client
# take its time for headers. So uploads are bounded, by what the headers say, before their body is
# read; connections that are idle or slow are closed; and images wait for threads of their own, so
# that pages always find a free one.


class RequestThreads:
    """Threads that handle requests: some for images alone, others for all the rest.

    Parameters
    ----------
    images : int
        Threads of requests with images.
    others : int
        Threads of all other requests.
    """

    def __init__(self, images: int, others: int) -> None:
        self._images, self._others = ThreadedTaskDispatcher(), ThreadedTaskDispatcher()
        self._images.set_thread_count(images)
        self._others.set_thread_count(others)
        self._count, self._seconds = images, 0.0

    @property
    def wait(self) -> float:
        """How long one more request with images would wait for a thread, in seconds."""
        return len(self._images.queue) * self._seconds / self._count

    @property
    def is_full(self) -> bool:
        """Whether no more images may wait."""
        return len(self._images.queue) >= WAITING or self.wait > WAITING_SECONDS

    def add_task(self, channel: Any) -> None:
        """Let a thread handle the first request of a channel."""
        request = channel.requests[0]
        if request.error is None and request.path == IMAGES:
            self._images.add_task(_TimedTask(channel, self._note))
        else:
            self._others.add_task(channel)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> None:
        """End the threads."""
        self._images.shutdown(cancel_pending, timeout)
        self._others.shutdown(cancel_pending, timeout)

    def _note(self, seconds: float) -> None:
        self._seconds += (seconds - self._seconds) * (RECENT if self._seconds else 1)


class _TimedTask:
    """A task of waitress whose time is noted."""

    def __init__(self, channel: Any, note: Callable[[float], None]) -> None:
        self._channel, self._note = channel, note
        self.cancel = channel.cancel

    def service(self) -> None:
        begin = time.monotonic()
        self._channel.service()
        self._note(time.monotonic() - begin)


class UploadLimits:
    """Decides by the headers of a request whether its body is read.

    Parameters
    ----------
    access : AccessControl
    limits : Limits
    jobs : JobQueue
    threads : RequestThreads
    """

    def __init__(
        self, access: AccessControl, limits: Limits, jobs: JobQueue, threads: RequestThreads
    ) -> None:
        self._access, self._limits, self._jobs, self._threads = access, limits, jobs, threads
        self._uploads: WeakSet[Any] = WeakSet()

    def most_bytes(self, path: str, authorization: str, cookies: str) -> int:
        """Return the most bytes that the body of a request may have."""
        if not self._access.is_authorized(authorization, parse_cookie(cookies)):
            return FORM
        limits = self._limits
        # A form around the file needs some more; the application checks again.
        return (limits.video_bytes if path == VIDEOS else limits.image_bytes) + MEGA

    def begin(self, request: Any) -> RefusedError | None:
        """Count the upload that begins with these headers, unless there are too many."""
        videos = [one for one in self._uploads if one.path == VIDEOS]
        others = [one for one in self._uploads if one.path != VIDEOS]
        if request.path == VIDEOS:
            if len(videos) >= self._jobs.room():
                return RefusedError(503, "No more videos can wait now; try: again later", 60)
        elif sum(map(_announced, others)) + _announced(request) > UPLOADS * self._most_image:
            return RefusedError(503, "Too many uploads at once; try: again later", 5)
        self._uploads.add(request)
        return None

    def end(self, request: Any) -> RefusedError | None:
        """Forget an upload that is complete; refuse images that would wait too long."""
        self._uploads.discard(request)
        if request.path == IMAGES and self._threads.is_full:
            retry = max(math.ceil(self._threads.wait), 1)
            reason = "The server is busy with other images; try: again later"
            return RefusedError(503, reason, retry)
        return None

    @property
    def _most_image(self) -> int:
        return self._limits.image_bytes + MEGA


def _announced(request: Any) -> int:
    """Return the size of a body as far as it is known."""
    return int(request.content_length or request.body_bytes_received)


class RefusedError(Error):  # type: ignore[misc]  # waitress has no types
    """The response to a request that the application does not see.

    Parameters
    ----------
    status : int
    reason : str
        Shown to the client.
    retry : int, optional
        Seconds after which to try again.
    """

    def __init__(self, status: int, reason: str, retry: int | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason = status, HTTPStatus(status).phrase
        self._retry = retry

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return status, headers and body in the form of the API's errors."""
        headers = [("Content-Type", "application/json")]
        if self._retry is not None:
            headers.append(("Retry-After", str(self._retry)))
        body = json.dumps({"error": {"status": self.code, "reason": self.body}})
        return f"{self.code} {self.reason}", headers, body.encode()


def channel_class(uploads: UploadLimits, proxy: str = "") -> type[HTTPChannel]:
    """Return a waitress channel class with bounded bodies, deadlines and bounded connections.

    Parameters
    ----------
    uploads : UploadLimits
    proxy : str
        The address of a proxy, from which many connections may come.
    """

    class Parser(HTTPRequestParser):  # type: ignore[misc]
        adj: Any
        error: Any

        def parse_header(self, header_plus: bytes) -> None:
            super().parse_header(header_plus)
            names = ("AUTHORIZATION", "COOKIE")
            sent = (self.headers.get(name, "") for name in names)
            self.adj = copy.copy(self.adj)
            self.adj.max_request_body_size = uploads.most_bytes(self.path, *sent)
            if self.body_rcv is not None and self.content_length < self.adj.max_request_body_size:
                self._refuse(uploads.begin(self))

        def received(self, data: bytes) -> int:
            try:
                count = int(super().received(data))
            except OSError as error:
                self._refuse(RefusedError(507, f"The upload cannot be stored: {error.strerror}"))
                return len(data)
            if self.completed and self.error is None:
                self._refuse(uploads.end(self))
            elif self.error is not None and not isinstance(self.error, RefusedError):
                self._refuse(RefusedError(self.error.code, self._reason()))
            return len(data) if self.error is not None else count

        def _refuse(self, refusal: RefusedError | None) -> None:
            if refusal is not None:
                self.error, self.completed = refusal, True

        def _reason(self) -> str:
            if self.error.code != 413:
                return str(self.error.body)
            most = math.floor(100 * self.adj.max_request_body_size / MEGA) / 100
            return f"Expected at most {most:g} MB; try: a smaller file"

    class Channel(HTTPChannel):  # type: ignore[misc]
        parser_class = Parser

        def __init__(self, server: Any, sock: socket.socket, addr: Any, *args: Any, **kw: Any):
            super().__init__(server, sock, addr, *args, **kw)
            self.request_began = self.creation_time
            open_channels = [one for one in server.active_channels.values() if not one.will_close]
            same = [one for one in open_channels if one.addr[0] == addr[0]]
            if len(same) > PER_ADDRESS and addr[0] not in (*LOCAL, proxy):
                self.will_close = True
            elif len(open_channels) > CONNECTIONS:
                _close_idle(open_channels)

        def received(self, data: bytes) -> bool:
            before = self.request
            done = bool(super().received(data))
            if self.request is not before:
                self.request_began = time.time()
            return done

        def readable(self) -> bool:
            if not self.is_busy and self._is_late(time.time()):
                self.will_close = True
            return bool(super().readable())

        @property
        def is_busy(self) -> bool:
            """Whether a request is being answered."""
            return bool(self.requests or self.total_outbufs_len)

        def _is_late(self, now: float) -> bool:
            request = self.request
            if request is None:
                return bool(now - self.last_activity > IDLE_SECONDS)
            if request.body_rcv is None:
                return bool(now - self.request_began > HEADER_SECONDS)
            expected = (now - self.request_began - BODY_SECONDS) * BODY_RATE
            return bool(request.body_bytes_received < expected)

    return Channel


def _close_idle(channels: Sequence[Any]) -> None:
    """Close the connection that has waited longest without a request, to make room for another."""
    idle = [
        one
        for one in channels[:-1]
        if not one.is_busy and (one.request is None or one.request.body_rcv is None)
    ]
    if idle:
        min(idle, key=lambda one: one.last_activity).will_close = True
