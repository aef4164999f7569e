from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.cascade.opencv3.createsamples import CreateSamples, Warping, explained, link_folder
from fercli.cascade.samples.vec import read_vec
from fercli.common.errors import DependencyError, ProgramError
from fercli.common.progress import Progress


class Counted(Progress):
    def __init__(self):
        self.done = 0

    def bar(self, description, *, total=None, unit="it"):
        self.total = total
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def advance(self, count=1):
        self.done += count


def test_images_are_linked_under_plain_names(make_image, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    make_image("mit Leerzeichen.png")
    with link_folder() as stage:
        name = stage.link(Path("mit Leerzeichen.png"))
        assert name.isascii()
        assert " " not in name
        assert (stage.folder / name).read_bytes() == Path("mit Leerzeichen.png").read_bytes()
        assert stage.originals[name] == Path("mit Leerzeichen.png")
        folder = stage.folder
    assert not folder.exists()


def test_formats_that_a_build_may_lack_are_copied_as_png(tmp_path, rng):
    image = rng.integers(0, 256, (20, 30), np.uint8)
    (tmp_path / "a.webp").write_bytes(
        cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    )
    with link_folder() as stage:
        name = stage.link(tmp_path / "a.webp")
        copy = cv2.imread(str(stage.folder / name), cv2.IMREAD_UNCHANGED)
        assert (stage.folder / name).read_bytes()[:4] == b"\x89PNG"
    np.testing.assert_allclose(copy, image, atol=1)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("Unable to open image: p0000001\nterminate called", "a/b.tif: .* cannot decode"),
        ("error: (-5) Quadrangle is nonconvex or degenerated.", "from behind or edge-on"),
        ("(-215) !ssize.empty() in function 'resize'", "an empty image or box"),
        ("0 <= roi.x && roi.x + roi.width <= m.cols", "a box outside its image"),
        ("Num: 4\nout of luck\n", "ended with status 134; its last line was 'out of luck'"),
        ("", "status 134; it printed nothing"),
    ],
)
def test_what_it_says_is_explained(output, words):
    with pytest.raises(ProgramError, match=words):
        raise explained(134, output, {"p0000001": Path("a/b.tif")})


def test_a_missing_program_is_named(tmp_path):
    with pytest.raises(DependencyError, match=r"opencv_createsamples.*run fer cascade tools"):
        CreateSamples((24, 24), tools=tmp_path)


@pytest.fixture
def stand_in(tmp_path):
    """A program that is there but does nothing of what it should, as a broken build would."""

    def make(script):
        program = tmp_path / "tools" / "opencv_createsamples"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return CreateSamples((4, 4), tools=program.parent)

    return make


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo Done. Created 1 samples", "wrote 0 of 1 samples; its last line was 'Done. Cr"),
        ("echo oh no >&2; exit 3", "ended with status 3; its last line was 'oh no'"),
        ("kill -SEGV $$", "ended with status 139"),
    ],
)
def test_an_exit_status_of_0_is_not_believed(stand_in, make_image, tmp_path, script, words):
    program = stand_in(script)
    vec = tmp_path / "a.vec"
    vec.touch()
    with pytest.raises(ProgramError, match=words):
        program.crop([(make_image("a.png"), [(0, 0, 9, 9)])], vec)
    with pytest.raises(ProgramError):
        program.paste(Warping(make_image("b.png"), [make_image("c.png")], []), tmp_path, 1)


@pytest.mark.opencv3
def test_it_crops_and_the_bar_follows(opencv_tools, tmp_path, make_image):
    progress = Counted()
    program = CreateSamples((8, 6), tools=opencv_tools, progress=progress)
    boxes = [(make_image(f"a b/{at}.png"), [(0, 0, 9, 9), (3, 4, 20, 20)]) for at in range(20)]
    before = set(tmp_path.iterdir())
    program.crop(boxes, tmp_path / "a.vec")
    assert read_vec(tmp_path / "a.vec", (8, 6)).shape == (40, 6, 8)
    assert progress.total == 40
    assert 0 <= progress.done <= 40
    assert set(tmp_path.iterdir()) == before | {tmp_path / "a.vec"}


@pytest.mark.opencv3
def test_angles_that_it_aborts_at_are_explained(opencv_tools, tmp_path, make_image):
    program = CreateSamples((8, 6), tools=opencv_tools)
    tall = Warping(make_image("a.png", 10, 200), [], ["-maxxangle", "1.5", "-maxyangle", "1.5"])
    with pytest.raises(ProgramError, match="the angles show the image from behind"):
        program.warp(tall, tmp_path / "a.vec", 100)


@pytest.mark.opencv3
def test_a_image_that_it_cannot_read_is_named(opencv_tools, tmp_path):
    (tmp_path / "no.png").write_bytes(b"\x89PNG but not really")
    program = CreateSamples((8, 6), tools=opencv_tools)
    with pytest.raises(ProgramError, match=r"no\.png: opencv_createsamples cannot decode"):
        program.crop([(tmp_path / "no.png", [(0, 0, 9, 9)])], tmp_path / "a.vec")
    (tmp_path / "a.vec").touch()
    with pytest.raises(ProgramError, match="wrote 0 of 9 samples"):
        program.warp(Warping(tmp_path / "no.png", [], []), tmp_path / "a.vec", 9)
