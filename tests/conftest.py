"""What all tests share: the command line in-process, small images, the optional parts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import settings

from fercli.annotations.base import NOTES
from fercli.cascade.samples.vec import write_vec
from fercli.cli import main
from fercli.common.images import IMAGE_NOTES

from .browser import run_chromium

# Machines that run tests are busy: how long an example takes says nothing.
# In CI the examples are the same in each run: new ones are looked for at the desk.
settings.register_profile("fer", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("fer")

# A shell lets what it starts in the background ignore Ctrl-C, nohup the end of its terminal, and so
# would all programs that tests start: they would not be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

SCENES = ("brick", "coffee", "coins", "grass", "gravel", "motorcycle_left", "rocket", "text")


@dataclass
class Result:
    """What a run of ``fer`` gave: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


@pytest.fixture
def fer(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run ``fer`` in this process: ``fer("cascade", "inspect", path).out``."""

    def run(*args: object) -> Result:
        IMAGE_NOTES.take()  # of what other tests read in this process
        NOTES.forget()
        capfd.readouterr()
        status = main([str(arg) for arg in args])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Result(status, out, err)

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture
def make_image(tmp_path: Path, rng: np.random.Generator) -> Callable[..., Path]:
    """Write a gray image of smooth random texture: ``make_image("a.png", width, height)``."""

    def make(name: str, width: int = 64, height: int = 48) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 256, (height, width), np.uint8)
        cv2.imwrite(str(path), cv2.GaussianBlur(noise, (0, 0), 1.5))
        return path

    return make


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of development data, named by FER_DATA; the test is skipped without it."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FER_DATA", beside))
    if not folder.is_dir():
        pytest.skip("needs the development data: FER_DATA=/path/to/data")
    return folder


@pytest.fixture(scope="session")
def opencv_tools() -> Path:
    """The folder with OpenCV's programs; the test is skipped without them."""
    from fercli.cascade.opencv3.programs import find_program
    from fercli.common.errors import DependencyError

    try:
        return find_program("opencv_createsamples").parent
    except DependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def face_cascade(tmp_path_factory) -> Path:
    """A real LBP cascade: scikit-image's copy, whose misspelled section OpenCV does not load."""
    text = Path(skimage.data.lbp_frontal_face_cascade_filename()).read_text()
    path = tmp_path_factory.mktemp("cascades") / "faces.xml"
    path.write_text(text.replace("featuhreParams", "featureParams"))
    return path


@pytest.fixture(scope="session")
def astronaut():
    """A photograph with one face, gray."""
    return cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)


@pytest.fixture(scope="session")
def lfw():
    """100 faces and 100 windows without, gray, as a function of their size.

    ``lfw(16)`` gives two arrays of shape (100, 16, 16).
    """
    gray = np.load(Path(skimage.data.__file__).parent / "lfw_subset.npy")
    gray = np.clip(gray * 255, 0, 255).astype(np.uint8)

    def resized(side):
        size = (side, side)
        windows = np.stack([cv2.resize(w, size, interpolation=cv2.INTER_AREA) for w in gray])
        return windows[:100], windows[100:]

    return resized


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A folder of eight small photographs without faces."""
    folder = tmp_path_factory.mktemp("scenes")
    for name in SCENES:
        source = next(Path(skimage.data.__file__).parent.glob(f"{name}.*"))
        image = cv2.imread(str(source), cv2.IMREAD_GRAYSCALE)
        scale = 240 / max(image.shape)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{name}.png"), small)
    return folder


@pytest.fixture
def vec(tmp_path, lfw) -> Path:
    """100 faces of 12×12."""
    path = tmp_path / "faces.vec"
    write_vec(path, lfw(12)[0])
    return path


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """The astronaut's head and shoulders, 240×180, BGR."""
    return np.ascontiguousarray(skimage.data.astronaut()[10:190, 110:350, ::-1])


@pytest.fixture(scope="session")
def browser(portrait, tmp_path_factory):
    """Chromium, one for all tests of a process."""
    with run_chromium(tmp_path_factory.mktemp("chromium"), portrait) as driver:
        yield driver
