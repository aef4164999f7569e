"""The pages in a real Chromium, whose camera shows a file."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

pytest.importorskip("selenium", reason="pip install 'fercli[test]'")

from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from fercli.recognition.options import RecognitionOptions
from fercli.recognition.results import Face, FrameFaces, Summary
from fercli.recognition.sinks.timeline import Timeline
from fercli.recognition.sinks.video_writer import VideoWriter
from fercli.recognition.sources.frames import Frame
from fercli.web.app import services
from fercli.web.server import make_server

from ..browser import colors, find, saved, screen, served_here, status_says, until

pytestmark = pytest.mark.slow


def test_every_page_is_reached_by_keyboard(visit):
    browser = visit("/")
    missing, tabs = {"#main", "", "my-camera", "camera"}, 0
    while missing:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        if link := browser.switch_to.active_element.get_attribute("href"):
            missing.discard(link.rsplit("/", 1)[-1])
        tabs += 1
        assert tabs < 20, missing


def test_a_image(visit, jpeg, tmp_path):
    browser = visit("/")
    path = tmp_path / "a face ü.jpg"
    path.write_bytes(jpeg)
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "1 face in a face ü.jpg")
    assert "happy" in find(browser, ".face h3").text
    assert colors(browser, "#canvas") > 500
    assert len(browser.find_elements(By.CSS_SELECTOR, ".face > dl dt")) == 3
    browser.execute_script("document.querySelector('.face').focus()")  # marks the box, too
    assert "active" in find(browser, ".mark").get_attribute("class")
    assert "pixels were not looked for" in find(browser, "#unsearched").text
    find(browser, "#zoom").click()
    view = "const view = document.getElementById('image-view');"
    assert browser.execute_script(f"{view} return view.scrollWidth > view.clientWidth")
    find(browser, "#json").click()
    (image,) = json.loads(saved(browser, "a face ü-faces.json").read_text())["images"]
    assert image["faces"][0]["expression"] == "happy"
    find(browser, "#png").click()
    assert cv2.imread(str(saved(browser, "a face ü-faces.png"))).shape == (180, 240, 3)  # its own


def test_several_images(visit, jpeg, tmp_path):
    """Before, all but the first were dropped silently."""
    browser = visit("/")
    names = [tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg")]
    for name in names:
        name.write_bytes(jpeg if name.stem != "b" else b"no image")
    find(browser, "#file").send_keys("\n".join(map(str, names)))
    texts = "return [...document.querySelectorAll('#strip button')].map((one) => one.textContent)"
    until(browser, lambda: browser.execute_script(texts) == ["1", "!", "1"])
    strip(browser)[1].click()
    status_says(browser, "b.jpg: This is not a JPEG")
    strip(browser)[2].click()
    status_says(browser, "1 face in c.jpg")


def test_screen_readers_get_the_newest_message_every_two_seconds(visit):
    browser = visit("/my-camera")
    said = browser.execute_async_script(
        """
        const done = arguments[0], timers = [];
        import("/static/common.js").then(({ say }) => {
          const kept = window.setTimeout;
          window.setTimeout = (act, milliseconds) => timers.push([act, milliseconds]);
          for (const text of ["one", "two", "three"]) say(text);
          window.setTimeout = kept;
          timers[0][0]();
          done([timers.map(([, wait]) => wait), document.getElementById("spoken").textContent]);
        });
        """
    )
    assert said == [[2000], "three"]


def strip(browser):
    return browser.find_elements(By.CSS_SELECTOR, "#strip button")


def test_an_image_is_pasted_and_one_dropped(visit, jpeg, tmp_path):
    browser = visit("/")
    clipboard = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", clipboard)
    browser.execute_async_script(COPY_THE_SAMPLE)
    paste = {"type": "rawKeyDown", "key": "v", "modifiers": 2, "commands": ["paste"]}
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", paste)
    status_says(browser, "1 face in image.png")
    (tmp_path / "dropped.jpg").write_bytes(jpeg)
    at = browser.execute_script("return document.querySelector('.drop').getBoundingClientRect()")
    data = {"items": [], "files": [str(tmp_path / "dropped.jpg")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": at["x"] + 50, "y": at["y"] + 50, "data": data}
        browser.execute_cdp_cmd("Input.dispatchDragEvent", event)
    status_says(browser, "1 face in dropped.jpg")


#: The sample image as PNG, the only format of images that pages may put into the clipboard.
COPY_THE_SAMPLE = """
const done = arguments[arguments.length - 1];
(async () => {
  const image = await createImageBitmap(await (await fetch("/static/sample.jpg")).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const png = await canvas.convertToBlob();
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
})().then(done);
"""


def test_the_camera_of_a_phone_is_offered_where_there_is_one(visit, jpeg, tmp_path):
    browser = visit("/")
    label = find(browser, "label[for=photo]")
    assert not label.is_displayed()
    with screen(browser, 360, 700):
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
        assert label.is_displayed()
        assert find(browser, "#photo").get_attribute("capture") == "environment"
        (tmp_path / "photo.jpg").write_bytes(jpeg)
        find(browser, "#photo").send_keys(str(tmp_path / "photo.jpg"))
        status_says(browser, "1 face in photo.jpg")
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


@pytest.mark.parametrize(("suffix", "shown"), [("avif", True), ("heic", False)])
def test_images_of_phones(visit, portrait, tmp_path, suffix, shown):
    """Chromium shows no HEIC, whose faces are told all the same."""
    pillow_heif.register_heif_opener()
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(portrait[:, :, ::-1]).save(path)
    browser = visit("/")
    find(browser, "#file").send_keys(str(path))
    status_says(browser, f"1 face in a.{suffix}.")
    said = find(browser, "#status").text
    assert ("Your browser cannot show this format" in said) == (not shown)
    assert (colors(browser, "#canvas") > 500) == shown
    assert "happy" in find(browser, ".face h3").text


def test_faces_are_numbered_as_one_reads(visit, portrait, tmp_path):
    browser = visit("/")
    shown = np.full((200, 800, 3), 128, np.uint8)
    shown[10:190, 10:250] = portrait
    half = cv2.resize(portrait, (180, 135))
    shown[30:165, 300:480] = half
    shown[10:190, 520:760] = portrait
    path = tmp_path / "three.png"
    cv2.imwrite(str(path), shown)
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "3 faces in three.png")
    lefts = browser.execute_script(
        "return [...document.querySelectorAll('.mark')].map((one) => parseFloat(one.style.left))"
    )
    assert lefts == sorted(lefts)  # the server's are from the largest face on


def test_an_image_without_a_face_gets_advice(visit, tmp_path):
    browser = visit("/")
    path = tmp_path / "gray.png"
    cv2.imwrite(str(path), np.full((1800, 2400, 3), 128, np.uint8))
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "No face was found in gray.png.")
    assert "What to try" in find(browser, "#tips").text
    find(browser, "#smaller").click()
    until(browser, lambda: find(browser, "#min-face").get_property("value") == "24")
    until(browser, lambda: not find(browser, "#smaller").is_displayed())


def test_an_example_shows_what_the_page_does(visit):
    browser = visit("/")
    until(browser, lambda: find(browser, "#result-title").text == "Example")
    assert "happy" in find(browser, ".face h3").text
    find(browser, "#sample").click()
    status_says(browser, "1 face in sample.jpg")
    # One that comes after something was chosen is not shown over it.
    browser.execute_async_script(
        "const done = arguments[0]; import('/static/image.js').then((page) => {"
        "page.leaveImages(); return page.showExample(); }).then(done)"
    )
    assert not find(browser, "#result").is_displayed()


def test_no_image_is_named(visit, tmp_path):
    browser = visit("/")
    path = tmp_path / "notes.jpg"
    path.write_text("no image")
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "This is not a JPEG")
    assert not find(browser, "#result").is_displayed()


def test_the_same_file_can_be_chosen_again(visit, jpeg, tmp_path):
    browser = visit("/")
    path = tmp_path / "face.jpg"
    path.write_text("no image")
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "This is not a JPEG")
    path.write_bytes(jpeg)
    # What a click does before the dialog opens, without the dialog.
    browser.execute_script("document.querySelector('#file').dispatchEvent(new Event('click'))")
    find(browser, "#file").send_keys(str(path))
    status_says(browser, "1 face in face.jpg")


def test_a_video(visit, video):
    browser = visit("/")
    find(browser, "#file").send_keys(str(video))
    status_says(browser, "24 frames in")
    played = "document.querySelector('video').readyState >= 2"
    until(browser, lambda: browser.execute_script(f"return {played}"))
    start = "const player = document.querySelector('video'); player.muted = true; player.play()"
    browser.execute_script(start)
    until(browser, lambda: browser.execute_script(
        "return document.querySelector('video').currentTime > 0.5"))  # fmt: skip
    assert colors(browser, "#player") > 300
    assert "100 %" in find(browser, "#people").text
    assert colors(browser, "#people .portrait") > 300
    # The address remembers the job.
    browser.refresh()
    status_says(browser, "24 frames in")
    find(browser, "#downloads a[href*=csv]").click()
    assert "happy" in saved(browser, "face-faces.csv").read_text()  # of the user's own "face.mp4"


def test_the_timeline_seeks(visit, analyzed):
    browser = visit(analyzed)
    status_says(browser, "video: 24 frames in")
    until(browser, lambda: colors(browser, "#timeline canvas") > 3)
    canvas = find(browser, "#timeline canvas")
    until(browser, lambda: canvas.get_attribute("aria-valuemax") == "1.2")
    canvas.send_keys(Keys.ARROW_RIGHT)
    time_is = "return document.querySelector('video').currentTime"
    until(browser, lambda: abs(browser.execute_script(time_is) - 1) < 0.05)
    until(browser, lambda: "person 1 happy" in canvas.get_attribute("aria-valuetext"))
    ActionChains(browser).move_to_element(canvas).click().perform()
    wide = canvas.size["width"]
    middle = 1.2 * (wide / 2 - 84) / (wide - 85)
    until(browser, lambda: abs(browser.execute_script(time_is) - middle) < 0.05)
    find(browser, "#people th button").click()
    assert find(browser, "#people th").get_attribute("aria-sort") == "ascending"
    find(browser, "#people input").click()
    assert "0 of 1 person shown." in find(browser, "#timeline").text
    assert canvas.size["height"] == 26  # the axis alone
    find(browser, "#timeline .legend button:last-child").click()
    assert canvas.size["height"] == 56
    assert "shown" not in find(browser, "#timeline").text


def test_what_is_said_of_a_video(visit):
    browser = visit("/")
    said = browser.execute_async_script(
        """
        const done = arguments[0];
        import("/static/video.js").then(({ timeLeft, inOneSentence }) => done([
          // Slow at first: the last ten seconds count.
          ...[[0, 0], [1, 1], [60, 5], [65, 25], [66, 29], [67, 690]].map(([seconds, frames]) =>
            timeLeft({ frames, total: 700 }, 1000 * seconds)),
          inOneSentence({ summary: { people: [], frames: 1 }, seconds: 2 }),
        ]));
        """
    )
    assert said == ["", "", "", ", about 3 min left", ", about 3 min left", ", about 1 s left",
                    "No face was found in the 1 frame of video."]  # fmt: skip


def test_a_video_that_is_canceled(visit, make_video, tmp_path):
    browser = visit("/")
    find(browser, "#file").send_keys(str(make_video(tmp_path / "long.mp4", 4000)))
    status_says(browser, "Frame")
    find(browser, "#cancel").click()
    status_says(browser, "Canceled.")
    ask = "return fetch('/api/v1/health').then((answer) => answer.json())"
    until(browser, lambda: browser.execute_script(ask)["jobs"]["running"] == 0)


def test_a_video_outlives_a_network_that_is_gone_for_a_moment(visit, make_video, tmp_path):
    browser = visit("/")
    find(browser, "#file").send_keys(str(make_video(tmp_path / "long.mp4", 4000)))
    status_says(browser, "Frame")
    job = browser.current_url.partition("#")[2]
    # Chromium's own way to be offline would fill the log that `visit` looks into.
    browser.execute_script("window.kept = fetch; window.fetch = () => Promise.reject(Error())")
    status_says(browser, "The server does not answer. Trying again")
    assert browser.current_url.endswith(f"#{job}")
    browser.execute_script("window.fetch = window.kept")
    status_says(browser, "Frame")
    assert "trouble" not in find(browser, "#status").get_attribute("class")
    # Only a server that has forgotten it ends the watch.
    browser.execute_script("fetch('/api/v1/jobs/' + arguments[0], { method: 'DELETE' })", job)
    status_says(browser, "This result is no longer kept")
    assert "#" not in browser.current_url
    assert not find(browser, "#work").is_displayed()


def start_my_camera(browser):
    find(browser, "#start").click()
    until(browser, lambda: "frames a second, delay" in find(browser, "#rate").text)


def test_the_browsers_camera(visit):
    browser = visit("/my-camera")
    start_my_camera(browser)
    until(browser, lambda: "happy" in find(browser, "#faces").text)
    status_says(browser, "1 face in view")
    assert colors(browser, "#canvas") > 500
    find(browser, "#stop").click()
    assert not find(browser, "#result").is_displayed()


#: Chromium's camera of a file is the only one: a second one of the same image.
TWO_CAMERAS = """
const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
const list = devices.enumerateDevices.bind(devices);
window.wanted = [];
devices.enumerateDevices = async () => [...await list(),
  { kind: "videoinput", deviceId: "second", label: "The second" }];
devices.getUserMedia = ({ video }) => {
  window.wanted.push(video.deviceId?.exact ?? video.facingMode);
  return open({ video: true });
};
"""


def test_another_camera_is_chosen(visit):
    browser = visit("/my-camera")
    browser.execute_script(TWO_CAMERAS)
    start_my_camera(browser)
    device = find(browser, "#device")
    until(browser, device.is_displayed)
    device.find_elements(By.TAG_NAME, "option")[1].click()
    until(browser, lambda: browser.execute_script("return wanted") == ["user", "second"])
    start_again = "return document.querySelector('#rate').textContent"
    until(browser, lambda: "delay" in browser.execute_script(start_again))


#: The mean gray of the left and right halves of what is shown.
HALVES = """
const canvas = document.querySelector("#canvas");
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
const sums = [0, 0];
for (let at = 0; at < data.length; at += 4) {
  sums[Number(at / 4 % canvas.width >= canvas.width / 2)] += data[at];
}
return sums.map((sum) => 2 * sum / (canvas.width * canvas.height));
"""


def test_a_front_camera_is_mirrored(visit, portrait):
    browser = visit("/my-camera")
    start_my_camera(browser)
    assert find(browser, "#mirror").is_selected()
    left, right = browser.execute_script(HALVES)
    find(browser, "#mirror").click()
    swapped = np.sign(right - left)
    until(browser, lambda: np.sign(np.subtract(*browser.execute_script(HALVES))) == swapped)


def test_the_session_is_recorded_and_a_snapshot_saved(visit):
    browser = visit("/my-camera")
    start_my_camera(browser)
    find(browser, "#record").click()
    until(browser, lambda: "rows" in find(browser, "#recorded").text)
    find(browser, "#snapshot").click()
    assert cv2.imread(str(saved(browser, "camera-*.png"))).shape == (480, 640, 3)  # the camera's
    find(browser, "#record").click()
    assert "Save the recording" in find(browser, "#csv").text
    rows = list(csv.DictReader(saved(browser, "camera-*.csv").read_text().splitlines()))
    assert len(rows) >= 2
    assert list(rows[0])[:6] == ["source", "frame", "seconds", "person", "x", "y"]
    assert {row["expression"] for row in rows} <= {"happy", "neutral", "surprise"}
    assert [int(row["frame"]) for row in rows] == sorted(int(row["frame"]) for row in rows)
    assert sum(float(rows[0][name]) for name in list(rows[0])[9:]) == pytest.approx(1, abs=1e-4)
    assert 0 <= float(rows[0]["seconds"]) < float(rows[-1]["seconds"]) < 200


def test_a_recording_survives_the_end_of_the_camera(visit):
    browser = visit("/my-camera")
    start_my_camera(browser)
    find(browser, "#record").click()
    until(browser, lambda: "row" in find(browser, "#recorded").text)
    find(browser, "#stop").click()
    assert find(browser, "#csv").is_displayed()
    assert "Save the recording" in find(browser, "#csv").text


def test_cells_of_a_recording_are_no_formulas(visit):
    """A camera may have any name."""
    browser = visit("/my-camera")
    cells = browser.execute_async_script(
        "import('/static/my_camera.js').then(({ cellOf }) => arguments[0]("
        """['=1+1', '+1', '-1', '@a', 'a "b", c', 'plain', 12].map(cellOf)))"""
    )
    assert cells == ["'=1+1", "'+1", "'-1", "'@a", '"a ""b"", c"', "plain", "12"]


def test_the_browsers_camera_keeps_to_the_threshold(visit, serve_here):
    browser = visit("/my-camera", serve_here(recognition=RecognitionOptions(threshold=1)))
    start_my_camera(browser)  # to the second answer, which is smoothed
    titles = until(
        browser,
        lambda: browser.execute_script(
            "return [...document.querySelectorAll('#faces h3')].map((one) => one.textContent)"
        ),
    )
    assert all("unclear" in title for title in titles)


def test_the_browsers_camera_is_unplugged(visit):
    browser = visit("/my-camera")
    start_my_camera(browser)
    browser.execute_script(
        "const [track] = document.querySelector('#video').srcObject.getTracks();"
        "track.stop(); track.dispatchEvent(new Event('ended'))"  # which its own end sends alone
    )
    status_says(browser, "The camera has ended")
    assert not find(browser, "#result").is_displayed()
    assert find(browser, "#start").is_enabled()
    start_my_camera(browser)


def test_a_camera_that_may_not_be_used(visit):
    browser = visit("/my-camera")
    browser.execute_script(
        "const refusal = new DOMException('', 'NotAllowedError');"
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(refusal)"
    )
    find(browser, "#start").click()
    status_says(browser, "The browser may not use the camera.")
    assert find(browser, "#start").is_enabled()


def test_the_servers_camera(visit):
    browser = visit("/camera")
    find(browser, "main form button").click()
    until(browser, lambda: colors(browser, ".view") > 500)
    assert browser.execute_script("return document.querySelector('.view').naturalWidth") == 480
    assert find(browser, "main a.button").text == "Stop"
    find(browser, "#snapshot").click()
    assert cv2.imread(str(saved(browser, "camera-*.png"))).shape == (360, 480, 3)
    find(browser, "main a.button").click()
    assert find(browser, "main form button").text == "Start"


def test_a_page_of_another_site_cannot_switch_the_camera_on(visit, make_client, stream, tmp_path):
    """Before, a hidden frame did."""
    app = make_client(camera=stream).application
    with served_here(app, make_server) as address:
        page = tmp_path / "other.html"
        page.write_text(
            f'<iframe src="{address}/camera?watch=1"></iframe><img src="{address}/camera/stream">'
            f'<iframe name="a"></iframe><form method="post" action="{address}/camera" target="a">'
            '<input name="key" value="x"></form><script>document.forms[0].submit()</script>'
        )
        visit("/nothing", address)
        browser = visit("", page.as_uri())
        until(browser, lambda: browser.execute_script("return document.readyState") == "complete")
        browser.get("about:blank")
        assert not services(app).camera.is_open
        browser.get_log("browser")  # which tells that all was refused


def test_the_token_is_asked_for_once(visit, serve_here, jpeg, tmp_path):
    token = "sixteen letters and more"
    address = serve_here(token=token)
    browser = visit("/my-camera?x=1", address)
    assert "Sign in" in browser.title
    find(browser, "#token").send_keys("wrong", Keys.ENTER)
    until(browser, lambda: "This is not the token" in browser.page_source)
    find(browser, "#token").send_keys(token, Keys.ENTER)
    until(browser, lambda: "My camera" in browser.title)
    browser.get(f"{address}/")
    (tmp_path / "face.jpg").write_bytes(jpeg)
    find(browser, "#file").send_keys(str(tmp_path / "face.jpg"))
    status_says(browser, "1 face")


@pytest.mark.parametrize("path", ["/", "/my-camera", "/camera", "/nothing"])
def test_no_page_is_wider_than_the_screen(visit, path):
    browser = visit(path)
    for width in (320, 1280):
        with screen(browser, width, 700):
            wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width


def test_the_page_of_a_timeline(browser, tmp_path):
    """`fer classify --timeline x.html`, opened as a file beside the annotated copy."""
    gray = np.full((48, 64, 3), 90, np.uint8)
    face = Face((8, 8, 30, 30), np.float32([0.1, 0.7, 0.2]), "happy", 1)
    timeline, summary = Timeline(("angry", "happy", "neutral")), Summary(thumbnails=True)
    with VideoWriter(tmp_path / "copy.mp4", 10) as writer:
        for at in range(40):
            one = FrameFaces(Frame(at, at / 10, gray, 0.1), (face,) if at < 20 else ())
            timeline.add(one)
            summary.add(one)
            writer.write(gray, at / 10)
    summary.finish()
    page = tmp_path / "t.html"
    timeline.save_page(page, "talk.mp4", summary, video=tmp_path / "copy.mp4")
    browser.get_log("browser")
    browser.get(page.as_uri())
    lanes = browser.find_element(By.ID, "lanes")
    played = "return document.getElementById('video').readyState"
    until(browser, lambda: browser.execute_script(played) >= 1)
    people = lanes.size["height"] - 22  # less the axis
    hover = ActionChains(browser).move_to_element_with_offset(lanes, 0, -(22 // 2))
    hover.click().perform()  # the middle of 0…2 s
    now = "return document.getElementById('video').currentTime"
    until(browser, lambda: browser.execute_script(now) > 0)
    assert people == 36
    assert browser.execute_script(now) == pytest.approx(1, abs=0.05)
    assert "70 %" in browser.find_element(By.ID, "tip").text
    browser.find_element(By.ID, "in").click()
    assert browser.execute_script("return view") == pytest.approx([0.5, 1.5], abs=0.05)
    browser.find_element(By.CSS_SELECTOR, "#people input").click()
    assert browser.find_elements(By.CSS_SELECTOR, "#names div") == []
    assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []
