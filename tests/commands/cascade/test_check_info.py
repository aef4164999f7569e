import json

import pytest


@pytest.fixture
def folder(tmp_path, make_image, monkeypatch):
    """The working directory, with a.png of 64x48."""
    make_image("a.png", 64, 48)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_wrong(folder, fer):
    (folder / "info.dat").write_text("a.png 1 0 0 9 9\n")
    result = fer("cascade", "check-info", "info.dat")
    assert result.status == 0
    assert result.out == "info.dat: info file; records: 1, boxes: 1, problems: none\n"


def test_something_wrong(folder, fer):
    (folder / "info.dat").write_text("a.png 1 0 0 9 9\nb.png 1 0 0 9 9\n")
    result = fer("cascade", "check-info", "info.dat")
    assert result.status == 1
    assert "missing" in result.out
    assert "missing: opencv_createsamples aborts" in result.out
    result = fer("cascade", "check-info", "info.dat", "--json")
    assert result.status == 1
    (problem,) = json.loads(result.out)["problems"]
    assert problem == {
        "kind": "missing",
        "detail": "b.png",
        "record": 2,
        "line": 2,
        "consequence": "opencv_createsamples aborts; opencv_traincascade goes on without it",
    }


def test_a_background_list_and_the_window(folder, fer):
    (folder / "bg.txt").write_text("a.png\n")
    assert fer("cascade", "check-info", "bg.txt", "--size", "48").status == 0
    result = fer("cascade", "check-info", "bg.txt", "--size", "49")
    assert result.status == 1
    assert "a.png: 64x48" in result.out
    assert fer("cascade", "check-info", "bg.txt", "--kind", "info").status == 1


def test_a_file_that_is_not_there(fer, tmp_path):
    result = fer("cascade", "check-info", tmp_path / "nope")
    assert result.status == 1
    assert "nope: Expected a list of images, found nothing of that name" in result.err
