"""What strangers and pages of other sites can and cannot do."""

import io
import re

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from fercli.common.errors import OptionError
from fercli.web.auth import local_address, require_token

from .conftest import TOKEN, refused


def test_a_token_keeps_strangers_out(make_client, jpeg):
    client = make_client(token=TOKEN)
    assert client.get("/api/v1/health").status_code == 200
    refused(client.post("/api/v1/classify", data=jpeg), 401, "got none")
    wrong = {"Authorization": "Bearer wrong"}
    refused(client.get("/api/v1/models", headers=wrong), 401, "got another token")
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert client.post("/api/v1/classify", data=jpeg, headers=right).status_code == 200
    page = client.get("/my-camera")
    assert (page.status_code, page.location) == (302, "/login?next=/my-camera")


def test_a_token_may_have_letters_of_any_alphabet(make_client):
    token = "größer als sechzehn Buchstaben"
    sent = token.encode().decode("latin-1")  # what WSGI makes of a client's bytes
    header = {"Authorization": f"Bearer {sent}"}
    assert make_client(token=token).get("/api/v1/models", headers=header).status_code == 200


def test_people_say_the_token_once(make_client):
    client = make_client(token=TOKEN)
    assert client.post("/login", data={"token": "wrong"}).status_code == 401
    assert client.get("/my-camera").status_code == 302
    admitted = client.post("/login?next=/my-camera", data={"token": TOKEN})
    assert (admitted.status_code, admitted.location) == (303, "/my-camera")
    cookie = admitted.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/my-camera").status_code == 200


@pytest.mark.parametrize(
    ("address", "led_to"),
    [("/my-camera", "/my-camera"), ("//evil.example", "/"), ("https://evil.example", "/"),
     ("/\\evil.example", "/"), ("", "/"), ("javascript:alert(1)", "/")],
)  # fmt: skip
def test_coming_in_leads_nowhere_else(address, led_to):
    assert local_address(address) == led_to


@pytest.mark.parametrize(
    ("host", "token", "allowed"),
    [("127.0.0.1", "", True), ("localhost", "", True), ("::1", "", True), ("0.0.0.0", "", False),
     ("::", "x" * 15, False), ("0.0.0.0", "x" * 16, True), ("example.org", "", False)],
)  # fmt: skip
def test_other_machines_need_a_token(host, token, allowed):
    if allowed:
        require_token(host, token)
    else:
        with pytest.raises(OptionError, match="`token` must have at least 16 characters"):
            require_token(host, token)


def test_another_name_for_this_machine_is_refused(client):
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example"):
        refused(client.get("/api/v1/health", headers={"Host": host}), 421, "Expected a request to")
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.get("/api/v1/health", headers={"Host": host}).status_code == 200
    for host in ("a b", "[:a.b:1]", "[", "a" * 300, "a." * 200, "é"):
        request = EnvironBuilder("/").get_environ() | {"HTTP_HOST": host}
        assert run_wsgi_app(client.application, request)[1][:3] in ("400", "421")


@pytest.mark.parametrize("question", ["model=f\xe5r", "\x80", "bars=\xff"])
def test_addresses_that_are_no_text_are_refused(client, question):
    environment = {"QUERY_STRING": question}
    refused(
        client.post("/api/v1/jobs", data=b"x", environ_overrides=environment),
        400,
        "The query string is not UTF-8",
    )


@pytest.mark.parametrize("address", ["//[", "/\\[x", "http://[x/"])
def test_after_the_login_nobody_is_sent_elsewhere(address):
    assert local_address(address) == "/"


def test_other_sites_may_link_but_not_send(client, jpeg):
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        refused(client.post("/api/v1/classify", data=jpeg, headers=headers), 403, "another site")
        assert client.get("/camera/stream", headers=headers).status_code == 403
        link = headers | {"Sec-Fetch-Mode": "navigate"}
        assert client.get("/", headers=link).status_code == 200
        link |= {"Sec-Fetch-Dest": "document"}
        assert client.get("/camera?watch=1", headers=link).status_code == 200
        for place in ("iframe", "frame", "object", "embed"):
            frame = link | {"Sec-Fetch-Dest": place}
            assert client.get("/camera?watch=1", headers=frame).status_code == 403


@pytest.mark.parametrize("path", ["/", "/login", "/nothing", "/api/v1/health", "/static/style.css"])
def test_headers(client, path):
    with client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert "Access-Control-Allow-Origin" not in response.headers


def test_what_a_page_of_another_port_sends_is_refused(client, jpeg):
    # Over plain HTTP browsers send no Sec-Fetch-Site; "null" comes from a sandboxed frame.
    for origin in ("http://localhost:9000", "http://evil.example", "null", "http://["):
        headers = {"Origin": origin, "Host": "localhost:8000"}
        answer = client.post("/api/v1/classify", data=jpeg, headers=headers)
        refused(answer, 403, "page of another site")
    headers = {"Origin": "http://localhost:8000", "Host": "localhost:8000"}
    assert client.post("/api/v1/classify", data=jpeg, headers=headers).status_code == 200


def test_the_kind_of_authentication_is_named(make_client):
    answer = make_client(token=TOKEN).get("/api/v1/models")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fer"'


def test_many_wrong_tokens_have_to_wait(make_client):
    client = make_client(token=TOKEN)
    wrong = {"Authorization": "Bearer wrong"}
    for _ in range(5):
        assert client.post("/login", data={"token": "wrong"}).status_code == 401
        assert client.get("/api/v1/models", headers=wrong).status_code == 401
    right = {"Authorization": f"Bearer {TOKEN}"}
    for answer in (
        client.post("/login", data={"token": TOKEN}),
        client.get("/api/v1/models", headers=wrong),
        client.get("/api/v1/models", headers=right),
    ):
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) == 60
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/api/v1/models", headers=right, environ_base=elsewhere).status_code == 200


def test_a_cookie_of_which_one_has_signed_out_lets_nobody_in(make_client):
    client = make_client(token=TOKEN)
    client.post("/login", data={"token": TOKEN})
    assert "Sign out" in client.get("/my-camera").text
    cookie = client.get_cookie("fer").value
    assert client.post("/logout").location == "/login"
    client.set_cookie("fer", cookie)  # of somebody who copied it
    assert client.get("/my-camera").status_code == 302
    client.post("/login", data={"token": TOKEN})
    assert client.get("/my-camera").status_code == 200


def test_the_log_of_requests_has_no_secrets(make_app):
    log = io.StringIO()
    client = make_app(access_log=log).test_client()
    client.get("/api/v1/jobs/a-secret-id/video?download=another")
    client.get("/a%0Ab")
    first, second = log.getvalue().splitlines()
    assert re.fullmatch(r'127\.0\.0\.1 - - \[.+\] "GET /api/v1/jobs/\*/video" 404 \d+', first), (
        first
    )
    assert '"GET /a%0Ab" 404' in second
