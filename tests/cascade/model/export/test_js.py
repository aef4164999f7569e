"""The ES module in Node.js and in Chromium, against cv2: equal windows, equal boxes."""

import json
import shutil
import subprocess
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from fercli.cascade.model import bundled_cascade, read_cascade, write_cascade
from fercli.cascade.model.export.js import js_module, js_page

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")

KINDS = {
    "haar": {},
    "tilted trees, wide": {"nodes": 3, "tilted": True, "size_wh": (36, 18)},
    "lbp trees": {"feature_type": "LBP", "nodes": 3, "size_wh": (31, 17)},
}
#: What is asked of cv2 and of the module.
ASKED = [
    ({"minNeighbors": 0}, {"minNeighbors": 0}),
    ({"minNeighbors": 3}, {}),
    ({"minNeighbors": 0, "scaleFactor": 1.3}, {"minNeighbors": 0, "scaleFactor": 1.3}),
    ({"minNeighbors": 0, "minSize": (45, 45)}, {"minNeighbors": 0, "minSize": 45}),
    (
        {"minNeighbors": 0, "minSize": (40, 30), "maxSize": (60, 60)},
        {"minNeighbors": 0, "minSize": [40, 30], "maxSize": 60},
    ),
    # No layer is between them: the nearest.
    (
        {"minNeighbors": 0, "minSize": (500, 500)},
        {"minNeighbors": 0, "minSize": 500},
    ),
]


@pytest.fixture
def in_node(tmp_path):
    """Run a module on images: a list of what is found for each of ASKED, for each image."""

    def run(module, images):
        (tmp_path / "face.mjs").write_text(module)
        described = []
        for at, image in enumerate(images):
            (tmp_path / f"{at}.raw").write_bytes(image.tobytes())
            described.append({"width": image.shape[1], "height": image.shape[0]})
        (tmp_path / "main.mjs").write_text(f"""
            import {{ readFileSync }} from "node:fs";
            import {{ detect }} from "./face.mjs";
            const images = {json.dumps(described)}.map((image, at) => (
              {{ ...image, data: new Uint8Array(readFileSync(`${{at}}.raw`)) }}));
            const asked = {json.dumps([options for _, options in ASKED])};
            console.log(JSON.stringify(images.map((image) => asked.map((o) => detect(image, o)))));
        """)
        command = ["node", "main.mjs"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def boxes(found):
    return sorted((each["x"], each["y"], each["width"], each["height"]) for each in found)


@needs_node
@pytest.mark.parametrize("kind", [*KINDS, "frontalface"])
def test_windows_and_boxes_are_those_of_cv2(kind, random_cascade, in_node, portrait, tmp_path):
    """Of an image in gray and in color, as a canvas has it, and of one of an odd size."""
    if kind == "frontalface":
        cascade = read_cascade(bundled_cascade())
    else:
        cascade = random_cascade(**KINDS[kind])
    write_cascade(tmp_path / "cascade.xml", cascade)
    cv2_detector = cv2.CascadeClassifier(str(tmp_path / "cascade.xml"))
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    odd = np.ascontiguousarray(gray[5:156, 30:217])
    canvas = cv2.cvtColor(portrait, cv2.COLOR_BGR2RGBA)
    answers = in_node(js_module(cascade, name="face"), [odd, canvas])
    count = 0
    for image, of_image in zip((odd, gray), answers, strict=True):
        for (options, _), found in zip(ASKED, of_image, strict=True):
            expected = cv2_detector.detectMultiScale(image, **options)
            assert boxes(found) == sorted(map(tuple, np.reshape(expected, (-1, 4)).tolist()))
            count += len(found)
    assert count > 20


@needs_node
def test_the_best_is_first_and_what_is_wrong_is_said(tmp_path, portrait):
    (tmp_path / "face.mjs").write_text(js_module(read_cascade(bundled_cascade()), name="a face"))
    (tmp_path / "face.raw").write_bytes(cv2.cvtColor(portrait, cv2.COLOR_BGR2RGBA).tobytes())
    (tmp_path / "main.mjs").write_text("""
        import { readFileSync } from "node:fs";
        import { detect, name, windowSize } from "./face.mjs";
        const image = { data: new Uint8Array(readFileSync("face.raw")), width: 240, height: 180 };
        const tell = (action) => { try { return action(); } catch (error) { return `${error}`; } };
        console.log(JSON.stringify([
          name, windowSize, detect(image, { minNeighbors: 1 }).map((box) => box.neighbors),
          tell(() => detect({ ...image, width: 239 })), tell(() => detect({ data: [], width: 0 })),
          tell(() => detect(image, { scaleFactor: 1 })),
          detect({ data: new Uint8Array(90), width: 9, height: 10 }),
        ]));
    """)
    done = subprocess.run(["node", "main.mjs"], cwd=tmp_path, capture_output=True, check=True)
    name, size, neighbors, length, nothing, factor, small = json.loads(done.stdout)
    assert (name, size) == ("a_face", {"width": 24, "height": 24})
    assert neighbors == sorted(neighbors, reverse=True)
    assert neighbors
    expected = f"TypeError: Expected {239 * 180} gray levels or {4 * 239 * 180} of RGBA, got 172800"
    assert length == expected
    assert nothing == "TypeError: Expected an image with its width and height in pixels"
    assert factor == "RangeError: scaleFactor: expected above 1, got 1"
    assert small == []


def test_a_page_has_its_title_and_its_module(lbp):
    page = js_page(js_module(lbp, name="a<b"), name="a<b")
    assert "<title>a&lt;b</title>" in page
    assert page.count("</script>") == 1
    assert "export function detect(" in page


@pytest.mark.slow
def test_the_page_shows_the_face_that_the_camera_sees(portrait, tmp_path):
    """In Chromium, from a file, with the astronaut as the camera and as an image."""
    selenium = pytest.importorskip("selenium.webdriver", reason="pip install 'fercli[test]'")
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    module = js_module(read_cascade(bundled_cascade()), name="face")
    (tmp_path / "face.html").write_text(js_page(module, name="face"))
    cv2.imwrite(str(tmp_path / "a.png"), portrait)
    with av.open(str(tmp_path / "a.mjpeg"), "w") as video:
        stream = video.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for at in range(2):
            frame = av.VideoFrame.from_ndarray(cv2.resize(portrait, (320, 240)), format="bgr24")
            frame.pts, frame.time_base = at, Fraction(1, 10)
            video.mux(stream.encode(frame.reformat(format="yuvj420p")))
        video.mux(stream.encode(None))
    options = selenium.ChromeOptions()
    options.binary_location = programs[0]
    options.page_load_strategy = "none"  # waited for below, for longer than a command may take
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", f"--user-data-dir={tmp_path / 'chromium'}",
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'a.mjpeg'}",
    ):  # fmt: skip
        options.add_argument(flag)
    browser = selenium.Chrome(options, Service(programs[1]))
    try:
        browser.get((tmp_path / "face.html").as_uri())
        WebDriverWait(browser, 120).until(lambda _: browser.find_elements("id", "status"))
        status = browser.find_element("id", "status")
        browser.find_element("id", "file").send_keys(str(tmp_path / "a.png"))
        WebDriverWait(browser, 120).until(lambda _: "found in" in status.text)
        assert status.text.startswith("1 found in 240×180 pixels")
        browser.find_element("id", "camera").click()
        WebDriverWait(browser, 120).until(lambda _: "frames a second" in status.text)
        assert status.text.startswith("1 found in 320×240 pixels")
        browser.find_element("id", "camera").click()
        assert browser.find_element("id", "camera").text == "Start the camera"
        (tmp_path / "none.png").write_bytes(b"no image")
        browser.find_element("id", "file").send_keys(str(tmp_path / "none.png"))
        WebDriverWait(browser, 120).until(lambda _: "cannot read it" in status.text)
    finally:
        browser.quit()
