"""The guard: who may come in, and what browsers are told to do with pages."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Response, redirect, request, url_for

from fercli.web.http_errors import API, HttpError
from fercli.web.settings import is_loopback

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

COOKIE = "fer"

#: What an unknown visitor may see: how to come in, whether the server lives, how pages look.
OPEN = ("pages.login", "api.health", "static")

#: Nothing from elsewhere, nothing inside the page itself.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Checks each request, and adds the headers to each answer.

    Without a token the server trusts all of this machine, but no web page that a browser on it
    has open: neither one that calls itself by another name for this address (DNS rebinding) nor
    one that sends forms across.

    Parameters
    ----------
    token : str
        What clients must know; "" for nothing.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def install(self, app: Flask) -> None:
        """Stand in front of an application."""
        app.before_request(self.check)
        app.after_request(_with_headers)

    def check(self) -> ResponseReturnValue | None:
        """Refuse strangers; send people to the page where they can say the token."""
        _refuse_other_sites()
        _refuse_unreadable()
        if not self._token:
            _refuse_other_names()
        authorization = request.headers.get("Authorization", "")
        if request.endpoint in OPEN or self.knows(authorization, request.cookies):
            return None
        if request.path.startswith(API):
            found = "another token" if authorization else "none"
            raise HttpError(401, f"wanted the header Authorization: Bearer TOKEN, found {found}")
        return redirect(url_for("pages.login", next=request.path))

    def knows(self, authorization: str, cookies: Mapping[str, str]) -> bool:
        """Whether someone with this header and these cookies may come in."""
        kind, _, token = authorization.partition(" ")
        # WSGI hands headers over as Latin-1, whatever the client's bytes stand for.
        said = token.strip().encode("latin-1", "replace")
        known = kind.lower() == "bearer" and hmac.compare_digest(said, self._token)
        if not self._token or known:
            return True
        return hmac.compare_digest(cookies.get(COOKIE, "").encode(), self._pass().encode())

    def accepts(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(token.encode(), self._token)

    def admit(self, response: Response) -> None:
        """Let the browser that gets this response come in from now on."""
        response.set_cookie(
            COOKIE, self._pass(), httponly=True, samesite="Strict", secure=request.is_secure
        )

    def _pass(self) -> str:
        """Return what a browser keeps in the token's place: the token cannot be found from it."""
        return hmac.new(self._token, b"a browser of fer serve", "sha256").hexdigest()


def local_address(address: str) -> str:
    """Return the path that a visitor wanted, if it is one of this server; else the start page."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    plain = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if plain and not parts.netloc and not parts.scheme else "/"


def _refuse_other_sites() -> None:
    """Refuse what a page of another site makes a browser send; links from there are welcome."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    link = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site not in ("none", "same-origin") and not link:
        raise HttpError(403, "wanted a request of a page of this server, found another site's")


def _refuse_unreadable() -> None:
    """Refuse an address whose question is no text: reading it would fail wherever it is read."""
    try:
        request.query_string.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HttpError(400, "wanted an address in UTF-8, found another encoding") from error


def _refuse_other_names() -> None:
    """Refuse a page of another site that has given its own name the address of this machine."""
    try:
        host = urlsplit(f"//{request.host}").hostname
    except ValueError as error:  # brackets without an address between them
        raise HttpError(421, "wanted a request to localhost, found none to a host") from error
    if not is_loopback(host or ""):
        raise HttpError(421, f"wanted a request to localhost, found one to {host}")


def _with_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
