import csv
import importlib.util
import json
from pathlib import Path

import cv2
import pytest

from fercli.commands import demo as demo_run

README = Path(__file__).parents[2] / "README.md"


def test_faces(fer, tmp_path):
    result = fer("demo", "faces", tmp_path / "a")
    assert result.out == f"{tmp_path}/a: 194 images\n"  # 70 + 100 + 20 + 3 + 1
    lines = (tmp_path / "a" / "test" / "info.dat").read_text().splitlines()
    numbers = [line.split() for line in lines]
    assert [(line[0], line[1]) for line in numbers] == [
        ("coffee.png", "10"), ("rocket.png", "10"), ("motorcycle_right.png", "10")
    ]  # fmt: skip
    assert fer("demo", "faces", tmp_path / "b").status == 0
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_signs(fer, tmp_path):
    result = fer("demo", "signs", tmp_path, "--json")
    assert json.loads(result.out) == {
        "folder": str(tmp_path),
        "images": {".": 1, "scenes": 20, "photos": 60, "test": 6},
    }
    with (tmp_path / "photos" / "boxes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 60 * 5
    for row in rows[:10]:
        photo = cv2.imread(str(tmp_path / "photos" / row["path"]), cv2.IMREAD_GRAYSCALE)
        x, y, w, h = (int(row[name]) for name in "xywh")
        assert 0 <= x <= photo.shape[1] - w
        assert 0 <= y <= photo.shape[0] - h


@pytest.mark.parametrize("kind", ["faces", "signs"])
def test_files_that_exist_are_kept(fer, tmp_path, kind):
    assert fer("demo", kind, tmp_path).status == 0
    again = fer("demo", kind, tmp_path)
    assert again.status == 1
    assert "--overwrite" in again.err
    assert fer("demo", kind, tmp_path, "--overwrite").status == 0


def test_scikit_image_is_missing(fer, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = fer("demo", "faces", tmp_path)
    assert result.status == 1
    assert 'scikit-image, which is not installed; try: pip install "fercli[demo]"' in result.err


def test_the_folder_of_the_demo_is_empty_or_new(fer, tmp_path):
    (tmp_path / "mine").write_text("")
    result = fer("demo", "--out", tmp_path)
    assert result.status == 1
    assert "The folder is not empty; try: remove it" in result.err
    assert fer("demo", "--out", tmp_path, "faces", tmp_path / "a").status == 2


def test_a_command_that_fails_ends_the_demo(fer, tmp_path, monkeypatch):
    commands = ["fer demo signs signs", "fer cascade inspect nothing.xml", "fer demo signs more"]
    monkeypatch.setattr(demo_run, "COMMANDS", commands)
    result = fer("demo", "--out", tmp_path)
    assert result.status == 1
    assert "$ fer demo signs signs" in result.out
    assert "fer cascade inspect nothing.xml: ended with status 1" in result.err
    assert {path.name for path in tmp_path.iterdir()} == {"signs"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_demo(fer, tmp_path, monkeypatch):
    """With a shorter training: README's session, run by tests/test_wheel.py, has the whole one."""
    short = "train --recipe demo --variants 5 --negatives 800 --stages 9"
    commands = [command.replace("train --recipe demo", short) for command in demo_run.COMMANDS]
    assert commands != demo_run.COMMANDS
    assert "fer cascade train --recipe demo" in README.read_text(encoding="utf-8")
    monkeypatch.setattr(demo_run, "COMMANDS", commands)
    result = fer("demo", "--out", tmp_path / "demo")
    assert result.status == 0, result.err
    for name in demo_run.RESULTS.values():
        assert (tmp_path / "demo" / name).exists(), name
