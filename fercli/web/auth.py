"""Authentication by a token, checks of the origin of requests, and security headers."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Response, redirect, request, url_for

from fercli.common.errors import OptionError
from fercli.web.http_errors import API, HttpError

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

COOKIE = "fer"

#: The shortest token that is allowed where other machines can connect.
TOKEN_LENGTH = 16

#: Endpoints that need no token: signing in, the health check, style sheets and scripts.
OPEN = ("pages.login", "api.health", "static")

#: Most wrong tokens from one address in so many seconds, and most addresses that are remembered.
MOST_WRONG, WRONG_SECONDS, ADDRESSES = 10, 60.0, 10_000

#: Nothing from other sites, nothing inline.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
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
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class AccessControl:
    """Checks each request and adds the security headers to each response.

    Without a token the server trusts every program of this machine, but no web page of another
    site that is open in a browser on it: neither by a host name that resolves to this address
    (DNS rebinding) nor by requests across sites (CSRF).

    Parameters
    ----------
    token : str
        The secret that clients must send; "" for none.

    Attributes
    ----------
    form_key : str
        A secret of the pages' own forms, which pages of other sites cannot read.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._wrong: dict[str, deque[float]] = {}
        self._signed_out: set[str] = set()
        self.form_key = secrets.token_urlsafe(16)

    def install(self, app: Flask) -> None:
        """Check the requests of an application."""
        app.before_request(self.check)
        app.after_request(_with_headers)

    def check(self) -> ResponseReturnValue | None:
        """Refuse requests without the token; redirect browsers to the page to sign in."""
        _refuse_other_sites()
        _refuse_other_origins()
        _refuse_unreadable()
        if not self._token:
            _refuse_other_names()
        authorization = request.headers.get("Authorization", "")
        if authorization and request.endpoint not in OPEN:
            self._refuse_guesses()
        if request.endpoint in OPEN or self.is_authorized(authorization, request.cookies):
            return None
        if authorization:
            self._note_wrong()
        if request.path.startswith(API):
            found = "got another token" if authorization else "got none"
            raise HttpError(401, f"Expected the header Authorization: Bearer TOKEN, {found}")
        return redirect(url_for("pages.login", next=request.path))

    def is_authorized(self, authorization: str, cookies: Mapping[str, str]) -> bool:
        """Whether a request with this header and these cookies is allowed."""
        kind, _, token = authorization.partition(" ")
        # WSGI decodes headers as Latin-1, whatever the client's encoding.
        sent = token.strip().encode("latin-1", "replace")
        known = kind.lower() == "bearer" and hmac.compare_digest(sent, self._token)
        if not self._token or known:
            return True
        cookie = cookies.get(COOKIE, "")
        nonce = cookie.partition(".")[0]
        signed = hmac.compare_digest(cookie.encode(), self._cookie_value(nonce).encode())
        return signed and nonce not in self._signed_out

    def is_token(self, token: str) -> bool:
        """Whether this is the token.

        Raises
        ------
        HttpError
            429: there were too many wrong ones from the client's address.
        """
        self._refuse_guesses()
        if hmac.compare_digest(token.encode(), self._token):
            return True
        self._note_wrong()
        return False

    def _refuse_guesses(self) -> None:
        """Refuse the tokens of an address that has sent many wrong ones."""
        times = self._wrong.get(request.remote_addr or "", deque())
        if len(times) == MOST_WRONG and time.monotonic() - times[0] < WRONG_SECONDS:
            raise HttpError(
                429, "Too many wrong tokens", hint="wait a minute", retry=round(WRONG_SECONDS)
            )

    def _note_wrong(self) -> None:
        self._refuse_guesses()
        if len(self._wrong) >= ADDRESSES:
            self._wrong.pop(next(iter(self._wrong)))
        times = self._wrong.setdefault(request.remote_addr or "", deque(maxlen=MOST_WRONG))
        times.append(time.monotonic())

    def require_form(self) -> None:
        """Raise unless the request comes from a form of this server's own pages."""
        sent = request.form.get("key", "")
        if not hmac.compare_digest(sent.encode(), self.form_key.encode()):
            raise HttpError(403, "The form is not of a page of this server", hint="reload the page")

    def sign_in(self, response: Response) -> None:
        """Set the cookie that authorizes the browser that gets this response."""
        response.set_cookie(
            COOKIE,
            self._cookie_value(secrets.token_urlsafe(16)),
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )

    def sign_out(self, response: Response) -> None:
        """Let the cookie of the browser that gets this response authorize nobody any more."""
        if self.is_authorized("", request.cookies):
            self._signed_out.add(request.cookies.get(COOKIE, "").partition(".")[0])
        response.delete_cookie(COOKIE, httponly=True, samesite="Strict")

    def _cookie_value(self, nonce: str) -> str:
        """Return the value of a cookie, from which the token cannot be derived."""
        signature = hmac.new(self._token, f"fer serve {nonce}".encode(), "sha256").hexdigest()
        return f"{nonce}.{signature}"


def local_address(address: str) -> str:
    """Return an address if it is a path of this server, otherwise that of the start page."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    plain = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if plain and not parts.netloc and not parts.scheme else "/"


def _refuse_other_sites() -> None:
    """Refuse requests that a page of another site makes a browser send; allow its links."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    # Not into a frame of that page, which nobody need see.
    link = (
        request.method == "GET"
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest", "document") == "document"
    )
    if site not in ("none", "same-origin") and not link:
        raise HttpError(403, "The request comes from a page of another site")


def _refuse_other_origins() -> None:
    """Refuse what a page of another port or host sends; over HTTP browsers say no more than that.

    See: Fetch, section 3.2, "Origin" header.
    """
    origin = request.headers.get("Origin")
    if origin is None or request.method in ("GET", "HEAD", "OPTIONS"):
        return
    try:
        same = urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:
        same = False
    if not same:
        raise HttpError(403, f"The request comes from a page of another site: {origin[:200]}")


def _refuse_unreadable() -> None:
    """Refuse a query string that is not UTF-8: reading it would fail later."""
    try:
        request.query_string.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HttpError(400, "The query string is not UTF-8") from error


def _refuse_other_names() -> None:
    """Refuse host names that are not of this machine (DNS rebinding)."""
    try:
        host = urlsplit(f"//{request.host}").hostname
    except ValueError as error:  # brackets without an address between them
        raise HttpError(421, "Expected a request to localhost, got an invalid host") from error
    if not is_loopback(host or ""):
        raise HttpError(421, f"Expected a request to localhost, got one to {host}")


def _with_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def is_loopback(host: str) -> bool:
    """Whether a host is the loopback interface of this machine."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_token(host: str, token: str) -> None:
    """Raise `OptionError` if other machines could connect without a long token."""
    if not is_loopback(host) and len(token) < TOKEN_LENGTH:
        found = "got none" if not token else f"got {len(token)}"
        raise OptionError(
            f"`token` must have at least {TOKEN_LENGTH} characters where other machines can "
            f"connect ({host}), {found}",
            hint="set FER_TOKEN=$(openssl rand -hex 16), or use `host` 127.0.0.1",
        )
