"""Chromium for the tests of the pages, and what they ask of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


@contextmanager
def chromium(folder: Path, portrait: np.ndarray) -> Iterator[Chrome]:
    """Run Chromium with a new profile; its first camera shows a face that moves."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = programs[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    camera = write_camera(folder / "camera.mjpeg", portrait)
    for flag in (
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"--use-file-for-fake-video-capture={camera}",
    ):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    driver = Chrome(options, Service(programs[1]))
    try:
        driver.folder = folder
        driver.set_window_size(1000, 1400)
        driver.get("about:blank")
        # Else events of the focus come only while the window happens to have it.
        driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        yield driver
    finally:
        driver.quit()


def write_camera(path: Path, portrait: np.ndarray) -> Path:
    """Write what Chromium takes for a camera: images as JPEG, one after the other."""
    large = cv2.resize(portrait, (640, 480))
    images = [np.roll(large, 4 * at, axis=1) for at in (*range(15), *range(15, 0, -1))]
    path.write_bytes(b"".join(cv2.imencode(".jpg", one)[1].tobytes() for one in images))
    return path


def requested(browser: Chrome) -> Iterator[str]:
    """Yield the addresses that pages have asked for since the last call."""
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


def until(browser, condition, seconds=120):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, 0.1).until(lambda driver: condition())


def find(browser, selector):
    return browser.find_element("css selector", selector)


def status_says(browser, text):
    until(browser, lambda: text in find(browser, "#status").text)


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
