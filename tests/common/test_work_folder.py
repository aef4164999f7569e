"""Two fer at once in one folder: the second says so, and neither spoils what the other does."""

import subprocess
import sys

import pytest

from fercli.common.errors import OutputError
from fercli.common.files import folder_lock
from fercli.common.work_folder import alone_in, remove_unfinished


def test_a_folder_that_stays_empty_is_removed(tmp_path):
    with alone_in(tmp_path / "a" / "b", "work"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "a" / "b").exists()
    with alone_in(tmp_path / "a", "work"):
        (tmp_path / "a" / "kept").touch()
    assert (tmp_path / "a" / "kept").exists()
    with alone_in(None, "work"):
        pass


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from fercli.common.files import atomic_write;"
        "held = atomic_write(Path(sys.argv[1])); held.__enter__(); os.kill(os.getpid(), 9)"
    )
    for name in ("checkpoint.npz", "other.onnx"):
        subprocess.run([sys.executable, "-c", code, tmp_path / name], check=False)
    (tmp_path / "mine.npz").touch()
    assert len(list(tmp_path.glob(".fer-*"))) == 2
    remove_unfinished(tmp_path, ["checkpoint.npz", "best.keras"])
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".npz", ".onnx"]
    assert (tmp_path / "mine.npz").exists()


def test_the_second_is_told_what_the_first_does(tmp_path):
    with alone_in(tmp_path, "a search"), pytest.raises(OutputError, match="a search is under way"):
        alone_in(tmp_path, "a search").__enter__()


@pytest.mark.parametrize(
    "command",
    [
        ("cascade", "build-info", "IMAGES", "--negatives", "IMAGES"),
        ("cascade", "train", "--vec", "a.vec", "--bg", "IMAGES"),
        ("cascade", "evaluate", "CASCADE", "--truth", "IMAGES"),
        ("cascade", "detect", "CASCADE", "IMAGES"),
        ("cascade", "visualize", "CASCADE"),
        ("datasets", "import", "folder=TREE"),
        ("datasets", "crop", "IMAGES"),
        ("datasets", "augment", "TREE", "--copies", "1", "--splits", "all"),
        ("datasets", "split", "TREE", "--ratios", "50,50"),
        ("models", "train", "--data", "TREE"),
        ("models", "evaluate", "ferplus", "--data", "TREE"),
        ("models", "embed", "ferplus", "--data", "TREE"),
    ],
)
def test_the_second_on_a_folder_says_so(fer, make_image, face_cascade, tmp_path, command):
    for label in ("happy", "sad"):
        for number in range(3):
            make_image(f"tree/all/{label}/{number}.png", 48, 48)
    places = {"IMAGES": tmp_path / "tree/all/sad", "TREE": tmp_path / "tree",
              "CASCADE": face_cascade}  # fmt: skip
    for word, place in places.items():
        command = [argument.replace(word, str(place)) for argument in command]
    (tmp_path / "out").mkdir()
    with folder_lock(tmp_path / "out", "another"):
        result = fer(*command, "--out", tmp_path / "out")
        assert not [*(tmp_path / "out").iterdir()]
    assert result.status == 1
    assert "is under way there already; try: wait for its end" in result.err
