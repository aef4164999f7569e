"""Commands on a real scheduler with two worker processes, of which one is killed meanwhile."""

import threading
import time

import cv2
import numpy as np
import pytest
import skimage.data

pytestmark = pytest.mark.slow


def files(root):
    hidden = ".fer-"  # the killed worker's unfinished file
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*.*")
        if not path.name.startswith(hidden)
    }


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
    for number in range(1000):
        path = tmp_path / "in" / ("happy", "sad")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (64, 64), np.uint8))
    command = ["datasets", "import", tmp_path / "in", "-q", "--size", "48x48", "--out"]
    there, here = tmp_path / "cluster", tmp_path / "here"
    assert on_dask(*command, there, folder=there, written=100).status == 0
    assert fer(*command, here, "-j1").status == 0
    assert files(there) == files(here)


def test_a_search_with_relative_names_and_an_image_that_cannot_be_read(
    on_dask, fer, face_cascade, tmp_path
):
    photos = tmp_path / "photos"
    photos.mkdir()
    face = skimage.data.astronaut()[:256, 80:336, ::-1]
    for number in range(60):
        cv2.imwrite(str(photos / f"{number:03}.png"), np.roll(face, number, axis=1))
    (photos / "broken.png").write_text("no image")
    command = ["cascade", "detect", face_cascade.absolute(), "photos", "--min-size", "40x40"]
    outputs = ["--out", "there", "--csv", "there.csv"]
    there = on_dask(*command, *outputs, folder=tmp_path / "there", written=10)
    here = fer(*command, "-j1", "--out", "here", "--csv", "here.csv")
    assert there.status == here.status == 1
    assert there.out == here.out
    assert "broken.png: The file is not an image" in there.err
    assert len(files(tmp_path / "there")) == 60
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
