import csv

import numpy as np
import pytest

from fercli.cascade.model.read import bundled_cascade
from fercli.cascade.samples.vec import read_vec, write_vec
from scripts import face_positives


@pytest.fixture
def vec(tmp_path, lfw):
    write_vec(tmp_path / "faces.vec", lfw(24)[0][:6])
    return tmp_path / "faces.vec"


@pytest.fixture
def fer2013(tmp_path, lfw):
    """Four rows: two faces to train on, one of another split, one image without a face."""
    faces = lfw(48)[0]
    rows = [
        (faces[0], "Training"),
        (faces[1], "PublicTest"),
        (np.full((48, 48), 90, np.uint8), "Training"),
        (faces[2], "Training"),
    ]
    path = tmp_path / "fer2013.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for image, usage in rows:
            writer.writerow([0, " ".join(map(str, image.ravel())), usage])
    return path


def test_each_face_is_varied_so_many_times(vec, tmp_path):
    out = tmp_path / "positives.vec"
    assert face_positives.main([str(vec), "--out", str(out), "--copies", "3"]) == 0
    samples = read_vec(out, (24, 24))
    assert len(samples) == 6 * 3
    assert len({sample.tobytes() for sample in samples}) == 18
    again = tmp_path / "again.vec"
    face_positives.main([str(vec), "--out", str(again), "--copies", "3"])
    assert again.read_bytes() == out.read_bytes()


def test_training_faces_of_fer2013_that_the_aligner_finds_are_added(vec, fer2013, tmp_path, capsys):
    out = tmp_path / "positives.vec"
    given = ["--fer2013", str(fer2013), "--aligner", str(bundled_cascade())]
    assert face_positives.main([str(vec), "--out", str(out), *given]) == 0
    assert "2 of 3 faces are framed reliably" in capsys.readouterr().out
    assert len(read_vec(out, (24, 24))) == 6 + 2


def test_a_missing_file_is_named(vec, tmp_path, capsys):
    missing = tmp_path / "nosuch.vec"
    assert face_positives.main([str(missing), "--out", str(tmp_path / "out.vec")]) == 1
    assert "nosuch.vec" in capsys.readouterr().err
