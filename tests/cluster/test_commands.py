"""Commands on a real scheduler with two worker processes: the same bytes and messages as here."""

import io
import json
import re
import threading
import time

import av
import cv2
import numpy as np
import pytest
import skimage.data

import fercli

pytestmark = pytest.mark.slow


def files(root):
    """Return the content of files; ".fer-" is what a killed worker was writing."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*.*")
        if path.is_file() and not path.name.startswith(".fer-")
    }


def decoded(video):
    """Return the frames of a video; x264's bytes differ from run to run (its "mbtree" does)."""
    with av.open(io.BytesIO(video)) as container:
        return np.stack([one.to_ndarray(format="rgb24") for one in container.decode(video=0)]) + 0.0


@pytest.fixture
def both(cluster, fer):
    """Run a command on the cluster and here, where OUT is the folder "out-1" or "out-2"."""

    def run(*command, status=0):
        found = []
        for name, where in (
            ("out-1", ["--parallel", "dask", "--scheduler", cluster.address]),
            ("out-2", []),
        ):
            result = fer(*(str(word).replace("OUT", name) for word in command), *where)
            assert result.status == status, result.err
            said = [
                re.sub(r"\d[0-9.]* (ms|s|min)\b", "", text.replace(name, "OUT"))
                for text in (result.out, result.err)
            ]
            found.append(said)
        assert found[0][0] == found[1][0]
        return found[0][1], found[1][1]

    return run


@pytest.fixture
def photos(tmp_path, rng):
    """Thirty small images, one file that is none, and annotations that state another size."""
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax\n"]
    for number in range(30):
        noise = cv2.GaussianBlur(rng.integers(0, 256, (60, 80), np.uint8), (0, 0), 2)
        cv2.imwrite(str(folder / f"{number:02}.png"), noise)
        width = 160 if number % 3 == 0 else 80
        lines.append(f"{number:02}.png,{width},{width * 3 // 4},face,4,6,{width // 2},40\n")
    logo = cv2.circle(np.full((40, 40), 30, np.uint8), (20, 20), 12, 220, -1)
    cv2.imwrite(str(tmp_path / "logo.png"), logo)
    (folder / "broken.png").write_text("no image")
    lines.append("broken.png,80,60,face,4,6,30,40\n")
    (tmp_path / "boxes.csv").write_text("".join(lines))
    return folder


def test_lists(both, cluster, photos, tmp_path):
    there, here = both(
        "cascade", "build-info", "boxes.csv", "--images", "photos", "-n", "photos/broken.png",
        "-n", "logo.png", "--size", "12x12", "--out", "OUT",
    )  # fmt: skip
    assert there == here
    assert "images of another size than stated, boxes scaled: 10" in there
    assert files(tmp_path / "out-1") == files(tmp_path / "out-2")
    assert b"unreadable" in files(tmp_path / "out-1")["info_left_out.csv"]
    fercli.build_info(
        "boxes.csv", ["photos/broken.png", "logo.png"], images="photos", size=(12, 12),
        out="out-3", scheduler=cluster.address,
    )  # fmt: skip
    assert files(tmp_path / "out-1") == files(tmp_path / "out-3")


def test_samples_of_boxes(both, photos, tmp_path):
    both(
        "cascade", "create-samples", "--info", "boxes.csv", "--images", "photos", "--skip-bad",
        "--size", "12x12", "--out", "OUT.vec",
    )  # fmt: skip
    content = (tmp_path / "out-1.vec").read_bytes()
    assert len(content) == 12 + 30 * (1 + 2 * 12 * 12)
    assert content == (tmp_path / "out-2.vec").read_bytes()


def test_samples_of_an_image_and_images_for_tests(both, photos, tmp_path):
    (tmp_path / "bg.txt").write_text("".join(f"photos/{at:02}.png\n" for at in range(30)))
    warp = ["cascade", "create-samples", "--image", "logo.png", "--bg", "bg.txt"]
    both(*warp, "--num", 200, "--size", "16x16", "--out", "OUT.vec")
    assert (tmp_path / "out-1.vec").read_bytes() == (tmp_path / "out-2.vec").read_bytes()
    both(*warp, "--num", 25, "--size", "16x16", "--test-images", "OUT")
    assert len(files(tmp_path / "out-1")) == 26
    assert files(tmp_path / "out-1") == files(tmp_path / "out-2")


def test_engines_of_opencv_stay_on_one_machine(fer, photos):
    on_cluster = ["--parallel", "dask", "--scheduler", "tcp://127.0.0.1:9", "--engine", "opencv"]
    samples = fer(
        "cascade", "create-samples", "--info", "boxes.csv", "--images", "photos",
        "--out", "a.vec", *on_cluster,
    )  # fmt: skip
    training = fer(
        "cascade", "train", "--vec", "a.vec", "--bg", "photos", "--out", "b", *on_cluster
    )
    for result in (samples, training):
        assert result.status == 1
        assert "--scheduler needs --engine native" in result.err


def test_an_evaluation(cluster, fer, face_cascade, tmp_path):
    face = skimage.data.astronaut()[:256, 80:336, ::-1]
    lines = []
    for number in range(6):
        cv2.imwrite(f"{number}.png", np.roll(face, 5 * number, axis=1))
        lines.append(f"{number}.png 1 {95 + 5 * number} 60 100 100\n")
    (tmp_path / "broken.png").write_text("no image")
    (tmp_path / "info.dat").write_text("".join([*lines, "broken.png 1 1 1 9 9\n"]))
    command = ["cascade", "evaluate", face_cascade, "--truth", "info.dat", "--min-size", "40x40"]
    on_cluster = ["--parallel", "dask", "--scheduler", cluster.address]
    there = fer(*command, "--json", *on_cluster)
    here = fer(*command, "--json")
    summaries = [json.loads(result.out) for result in (there, here)]
    assert "times are those of workers" in summaries[0]["notes"].pop()
    for summary in summaries:
        assert summary["cascades"][0].pop("median_milliseconds") > 0
    assert summaries[0] == summaries[1]
    assert summaries[0]["cascades"][0]["hits"] == 6


def test_answers_of_a_model(both, tmp_path, rng):
    folder = tmp_path / "faces"
    folder.mkdir()
    for number in range(300):  # more than go through the model together
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (48, 48), np.uint8))
    (folder / "broken.png").write_text("no image")
    there, here = both("models", "predict", "ferplus", "faces", status=1)
    assert there == here
    assert "broken.png" in there


def test_faces_of_a_folder_of_images_and_of_two_videos(both, portrait, tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), np.roll(portrait, 2 * number, axis=1))
    (folder / "broken.jpg").write_text("no image")
    for name, step in (("a.mp4", 2), ("b.mp4", -2)):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=20)
            stream.height, stream.width = portrait.shape[:2]
            for at in range(4):
                image = np.ascontiguousarray(np.roll(portrait, step * at, axis=1))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode(None))
    there, here = both(
        "classify", "inputs", "--save", "OUT", "--csv", "OUT.csv", "--jsonl", "OUT.jsonl", "-q",
        "--summary", "OUT.json", status=1,
    )  # fmt: skip
    assert there == here
    rows = (tmp_path / "out-1.csv").read_text().splitlines()
    assert len(rows) == 1 + 4 + 2 * 4
    for suffix in (".csv", ".jsonl", ".json"):
        content = (tmp_path / f"out-1{suffix}").read_bytes()
        assert content.replace(b"out-1", b"out-2") == (tmp_path / f"out-2{suffix}").read_bytes()
    there_files, here_files = files(tmp_path / "out-1"), files(tmp_path / "out-2")
    assert len(there_files) == 4 + 2
    for video in ("a.mp4", "b.mp4"):
        there_frames, here_frames = decoded(there_files.pop(video)), decoded(here_files.pop(video))
        assert there_frames.shape == here_frames.shape == (4, 360, 480, 3)  # labels need room
        assert np.abs(there_frames - here_frames).mean() < 1
    assert there_files == here_files


def test_what_is_live_stays_on_this_machine(fer, portrait, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", portrait)
    on_cluster = ["--parallel", "dask", "--scheduler", "tcp://127.0.0.1:9"]
    camera = fer("classify", "0", *on_cluster)
    assert camera.status == 1
    assert "not the camera 0; try: leave out --scheduler for it" in camera.err
    window = fer("classify", "a.png", "--show", *on_cluster)
    assert "--show cannot be used with --scheduler" in window.err


# A worker is killed in the middle.


@pytest.fixture
def on_dask(cluster, fer):
    """Run fer on the cluster; a worker dies when the folder holds `written` images."""

    def run(*command, folder, written):
        victim, ended = cluster.workers[0], threading.Event()

        def kill():
            while len(list(folder.rglob("*.png"))) < written and not ended.is_set():
                time.sleep(0.005)
            victim.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            result = fer(*command, "--parallel", "dask", "--scheduler", cluster.address)
        finally:
            died_meanwhile = not killer.is_alive()
            ended.set()
            killer.join()
        assert died_meanwhile
        return result

    return run


def test_an_import(on_dask, fer, rng, tmp_path):
    for number in range(400):
        path = tmp_path / "in" / ("happy", "sad")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (64, 64), np.uint8))
    command = ["datasets", "import", tmp_path / "in", "-q", "--size", "48x48", "--out"]
    there, here = tmp_path / "cluster", tmp_path / "here"
    assert on_dask(*command, there, folder=there, written=40).status == 0
    assert fer(*command, here, "-j1").status == 0
    assert files(there) == files(here)


def test_a_search_with_relative_names_and_an_image_that_cannot_be_read(
    on_dask, fer, face_cascade, tmp_path
):
    photos = tmp_path / "photos"
    photos.mkdir()
    face = skimage.data.astronaut()[:256, 80:336, ::-1]
    for number in range(30):
        cv2.imwrite(str(photos / f"{number:03}.png"), np.roll(face, number, axis=1))
    (photos / "broken.png").write_text("no image")
    command = ["cascade", "detect", face_cascade.absolute(), "photos", "--min-size", "60x60"]
    outputs = ["--out", "there", "--csv", "there.csv"]
    there = on_dask(*command, *outputs, folder=tmp_path / "there", written=5)
    here = fer(*command, "-j1", "--out", "here", "--csv", "here.csv")
    assert there.status == here.status == 1
    assert there.out == here.out
    assert "broken.png: The file is not an image" in there.err
    assert len(files(tmp_path / "there")) == 30
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
