"""Authentication by a token, checks of the origin of requests, and security headers."""

from __future__ import annotations

import hmac
import secrets
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

#: Nothing from other sites, nothing inline.
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
        self.form_key = secrets.token_urlsafe(16)

    def install(self, app: Flask) -> None:
        """Check the requests of an application."""
        app.before_request(self.check)
        app.after_request(_with_headers)

    def check(self) -> ResponseReturnValue | None:
        """Refuse requests without the token; redirect browsers to the page to sign in."""
        _refuse_other_sites()
        _refuse_unreadable()
        if not self._token:
            _refuse_other_names()
        authorization = request.headers.get("Authorization", "")
        if request.endpoint in OPEN or self.is_authorized(authorization, request.cookies):
            return None
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
        return hmac.compare_digest(cookies.get(COOKIE, "").encode(), self._cookie_value().encode())

    def is_token(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(token.encode(), self._token)

    def require_form(self) -> None:
        """Raise unless the request comes from a form of this server's own pages."""
        sent = request.form.get("key", "")
        if not hmac.compare_digest(sent.encode(), self.form_key.encode()):
            raise HttpError(403, "The form is not of a page of this server", hint="reload the page")

    def sign_in(self, response: Response) -> None:
        """Set the cookie that authorizes the browser that gets this response."""
        response.set_cookie(
            COOKIE, self._cookie_value(), httponly=True, samesite="Strict", secure=request.is_secure
        )

    def _cookie_value(self) -> str:
        """Return the value of the cookie, from which the token cannot be derived."""
        return hmac.new(self._token, b"a browser of fer serve", "sha256").hexdigest()


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
