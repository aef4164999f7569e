import os

import cv2
import numpy as np
import pytest

from fercli.common.errors import OutputError, OutputExistsError, PictureError
from fercli.common.files import make_folder
from fercli.common.images import read_colour, read_grey, write_picture


@pytest.fixture
def picture(rng):
    return cv2.GaussianBlur(rng.integers(0, 256, (40, 50, 3), np.uint8), (0, 0), 2)


def test_what_is_written_is_read(tmp_path, picture):
    write_picture(tmp_path / "ä b.png", picture)
    assert np.array_equal(read_colour(tmp_path / "ä b.png"), picture)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    assert abs(read_grey(tmp_path / "ä b.png").astype(int) - grey).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_pictures_are_refused(tmp_path, picture, suffix):
    path = tmp_path / f"a{suffix}"
    write_picture(path, picture)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(PictureError, match="found a truncated one"):
        read_grey(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty file"),
        (b"no picture at all", "neither OpenCV nor Pillow can decode"),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (40_000).to_bytes(4, "big") * 2 + b"IEND",
            "found 40000 × 40000",
        ),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=message):
        read_grey(path)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(PictureError, match="found nothing of that name"):
        read_grey(tmp_path / "missing.png")
    with pytest.raises(PictureError, match="found a folder"):
        read_grey(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="found a pipe"):
        read_grey(tmp_path / "pipe.png")


def test_writing_is_whole_or_not_at_all(tmp_path, picture):
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_picture(tmp_path / "a.png", picture)
    with pytest.raises(PictureError, match=r"found '\.doc'"):
        write_picture(tmp_path / "a.doc", picture)
    with pytest.raises(OutputError, match="wanted a folder to write to, found a file"):
        make_folder(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "width"), [("a.pbm", 4), ("a.pgm", 4), ("a.webp", 17_000), ("a.jpg", 70_000)]
)
def test_what_a_format_does_not_take_is_named(tmp_path, name, width):
    message = rf"{width} × 2 pixels cannot be written as \{name[1:]}; try: a name that ends in .png"
    with pytest.raises(PictureError, match=message):
        write_picture(tmp_path / name, np.zeros((2, width, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_file_can_have_is_named(tmp_path):
    with pytest.raises(PictureError, match=r"found the name 'a\\x00\.png'"):
        read_grey(tmp_path / "a\0.png")
