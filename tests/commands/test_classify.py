import csv
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from fercli.cascade.model import bundled_cascade

FER = [sys.executable, "-m", "fercli"]


@pytest.fixture(scope="session")
def portrait():
    return np.ascontiguousarray(skimage.data.astronaut()[10:190, 110:350, ::-1])


@pytest.fixture
def photo(portrait, tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), portrait)
    return path


@pytest.fixture
def make_film(portrait, tmp_path):
    """A video of a face that moves, written to a name, as long as wanted."""

    def make(name, frames=20):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=20, options={"preset": "ultrafast"})
            stream.height, stream.width, stream.pix_fmt = 180, 240, "yuv420p"
            for at in range(frames):
                image = np.roll(portrait, at % 40, axis=1)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


def count_frames(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_photograph(fer, photo):
    result = fer("classify", photo)
    assert result.status == 0
    assert "happy" in result.out
    assert result.out.endswith("faces: 1, images: 1, without a face: 0\n")


def test_a_folder_with_all_outputs(fer, photo, make_film, make_image, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    photo.rename(folder / "photo.png")
    make_film("in/film.mp4")
    make_image("in/empty.png")
    (folder / "broken.jpg").write_text("no image")
    (folder / "letter.mp4").write_text("no video")
    out = tmp_path / "out"
    result = fer(
        "classify", folder, "--save", out, "--csv", out / "faces.csv", "--jsonl",
        out / "faces.jsonl", "--timeline", out, "--bars", "--empty",
    )  # fmt: skip
    assert result.status == 1
    assert "broken.jpg: The file is not an image" in result.err
    assert "letter.mp4: The file cannot be read as a video" in result.err
    assert "2 of 5 inputs could not be read" in result.out
    assert sorted(path.name for path in out.iterdir()) == [
        "empty.png", "faces.csv", "faces.jsonl", "film-timeline.html", "film-timeline.png",
        "film.mp4", "photo.png",
    ]  # fmt: skip
    assert count_frames(out / "film.mp4") == 20
    rows = list(csv.DictReader((out / "faces.csv").read_text().splitlines()))
    by_name = {
        name: [r for r in rows if Path(r["source"]).name == name]
        for name in [path.name for path in folder.iterdir()]
    }
    assert len(by_name["film.mp4"]) == 20
    assert [row["expression"] for row in by_name["photo.png"]] == ["happy"]
    assert [row["expression"] for row in by_name["empty.png"]] == [""]
    assert by_name["broken.jpg"] == []
    lines = [json.loads(line) for line in (out / "faces.jsonl").read_text().splitlines()]
    assert len(lines) == 22


def test_json(fer, photo, make_film):
    one, two = json.loads(fer("classify", photo, make_film("film.mp4"), "--json").out)
    assert one["faces"][0]["expression"] == "happy"
    assert two["people"][0]["person"] == 1
    assert two["frames"] == 20


def test_a_name_that_is_not_utf_8(photo, tmp_path):
    odd = photo.rename(tmp_path / os.fsdecode(b"\xe4.png"))
    outputs = ["--csv", tmp_path / "a.csv", "--jsonl", tmp_path / "a.jsonl"]
    subprocess.run([*FER, "classify", odd, *outputs], capture_output=True, check=True)
    assert os.fsencode(odd) in (tmp_path / "a.csv").read_bytes()
    assert json.loads((tmp_path / "a.jsonl").read_bytes())["source"] == str(odd)


def test_names_on_standard_input(photo):
    result = subprocess.run(
        [*FER, "classify", "-"], input=f"{photo}\n", capture_output=True, text=True, check=True
    )
    assert "happy" in result.stdout


def write_rotated(path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(np.rot90(pixels)).save(path, exif=exif, quality=95)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("alpha.png", lambda path, rgb: Image.fromarray(rgb).convert("RGBA").save(path)),
        ("palette.png", lambda path, rgb: Image.fromarray(rgb).convert("P").save(path)),
        ("16 bit.png", lambda path, rgb: cv2.imwrite(str(path), rgb[:, :, ::-1] * np.uint16(257))),
        ("print.jpg", lambda path, rgb: Image.fromarray(rgb).convert("CMYK").save(path)),
        ("print.tif", lambda path, rgb: Image.fromarray(rgb).convert("CMYK").save(path)),
        ("turned.jpg", write_rotated),
        ("gray.pgm", lambda path, rgb: Image.fromarray(rgb).convert("L").save(path)),
        ("ünïcode ?.webp", lambda path, rgb: Image.fromarray(rgb).save(path)),
        ("still.gif", lambda path, rgb: Image.fromarray(rgb).save(path)),
        ("no suffix", lambda path, rgb: Image.fromarray(rgb).save(path, format="PNG")),
    ],
)
def test_images_of_all_kinds(fer, portrait, tmp_path, name, write):
    path = tmp_path / name
    write(path, np.ascontiguousarray(portrait[:, :, ::-1]))
    result = fer("classify", path, "--save", tmp_path / "out.png")
    assert result.status == 0
    assert " happy " in result.out
    assert cv2.imread(str(tmp_path / "out.png")).shape == (360, 480, 3)


def test_an_animated_image_is_a_film(fer, portrait, tmp_path):
    images = [Image.fromarray(np.roll(portrait, 4 * at, 1)[:, :, ::-1]) for at in range(5)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=100)
    result = fer("classify", tmp_path / "a.gif", "--save", tmp_path / "a.mp4")
    assert result.status == 0
    assert "5 frames" in result.out
    assert count_frames(tmp_path / "a.mp4") == 5


@pytest.mark.slow
def test_a_hundred_megapixels(fer, portrait, tmp_path):
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), cv2.resize(portrait, (11600, 8700)))
    result = fer("classify", path)
    assert " happy " in result.out


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 3)])
def test_tiny_images(fer, tmp_path, size):
    path = tmp_path / "tiny.png"
    cv2.imwrite(str(path), np.full((*size, 3), 200, np.uint8))
    result = fer("classify", path, "--save", tmp_path / "out.png")
    assert result.status == 0
    assert "no face" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "Expected an image, found nothing of that name"),
        (["*.xyz"], "No file matches *.xyz"),
        (["photo.png", "--timeline", "a.png"], "--timeline needs a video"),
        (["photo.png", "--summary", "a.txt"], "--summary: expected a name that ends in .json"),
        (["photo.png", "--save", "a.mp4"], "Expected a name for an image"),
        (["photo.png", "--cascade", bundled_cascade(), "--cascade", "photo.png"], "photo.png"),
        (["photo.png", "--model", "photo.png"], "There is no model"),
        (["photo.png", "--csv", "photo.png"], "photo.png: The output would replace an input"),
        (
            ["photo.png", "--save", ".", "--overwrite"],
            "photo.png: The output would replace an input",
        ),
        (
            ["photo.png", "--csv", "a", "--jsonl", "a"],
            "Two outputs would write to the same file: a",
        ),
        (["photo.png", "--csv", "film.mp4"], "already exists"),
        (["photo.png", "--csv", "photo.png/a.csv"], "Expected a folder to write to, found a file"),
        (["99999999999"], "Expected a camera number of at most 2147483647, got 99999999999"),
        (["77"], "Camera 77 cannot be opened: there is no /dev/video77"),
        (["http://127.0.0.1:9/a"], "http://127.0.0.1:9/a: The stream cannot be opened"),
        (["film.mp4", "--start", "9:00"], "The video ends at 1.0 s, before the start of 540 s"),
    ],
)
def test_what_cannot_be_done_is_named(fer, photo, make_film, monkeypatch, arguments, message):
    monkeypatch.chdir(photo.parent)
    make_film("film.mp4")
    before = sorted(photo.parent.iterdir())
    result = fer("classify", *arguments)
    assert result.status == 1
    assert message in result.err
    assert sorted(photo.parent.iterdir()) == before


def test_no_screen(fer, photo, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    result = fer("classify", photo, "--show")
    assert (result.status, "--show needs a display" in result.err) == (1, True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.5", 1.5), ("1:02", 62.0), ("1:00:01.5", 3601.5), ("x", None), ("-1", None)],
)
def test_times(text, seconds):
    import click

    from fercli.commands.classify import Seconds

    if seconds is None:
        with pytest.raises(click.BadParameter, match="expected a time"):
            Seconds().convert(text, None, None)
    else:
        assert Seconds().convert(text, None, None) == seconds


def test_a_part_of_a_film(fer, make_film, tmp_path):
    film = make_film("film.mp4", frames=40)
    options = ("--start", "0.5", "--end", "1.5", "--save", tmp_path / "part.mp4")
    result = fer("classify", film, *options, "--every", 2, "--json")
    (plain,) = json.loads(result.out)
    assert (plain["frames"], plain["frames_analyzed"]) == (20, 10)
    assert count_frames(tmp_path / "part.mp4") == 20


def test_no_right_to_write(photo, tmp_path):
    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    result = subprocess.run(
        [*FER, "classify", photo, "--csv", tmp_path / "a.csv"], capture_output=True, text=True
    )
    tmp_path.chmod(0o700)
    assert "cannot be written: Permission denied" in result.stderr


def test_a_full_disk(make_film, tmp_path):
    film = make_film("film.mp4", frames=60)
    out = tmp_path / "out"
    # A file that may not grow is as full as a disk.
    result = subprocess.run(
        ["bash", "-c", f'trap "" XFSZ; ulimit -f 20; exec "$@" --save {out}/film.mp4', "-",
         *FER, "classify", str(film)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 1
    assert "film.mp4: cannot be written: File too large" in result.stderr
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGINT],
        [signal.SIGTERM, signal.SIGTERM],  # timeout tells the process, then its group
        [signal.SIGHUP, signal.SIGHUP],  # the shell that ends, then the system
    ],
)
def test_a_signal_closes_the_video_and_prints_the_summary(make_film, tmp_path, signals):
    film = make_film("long.mp4", frames=2000)
    process = subprocess.Popen(
        [*FER, "classify", film, "--save", tmp_path / "out.mp4", "--csv", tmp_path / "out.csv"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(600):
        if any(path.stat().st_size > 20_000 for path in tmp_path.glob(".fer-*.mp4")):
            break
        time.sleep(0.05)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "fer: interrupted" in err
    frames = count_frames(tmp_path / "out.mp4")
    assert 20 < frames < 2000
    assert f"{frames} frames" in out
    assert len((tmp_path / "out.csv").read_text().splitlines()) > 20
    assert not list(tmp_path.glob(".fer-*"))


class Sender(http.server.BaseHTTPRequestHandler):
    """Sends a few images as MJPEG to each client, then breaks off."""

    jpeg = b""
    clients = 0

    def do_GET(self):
        type(self).clients += 1
        if type(self).clients == 2:  # down for a moment
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for _ in range(15):
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
            self.wfile.write(b"Content-Length: %d\r\n\r\n%b\r\n" % (len(self.jpeg), self.jpeg))
            self.wfile.flush()
            time.sleep(0.03)

    def log_message(self, *args):
        pass


@pytest.fixture
def sender(portrait):
    """The address of a camera on the network that breaks off again and again."""

    class Mine(Sender):
        jpeg = cv2.imencode(".jpg", portrait)[1].tobytes()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/cam"
    server.shutdown()
    server.server_close()


def test_a_stream_that_breaks_off_is_reached_again(fer, sender, tmp_path):
    out = tmp_path / "out.mp4"
    address = sender.replace("//", "//admin:secret@")
    rows = tmp_path / "rows.csv"
    result = fer("classify", address, "--end", "3.5", "--save", out, "--csv", rows, "--json")
    assert "secret" not in result.out + result.err + rows.read_text()
    (plain,) = json.loads(result.out)
    assert result.status == 0, result.err
    assert plain["frames"] > 16  # more than the first connection gave
    assert "connection lost" in result.err
    assert "reconnected after 2 attempts" in result.err
    assert count_frames(out) == plain["frames"]
    assert plain["people"][0]["expressions"] == {"happy": 1.0}


@pytest.mark.compiled
def test_a_stream_that_does_not_come_back(fer, sender, tmp_path):
    result = fer("classify", sender, "--reconnect", 0, "--save", tmp_path / "out.mp4")
    assert result.status == 1
    assert "broke off" in result.err
    assert count_frames(tmp_path / "out.mp4") > 5  # what was seen is kept
    assert "happy" in result.out


def test_a_film_over_http_ends(fer, make_film, tmp_path):
    make_film("film.mp4")
    handler = lambda *args: http.server.SimpleHTTPRequestHandler(*args, directory=tmp_path)  # noqa: E731
    http.server.SimpleHTTPRequestHandler.log_message = lambda *args: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        result = fer("classify", f"http://127.0.0.1:{server.server_port}/film.mp4", "--json")
    finally:
        server.shutdown()
        server.server_close()
    (plain,) = json.loads(result.out)
    assert plain["frames"] == 20


def test_one_photograph_needs_no_large_library(photo):
    code = (
        "import sys; from fercli.cli import main; main(['classify', sys.argv[1]]); "
        "print([m for m in ('tensorflow', 'keras', 'numba', 'matplotlib', 'PIL', 'av') "
        "if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, photo], capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith("[]\n")


@pytest.mark.data
def test_the_videos_of_the_development_data(fer, data):
    result = fer("classify", data / "videos" / "05-1.avi", "--json")
    (plain,) = json.loads(result.out)
    (person,) = plain["people"]
    assert person["frames"] > 0.9 * plain["frames"]
