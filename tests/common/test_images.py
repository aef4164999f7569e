import io
import os
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from fercli.common.errors import ImageError, OutputError, OutputExistsError
from fercli.common.files import make_folder
from fercli.common.images import (
    IMAGE_NOTES,
    content_kind,
    decode_color,
    frame_count,
    read_color,
    read_gray,
    resize,
    to_gray,
    write_image,
)


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
    with pytest.raises(ImageError, match="is truncated: its end is missing"):
        read_gray(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file"),
        (b"no image at all", "neither OpenCV nor Pillow can decode"),
        (b"\n<!DOCTYPE html><html>", "The file is not an image: its content is HTML"),
        (b"version https://git-lfs.github.com/spec/v1", "its content is a Git LFS pointer"),
        (b"GIF89a\1\0", "The GIF image is damaged or truncated"),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (40_000).to_bytes(4, "big") * 2 + b"IEND",
            "got 40000 × 40000",
        ),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    IMAGE_NOTES.take()
    with pytest.raises(ImageError, match=message):
        read_gray(path)
    assert IMAGE_NOTES.take() == []  # such as "is HTML, although …: read by its content"


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (None, "None; try: .* cv2.imread"),
        ("a.png", "str; try: .* cv2.imread"),
        (np.full((9, 9, 3), 0.5), "float64; try: scale"),
        (np.full((9, 9), 0.5, np.float32), "float32"),
        (np.full((9, 9), 50_000, np.uint16), "uint16"),
        (np.zeros((9, 9, 1), np.uint8), "the shape .9, 9, 1"),
        (np.zeros((9, 9, 4), np.uint8), "the shape .9, 9, 4"),
        (np.zeros((2, 9, 9, 3), np.uint8), "the shape .2, 9, 9, 3"),
        (np.zeros((0, 9), np.uint8), "the shape .0, 9"),
    ],
)
def test_arrays_that_are_no_images(image, found):
    """cv2 finds nothing in some of them, without a word."""
    with pytest.raises(ImageError, match=f"Expected an array of uint8, .* got {found}"):
        to_gray(image)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(ImageError, match="found nothing of that name"):
        read_gray(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="found a folder"):
        read_gray(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="got a pipe"):
        read_gray(tmp_path / "pipe.png")


def test_writing_is_whole_or_not_at_all(tmp_path, image):
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_image(tmp_path / "a.png", image)
    with pytest.raises(ImageError, match=r"got '\.doc'"):
        write_image(tmp_path / "a.doc", image)
    with pytest.raises(OutputError, match="Expected a folder to write to, found a file"):
        make_folder(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "width"), [("a.pbm", 4), ("a.pgm", 4), ("a.webp", 17_000), ("a.jpg", 70_000)]
)
def test_what_a_format_does_not_take_is_named(tmp_path, name, width):
    message = rf"{width} × 2 pixels cannot be written as \{name[1:]}; try: use a name that ends"
    with pytest.raises(ImageError, match=message):
        write_image(tmp_path / name, np.zeros((2, width, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_file_can_have_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"got the name 'a\\x00\.png'"):
        read_gray(tmp_path / "a\0.png")


def encoded(image, format_name, **settings):
    file = io.BytesIO()
    image.save(file, format_name, **settings)
    return file.getvalue()


def test_the_thumbnail_of_a_truncated_jpeg_does_not_hide_that_its_end_is_missing(image):
    whole = cv2.imencode(".jpg", image)[1].tobytes()
    thumbnail = b"Exif\0\0" + whole
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert decode_color(whole[:2] + segment + whole[2:]).shape == image.shape
    with pytest.raises(ImageError, match="its end is missing"):
        decode_color((whole[:2] + segment + whole[2:])[:-60])


@pytest.mark.parametrize("format_name", ["AVIF", "BMP", "GIF", "JPEG2000", "PPM", "TIFF", "WEBP"])
def test_truncated_images_of_all_formats_are_refused(image, format_name):
    data = encoded(Image.fromarray(image), format_name)
    for end in (-20, len(data) * 6 // 10):
        with pytest.raises(ImageError, match="damaged or truncated"):
            decode_color(data[:end])


def ramp(kind, low, high):
    """Return 5 × 40 pixels from low to high."""
    return np.tile(np.linspace(low, high, 40).astype(kind), (5, 1))


@pytest.mark.parametrize(
    ("pixels", "levels", "note"),
    [
        # the whole range of 16 bits: 65535 / 257 = 255
        (ramp(np.uint16, 0, 65_535), (0, 255), None),
        # 12 bits in 16: 4000 × 255 / 4095 = 249.08
        (ramp(np.uint16, 0, 4000), (0, 249), "16-bit pixels from 0 to 4000, taken as 0 … 4095"),
        # 8 bits in 16
        (ramp(np.uint16, 10, 200), (10, 200), "16-bit pixels from 10 to 200, taken as 0 … 255"),
        # a thermal camera: less than a quarter of 16 bits
        (
            ramp(np.uint16, 29_000, 31_000),
            (0, 255),
            "16-bit pixels from 29000 to 31000, taken as 29000 … 31000",
        ),
        (ramp(np.float32, 0, 0.8), (0, 204), "32-bit pixels from 0 to 0.8, taken as 0 … 1"),
        (ramp(np.float32, 20, 230), (20, 230), "32-bit pixels from 20 to 230, taken as 0 … 255"),
        (ramp(np.float32, -3, 5), (0, 255), "32-bit pixels from -3 to 5, taken as -3 … 5"),
    ],
)
def test_pixels_of_more_than_8_bits_are_scaled_by_their_range_and_it_is_said(
    tmp_path, pixels, levels, note
):
    path = tmp_path / "a.tif"
    Image.fromarray(pixels).save(path)
    notes = []
    color, gray = read_color(path, notes), read_gray(path, [])
    assert color.shape == (5, 40, 3)
    assert (color == gray[:, :, None]).all()
    assert (gray.min(), gray.max()) == levels
    assert notes == ([f"{note}: scaled to 8 bits"] if note else [])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jp2"])
def test_16_bits_of_colors_keep_them(tmp_path, image, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), image.astype(np.uint16) * 257)
    assert abs(read_color(path).astype(int) - image).max() <= 1


def test_floats_that_are_no_numbers_do_not_spoil_the_range(tmp_path):
    pixels = ramp(np.float32, 0, 1)
    pixels[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    assert read_gray(tmp_path / "a.tif")[0, :3].tolist() == [0, 255, 0]
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(ImageError, match="no pixel with a finite value"):
        read_gray(tmp_path / "b.tif")


@pytest.mark.parametrize(
    ("format_name", "mode"),
    [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA"), ("TIFF", "RGBA"), ("AVIF", "RGBA")],
)
def test_transparent_parts_are_white_not_the_color_behind_them(format_name, mode):
    pixels = np.zeros((16, 16, 4), np.uint8)  # black, and transparent on the right
    pixels[:, :8, 3] = 255
    notes = []
    data = encoded(Image.fromarray(pixels).convert(mode), format_name, lossless=True)
    read = decode_color(data, notes)
    assert read[:, :6].max() <= 3
    assert read[:, 10:].min() >= 252
    assert notes == ["has transparent parts: they are shown on white"]
    opaque = []
    data = encoded(Image.new(mode, (16, 16), 0).convert("RGB").convert(mode), format_name)
    assert decode_color(data, opaque).max() <= 3
    assert opaque == []


def test_the_transparent_color_of_a_palette_is_white():
    image = Image.new("P", (4, 2))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((0, 0), 1)
    read = decode_color(encoded(image, "PNG", transparency=0), [])
    assert read[0, 0].tolist() == [200, 0, 0]  # blue, in cv2's order
    assert (read.reshape(-1, 3)[1:] == 255).all()


def test_cmyk_is_read_as_its_colors():
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))  # cyan
    for format_name in ("JPEG", "TIFF"):
        blue, green, red = decode_color(encoded(image, format_name))[8, 8].tolist()
        assert (blue > 250, green > 250, red < 5) == (True, True, True)


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_that_the_first_of_several_frames_is_read_is_said(format_name):
    first, second, third = (Image.new("RGB", (16, 16), c) for c in ("white", "red", "black"))
    notes = []
    data = encoded(first, format_name, save_all=True, append_images=[second, third])
    assert frame_count(data) == 3
    assert decode_color(data, notes).min() >= 250
    assert notes == ["holds 3 frames or pages: the first alone is read"]
    assert frame_count(encoded(first, format_name)) == 1


@pytest.mark.parametrize("format_name", ["AVIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_images_are_turned_as_their_orientation_says(format_name, tmp_path):
    import pillow_heif

    pillow_heif.register_heif_opener()
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :16] = 255  # upper left
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned clockwise: then it is upper right
    path = tmp_path / "renamed.jpg"  # found by its content
    path.write_bytes(encoded(Image.fromarray(pixels), format_name, exif=exif.tobytes()))
    for read in (read_color(path), read_gray(path)):
        assert read.shape[:2] == (48, 32)
        assert read[4, -4].min() > 240
        assert read[4, 4].max() < 15


def test_heic_without_its_library_is_refused_by_name(monkeypatch, tmp_path):
    import pillow_heif

    pillow_heif.register_heif_opener()
    path = tmp_path / "a.heic"
    Image.new("RGB", (64, 64)).save(path)
    assert content_kind(path.read_bytes()) == ("image", "HEIC")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    needs = r"a\.heic: A HEIC image needs the library pillow-heif.*try: pip install pillow-heif"
    with pytest.raises(ImageError, match=needs):
        read_color(path)


def test_what_was_assumed_is_counted_for_the_run(tmp_path):
    IMAGE_NOTES.take()
    for name in ("a.tif", "b.tif"):
        Image.fromarray(ramp(np.uint16, 0, 4000)).save(tmp_path / name)
        read_gray(tmp_path / name)
        read_gray(tmp_path / name)
    found = f"{tmp_path}/a.tif: 16-bit pixels from 0 to 4000, taken as 0 … 4095"
    assert IMAGE_NOTES.take() == [f"2 images: scaled to 8 bits; {found}"]
    assert IMAGE_NOTES.take() == []
