"""`make detection-quality` on images whose figures are known by hand."""

import json

import cv2
import pytest

from fercli.cascade.detection.detector import Detector
from fercli.cascade.evaluation import CenterRule, Ranking, evaluate
from scripts import detection_quality

ELSEWHERE = (5, 300, 60, 60)


@pytest.fixture
def truths(make_annotated, face, tmp_path):
    """One file with the face that is found, one with an object that is not there."""
    make_annotated("a.png")
    found, missed = tmp_path / "found.dat", tmp_path / "missed.dat"
    found.write_text(f"a.png 1 {' '.join(map(str, face))}\n")
    missed.write_text(f"a.png 1 {' '.join(map(str, ELSEWHERE))}\n")
    return found, missed


def test_tables_of_each_truth_and_of_all_together(face_cascade, truths, capsys):
    arguments = [str(face_cascade), *(word for path in truths for word in ("--truth", str(path)))]
    assert detection_quality.main(arguments) == 0
    out = capsys.readouterr().out
    for name in (*map(str, truths), "all together"):
        assert f"== {name}: " in out
    assert "centers within 0.3 sides, sides within a factor of 2" in out
    assert "intersection over union of at least 0.5" in out
    assert "2 images, 2 objects" in out


def test_the_same_as_json(face_cascade, truths, capsys):
    found, missed = truths
    arguments = [str(face_cascade), "--truth", str(found), "--truth", str(missed), "--json"]
    assert detection_quality.main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    recalls = {
        name: results[0]["cascades"][0]["by_min_neighbors"]["3"]["recall"]
        for name, results in told.items()
    }
    assert recalls == {str(found): 1.0, str(missed): 0.0, "all together": 0.5}


def test_what_cannot_be_read_is_named(face_cascade, tmp_path, capsys):
    arguments = [str(face_cascade), "--truth", str(tmp_path / "none.dat")]
    assert detection_quality.main(arguments) == 1
    assert "none.dat" in capsys.readouterr().err


def test_pooled_figures_are_those_of_all_images(face_cascade, make_annotated, face):
    parts = [[make_annotated("a.png", face)], [make_annotated("b.png", ELSEWHERE)]]
    ranking = Ranking(min_neighbors=1, by="neighbors")
    rule = CenterRule(0.3, 2.0)
    single = [evaluate([face_cascade], part, rule=rule, ranking=ranking) for part in parts]
    pooled = detection_quality.pool(single).cascades[0]
    whole = evaluate([face_cascade], parts[0] + parts[1], rule=rule, ranking=ranking).cascades[0]
    assert pooled.counts == whole.counts
    assert pooled.by_neighbors == whole.by_neighbors
    assert pooled.average_precision == whole.average_precision


def test_ranking_by_neighbors_is_that_of_detect_multi_scale2(face_cascade, astronaut):
    classifier = cv2.CascadeClassifier(str(face_cascade))
    boxes, neighbors = classifier.detectMultiScale2(astronaut, scaleFactor=1.1, minNeighbors=1)
    expected = sorted(zip(map(tuple, boxes.tolist()), neighbors.ravel().tolist(), strict=True))
    ranked = Ranking(min_neighbors=1, by="neighbors").of(Detector(face_cascade).scan(astronaut))
    found = zip(map(tuple, ranked.boxes_xywh.tolist()), ranked.neighbors.tolist(), strict=True)
    assert sorted(found) == expected
    assert ranked.scores.tolist() == sorted(map(float, neighbors.ravel()), reverse=True)
