"""Chromium without a window, and pages of ``fer`` for it: for tests, screenshots and benchmarks."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromedriver")

#: No window, no sandbox (root has none), nothing that is asked of other hosts.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


def has_chromium() -> bool:
    """Whether Chromium and its driver are installed."""
    return all(map(shutil.which, PROGRAMS))


@contextmanager
def chromium(*flags: str, size_wh: tuple[int, int], logs: bool = False) -> Iterator[Any]:
    """Run Chromium with a new profile and a window of this size, and give selenium's driver.

    With `logs` it keeps what pages complain of and which addresses they request.
    """
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    binary, driver = map(shutil.which, PROGRAMS)
    options = ChromeOptions()
    options.binary_location = binary
    if logs:
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", *flags):
            options.add_argument(flag)
        browser = Chrome(options, Service(driver))
        try:
            browser.set_window_size(*size_wh)
            yield browser
        finally:
            browser.quit()


@contextmanager
def serving(*command: object, end: int = signal.SIGTERM) -> Iterator[str]:
    """Run a command of ``fer`` that serves pages, give their address, and end it by a signal."""
    words = [sys.executable, "-m", "fercli", *map(str, command)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = (re.search(r"http\S+", line) for line in process.stdout)
        yield next(match.group() for match in found if match)
    finally:
        process.send_signal(end)
        process.communicate()


def wait_until(browser: Any, script: str, seconds: float = 60) -> Any:
    """Wait until an expression of the page is true, and return its value."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, 0.02).until(
        lambda _: browser.execute_script(f"return {script}")
    )


def save_screenshot(browser: Any, path: Path) -> None:
    """Save what the window shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(path))


def place_on_stage(browser: Any, image_wh: tuple[int, int], x: float, y: float) -> tuple[int, int]:
    """Return where a point of an image that fits the stage of the annotation page is shown."""
    left, top, wide, high = browser.execute_script(
        "const {left, top, width, height} = document.getElementById('stage')"
        ".getBoundingClientRect(); return [left, top, width, height]"
    )
    width, height = image_wh
    scale = min((wide - 12) / width, (high - 12) / height)
    return (
        round(left + (wide - width * scale) / 2 + x * scale),
        round(top + (high - height * scale) / 2 + y * scale),
    )


def drag(
    browser: Any, start: tuple[int, int], end: tuple[int, int], aim_ms: int = 10, draw_ms: int = 10
) -> None:
    """Press the pointer at a point of the window, move it to another in two steps, release it."""
    from selenium.webdriver import ActionChains

    chain = ActionChains(browser, duration=aim_ms)
    pointer = chain.w3c_actions.pointer_action
    pointer.move_to_location(*start)
    pointer.pointer_down()
    pointer._duration = draw_ms // 2
    pointer.move_to_location((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
    pointer.move_to_location(*end)
    pointer.pointer_up()
    chain.perform()
