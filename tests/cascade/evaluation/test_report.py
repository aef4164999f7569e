import csv
import json
import os

import cv2
import numpy as np
import pytest

from fercli.annotations.base import AnnotatedImage
from fercli.cascade.evaluation import evaluate, prepare_report_folder, report_text, save_report
from fercli.cascade.evaluation.error_images import FALSE, MISS, annotated
from fercli.common.drawing import BOX_COLOR
from fercli.common.errors import OutputExistsError

ELSEWHERE = (5, 300, 60, 60)
LATIN_1 = os.fsdecode(b"caf\xe9")


@pytest.fixture
def evaluation(face_cascade, make_annotated, blank, face):
    wrong = make_annotated("wrong, with a comma ü.png", ELSEWHERE)
    return evaluate([face_cascade], [make_annotated("a.png", face), wrong, blank])


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_the_figures(evaluation):
    text = report_text(evaluation)
    header, line, *details, summary = text.splitlines()
    assert header.split()[:5] == ["cascade", "AP", "precision", "recall", "F1"]
    # The hit and the false alarm are the same face in two images: one score, together 1/2.
    assert line.split()[:8] == ["faces", "0.250", "0.500", "0.500", "0.500", "1", "1", "1"]
    assert any(each.startswith("95 % confidence intervals") for each in details)
    assert summary.startswith("3 images, 2 objects; a hit: intersection over union of at least 0.5")


def test_a_report_is_complete(evaluation, tmp_path):
    folder = tmp_path / "new" / "report"
    prepare_report_folder(folder)
    files = save_report(evaluation, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in files)
    assert {path.name for path in files} == {
        "summary.json", "images.csv", "detections.csv", "recall.png", "precision.png",
        "errors-faces.png", "errors-faces",
    }  # fmt: skip
    assert [path.name for path in (folder / "errors-faces").iterdir()] == [
        "001-wrong, with a comma ü.jpg"
    ]


def test_the_figures_agree_between_files(evaluation, tmp_path):
    save_report(evaluation, tmp_path / "report")
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    (figures,) = summary["cascades"]
    images = rows(tmp_path / "report" / "images.csv")
    detections = rows(tmp_path / "report" / "detections.csv")
    assert (summary["images"], summary["objects"]) == (3, 2)
    for name in ("hits", "misses", "false_alarms"):
        assert sum(int(row[name]) for row in images) == figures[name] == 1
    assert [row["verdict"] for row in detections] == ["hit", "false alarm"]
    assert [row["image"].endswith("ü.png") for row in images] == [False, True, False]
    assert figures["recall_at_false_alarms"]["10"] == 0.5
    assert figures["by_min_neighbors"]["3"]["f1"] == figures["f1"] == 0.5
    assert figures["best_min_neighbors"] == 3
    assert figures["box_ratio"] is None


def test_plots_have_a_line_for_each_cascade(evaluation, tmp_path):
    save_report(evaluation, tmp_path)
    for name in ("recall.png", "precision.png"):
        plot = cv2.imread(str(tmp_path / name))
        assert plot.shape[1] > 1000
        blue = np.abs(plot.astype(int) - (0xB2, 0x72, 0x00)).sum(axis=2) < 30
        assert blue.sum() > 300


def test_error_images_show_where(evaluation, face):
    image = annotated(evaluation.cascades[0].images[1])

    def color_at(x, y):
        return tuple(int(value) for value in image[y, x][::-1])

    x, y, _, height = face
    assert color_at(x, y + height // 2) == FALSE
    assert color_at(ELSEWHERE[0], ELSEWHERE[1] + 30) == MISS
    right = annotated(evaluation.cascades[0].images[0])
    assert tuple(right[y + height // 2, x][::-1]) == BOX_COLOR
    assert right.shape == (512, 512, 3)


def test_the_sheet_has_a_tile_for_each_error(evaluation, tmp_path):
    save_report(evaluation, tmp_path)
    sheet = cv2.imread(str(tmp_path / "errors-faces.png"))
    for color in (MISS, FALSE):
        assert (sheet == color[::-1]).all(axis=2).sum() > 200


def test_names_that_become_the_same_are_numbered(face_cascade, make_annotated, tmp_path):
    paths = [tmp_path / name for name in ("a/b.xml", "c/b.xml", "a-b.xml")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(face_cascade.read_bytes())
    evaluation = evaluate(paths, [make_annotated("a.png", ELSEWHERE)])
    names = {path.name for path in save_report(evaluation, tmp_path / "report")}
    assert {"errors-a-b.png", "errors-c-b.png", "errors-a-b-2.png", "errors-a-b-2"} <= names


@pytest.mark.parametrize(
    ("name", "drawn"),
    [("ü" * 125, "001-" + "ü" * 110), ("b" * 250, "001-" + "b" * 220), (LATIN_1, f"001-{LATIN_1}")],
)
def test_names_that_are_long_or_not_utf8(face_cascade, make_annotated, tmp_path, name, drawn):
    make_annotated("a.png").path.rename(tmp_path / f"{name}.png")
    cascade = tmp_path / f"{name}.xml"
    cascade.write_bytes(face_cascade.read_bytes())
    image = AnnotatedImage(tmp_path / f"{name}.png", (ELSEWHERE,))
    files = save_report(evaluate([cascade], [image]), tmp_path / "report")
    assert [path.name for path in files[-1].iterdir()] == [f"{drawn}.jpg"]
    table = (tmp_path / "report" / "images.csv").read_bytes()
    assert os.fsencode(image.path) in table


def test_without_errors_there_is_no_sheet(face_cascade, make_annotated, face, tmp_path):
    evaluation = evaluate([face_cascade], [make_annotated("a.png", face)])
    files = save_report(evaluation, tmp_path / "report")
    assert not [path for path in files if path.name.startswith("errors")]


def test_backgrounds_alone_have_no_curve_but_a_report(face_cascade, make_annotated, tmp_path):
    evaluation = evaluate([face_cascade], [make_annotated("a.png")])
    names = {path.name for path in save_report(evaluation, tmp_path / "report")}
    assert "recall.png" not in names
    assert {"summary.json", "errors-faces.png"} <= names
    assert report_text(evaluation).splitlines()[1].split()[:3] == ["faces", "-", "0.000"]


def test_nothing_is_overwritten_unless_asked(evaluation, tmp_path):
    folder = tmp_path / "report"
    save_report(evaluation, folder)
    with pytest.raises(OutputExistsError, match="The folder is not empty; try: use `overwrite`"):
        prepare_report_folder(folder)
    with pytest.raises(OutputExistsError):
        save_report(evaluation, folder)
    prepare_report_folder(folder, overwrite=True)
    (folder / "recall.png").write_text("old")
    (folder / "errors-faces" / "002-old.jpg").write_text("of an earlier report")
    (folder / "errors-faces" / "notes.txt").write_text("of the user")
    save_report(evaluation, folder, overwrite=True)
    assert cv2.imread(str(folder / "recall.png")) is not None
    assert {path.name[:3] for path in (folder / "errors-faces").iterdir()} == {"001", "not"}


def test_curves_of_an_earlier_report_do_not_stay(
    evaluation, face_cascade, make_annotated, tmp_path
):
    folder = tmp_path / "report"
    save_report(evaluation, folder)
    without_objects = evaluate([face_cascade], [make_annotated("a.png")])
    files = save_report(without_objects, folder, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in files)


def test_recall_by_size_and_at_false_alarms_an_image(evaluation, face):
    """One of two objects is found, with as many false alarms: none at 0.01 or 0.1 an image."""
    (figures,) = evaluation.to_dict()["cascades"]
    side = face[2]
    assert 64 <= side < 128
    # Hit and false alarm have the same score, so that neither comes without the other.
    assert figures["recall_at_false_alarms_per_image"] == {"0.01": 0.0, "0.1": 0.0, "1": 0.5}
    sizes = {tuple(group["side"]): group for group in figures["by_size"]}
    assert sizes[32, 64]["recall"] == 0.0  # the object of 60 that is not there
    assert (sizes[64, 128]["hits"], sizes[64, 128]["objects"]) == (1, 1)
    assert figures["confidence_intervals"]["recall"][0] == 0.0
    assert "64 to 127 (1)" in evaluation.to_text()


def test_a_cascade_differs_from_itself_by_noise(face_cascade, make_annotated, face, tmp_path):
    other = tmp_path / "other.xml"
    other.write_bytes(face_cascade.read_bytes())
    images = [make_annotated("a.png", face), make_annotated("b.png", ELSEWHERE)]
    evaluation = evaluate([face_cascade, other], images)
    (difference,) = evaluation.differences()
    assert (difference.difference, difference.is_noise) == (0.0, True)
    assert "may be noise" in evaluation.to_text()
    (told,) = evaluation.to_dict()["differences"]
    assert (told["better"], told["other"], told["may_be_noise"]) == ("faces", "other", True)
