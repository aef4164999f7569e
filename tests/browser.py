"""Chromium for the tests of the pages, what they ask of it, and servers within this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from platformdirs import user_cache_dir

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

#: Where `make browser` puts axe-core.
AXE = Path(user_cache_dir("fer"), "axe", "node_modules", "axe-core", "axe.min.js")

#: Widths of a desktop and of a phone.
WIDTHS = (1280, 360)


@contextmanager
def run_chromium(folder: Path, portrait: np.ndarray) -> Iterator[Chrome]:
    """Run Chromium, or skip the test; its first camera shows a face that moves."""
    pytest.importorskip("selenium", reason="pip install 'fercli[test]'")
    from scripts.browsing import chromium, has_chromium

    if not has_chromium():
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    camera = write_camera(folder / "camera.mjpeg", portrait)
    flags = (
        "--touch-events=enabled",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    )
    with chromium(*flags, size_wh=(1000, 1400), logs=True) as driver:
        driver.get("about:blank")
        # Else events of the focus come only while the window happens to have it.
        driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        yield driver


def write_camera(path: Path, portrait: np.ndarray) -> Path:
    """Write what Chromium takes for a camera: images as JPEG, one after the other."""
    large = cv2.resize(portrait, (640, 480))
    images = [np.roll(large, 4 * at, axis=1) for at in (*range(15), *range(15, 0, -1))]
    path.write_bytes(b"".join(cv2.imencode(".jpg", one)[1].tobytes() for one in images))
    return path


@contextmanager
def visiting(browser: Chrome, folder: Path) -> Iterator[list[str]]:
    """Give a list for the addresses of servers; nothing may go wrong, or elsewhere, meanwhile.

    What pages save goes to `folder`, which is the test's own, and is in ``browser.folder``.
    """
    folder.mkdir()
    browser.folder = folder
    behavior = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
    browser.get("about:blank")
    browser.get_log("browser")
    list(requested(browser))
    addresses: list[str] = []
    yield addresses
    # A page that is left gives cameras and requests back.
    browser.get("about:blank")
    grave = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [one for one in grave if "the server responded with" not in one["message"]] == []
    for address in requested(browser):
        assert address.startswith((*addresses, "blob:", "about:", "data:", "chrome")), address


def requested(browser: Chrome) -> Iterator[str]:
    """Yield the addresses that pages have asked for since the last call."""
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


@contextmanager
def served_here(app, make_server) -> Iterator[str]:
    """Serve an application from a thread of this process, and give its address."""
    from waitress.wasyncore import close_all

    from fercli.web.server import address_of, listening

    with listening("127.0.0.1", 0) as listener:
        server = make_server(app, listener)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield address_of("127.0.0.1", listener).rstrip("/")
        finally:
            # Browsers hold connections open, for which the server would wait.
            with suppress(OSError):  # it has ended already
                server.trigger.pull_trigger(lambda: close_all(server._map))
            thread.join(30)
            assert not thread.is_alive()
            server.task_dispatcher.shutdown()


def until(browser, condition, seconds=120):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, 0.03).until(lambda driver: condition())


def find(browser, selector):
    return browser.find_element("css selector", selector)


def status_says(browser, text):
    """Wait for a message of the page; what it says instead is in the error."""
    from selenium.common.exceptions import TimeoutException

    try:
        until(browser, lambda: text in find(browser, "#status").text)
    except TimeoutException:
        assert find(browser, "#status").text == text


def saved(browser, pattern):
    """Wait until a page has saved a file of such a name, and return its path."""
    until(browser, lambda: any(one.stat().st_size for one in browser.folder.glob(pattern)))
    (path,) = browser.folder.glob(pattern)
    return path


@contextmanager
def screen(browser, width, height, scheme="light"):
    """Give pages a screen of a size, a phone's if it is narrow, and a color scheme."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def colors(browser, selector):
    """How many colors there are in a canvas, an img or a video: one if empty, none if missing."""
    return browser.execute_script(
        """
        const from = document.querySelector(arguments[0]);
        if (!from) return 0;  // the page is still on its way
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = 64;
        const context = canvas.getContext("2d");
        context.drawImage(from, 0, 0, 64, 64);
        const pixels = new Uint32Array(context.getImageData(0, 0, 64, 64).data.buffer);
        return new Set(pixels).size;
        """,
        selector,
    )


RUN_AXE = """
const done = arguments[arguments.length - 1];
const told = ({ id, nodes }) => [id, ...nodes.map(({ html }) => html.slice(0, 120))].join(" | ");
axe.run({ resultTypes: ["violations"] }).then(
  ({ violations }) => done(violations.map(told)), (error) => done([String(error)]));
"""


def violations(browser):
    """Return what axe finds wrong with the page that is open, in each of its looks.

    See: https://github.com/dequelabs/axe-core, the rules of WCAG 2.2 A and AA and best practices.
    """
    if not AXE.is_file():
        pytest.skip("needs axe-core: make browser, which takes it from npm")
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = {}
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            with screen(browser, width, 900, scheme):
                if wrong := browser.execute_async_script(RUN_AXE):
                    found[width, scheme] = wrong
    return found
