import json

import cv2
import numpy as np
import pytest

from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    write_cascade,
)
from fercli.cascade.model.export.openmv import read_openmv
from fercli.cascade.model.read import bundled_cascade


@pytest.fixture
def upright(tmp_path, rng):
    """A cascade of four stages of five stumps on two halves; each stage passes about a half."""

    def stump(at):
        threshold, left = float(np.float32(rng.normal(0, 0.1))), float(rng.choice([-1, 1]))
        return WeakClassifier((Node(0, -1, at, threshold=threshold),), (left, -left))

    def feature():
        width, height = (2 * int(side) for side in rng.integers(3, 13, 2))
        x, y = int(rng.integers(0, 25 - width)), int(rng.integers(0, 25 - height))
        whole = WeightedRectangle(x, y, width, height, -1.0)
        return HaarFeature((whole, WeightedRectangle(x, y, width // 2, height, 2.0)))

    stages = tuple(
        Stage(-0.5, tuple(stump(at) for at in range(first, first + 5))) for first in (0, 5, 10, 15)
    )
    path = tmp_path / "small.xml"
    write_cascade(path, Cascade("HAAR", (24, 24), stages, tuple(feature() for _ in range(20))))
    return path


def test_openmv_says_what_the_camera_decides_otherwise(fer, upright, make_image, tmp_path):
    make_image("photos/a.png", 90, 70)
    out = tmp_path / "small.cascade"
    command = ["cascade", "export", upright, "--to", "openmv", "--out", out, "-q"]
    result = fer(*command, "--images", tmp_path / "photos")
    assert (result.status, result.err) == (0, "")
    first, windows, otherwise = result.out.splitlines()
    assert first == f"{out}: openmv, 4 stages, 20 weak classifiers, {out.stat().st_size:,} bytes"
    assert "in 1 image; cv2 accepts" in windows
    assert "in a million" in otherwise
    assert read_openmv(out).weak_count == 20
    assert fer(*command).status == 1  # it exists


def test_openmv_with_ground_truth(fer, upright, rng, tmp_path):
    image = tmp_path / "a.png"
    coarse = rng.integers(0, 2, (10, 13)).astype(np.float32) * 255
    cv2.imwrite(str(image), cv2.resize(coarse, (90, 70)))
    truth = tmp_path / "info.dat"
    truth.write_text(f"{image.name} 1 10 10 30 30\n")
    out = tmp_path / "small.cascade"
    command = ["cascade", "export", upright, "--to", "openmv", "--out", out, "-q", "--json"]
    cost = json.loads(fer(*command, "--truth", truth).out)["cost"]
    assert cost["objects"] == cost["images"] == 1
    assert 0 <= cost["average_precision_camera"] <= 1
    command = [*command, "--truth", truth, "--camera-norm", "--overwrite"]
    fitted = json.loads(fer(*command).out)["cost"]
    assert fitted["different"] - fitted["low_contrast"] < cost["different"] - cost["low_contrast"]


def test_openmv_with_more_contrast(fer, upright, rng, tmp_path):
    """A standard deviation of 30, too little for the camera, becomes 90."""
    coarse = 98 + 60 * rng.integers(0, 2, (10, 13)).astype(np.float32)
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), cv2.resize(coarse, (90, 70)))
    command = ["cascade", "export", upright, "--to", "openmv", "--images", tmp_path / "images"]
    command += ["--out", tmp_path / "a.cascade", "--overwrite", "-q", "--json"]
    plain, raised = (
        json.loads(fer(*command, *more).out)["cost"] for more in ([], ["--contrast", 3])
    )
    assert plain["accepted"] == raised["accepted"]
    assert (plain["accepted_by_camera"], plain["low_contrast"]) == (0, plain["accepted"])
    assert raised["accepted_by_camera"] > 0.9 * raised["accepted"]


def test_openmv_of_other_firmware(fer, upright, tmp_path):
    three = tmp_path / "three.xml"
    assert fer("cascade", "convert", upright, "--stages", 3, "--out", three).status == 0
    out = tmp_path / "a.cascade"
    command = ["cascade", "export", three, "--to", "openmv", "--no-measure", "--out", out]
    assert "in /rom skips 1 byte after the sizes of 3 stages" in fer(*command).out
    aligned = fer(*command, "--align", "--overwrite")
    assert "firmware without cascades in /rom cannot read this file" in aligned.out
    assert read_openmv(out).weak_count == 15
    result = fer("cascade", "export", three, "--to", "c", "--align", "--out", tmp_path / "a.h")
    assert (result.status, "--align" in result.err) == (1, True)


def test_a_named_error_says_how_to_train(fer, tmp_path):
    result = fer("cascade", "export", bundled_cascade(), "--to", "openmv", "-o", tmp_path / "a")
    assert result.status == 1
    assert "frontalface.xml: stage 0, weak classifier" in result.err
    assert "--mode CORE --max-depth 1" in result.err
    assert not (tmp_path / "a").exists()


def test_c_is_named_by_its_file(fer, upright, tmp_path):
    out = tmp_path / "my face.h"
    command = ["cascade", "export", upright, "--to", "c", "--out", out]
    result = fer(*command)
    assert result.status == 0
    # 20 nodes of 27 bytes, 4 stages of 6; 25 rows of 321 sums, and three more.
    assert "tables of 564 bytes, a work buffer of 35,952 for" in result.out
    assert "MY_FACE_INTEGER" in result.out
    assert "int my_face_detect(" in out.read_text()
    result = fer(*command, "--camera-norm", "--overwrite")
    assert result.status == 1
    assert "--camera-norm" in result.err
    result = fer(*command, "--truth", tmp_path / "info.dat", "--overwrite")
    assert result.status == 1
    assert "--truth" in result.err


def test_js_with_its_page(fer, upright, tmp_path):
    out, page = tmp_path / "face.js", tmp_path / "face.html"
    command = ["cascade", "export", upright, "--to", "js", "--out", out, "--page", page]
    page.write_text("mine")
    assert fer(*command).status == 1
    assert not out.exists()
    assert page.read_text() == "mine"
    result = fer(*command, "--overwrite")
    assert (result.status, result.err) == (0, "")
    assert f"{out}: js, 4 stages, 20 weak classifiers, {out.stat().st_size:,} bytes" in result.out
    assert out.read_text() in page.read_text()
    assert 'from "./face.js"' in out.read_text()
    for wrong in (["--to", "c", "--page", page], ["--to", "js", "--page", tmp_path / "a.js"]):
        result = fer("cascade", "export", upright, *wrong, "--out", tmp_path / "a.js")
        assert result.status == 1
        assert "--page" in result.err
    assert not (tmp_path / "a.js").exists()


def test_opencv1(fer, tmp_path):
    out = tmp_path / "old.xml"
    result = fer("cascade", "export", bundled_cascade(), "--to", "opencv1", "--out", out)
    assert result.status == 0
    assert not cv2.CascadeClassifier(str(out)).empty()
