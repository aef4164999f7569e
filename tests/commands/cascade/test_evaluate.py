import json
from pathlib import Path

import cv2
import pytest
import skimage.data


@pytest.fixture
def cascade(face_cascade):
    return face_cascade


@pytest.fixture
def truth(tmp_path):
    image = skimage.data.astronaut()
    cv2.imwrite(str(tmp_path / "astronaut.png"), image[:, :, ::-1])
    path = tmp_path / "info.dat"
    path.write_text("astronaut.png 1 175 70 100 100\n")
    return path


def test_a_table(fer, cascade, truth):
    result = fer("cascade", "evaluate", cascade, "--truth", truth)
    assert result.status == 0
    header, line, *_, summary = result.out.splitlines()
    assert header.startswith("cascade")
    assert line.split()[:4] == ["faces", "1.000", "1.000", "1.000"]
    assert summary.startswith("1 image, 1 object; ")


def test_several_cascades_as_json_with_a_report(fer, cascade, truth, tmp_path):
    other = tmp_path / "other" / "faces.xml"
    other.parent.mkdir()
    other.write_bytes(cascade.read_bytes())
    out = tmp_path / "report"
    result = fer(
        *("cascade", "evaluate", cascade, other, "--truth", truth, "--json", "--out", out),
        *("--match", "center", "--max-distance", "0.2", "--box-scale", "0.9"),
        *("--scale-factor", "1.2", "--min-neighbors", "2", "--min-size", "40", "--equalize"),
    )
    assert result.status == 0
    told = json.loads(result.out)
    assert [figures["name"].split("/")[-1] for figures in told["cascades"]] == ["faces"] * 2
    assert [figures["hits"] for figures in told["cascades"]] == [1, 1]
    assert [figures["box_scale"] for figures in told["cascades"]] == [0.9, 0.9]
    assert told["match"] == {"rule": "CenterRule", "max_distance": 0.2, "max_size_ratio": 1.5}
    assert told["detection"] == {
        "scale_factor": 1.2,
        "min_neighbors": 2,
        "min_size_wh": [40, 40],
        "max_size_wh": None,
        "equalize": True,
    }
    assert json.loads((out / "summary.json").read_text()) == told
    again = fer("cascade", "evaluate", cascade, "--truth", truth, "--out", out)
    assert (again.status, again.out) == (1, "")
    assert again.err.endswith("The folder is not empty; try: use --overwrite, or another folder\n")
    again = fer("cascade", "evaluate", cascade, "--truth", truth, "--out", out, "--overwrite")
    assert again.status == 0
    assert again.out.endswith(f"Curves, tables and images of the errors are in {out}\n")


def test_a_note_goes_to_stderr_unless_quiet(fer, cascade, truth, tmp_path):
    truth.write_text(truth.read_text() + "missing.png 1 1 1 9 9\n")
    loud = fer("cascade", "evaluate", cascade, "--truth", truth)
    assert "left out: " in loud.err
    assert "1 image (1 left out), 1 object" in loud.out
    quiet = fer("cascade", "evaluate", cascade, "--truth", truth, "--quiet")
    assert (quiet.status, quiet.err) == (0, "")
    assert quiet.out.splitlines()[-1] == loud.out.splitlines()[-1]


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        ([], 2, "--truth PATH, --bg FILE or both are needed"),
        (["--truth", "info.dat", "--box-scale", "0"], 2, "'--box-scale': 0.0 is not in the range"),
        (["--truth", "info.dat", "--box-scale", "big"], 2, "'--box-scale': 'big' is not a valid"),
        (["--truth", "info.dat", "--max-distance", "1"], 1, "The rule iou has no"),
        (["--truth", "missing.dat"], 1, "missing.dat: Expected annotations"),
        (["--truth", "empty.dat"], 1, "empty.dat: Expected annotat"),
        (["--truth", "empty.csv"], 1, "empty.csv: The file lists no image"),
        (["--bg", "empty.dat"], 1, "empty.dat: There are no background images"),
        (["--bg", "missing.txt"], 1, "missing.txt: Expected a list of images, found nothing"),
        (["--truth", "info.dat", "--out", "info.dat"], 1, "info.dat: "),
    ],
)
def test_what_is_wrong_is_named(fer, cascade, truth, args, status, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("empty.dat").touch()
    Path("empty.csv").write_text("path,x,y,w,h\n")
    result = fer("cascade", "evaluate", cascade, *args)
    assert (result.status, result.out) == (status, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1 or status == 2


@pytest.mark.data
def test_opencvs_way_with_faces_of_mit_and_cmu(fer, cascade, data):
    truth = data / "mit_cmu_newtest" / "info.dat"
    result = fer("cascade", "evaluate", cascade, "--truth", truth, "--json", "--quiet")
    (figures,) = json.loads(result.out)["cascades"]
    # Measured when this was written: AP 0.883, recall 0.854, 12 false alarms.
    assert figures["average_precision"] == pytest.approx(0.883, abs=0.01)
    assert figures["hits"] == pytest.approx(158, abs=2)
    assert figures["false_alarms"] == pytest.approx(12, abs=3)


def test_what_detect_finds_in_color_files_evaluate_confirms(fer, face_cascade, tmp_path):
    """Both see the same gray levels: every box of `detect` is found again, to the pixel."""
    color = skimage.data.astronaut()[:256, 64:384, ::-1]
    cv2.imwrite(str(tmp_path / "a.jpg"), color, [cv2.IMWRITE_JPEG_QUALITY, 60])
    table = tmp_path / "boxes.csv"
    neighbors = ["--min-neighbors", 0]
    found = fer("cascade", "detect", face_cascade, tmp_path / "a.jpg", "--csv", table, *neighbors)
    assert found.status == 0
    result = fer(
        "cascade", "evaluate", face_cascade, "--truth", table, "--iou", 0.999, "--json", *neighbors
    )
    (counts,) = json.loads(result.out)["cascades"]
    boxes = len(table.read_text().splitlines()) - 1
    assert boxes > 1
    assert (counts["hits"], counts["misses"], counts["false_alarms"]) == (boxes, 0, 0)
