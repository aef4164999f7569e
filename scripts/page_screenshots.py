"""Photograph the web page with an image and with a video: ``page_screenshots.py docs/images``.

Needs Chromium. The image is scikit-image's astronaut, the video a clip made of it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import skimage.data
from docs_images import write_clip
from PIL import Image


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary, serving() as address, chromium() as browser:
        image, clip = Path(temporary, "astronaut.png"), Path(temporary, "clip.mp4")
        cv2.imwrite(str(image), skimage.data.astronaut()[:, :, ::-1])
        write_clip(image, clip)
        for path, shown in ((image, "image"), (clip, "video")):
            browser.get(address)
            browser.find_element("id", "file").send_keys(str(path))
            wait_for(browser, path.name)
            browser.execute_script(
                "document.getElementById('player').currentTime = 1.2;"
                "document.getElementById('status').scrollIntoView()"
            )
            time.sleep(2)
            photograph(browser, out / f"page-{shown}.png")


def photograph(browser, path: Path) -> None:
    """Save the window with few colors: a third of the size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(path))
    with Image.open(path) as image:
        image.convert("RGB").quantize(256).save(path, optimize=True)


def wait_for(browser, name: str) -> None:
    """Wait until the result of a file is shown."""
    for _ in range(600):
        status = browser.find_element("id", "status").text
        if name in status and ("face" in status or "frames in" in status):
            return
        time.sleep(0.2)
    raise SystemExit(f"{name} has no result: {status}")


@contextmanager
def serving() -> Iterator[str]:
    """Run ``fer serve`` and give its address."""
    command = [sys.executable, "-m", "fercli", "serve", "--port", "0", "--no-camera"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http\S+", process.stdout.readline())
        assert found is not None
        yield found.group()
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def chromium() -> Iterator:
    """Give a Chromium without a window."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = Chrome(options, Service(shutil.which("chromedriver")))
    try:
        browser.set_window_size(1100, 1250)
        yield browser
    finally:
        browser.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
