"""Every page by axe-core: desktop and phone, light and dark.

See: https://github.com/dequelabs/axe-core, the rules of WCAG 2.2 A and AA and its best practices.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_cache_dir

pytest.importorskip("selenium", reason="pip install 'fercli[test]'")

from .browser import find, status_says, until

pytestmark = pytest.mark.slow

#: Where `make browser` puts axe-core.
AXE = Path(user_cache_dir("fer"), "axe", "node_modules", "axe-core", "axe.min.js")

#: Widths of a desktop and of a phone.
WIDTHS = (1280, 360)

RUN = """
const done = arguments[arguments.length - 1];
const told = ({ id, nodes }) => [id, ...nodes.map(({ html }) => html.slice(0, 120))].join(" | ");
axe.run({ resultTypes: ["violations"] }).then(
  ({ violations }) => done(violations.map(told)), (error) => done([String(error)]));
"""


@pytest.fixture(scope="module")
def axe():
    if not AXE.is_file():
        pytest.skip("needs axe-core: make browser, which takes it from npm")
    return AXE.read_text(encoding="utf-8")


def violations(browser, axe):
    """Return what axe finds wrong with the page that is open, in each of its looks."""
    browser.execute_script(axe)
    found = {}
    for width in WIDTHS:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            if wrong := browser.execute_async_script(RUN):
                found[width, scheme] = wrong
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    return found


def with_image(browser, jpeg, folder):
    path = folder / "face.jpg"
    path.write_bytes(jpeg)
    (folder / "text.jpg").write_text("no image")
    find(browser, "#file").send_keys(f"{path}\n{folder / 'text.jpg'}")
    status_says(browser, "1 face in face.jpg")
    find(browser, "#options summary").click()
    find(browser, ".face summary").click()


def test_the_start_page(visit, axe):
    browser = visit("/")
    until(browser, lambda: find(browser, "#result").is_displayed())
    assert violations(browser, axe) == {}


def test_images(visit, axe, jpeg, tmp_path):
    browser = visit("/")
    with_image(browser, jpeg, tmp_path)
    assert violations(browser, axe) == {}


def test_a_video(visit, axe, video):
    browser = visit("/")
    find(browser, "#file").send_keys(str(video))
    status_says(browser, "24 frames in")
    until(browser, lambda: find(browser, "#people").text)
    assert violations(browser, axe) == {}


def test_the_browsers_camera(visit, axe):
    browser = visit("/my-camera")
    find(browser, "#start").click()
    until(browser, lambda: "frames a second" in find(browser, "#rate").text)
    assert violations(browser, axe) == {}


def test_the_servers_camera(visit, axe):
    browser = visit("/camera")
    assert violations(browser, axe) == {}
    find(browser, "main form button").click()
    until(browser, lambda: "watch" in browser.current_url)
    assert violations(browser, axe) == {}


def test_errors(visit, axe):
    assert violations(visit("/nothing"), axe) == {}


def test_signing_in(visit, axe, run_server):
    with run_server("--no-camera", "--token", "another token of sixteen letters") as address:
        browser = visit("/", address)
        assert "Sign in" in browser.title
        assert violations(browser, axe) == {}
