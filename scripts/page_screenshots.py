"""Photograph the web page with an image and with a video.

    python -m scripts.page_screenshots docs/images

The image is scikit-image's astronaut, the video a clip made of it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import cv2
import skimage.data
from PIL import Image

from scripts.browsing import chromium, save_screenshot, serving, wait_until
from scripts.docs_images import write_clip

SERVE = ("serve", "--port", 0, "--no-camera")


def main(out: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as temporary,
        serving(*SERVE) as address,
        chromium(size_wh=(1100, 1250)) as browser,
    ):
        image, clip = Path(temporary, "astronaut.png"), Path(temporary, "clip.mp4")
        cv2.imwrite(str(image), skimage.data.astronaut()[:, :, ::-1])
        write_clip(image, clip)
        for path, words in ((image, "face in astronaut.png"), (clip, "frames in")):
            browser.get(address)
            browser.find_element("id", "file").send_keys(str(path))
            wait_until(browser, f"document.getElementById('status').innerText.includes('{words}')")
            browser.execute_script(
                "document.getElementById('player').currentTime = 1.2;"
                "document.getElementById('status').scrollIntoView()"
            )
            time.sleep(2)
            photograph(browser, out / ("page-image.png" if path == image else "page-video.png"))


def photograph(browser, path: Path) -> None:
    """Save the window with few colors: a third of the size."""
    save_screenshot(browser, path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
