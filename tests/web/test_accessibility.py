"""Every page by axe-core: desktop and phone, light and dark."""

from __future__ import annotations

import pytest

pytest.importorskip("selenium", reason="pip install 'fercli[test]'")

from ..browser import find, status_says, until, violations

pytestmark = pytest.mark.slow


def with_image(browser, jpeg, folder):
    path = folder / "face.jpg"
    path.write_bytes(jpeg)
    (folder / "text.jpg").write_text("no image")
    find(browser, "#file").send_keys(f"{path}\n{folder / 'text.jpg'}")
    status_says(browser, "1 face in face.jpg")
    find(browser, "#options summary").click()
    find(browser, ".face summary").click()


def test_the_start_page(visit):
    browser = visit("/")
    until(browser, lambda: find(browser, "#result").is_displayed())
    assert violations(browser) == {}


def test_images(visit, jpeg, tmp_path):
    browser = visit("/")
    with_image(browser, jpeg, tmp_path)
    assert violations(browser) == {}


def test_a_video(visit, analyzed):
    browser = visit(analyzed)
    status_says(browser, "24 frames in")
    until(browser, lambda: find(browser, "#people").text)
    assert violations(browser) == {}


def test_the_browsers_camera(visit):
    browser = visit("/my-camera")
    find(browser, "#start").click()
    until(browser, lambda: "frames a second" in find(browser, "#rate").text)
    assert violations(browser) == {}


def test_the_servers_camera(visit):
    browser = visit("/camera")
    assert violations(browser) == {}
    find(browser, "main form button").click()
    until(browser, lambda: "watch" in browser.current_url)
    assert violations(browser) == {}


def test_errors(visit):
    assert violations(visit("/nothing")) == {}


def test_signing_in(visit, serve_here):
    browser = visit("/", serve_here(token="another token of sixteen letters"))
    assert "Sign in" in browser.title
    assert violations(browser) == {}
