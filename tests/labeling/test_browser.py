"""Boxes drawn in a real Chromium, with mouse, fingers and keys, and read from the file."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import cv2
import numpy as np
import pytest

from fercli.annotations.reading import read_annotations
from fercli.cascade.model import bundled_cascade
from fercli.labeling.app import create_app, make_server
from fercli.labeling.session import AnnotateSettings, open_session

pytest.importorskip("selenium", reason="pip install 'fercli[test]'")

from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from scripts.browsing import drag, place_on_stage, serving

from ..browser import screen, served_here, until, violations, visiting
from .moving_object import EVERY, place, write_video
from .moving_object import SIZE as FRAME_SIZE

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 400, 300


@pytest.fixture
def window(browser):
    """Chromium with a smaller window, which notices whether it is in front."""
    before = browser.get_window_size()
    browser.set_window_size(1000, 900)
    browser.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": False})
    yield browser
    browser.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    browser.set_window_size(before["width"], before["height"])


@pytest.fixture
def photos(tmp_path):
    """Four images of a white square on gray, the last of which is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    image[100:200, 100:200] = 255
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(folder / name), image)
    (folder / "d.png").write_bytes(b"no image")
    return folder


def served(folder, out, *options):
    """Run the command, and kill it."""
    words = ("cascade", "annotate", folder, "--out", out, "--port", "0", *options)
    return serving(*words, end=signal.SIGKILL)


@contextmanager
def opened(browser, folder, out, name=None, *, size=(WIDTH, HEIGHT), **settings) -> Iterator[Page]:
    """Give the page of a server in this process, which starts in a fraction of the time."""
    app = create_app(open_session(AnnotateSettings(folder, out, **settings)))
    with served_here(app, make_server) as address, at_page(browser, address, out) as page:
        page.size = size
        page.open(name)
        yield page


@contextmanager
def at_page(browser, address, out) -> Iterator[Page]:
    """Give the page at an address; nothing may go wrong there, or elsewhere."""
    with visiting(browser, out.parent / f"saved-{uuid4()}") as addresses:
        addresses.append(address)
        yield Page(browser, address, out)


@pytest.fixture
def session(window, photos, tmp_path):
    """Open the page of a new server: ``with session(window_wh=(24, 24)) as page: …``."""
    return lambda out="info.dat", **settings: opened(window, photos, tmp_path / out, **settings)


class Page:
    """The page in a tab of its own, in the images' coordinates."""

    def __init__(self, browser, address, out):
        self.browser, self.address, self.out = browser, address, out
        self.size = (WIDTH, HEIGHT)

    def open(self, name=None):
        self.browser.get(self.address)
        self.until(lambda: self.text("#name"))
        self.shows(name or self.text("#name"))

    def until(self, condition, seconds=60):
        return until(self.browser, condition, seconds)

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        script = "return document.querySelector(arguments[0]).textContent"
        return self.browser.execute_script(script, selector)

    def shows(self, name):
        # The image is drawn once it is there: its gray is then on the canvas.
        self.until(lambda: self.text("#name") == name and self.is_drawn())

    def is_drawn(self):
        return self.browser.execute_script(
            """
            const canvas = document.getElementById("canvas");
            const context = canvas.getContext("2d");
            const {data} = context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
            return data[3] === 255;
            """
        )

    def press(self, *keys):
        self.browser.switch_to.active_element.send_keys(*keys)

    def hold(self, key, *keys):
        chain = ActionChains(self.browser).key_down(key)
        for one in keys:
            chain.send_keys(one)
        chain.key_up(key).perform()

    def place(self, x, y):
        return place_on_stage(self.browser, self.size, x, y)

    def drag(self, start, end, *, shift=False):
        if shift:
            ActionChains(self.browser).key_down(Keys.SHIFT).perform()
        drag(self.browser, self.place(*start), self.place(*end))
        if shift:
            ActionChains(self.browser).key_up(Keys.SHIFT).perform()

    def touch(self, *steps):
        """Send steps of fingers: each a list of points of the image; none lifts them."""
        kind = "touchStart"
        for points in steps:
            at = [dict(zip(("x", "y"), self.place(*point), strict=True)) for point in points]
            ids = [{**point, "id": number} for number, point in enumerate(at)]
            kind = kind if points else "touchEnd"
            message = {"type": kind, "touchPoints": ids}
            self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", message)
            kind = "touchMove"

    def saved(self, wanted, slack=2):
        """Wait until the file has such boxes, by the name of their image."""

        def is_so():
            found = self.boxes()
            return found.keys() == wanted.keys() and all(
                np.shape(found[name]) == np.shape(boxes)
                and np.abs(np.subtract(found[name], boxes)).max() <= slack
                for name, boxes in wanted.items()
            )

        try:
            self.until(is_so, 15)
        except Exception:
            assert self.boxes() == wanted  # says what there is
            raise

    def boxes(self):
        if not self.out.exists():
            return {}
        found = read_annotations(self.out)
        return {one.path.name: list(one.boxes_xywh) for one in found if one.boxes_xywh}


def test_mouse(session, tmp_path):
    with session() as page:
        page.drag((100, 100), (200, 200))
        page.saved({"a.png": [(100, 100, 100, 100)]})
        assert page.text("#state").startswith("unfinished")
        page.drag((150, 150), (190, 130))  # in the box: moves it
        page.saved({"a.png": [(140, 80, 100, 100)]})
        page.drag((240, 180), (300, 250))  # at its corner: resizes it
        page.saved({"a.png": [(140, 80, 160, 170)]})
        page.drag((180, 120), (220, 160), shift=True)  # a second one inside
        page.saved({"a.png": [(140, 80, 160, 170), (180, 120, 40, 40)]})
        page.drag((20, 20), (20, 20))  # a click selects nothing, and draws nothing
        page.drag((180, 120), (180, 120))
        page.find("[data-act=remove]").click()
        page.saved({"a.png": [(140, 80, 160, 170)]})
        for _ in range(2):
            page.find("[data-act=undo]").click()
        page.saved({"a.png": [(140, 80, 160, 170)]})
        page.find("[data-act=undo]").click()
        page.saved({"a.png": [(140, 80, 100, 100)]})
        page.find("[data-act=redo]").click()
        page.saved({"a.png": [(140, 80, 160, 170)]})
        page.find("[data-act=next]").click()
        page.shows("b.png")
        page.find("[data-act=negative]").click()
        page.shows("c.png")
        assert (tmp_path / "bg.txt").read_text() == f"{tmp_path / 'photos' / 'b.png'}\n"
        # Beyond the image's edge a box ends with it, drawn from any corner.
        page.drag((150, 90), (-60, -40))
        page.saved({"a.png": [(140, 80, 160, 170)], "c.png": [(0, 0, 150, 90)]})
        assert page.text("#counts") == "2 of 4"


def test_keys(session, tmp_path):
    with session(window_wh=(2, 1)) as page:
        page.press("b")
        page.until(lambda: page.boxes())
        ((x, y, width, height),) = page.boxes()["a.png"]
        assert width == 2 * height
        assert abs(x + width / 2 - 200) < 2
        page.hold(Keys.CONTROL, *[Keys.ARROW_LEFT] * 3)
        page.press(Keys.ARROW_UP)
        page.hold(Keys.SHIFT, *[Keys.ARROW_RIGHT] * 4)
        page.saved({"a.png": [(x - 30, y - 1, width + 8, height + 4)]}, slack=0)
        page.press("l")
        page.hold(Keys.SHIFT, Keys.ARROW_DOWN)
        page.saved({"a.png": [(x - 30, y - 1, width + 8, height + 5)]}, slack=0)
        page.hold(Keys.CONTROL, "z")
        page.hold(Keys.CONTROL, "z")
        page.saved({"a.png": [(x - 30, y - 1, width, height)]}, slack=0)
        page.hold(Keys.CONTROL, "y")
        page.saved({"a.png": [(x - 30, y - 1, width + 8, height + 4)]}, slack=0)
        page.press("b", "k", Keys.DELETE)
        page.until(
            lambda: len(page.boxes()["a.png"]) == 1 and page.boxes()["a.png"][0][0] != x - 30
        )
        page.press("n")
        page.shows("b.png")
        page.press("x")
        page.shows("c.png")
        page.press("p")
        page.shows("b.png")
        assert page.text("#state") == "no object"
        page.press("u")
        page.shows("c.png")
        page.press("?")
        assert page.find("#help").is_displayed()
        page.press(Keys.ESCAPE)
        assert not page.find("#help").is_displayed()


def test_fingers(session):
    with session() as page:
        page.touch([(100, 100)], [(130, 140)], [(200, 180)], [])
        page.saved({"a.png": [(100, 100, 100, 80)]})
        page.touch([(150, 140)], [(160, 150)], [(170, 170)], [])
        page.saved({"a.png": [(120, 130, 100, 80)]})
        # Two fingers zoom, and take back what the first had begun.
        page.touch([(300, 200)], [(320, 220)], [(320, 220), (100, 100)], [(390, 290), (10, 10)], [])
        page.press(Keys.ESCAPE)
        page.touch([(190, 90)], [(200, 95)], [(210, 100)], [])
        page.until(lambda: len(page.boxes()["a.png"]) == 2)
        first, second = page.boxes()["a.png"]
        assert np.abs(np.subtract(first, (120, 130, 100, 80))).max() <= 2
        assert 5 < second[2] < 15  # of 20 pixels, zoomed to about half


def test_the_wheel_zooms_where_it_points(session):
    with session() as page:
        chain = ActionChains(page.browser)
        stage = page.find("#stage")
        at = [a - b for a, b in zip(page.place(100, 100), page.place(200, 150), strict=True)]
        origin = ScrollOrigin.from_element(stage, *at)
        chain.scroll_from_origin(origin, 0, -400).perform()
        page.drag((100, 100), (200, 200))
        page.until(lambda: page.boxes())
        ((x, y, width, _),) = page.boxes()["a.png"]
        assert abs(x - 100) <= 2
        assert abs(y - 100) <= 2
        assert abs(width - 100 / np.exp(0.88)) <= 2
        page.press("0", "j", Keys.DELETE)
        page.saved({})


def test_it_goes_on_where_it_was_killed(window, photos, tmp_path):
    out = tmp_path / "boxes.json"
    with served(photos, out) as address, at_page(window, address, out) as page:
        page.open()
        page.drag((100, 100), (200, 200))
        page.press("n")
        page.shows("b.png")
        page.drag((20, 20), (60, 60))
        page.saved({"a.png": [(100, 100, 100, 100)], "b.png": [(20, 20, 40, 40)]})
        page.find("#strip button:nth-child(3)").click()  # b was not finished
        page.shows("c.png")
    with opened(window, photos, out, "b.png") as page:
        assert page.text("#state") == "unfinished, 1 box"
        page.drag((100, 100), (200, 200))
        page.press("n")
        page.shows("c.png")
        page.saved({"a.png": [(100, 100, 100, 100)],
                    "b.png": [(20, 20, 40, 40), (100, 100, 100, 100)]})  # fmt: skip


def test_two_windows_on_one_image(session):
    with session() as page:
        browser = page.browser
        first = browser.current_window_handle
        browser.switch_to.new_window("tab")
        second = browser.current_window_handle
        browser.get(page.address)
        page.shows("a.png")
        page.drag((20, 20), (60, 60))
        page.saved({"a.png": [(20, 20, 40, 40)]})
        browser.switch_to.window(first)
        # The first window looks again when it comes to the front.
        page.until(lambda: "Changed in another window" in page.text("#status"))
        page.drag((100, 100), (200, 200))
        page.saved({"a.png": [(20, 20, 40, 40), (100, 100, 100, 100)]})
        browser.switch_to.window(second)
        browser.close()
        browser.switch_to.window(first)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("mine", [(100, 100, 100, 100)]),
        ("theirs", [(20, 20, 40, 40)]),
        ("both", [(100, 100, 100, 100), (20, 20, 40, 40)]),
    ],
)
def test_a_conflict_is_shown_and_decided(session, answer, wanted):
    with session() as page:
        say_meanwhile(page.address, [[20, 20, 40, 40]])
        page.drag((100, 100), (200, 200))
        page.until(lambda: page.find("#conflict").is_displayed())
        assert page.text("#theirs-words") == "1 box"
        assert page.boxes() == {"a.png": [(20, 20, 40, 40)]}
        page.press(Keys.ESCAPE)  # decides nothing
        page.until(lambda: page.find("#conflict").is_displayed())
        page.find(f"#conflict button[value={answer}]").click()
        page.saved({"a.png": wanted})
        page.press("n")
        page.shows("b.png")


def say_meanwhile(address, boxes, number=0, **said):
    """Save boxes of an image as another program would."""
    place = f"{address}/api/v1/images/{number}"
    with urllib.request.urlopen(place) as answer:
        body = {**json.loads(answer.read()), "boxes": boxes, **said}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(place, json.dumps(body).encode(), headers, method="PUT")
    urllib.request.urlopen(request).close()


def test_suggestions(session, portrait, photos):
    cv2.imwrite(str(photos / "a.png"), portrait)
    with session(cascade=bundled_cascade()) as page:
        page.size = (240, 180)
        page.until(lambda: page.find("[data-act=accept]").is_enabled())
        assert page.boxes() == {}
        page.press("j", Keys.ENTER)
        page.until(lambda: page.boxes())
        (face,) = page.boxes()["a.png"]
        page.hold(Keys.CONTROL, "z")
        page.saved({})
        page.press("r")
        assert not page.find("[data-act=accept]").is_enabled()
        page.press("s")
        page.until(lambda: page.find("[data-act=accept]").is_enabled())
        x, y, width, height = face
        page.drag((x + width // 2, y + height // 2), (x + width // 2 + 20, y + height // 2 + 10))
        page.saved({"a.png": [(x + 20, y + 10, width, height)]})


def test_suggestions_below_the_threshold_are_not_there(session, portrait, photos):
    cv2.imwrite(str(photos / "a.png"), portrait)
    with session(cascade=bundled_cascade()) as page:
        page.size = (240, 180)
        page.until(lambda: page.text("#finding") == "1 suggestion")
        page.press("j")
        assert page.text("#selected").startswith("Suggestion 1 of 1")
        slide = "const slider = document.getElementById('threshold'); slider.value = {};"
        slide += "slider.dispatchEvent(new Event('input'))"
        page.browser.execute_script(slide.format("Number(slider.max) * 2"))  # to its end
        page.browser.execute_script("document.getElementById('threshold').max *= 2")
        page.browser.execute_script(slide.format("slider.max"))
        assert page.text("#finding") == "No suggestion"
        assert page.text("#selected") == ""
        page.press("a", "j")
        assert page.boxes() == {}
        page.browser.execute_script(slide.format("0"))
        assert page.text("#finding") == "1 suggestion"
        page.press("a")
        page.until(lambda: page.boxes())


@pytest.mark.compiled
def test_train_now(window, sign_photos, tmp_path):
    """The button trains for real, and suggests in the next images; what is corrected is counted."""
    with opened(window, tmp_path / "photos", tmp_path / "info.dat", "0.png") as page:
        page.find("#train").click()
        page.until(lambda: "at least 11 boxes, there are 0" in page.text("#status"))
        for number in range(2):
            say_meanwhile(page.address, sign_photos[number], number, done=True)
        page.open("2.png")
        page.press("t")
        page.until(lambda: page.find("#training").is_displayed())
        page.until(lambda: "Round 1: trained on 12 boxes in 2 images" in page.text("#status"), 300)
        page.until(lambda: page.find("[data-act=accept]").is_enabled())
        page.press("a", "j", Keys.ARROW_LEFT, "n")
        page.shows("3.png")
        page.until(lambda: " 1 corrected, 0 added, 0 deleted" in page.text("#rounds-last"))
        assert len(page.boxes()["2.png"]) >= 5


def test_the_list_of_boxes(session):
    with session("boxes.csv", classes=("face", "hand")) as page:
        page.drag((100, 100), (200, 200))
        page.drag((220, 20), (300, 80))
        page.press("v")
        rows = page.browser.find_elements(By.CSS_SELECTOR, "#list .pick")
        assert [row.text for row in rows] == ["1: 100 × 100", "2: 80 × 60"]
        assert [row.get_attribute("aria-pressed") for row in rows] == ["false", "true"]
        rows[0].click()
        assert page.text("#selected").startswith("face, 1 of 2")
        page.find("#list li:nth-child(2) select").send_keys("h")
        page.find("#list li:nth-child(1) input[data-key^=difficult]").click()
        page.find("#list li:nth-child(1) input[data-key^=ignore]").click()
        page.press("e")  # not difficult after all
        page.press("k", "e")
        text = "path,x,y,w,h,label,ignored,difficult\n"
        text += "photos/a.png,100,100,100,100,face,1,\nphotos/a.png,220,20,80,60,hand,,1\n"
        page.until(lambda: page.out.exists() and page.out.read_text() == text)
        assert page.text("#selected").startswith("Difficult 2 of 2")
        page.find("#list li:nth-child(2) button[title^=Delete]").click()
        page.until(lambda: page.text("#state") == "unfinished, 0 boxes")
        page.press("n")
        page.shows("b.png")
        page.press("p")
        page.shows("a.png")
        assert page.text("#state") == "0 boxes"


def test_a_format_without_a_place_for_difficult_boxes_says_so(session):
    with session() as page:
        page.drag((100, 100), (200, 200))
        page.press("i")
        page.until(lambda: "has no place for boxes that are to be ignored" in page.text("#status"))
        page.press("e")
        page.until(lambda: "has no place for boxes that are difficult" in page.text("#status"))
        page.saved({"a.png": [(100, 100, 100, 100)]})


def test_a_review(session, portrait, photos, tmp_path):
    cv2.imwrite(str(photos / "a.png"), portrait)
    cv2.imwrite(str(photos / "b.png"), portrait)
    with session(out="extra.txt", cascade=bundled_cascade(), review=True) as page:
        page.out = tmp_path / "extra.json"
        page.size = (240, 180)
        page.until(lambda: page.find("[data-act=accept]").is_enabled())
        page.press("a", "n")
        page.shows("b.png")
        page.until(lambda: page.find("[data-act=accept]").is_enabled())
        page.press("j", "o", "n")
        page.shows("c.png")
        (crop,) = (tmp_path / "extra.txt").read_text().splitlines()
        assert cv2.imread(crop).shape[0] > 60
        assert list(page.boxes()) == ["a.png"]
        page.size = (WIDTH, HEIGHT)


def test_unreadable_images_are_passed_over_and_listed(session, photos):
    (photos / "b.png").write_bytes(b"")
    with session() as page:
        page.press("n")
        page.shows("c.png")
        assert "Passed over b.png: Expected an image, got an empty file" in page.text("#status")
        page.press("n")
        page.until(lambda: page.find("#end").is_displayed())
        names = [one.text for one in page.browser.find_elements(By.CSS_SELECTOR, "#end-names li")]
        assert names == ["b.png", "d.png"]
        page.find("#end-unfinished").click()
        page.shows("a.png")
        page.find("#strip button:nth-child(4)").click()
        page.until(lambda: page.text("#name") == "d.png")
        assert page.text("#state") == "cannot be read"


def test_boxes_outlive_a_server_that_goes_away(window, photos, tmp_path):
    out = tmp_path / "info.dat"
    app = create_app(open_session(AnnotateSettings(photos, out)))
    with ExitStack() as later:
        with served_here(app, make_server) as address:
            page = later.enter_context(at_page(window, address, out))
            page.open()
        page.drag((100, 100), (200, 200))
        page.until(lambda: "Not saved: the server does not answer" in page.text("#status"))
        page.press("n")
        assert page.text("#name") == "a.png"
        later.enter_context(served(photos, out, "--port", address.rsplit(":", 1)[1]))
        page.saved({"a.png": [(100, 100, 100, 100)]})
        page.until(lambda: page.text("#status") == "")
        window.get_log("browser")  # which tells that the server was away


def test_the_page_fits_the_screen(session):
    sizes = "const {scrollWidth, scrollHeight} = document.documentElement;"
    sizes += "return [scrollWidth, scrollHeight, document.getElementById('stage').clientHeight]"
    with session(cascade=bundled_cascade()) as page:
        for width in (320, 1280):
            with screen(page.browser, width, 640):
                wide, high, stage = page.browser.execute_script(sizes)
            assert wide <= width
            assert high <= 640
            assert stage > 240


def test_draw_mode_moves_no_neighbor(session):
    """Before, a box that begins inside another could not be drawn without the Shift key."""
    with session() as page:
        page.drag((100, 100), (200, 200))
        page.saved({"a.png": [(100, 100, 100, 100)]})
        page.press("w")
        assert page.find("[data-act=draw]").get_attribute("aria-pressed") == "true"
        page.drag((108, 150), (150, 250))
        page.drag((195, 195), (300, 250))  # at a handle of the first
        drawn = [(100, 100, 100, 100), (108, 150, 42, 100), (195, 195, 105, 55)]
        page.saved({"a.png": drawn})
        page.drag((128, 230), (128, 230))  # a click selects
        assert page.text("#selected").startswith("Box 2 of 3")
        page.press("w")
        page.drag((128, 230), (138, 230))
        page.saved({"a.png": [drawn[0], (118, 150, 42, 100), drawn[2]]})


def test_boxes_are_copied(session):
    with session() as page:
        page.drag((100, 100), (200, 200))
        page.hold(Keys.CONTROL, "d")
        both = [(100, 100, 100, 100), (125, 125, 100, 100)]
        page.saved({"a.png": both})
        page.press("d")  # done, next
        page.shows("b.png")
        page.press("c")
        page.saved({"a.png": both, "b.png": both})
        page.press("c")
        page.until(lambda: "no box to copy" in page.text("#status"))
        page.hold(Keys.CONTROL, "z")
        page.saved({"a.png": both})


def test_images_are_reached_by_number_and_filtered(session):
    with session() as page:
        page.press("g")
        page.press("3", Keys.ENTER)
        page.shows("c.png")
        page.press("x")
        page.until(lambda: page.text("#counts").startswith("1 of"))
        page.browser.execute_script(
            "const filter = document.getElementById('filter'); filter.value = 'negative';"
            "filter.dispatchEvent(new Event('change'))"
        )
        names = "return [...document.querySelectorAll('#strip button')].map((one) => one.title)"
        page.until(lambda: page.browser.execute_script(names) == ["3: c.png, no object"])
        gray = "const {canvas} = document.getElementById('canvas').getContext('2d');"
        gray += "return canvas.getContext('2d').getImageData(canvas.width / 2, 30, 1, 1).data[0]"
        before = page.browser.execute_script(gray)
        page.browser.execute_script(
            "const slider = document.getElementById('brightness'); slider.value = 2;"
            "slider.dispatchEvent(new Event('input'))"
        )
        page.until(lambda: page.browser.execute_script(gray) == 2 * before)


def test_classes(session, tmp_path):
    with session("boxes.csv", classes=("face", "hand")) as page:
        page.drag((100, 100), (200, 200))
        page.press("2")  # of the selected box and of the next ones
        page.drag((220, 20), (300, 80))
        page.saved({"a.png": [(100, 100, 100, 100), (220, 20, 80, 60)]})
        rows = "path,x,y,w,h,label\nphotos/a.png,100,100,100,100,hand\n"
        rows += "photos/a.png,220,20,80,60,"
        page.until(lambda: page.out.read_text() == f"{rows}hand\n")
        page.find("[data-class=face]").click()
        page.until(lambda: page.out.read_text() == f"{rows}face\n")
        page.hold(Keys.CONTROL, "z")
        page.until(lambda: page.out.read_text() == f"{rows}hand\n")


def test_ten_boxes_in_three_images_are_ten_drags_and_three_keys(window, tmp_path):
    """`benchmarks/annotate_by_hand.py` has the seconds that they take."""
    (tmp_path / "photos").mkdir()
    drawn = {}
    for number, count in enumerate((3, 3, 4)):
        image = np.full((HEIGHT, WIDTH), 90, np.uint8)
        boxes = [(20 + 95 * at, 30 + 40 * number + 5 * at, 70, 80) for at in range(count)]
        for x, y, width, height in boxes:
            image[y : y + height, x : x + width] = 255
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), image)
        drawn[f"{number}.png"] = boxes
    with opened(window, tmp_path / "photos", tmp_path / "info.dat", "0.png") as page:
        for name, boxes in drawn.items():
            page.shows(name)
            for x, y, width, height in boxes:
                page.drag((x, y), (x + width, y + height))
            page.press("d")
        page.until(lambda: page.find("#end").is_displayed())
        page.saved(drawn)


def test_a_video_is_annotated_by_its_ends(window, tmp_path):
    video = write_video(tmp_path / "walk.avi")
    with opened(window, video, tmp_path / "info.dat", size=FRAME_SIZE, every=EVERY) as page:
        for number, frame in ((0, 0), (4, 40)):
            page.press("g")
            page.press(str(number + 1), Keys.ENTER)
            page.shows(f"walk-{frame:06d}.jpg")
            x, y, width, height = place(frame)
            page.drag((x, y), (x + width, y + height))
            page.press("d")
        page.until(lambda: page.find("#end").is_displayed())
        page.find("#end-unfinished").click()
        page.shows("walk-000010.jpg")
        page.press("p")
        page.shows("walk-000000.jpg")
        page.hold(Keys.SHIFT, "f")
        page.until(lambda: "between two finished ones" in page.text("#status"))
        page.press("n")
        page.shows("walk-000010.jpg")
        page.until(lambda: page.text("#finding") == "1 suggestion")
        page.press("f")
        page.shows("walk-000020.jpg")
        page.hold(Keys.SHIFT, "f")  # in all that are left between the two
        page.until(lambda: page.text("#status") == "2 frames finished.")
        assert page.text("#counts").startswith("5 of")
        ends = {f"walk-{frame:06d}.jpg": [place(frame)] for frame in range(0, 41, EVERY)}
        page.saved(ends, slack=3)


def test_axe_finds_nothing(session):
    with session("boxes.csv", classes=("face", "hand")) as page:
        page.press("b", "v")
        page.until(lambda: page.boxes())
        assert violations(page.browser) == {}
        page.press("?")
        assert violations(page.browser) == {}
