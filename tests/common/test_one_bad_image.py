"""No single image ends a command that goes over many: it is counted and named, the rest is done."""

import importlib
import json

import pytest

COMMANDS = {
    # Command: where the error is raised, its arguments, and what the output says.
    "crop": ("datasets.face_cropping.find_faces", "datasets crop {in} --out {out} --json"),
    "import": ("datasets.entries.gray_if_it_is", "datasets import {tree} --out {out}"),
    "augment": ("datasets.augment.Policy._move", "datasets augment {tree} --copies 1 --out {out}"),
    "stats": ("datasets.duplicates.gray_if_it_is", "datasets stats {tree} --json"),
    "detect": ("cascade.detection.detector.Detector.scan", "cascade detect {cascade} {in}"),
    "predict": ("models.labeled_faces.resize", "models predict ferplus {in}"),
    "classify": ("recognition.recognizer.Recognizer.detect", "classify {in}"),
}


@pytest.fixture
def folder(make_image, tmp_path):
    """Five images; that of 77 × 48 makes the patched function fail."""
    for number, width in enumerate((64, 77, 64, 64, 64)):
        make_image(f"in/{number}.png", width)
        split = "train" if number < 3 else "validation"
        make_image(f"tree/{split}/{'sad' if number % 2 else 'happy'}/{number}.png", width)
    return tmp_path / "in"


def fail_at_width_77(monkeypatch, target):
    *parts, name = target.split(".")
    owner = importlib.import_module("fercli." + ".".join(p for p in parts if p[0].islower()))
    for part in parts:
        owner = getattr(owner, part) if part[0].isupper() else owner
    real = getattr(owner, name)

    def function(*args, **options):
        if any(getattr(value, "shape", ())[1:2] == (77,) for value in args):
            raise ZeroDivisionError("of this image alone")
        return real(*args, **options)

    monkeypatch.setattr(owner, name, function)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_run_goes_on(fer, folder, tmp_path, face_cascade, monkeypatch, command):
    target, words = COMMANDS[command]
    fail_at_width_77(monkeypatch, target)
    names = {"in": folder, "tree": tmp_path / "tree", "out": tmp_path / "out"}
    result = fer(*words.format(**names, cascade=face_cascade).split())
    assert result.status == 0 or command in ("predict", "classify", "detect")
    text = result.out + result.err
    text += "".join(path.read_text() for path in tmp_path.glob("out/*.csv"))
    assert "1.png" in text
    assert "ZeroDivisionError: of this image alone" in text
    if words.endswith("--json"):
        json.loads(result.out)


def test_a_sheet_goes_on(fer, folder, tmp_path, monkeypatch):
    fail_at_width_77(monkeypatch, "datasets.statistics.fit")
    result = fer("datasets", "preview", tmp_path / "tree", "--out", tmp_path / "out")
    assert (result.status, "1 " in result.out) == (0, True)
    assert (tmp_path / "out/sad.png").is_file()
