import os

import cv2
import numpy as np
import pytest

from fercli.common.errors import ImageError, OutputError, OutputExistsError
from fercli.common.files import make_folder
from fercli.common.images import read_color, read_gray, write_image


@pytest.fixture
def image(rng):
    return cv2.GaussianBlur(rng.integers(0, 256, (40, 50, 3), np.uint8), (0, 0), 2)


def test_what_is_written_is_read(tmp_path, image):
    write_image(tmp_path / "ä b.png", image)
    assert np.array_equal(read_color(tmp_path / "ä b.png"), image)
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert abs(read_gray(tmp_path / "ä b.png").astype(int) - gray).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_images_are_refused(tmp_path, image, suffix):
    path = tmp_path / f"a{suffix}"
    write_image(path, image)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ImageError, match="found a truncated one"):
        read_gray(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty file"),
        (b"no image at all", "neither OpenCV nor Pillow can decode"),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (40_000).to_bytes(4, "big") * 2 + b"IEND",
            "found 40000 × 40000",
        ),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_gray(path)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(ImageError, match="found nothing of that name"):
        read_gray(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="found a folder"):
        read_gray(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="found a pipe"):
        read_gray(tmp_path / "pipe.png")


def test_writing_is_whole_or_not_at_all(tmp_path, image):
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_image(tmp_path / "a.png", image)
    with pytest.raises(ImageError, match=r"found '\.doc'"):
        write_image(tmp_path / "a.doc", image)
    with pytest.raises(OutputError, match="wanted a folder to write to, found a file"):
        make_folder(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "width"), [("a.pbm", 4), ("a.pgm", 4), ("a.webp", 17_000), ("a.jpg", 70_000)]
)
def test_what_a_format_does_not_take_is_named(tmp_path, name, width):
    message = rf"{width} × 2 pixels cannot be written as \{name[1:]}; try: a name that ends in .png"
    with pytest.raises(ImageError, match=message):
        write_image(tmp_path / name, np.zeros((2, width, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_file_can_have_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"found the name 'a\\x00\.png'"):
        read_gray(tmp_path / "a\0.png")
