"""Images and videos that clients send, odd and damaged ones too."""

import io

import cv2
import numpy as np
import pytest

from fercli.web.http_errors import MEGA

from .conftest import png, refused


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"", 400, "got an empty request"),
        (b"hello", 415, "This is not a JPEG, PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "GIF, BMP, WebP, AVIF or HEIC image"),
        (b"%PDF-1.7", 415, "This is not a JPEG"),
        (b"\xff\xd8\xff" + bytes(100), 422, "The JPEG image is damaged"),
        (b"GIF89a", 422, "The GIF image is damaged"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", 422, "The WebP image is damaged"),
        (b"BM" + bytes(60), 422, "The BMP image is damaged"),
        (png(100_000, 100_000), 413, "at most 64 megapixels"),
        (png(20_000, 5_000), 413, "got "),
        (png(64, 64), 422, ""),
    ],
)
def test_what_is_no_image_gets_a_reason(client, data, status, text):
    refused(client.post("/api/v1/classify", data=data), status, text)


def test_a_progressive_jpeg_of_many_scans_is_refused(client, portrait):
    from PIL import Image

    as_file = io.BytesIO()
    Image.fromarray(portrait).save(as_file, "JPEG", progressive=True)
    data = as_file.getvalue()
    assert client.post("/api/v1/classify", data=data).status_code == 200
    scan = data.rindex(b"\xff\xda")
    many = data[:-2] + data[scan:-2] * 200 + data[-2:]
    refused(client.post("/api/v1/classify", data=many), 422, "more than 64 scans")


def test_images_that_are_too_long_are_refused(client):
    answer = client.post("/api/v1/classify", data=png(24, 2_600_000))
    refused(answer, 413, "sides of at most 65500 pixels, got 24 × 2600000")


@pytest.mark.parametrize("format_name", ["AVIF", "HEIF"])
def test_images_of_telephones_are_answered(client, portrait, format_name):
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    as_file = io.BytesIO()
    Image.fromarray(portrait[:, :, ::-1]).save(as_file, format_name)
    response = client.post("/api/v1/classify", data=as_file.getvalue())
    assert len(response.json["images"][0]["faces"]) == 1


def test_a_truncated_image(client, jpeg):
    refused(client.post("/api/v1/classify", data=jpeg[:-2000]), 422, "truncated")


def test_the_one_of_several_is_named(client, jpeg):
    files = {"image": [(io.BytesIO(jpeg), "a.jpg"), (io.BytesIO(b"text"), "b.jpg")]}
    refused(client.post("/api/v1/classify", data=files), 415, "image 2 of 2: This is not a JPEG")


def encoded(suffix, image):
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.mark.parametrize("kind", ["gray", "alpha", "16 bits", "webp", "bmp", "gif", "cmyk", "1x1"])
def test_odd_images_are_answered(client, portrait, kind):
    from PIL import Image

    as_file = io.BytesIO()
    rgb = Image.fromarray(portrait[:, :, ::-1])
    opacity = np.full(portrait.shape[:2], 255, np.uint8)
    opacity[:9] = 0
    if kind == "gif":
        rgb.save(as_file, "GIF", save_all=True, append_images=[rgb.rotate(90)])
    elif kind == "cmyk":
        rgb.convert("CMYK").save(as_file, "JPEG")
    data = (
        as_file.getvalue()
        or {
            "gray": lambda: encoded(".png", portrait[:, :, 1]),
            "alpha": lambda: encoded(".png", np.dstack([portrait, opacity])),
            "16 bits": lambda: encoded(".png", portrait.astype(np.uint16) * 257),
            "webp": lambda: encoded(".webp", portrait),
            "bmp": lambda: encoded(".bmp", portrait),
            "1x1": lambda: encoded(".png", portrait[:1, :1]),
        }[kind]()
    )
    response = client.post("/api/v1/classify", data=data)
    assert response.status_code == 200, response.text
    assert len(response.json["images"][0]["faces"]) == (kind != "1x1")


def test_turned_by_exif(client, portrait):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    as_file = io.BytesIO()
    Image.fromarray(portrait[:, :, ::-1]).rotate(90, expand=True).save(as_file, "JPEG", exif=exif)
    (image,) = client.post("/api/v1/classify", data=as_file.getvalue()).json["images"]
    assert (image["width"], image["height"]) == (240, 180)
    assert len(image["faces"]) == 1


def test_too_much(make_client, jpeg, video):
    client = make_client(image_bytes=MEGA // 2, images=2, video_bytes=MEGA // 4)
    reason = "Expected at most 0.5 MB, got 1 MB; try: a smaller file"
    refused(client.post("/api/v1/classify", data=jpeg.ljust(MEGA)), 413, reason)
    reason = "Expected at most 0.5 MB, got 0.51 MB;"
    refused(client.post("/api/v1/classify", data=jpeg.ljust(MEGA // 2 + 1)), 413, reason)
    reason = "Expected at most 0.25 MB, got 1"
    refused(client.post("/api/v1/jobs", data=video.read_bytes().ljust(MEGA)), 413, reason)
    assert client.get("/api/v1/health").json["jobs"]["waiting"] == 0
    files = {"image": [(io.BytesIO(png(1, 1)), "a.png") for _ in range(3)]}
    refused(client.post("/api/v1/classify", data=files), 400, "at most 2 images, got 3")


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<?xml version='1.0'?><MPD/>",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"Glass",
    ],
)
def test_lists_of_other_files_are_no_videos(client, data):
    refused(client.post("/api/v1/jobs", data=data), 415, "This is not an MP4")


def test_limits_beyond_those_of_pillow(make_client):
    client = make_client(image_pixels=250_000_000)
    refused(client.post("/api/v1/classify", data=png(16_000, 15_000)), 422, "")
    refused(client.post("/api/v1/classify", data=png(16_000, 16_000)), 413, "at most 250 mega")
