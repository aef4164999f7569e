import json

import cv2
import numpy as np
import pytest

from fercli.cascade.samples.vec import write_vec


@pytest.fixture
def scenes(make_image):
    for name in ("scenes/a.png", "scenes/b ü.png"):
        make_image(name, 120, 90)
    return make_image("one.png", 120, 90).parent / "scenes"


def test_draws_all_stages(fer, face_cascade, scenes, tmp_path, rng):
    write_vec(tmp_path / "faces.vec", rng.integers(0, 256, (5, 24, 24), np.uint8))
    out = tmp_path / "drawn here"
    result = fer(
        "cascade", "visualize", face_cascade, scenes, "--vec", tmp_path / "faces.vec", "--out", out
    )
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[0].split() == ["stage", "weak", "classifiers", "windows", "share", "passed"]
    assert len(lines) == 1 + 20 + 1 + 2 + 1 + 1
    assert lines[-1] == f"22 images in {out}: features.png shows all stages"
    names = {"features.png", "profile.png", *(f"stage_{at:02}.png" for at in range(20))}
    assert {path.name for path in out.iterdir()} == names
    assert all(cv2.imread(str(path)) is not None for path in out.iterdir())


def test_json(fer, face_cascade, scenes, tmp_path):
    out = tmp_path / "drawn"
    result = fer("cascade", "visualize", face_cascade, scenes, "--out", out, "--json", "--quiet")
    drawn = json.loads(result.out)
    assert drawn["files"][0] == str(out / "features.png")
    assert len(drawn["profile"]["stages"]) == 20
    assert drawn["profile"]["images"] == 2
    assert result.err == ""


def test_without_images_there_is_no_profile(fer, face_cascade, make_image, tmp_path):
    face = make_image("face.png", 50, 40)
    out = tmp_path / "drawn"
    result = fer("cascade", "visualize", face_cascade, "--image", face, "--out", out, "--json")
    assert json.loads(result.out)["profile"] is None
    assert not (out / "profile.png").exists()


def test_replaces_nothing_unless_told_to(fer, face_cascade, tmp_path):
    out = tmp_path / "drawn"
    out.mkdir()
    (out / "stage_07.png").write_text("mine")
    result = fer("cascade", "visualize", face_cascade, "--out", out)
    assert result.status == 1
    assert "stage_07.png: already exists; try: --overwrite" in result.err
    assert [path.name for path in out.iterdir()] == ["stage_07.png"]
    assert fer("cascade", "visualize", face_cascade, "--out", out, "--overwrite").status == 0
    assert cv2.imread(str(out / "stage_07.png")) is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vec", "missing.vec"], "missing.vec"),
        (["--image", "missing.png"], "missing.png: Expected an image"),
        (["--vec", "a.vec", "--image", "a.png"], "cannot be used together"),
        (["missing folder"], "missing folder"),
    ],
)
def test_bad_input_leaves_nothing_behind(fer, face_cascade, tmp_path, options, message):
    out = tmp_path / "drawn"
    result = fer("cascade", "visualize", face_cascade, *options, "--out", out)
    assert result.status == 1
    assert message in result.err
    assert not out.exists() or not list(out.iterdir())


def test_a_vec_of_another_size_is_named(fer, face_cascade, tmp_path, rng):
    write_vec(tmp_path / "faces.vec", rng.integers(0, 256, (5, 20, 20), np.uint8))
    result = fer(
        "cascade", "visualize", face_cascade, "--vec", tmp_path / "faces.vec", "--out", tmp_path
    )
    assert result.status == 1
    assert "24x24" in result.err


def test_what_is_no_cascade_is_named(fer, tmp_path):
    (tmp_path / "no.xml").write_text("<x>")
    result = fer("cascade", "visualize", tmp_path / "no.xml", "--out", tmp_path / "drawn")
    assert result.status == 1
    assert "no.xml" in result.err
