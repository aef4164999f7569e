"""The pages in a real Chromium, whose camera shows a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("selenium", reason="pip install 'fercli[test]'")

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = pytest.mark.slow

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


@pytest.fixture(scope="module")
def browser(portrait, tmp_path_factory):
    """Chromium with a new profile; its camera shows a face that moves."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    folder = tmp_path_factory.mktemp("chromium")
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
    driver.folder = folder
    driver.set_window_size(1000, 1400)
    yield driver
    driver.quit()


def write_camera(path: Path, portrait: np.ndarray) -> Path:
    """Write what Chromium takes for a camera: images as JPEG, one after the other."""
    large = cv2.resize(portrait, (640, 480))
    images = [np.roll(large, 4 * at, axis=1) for at in (*range(15), *range(15, 0, -1))]
    path.write_bytes(b"".join(cv2.imencode(".jpg", one)[1].tobytes() for one in images))
    return path


@pytest.fixture
def visit(browser, server):
    """Open a page: ``visit("/image")``; afterwards nothing may have gone wrong or elsewhere."""
    addresses = []

    def go(path: str, base: str = server) -> Chrome:
        addresses.append(base)
        browser.get(base + path)
        return browser

    yield go
    # A page that is left gives cameras and requests back.
    browser.get("about:blank")
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [one for one in complaints if "the server responded with" not in one["message"]] == []
    for address in requested(browser):
        assert address.startswith((*addresses, "blob:", "about:", "data:", "chrome:")), address


def requested(browser):
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


def until(browser, condition, seconds=120):
    return WebDriverWait(browser, seconds, 0.1).until(lambda driver: condition())


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


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


def test_every_page_is_reached_by_keyboard(visit):
    browser = visit("/")
    titles = set()
    for _ in range(20):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if link := browser.switch_to.active_element.get_attribute("href"):
            titles.add(link.rsplit("/", 1)[-1])
    assert {"#main", "image", "video", "my-camera", "camera"} <= titles


def test_a_image(visit, jpeg, tmp_path):
    browser = visit("/image")
    path = tmp_path / "a face ü.jpg"
    path.write_bytes(jpeg)
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "1 face in a face ü.jpg")
    assert "happy" in find(browser, ".face h3").text
    assert colors(browser, "#canvas") > 500
    find(browser, "#json").click()
    saved = browser.folder / "faces.json"
    until(browser, saved.exists)
    (image,) = json.loads(saved.read_text())["images"]
    assert image["faces"][0]["expression"] == "happy"


def test_no_image_is_named(visit, tmp_path):
    browser = visit("/image")
    path = tmp_path / "notes.jpg"
    path.write_text("no image")
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "not an image of a known format")
    assert not find(browser, "#result").is_displayed()


def test_the_same_file_can_be_chosen_again(visit, jpeg, tmp_path):
    browser = visit("/image")
    path = tmp_path / "face.jpg"
    path.write_text("no image")
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "not an image of a known format")
    path.write_bytes(jpeg)
    # What a click does before the dialog opens, without the dialog.
    browser.execute_script("document.querySelector('#file').dispatchEvent(new Event('click'))")
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "1 face in face.jpg")


def test_a_video(visit, video):
    browser = visit("/video")
    find(browser, "#file").send_keys(str(video))
    status_says(browser, "24 frames in")
    played = "document.querySelector('video').readyState >= 2"
    until(browser, lambda: browser.execute_script(f"return {played}"))
    start = "const player = document.querySelector('video'); player.muted = true; player.play()"
    browser.execute_script(start)
    until(browser, lambda: browser.execute_script(
        "return document.querySelector('video').currentTime > 0.5"))  # fmt: skip
    assert colors(browser, "#player") > 300
    assert browser.execute_script("return document.querySelector('#timeline').naturalWidth") > 500
    assert "100 %" in find(browser, "#people").text
    # The address remembers the job.
    browser.refresh()
    status_says(browser, "24 frames in")
    csv = find(browser, "#downloads a[href*=csv]").get_attribute("href")
    assert csv.endswith("/csv?download")


def test_a_video_that_is_canceled(visit, make_video, tmp_path):
    browser = visit("/video")
    find(browser, "#file").send_keys(str(make_video(tmp_path / "long.mp4", 1000)))
    status_says(browser, "Frame")
    find(browser, "#cancel").click()
    status_says(browser, "Canceled.")
    ask = "return fetch('/api/v1/health').then((answer) => answer.json())"
    until(browser, lambda: browser.execute_script(ask)["jobs"]["running"] == 0)


def test_a_video_outlives_a_network_that_is_gone_for_a_moment(visit, make_video, tmp_path):
    browser = visit("/video")
    find(browser, "#file").send_keys(str(make_video(tmp_path / "long.mp4", 200)))
    status_says(browser, "Frame")
    job = browser.current_url.partition("#")[2]
    # Chromium's own way to be offline would fill the log that `visit` looks into.
    browser.execute_script("window.kept = fetch; window.fetch = () => Promise.reject(Error())")
    status_says(browser, "the server does not answer; waiting for it")
    assert browser.current_url.endswith(f"#{job}")
    browser.execute_script("window.fetch = window.kept")
    status_says(browser, "200 frames in")
    assert "trouble" not in find(browser, "#status").get_attribute("class")


def test_a_video_that_the_server_has_forgotten(visit, make_video, tmp_path):
    browser = visit("/video")
    find(browser, "#file").send_keys(str(make_video(tmp_path / "long.mp4", 1000)))
    status_says(browser, "Frame")
    job = browser.current_url.partition("#")[2]
    browser.execute_script("fetch('/api/v1/jobs/' + arguments[0], { method: 'DELETE' })", job)
    status_says(browser, "There is no such job")
    assert "#" not in browser.current_url
    assert not find(browser, "#work").is_displayed()


def test_the_browsers_camera(visit):
    browser = visit("/my-camera")
    find(browser, "#start").click()
    status_says(browser, "frames a second")
    until(browser, lambda: "happy" in find(browser, "#faces").text)
    assert colors(browser, "#canvas") > 500
    find(browser, "#stop").click()
    assert not find(browser, "#result").is_displayed()


def test_the_browsers_camera_keeps_to_the_threshold(visit, run_server):
    with run_server("--no-camera", "--threshold", 1) as address:
        browser = visit("/my-camera", address)
        find(browser, "#start").click()
        status_says(browser, "frames a second")  # of the second answer on, which is smoothed
        titles = until(
            browser,
            lambda: browser.execute_script(
                "return [...document.querySelectorAll('#faces h3')].map((one) => one.textContent)"
            ),
        )
        assert all("unclear" in title for title in titles)
        find(browser, "#stop").click()


def test_the_browsers_camera_is_unplugged(visit):
    browser = visit("/my-camera")
    find(browser, "#start").click()
    status_says(browser, "frames a second")
    browser.execute_script(
        "const [track] = document.querySelector('#video').srcObject.getTracks();"
        "track.stop(); track.dispatchEvent(new Event('ended'))"  # which its own end sends alone
    )
    status_says(browser, "The camera has ended")
    assert not find(browser, "#result").is_displayed()
    assert find(browser, "#start").is_enabled()
    find(browser, "#start").click()
    status_says(browser, "frames a second")


def test_the_servers_camera(visit):
    browser = visit("/camera")
    find(browser, "main form button").click()
    until(browser, lambda: colors(browser, ".view") > 500)
    assert browser.execute_script("return document.querySelector('.view').naturalWidth") == 480
    assert find(browser, "main a.button").text == "Stop"
    find(browser, "main a.button").click()
    assert find(browser, "main form button").text == "Start"


def test_the_token_is_asked_for_once(visit, run_server, jpeg, tmp_path):
    token = "sixteen letters and more"
    with run_server("--no-camera", "--token", token) as address:
        browser = visit("/image?x=1", address)
        assert "Come in" in browser.title
        find(browser, "#token").send_keys("wrong", Keys.ENTER)
        until(browser, lambda: "That is not the token" in browser.page_source)
        find(browser, "#token").send_keys(token, Keys.ENTER)
        until(browser, lambda: "Image" in browser.title)
        (tmp_path / "face.jpg").write_bytes(jpeg)
        find(browser, "#file").send_keys(str(tmp_path / "face.jpg"))
        status_says(browser, "1 face")


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("path", ["/", "/image", "/video", "/my-camera", "/camera", "/nothing"])
def test_no_page_is_wider_than_the_screen(visit, width, path):
    browser = visit(path)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width
