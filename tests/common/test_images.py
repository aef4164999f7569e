import os

import cv2
import numpy as np
import pytest

from fercli.common.errors import ImageError, OutputError, OutputExistsError
from fercli.common.files import make_folder
from fercli.common.images import read_color, read_gray, resize, to_gray, write_image


@pytest.fixture
def image(rng):
    return cv2.GaussianBlur(rng.integers(0, 256, (40, 50, 3), np.uint8), (0, 0), 2)


def test_what_is_written_is_read(tmp_path, image):
    write_image(tmp_path / "ä b.png", image)
    assert np.array_equal(read_color(tmp_path / "ä b.png"), image)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_gray_levels_of_a_file_are_those_of_its_colors(tmp_path, image, suffix):
    """Decoders that are asked for gray have other gray levels: of JPEG by several."""
    write_image(tmp_path / f"a{suffix}", image)
    color = read_color(tmp_path / f"a{suffix}")
    assert np.array_equal(read_gray(tmp_path / f"a{suffix}"), to_gray(color))
    assert np.array_equal(to_gray(to_gray(color)), to_gray(color))


def test_gray_levels_are_those_of_bt_601():
    blue, green, red = (np.full((1, 1, 3), level, np.uint8) for level in (0, 0, 0))
    blue[..., 0], green[..., 1], red[..., 2] = 255, 255, 255
    # 0.114, 0.587 and 0.299 of 255.
    assert [int(to_gray(one)[0, 0]) for one in (blue, green, red)] == [29, 150, 76]


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("gray.png", np.arange(256, dtype=np.uint8).reshape(16, 16)),
        ("alpha.png", np.dstack([np.full((4, 4, 3), 90, np.uint8), np.zeros((4, 4), np.uint8)])),
        ("deep.png", np.full((4, 4), 90 * 256, np.uint16)),
    ],
)
def test_gray_files_are_read_as_they_are(tmp_path, name, pixels):
    cv2.imwrite(str(tmp_path / name), pixels)
    wanted = pixels if name == "gray.png" else np.full((4, 4), 90, np.uint8)
    assert np.array_equal(read_gray(tmp_path / name), wanted)


@pytest.mark.parametrize("size_wh", [(25, 20), (100, 80), (50, 40)])
def test_an_even_image_keeps_its_level_at_every_size(size_wh):
    resized = resize(np.full((40, 50), 77, np.uint8), size_wh)
    assert resized.shape == size_wh[::-1]
    assert (resized == 77).all()


def test_smaller_images_are_averaged():
    checks = np.indices((8, 8)).sum(axis=0) % 2 * 200
    assert (resize(checks.astype(np.uint8), (4, 4)) == 100).all()


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
