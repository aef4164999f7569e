import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from fercli.annotations.reading import read_annotations
from fercli.cascade.model import bundled_cascade

PACKAGE = Path(skimage.data.__file__).parent


@pytest.fixture
def photo():
    return PACKAGE / "astronaut.png"


def covers(box, x, y):
    return box["x"] <= x <= box["x"] + box["w"] and box["y"] <= y <= box["y"] + box["h"]


def test_finds_the_face_and_draws_it(fer, face_cascade, photo, tmp_path):
    result = fer(
        "cascade", "detect", face_cascade, photo, "--json", "--out", tmp_path, "--min-size", 60
    )
    (box,) = json.loads(result.out)
    assert covers(box, 222, 117)  # between her eyes
    drawn, original = cv2.imread(str(tmp_path / "astronaut.png")), cv2.imread(str(photo))
    changed = np.argwhere((drawn != original).any(axis=2))
    top, left = changed.min(axis=0)
    bottom, right = changed.max(axis=0)
    assert (left, right) == (box["x"], box["x"] + box["w"])
    assert bottom == box["y"] + box["h"]
    assert 0 < box["y"] - top < 25  # the label stands above


def test_several_cascades_find_the_face_once(fer, face_cascade, photo):
    result = fer("cascade", "detect", bundled_cascade(), photo, "--cascade", face_cascade, "--json",
                 "--min-size", 60, "--min-neighbors", 8)  # fmt: skip
    (box,) = json.loads(result.out)
    assert covers(box, 222, 117)
    result = fer("cascade", "detect", bundled_cascade(), photo, "--cascade", photo)
    assert (result.status, str(photo) in result.err) == (1, True)


def test_the_table_is_read_by_the_other_commands(fer, face_cascade, photo, tmp_path):
    table = tmp_path / "boxes.csv"
    result = fer("cascade", "detect", face_cascade, photo, PACKAGE / "grass.png", "--csv", table)
    images = {p.path.name: p.boxes_xywh for p in read_annotations(table)}
    assert images["grass.png"] == ()
    found = len(images["astronaut.png"])
    assert found >= 1
    assert result.out.endswith(f"{found} found in 2 images\n")


def test_a_broken_image_is_named_and_the_rest_searched(fer, face_cascade, photo, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    result = fer("cascade", "detect", face_cascade, tmp_path, photo)
    assert result.status == 1
    assert f"{broken}: The file is not an image" in result.err
    assert "in 1 image, 1 unreadable" in result.out


def test_the_same_at_any_number_of_workers_and_copies_in_the_same_subfolders(
    fer, face_cascade, photo, tmp_path
):
    for at in range(20):
        folder = tmp_path / "in" / str(at)
        folder.mkdir(parents=True)
        (folder / "a.png").symlink_to(photo)
    arguments = ("cascade", "detect", face_cascade, tmp_path / "in", "--json", "--min-size", 60)
    one = fer(*arguments, "-j", 1, "--out", tmp_path / "one")
    four = fer(*arguments, "-j", 4, "--out", tmp_path / "four")
    assert one.out == four.out
    names = sorted(path.as_posix() for path in (tmp_path / "four").glob("*/*"))
    assert names == sorted(f"{tmp_path}/four/{at}/a.png" for at in range(20))


def test_equal_names_are_numbered_and_files_that_are_not_read_are_listed(
    fer, face_cascade, photo, tmp_path
):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").symlink_to(photo)
    (tmp_path / "y" / "b.psd").touch()
    single = tmp_path / "x" / "a.png"
    result = fer("cascade", "detect", face_cascade, single, tmp_path / "y", "--out", tmp_path)
    assert result.status == 0
    assert (tmp_path / "a-2.png").is_file()
    assert f"fer: {tmp_path}/y: skipped 1 of 2 files that are not images" in result.err


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["missing.png"], "missing.png: Expected an image, found nothing of that name"),
        (["empty"], "There are no images in"),
    ],
)
def test_inputs_that_are_not_there(fer, face_cascade, tmp_path, inputs, message):
    (tmp_path / "empty").mkdir()
    result = fer("cascade", "detect", face_cascade, *[tmp_path / name for name in inputs])
    assert message in result.err


def test_nothing_is_overwritten_unasked(fer, face_cascade, photo, tmp_path):
    (tmp_path / "astronaut.png").write_text("mine")
    arguments = ("cascade", "detect", face_cascade, photo, "--out", tmp_path)
    result = fer(*arguments)
    assert result.status == 1
    assert "already exists" in result.err
    assert (tmp_path / "astronaut.png").read_text() == "mine"
    assert fer(*arguments, "--overwrite").status == 0


def test_a_file_that_is_no_cascade(fer, face_cascade, photo):
    result = fer("cascade", "detect", photo, photo)
    assert result.status == 1
    assert "fer: error:" in result.err


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    ("inputs", "outputs", "named"),
    [
        (["own/a.png"], ["--out", "own"], "own/a.png"),
        (["own/b.jpg", "own/a.png"], ["--out", "link"], "link/a.png"),
        (["own/a.png"], ["--csv", "link/a.png"], "link/a.png"),
    ],
)
def test_an_input_is_never_replaced(
    fer, face_cascade, photo, tmp_path, monkeypatch, inputs, outputs, named, overwrite
):
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    Path("link").symlink_to("own")
    for name in inputs:
        Path(name).write_bytes(photo.read_bytes())
    result = fer("cascade", "detect", face_cascade, *inputs, *outputs, *overwrite)
    assert result.status == 1
    assert f"{named}: The output would replace an input" in result.err
    assert "--overwrite" not in result.err
    assert sorted(p.name for p in Path("own").iterdir()) == sorted(Path(n).name for n in inputs)
    assert all(Path(name).read_bytes() == photo.read_bytes() for name in inputs)


def test_names_that_are_not_utf8_or_as_long_as_can_be(fer, face_cascade, photo, tmp_path):
    names = [os.fsdecode(b"caf\xe9.png"), "ü" * 125 + ".png"]
    for name in names:
        (tmp_path / name).write_bytes(photo.read_bytes())
    table = tmp_path / "boxes.csv"
    arguments = ("--csv", table, "--out", tmp_path / "out", "--min-size", 60)
    assert fer("cascade", "detect", face_cascade, tmp_path, *arguments).status == 0
    images = {p.path.name: p.boxes_xywh for p in read_annotations(table)}
    assert set(images) == set(names)
    assert len(images[names[0]]) == 1
    drawn = {path.name for path in (tmp_path / "out").iterdir()}
    assert drawn == {names[0], "ü" * 110 + ".png"}
