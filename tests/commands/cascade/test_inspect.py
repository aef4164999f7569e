import json
from pathlib import Path

import pytest
import skimage.data


@pytest.fixture
def cascade(face_cascade, tmp_path):
    path = tmp_path / "cascade ü.xml"
    path.write_bytes(face_cascade.read_bytes())
    return path


def test_for_people(fer, cascade):
    result = fer("cascade", "inspect", cascade)
    assert (result.status, result.err) == (0, "")
    assert "feature type      LBP\nwindow            24x24\nstages            20\n" in result.out


def test_for_programs(fer, cascade):
    result = fer("cascade", "inspect", cascade, "--json")
    assert json.loads(result.out)["window"] == [24, 24]


def test_a_cascade_that_comes_with_fer_is_known_by_name(fer, cascade, monkeypatch):
    assert "all stumps" in fer("cascade", "inspect", "frontalface-small").out
    monkeypatch.chdir(cascade.parent)
    Path("frontalface-small").write_bytes(cascade.read_bytes())
    assert "LBP" in fer("cascade", "inspect", "frontalface-small").out  # a file comes first


def test_what_is_no_cascade_ends_with_1_on_one_line(fer, tmp_path):
    path = Path(skimage.data.lbp_frontal_face_cascade_filename())
    result = fer("cascade", "inspect", path)
    assert (result.status, result.out) == (1, "")
    assert result.err == (
        f"fer: error: {path}: Expected a section <featureParams>, got <featuhreParams>: "
        "OpenCV loads nothing without it\n"
    )
    result = fer("cascade", "inspect", tmp_path / "no.xml")
    assert result.status == 1
    assert result.err.endswith("no.xml: Expected a cascade file, found nothing of that name\n")
