"""The options and endings of the commands; what they do is tested beside the library."""

import json

import numpy as np
import pytest

from fercli.commands.datasets import FORMAT_NAMES
from fercli.datasets.formats import DATASET_FORMATS
from fercli.datasets.tree import read_tree


@pytest.fixture
def tree(tmp_path):
    import cv2

    rng = np.random.default_rng(0)
    for label, count in (("happy", 8), ("sad", 4)):
        for number in range(count):
            path = tmp_path / "tree" / "train" / label / f"{number} ä.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = cv2.GaussianBlur(rng.integers(0, 256, (32, 32), np.uint8), (0, 0), 2)
            path.write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    return tmp_path / "tree"


def test_what_commands_list_is_what_the_library_has():
    assert tuple(DATASET_FORMATS) == FORMAT_NAMES


def test_split_and_augment(fer, tree, tmp_path):
    result = fer("datasets", "split", tree, "--ratios", "50,50", "--out", tmp_path / "s")
    assert result.out.splitlines()[-1] == f"wrote {tmp_path}/s/"
    assert result.out.splitlines()[3].split() == ["total", "6", "6", "12"]
    result = fer(
        "datasets", "augment", tmp_path / "s", "--balance", "--rotation", "0", "--out",
        tmp_path / "a", "--json",
    )  # fmt: skip
    assert json.loads(result.out)["after"]["train"] == {"happy": 4, "sad": 4}
    made_by = read_tree(tmp_path / "a").manifest.made_by
    assert [entry["command"] for entry in made_by] == ["split", "augment"]
    assert made_by[1]["options"]["policy"]["rotation"] == 0


def test_folds(fer, tree, tmp_path):
    result = fer("datasets", "split", tree, "--folds", "2", "--out", tmp_path / "f", "--json")
    assert list(json.loads(result.out)["trees"]) == [f"{tmp_path}/f/fold{n}" for n in (1, 2)]


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["import", "missing"], 1, "missing: Expected a data set, found nothing of that name"),
        (["import", "fer2013=missing.csv"], 1, "found nothing of that name"),
        (["import", "tree", "--votes", "x"], 1, "--votes needs the CSV of FER-2013"),
        (["import", "tree", "--classes", "happy"], 1, "--classes: expected 5, 7, 8"),
        (["import"], 2, "Missing argument"),
        (["split", "missing"], 1, "Expected a folder, found nothing of that name"),
        (["split", "tree", "--ratios", "1"], 1, "--ratios: expected two or three positive numbers"),
        (["split", "tree", "--folds", "1"], 2, "folds"),
        (["augment", "tree"], 1, "Expected one of --copies, --target and --balance"),
        (["augment", "tree", "--balance", "--zoom", "9"], 2, "expected 0 to 0.9, got 9"),
        (["crop", "tree", "--cascade", "missing.xml"], 1, "missing.xml"),
        (["crop", "tree", "--parallel", "dask"], 2, "go together"),
    ],
)
def test_wrong_use_is_told_and_leaves_nothing(
    fer, tree, tmp_path, monkeypatch, args, status, message
):
    monkeypatch.chdir(tmp_path)
    result = fer("datasets", *args, "--out", "out")
    assert (result.status, message in result.err) == (status, True), result.err
    assert not (tmp_path / "out").exists()
