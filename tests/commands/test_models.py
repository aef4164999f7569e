"""The commands of ``fer models`` on a small tree, one after the other, as a user would."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest

from fercli.cli import main
from fercli.common.errors import OptionError
from fercli.models.catalog import DEFAULT, bundled_models
from fercli.models.inference import embed_tree

SIDES = {"down": np.s_[24:, :], "left": np.s_[:, :24], "right": np.s_[:, 24:]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("trees") / "a tree"
    rng = np.random.default_rng(1)
    for split, count in (("train", 20), ("validation", 8)):
        for name, side in SIDES.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                image = rng.integers(0, 90, (48, 48), np.uint8)
                image[side] += 120
                cv2.imwrite(str(folder / f"{number}.png"), image)
    return root


@pytest.fixture(scope="module")
def trained(tree, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    recipe = out.parent / "quick.toml"
    recipe.write_text(
        'architecture = "mini-xception"\nepochs = 2\nbatch-size = 10\nlearning-rate = 0.05\n'
        'average = 0.5\nwarmup-epochs = 0.0\naugment = "none"\n'
    )
    command = [sys.executable, "-m", "fercli", "models", "train", "--recipe", recipe]
    done = subprocess.run(
        [*command, "--data", tree, "--out", out], capture_output=True, text=True, check=True
    )
    assert "2 epochs" in done.stdout
    assert "epoch 2/2" in done.stderr
    assert "cuda" not in done.stderr.lower()
    return out


@pytest.fixture(scope="module")
def model(trained, tree):
    out = trained / "model.onnx"
    command = [sys.executable, "-m", "fercli", "models", "export", trained / "best.keras"]
    done = subprocess.run(
        [*command, "--out", out, "--data", tree], capture_output=True, text=True, check=True
    )
    assert "largest difference of a probability" in done.stdout
    return out


def test_list(fer):
    result = fer("models", "list")
    assert "mini-xception" in result.out
    assert "58,423" in result.out
    plain = json.loads(fer("models", "list", "--json").out)
    assert {one["name"] for one in plain["models"]} == set(bundled_models())


def test_summary_of_a_model(fer, model):
    result = fer("models", "summary", model)
    assert "down, left, right" in result.out
    assert "(pixel - 127.5) / 127.5" in result.out


def test_summary_of_nothing(fer):
    result = fer("models", "summary", "no-such-model")
    assert result.status == 1
    assert "There is no model 'no-such-model'" in result.err


def test_evaluate(fer, model, tree, tmp_path):
    result = fer("models", "evaluate", model, "--data", tree, "--out", tmp_path, "--check-copies")
    assert result.status == 0, result.err
    assert "accuracy" in result.out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["count"] == 24
    assert np.sum(report["confusion"]) == 24
    for name in ("confusion.png", "mistakes.png"):
        assert cv2.imread(str(tmp_path / name)) is not None
    before_work = fer("models", "evaluate", "none", "--data", "none", "--out", tmp_path)
    assert before_work.status == 1
    assert "--overwrite" in before_work.err


def test_evaluate_compares(fer, model, tree):
    result = fer("models", "evaluate", model, "--compare", model, "--data", tree, "-q")
    header, *rows = result.out.splitlines()
    assert header.split()[:2] == ["model", "accuracy"]
    assert len(rows) == 2
    averaged = fer("models", "evaluate", model, "--average", "ten", "--data", tree, "--json")
    assert 0 <= json.loads(averaged.out)[0]["accuracy"] <= 1


def test_check_copies_finds_copies(fer, model, tree, tmp_path):
    root = tmp_path / "tree"
    for path in tree.glob("*/*/*.png"):
        target = root / path.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    source = root / "train" / "left" / "3.png"
    (root / "validation" / "left" / "again.png").write_bytes(source.read_bytes())
    result = fer("models", "evaluate", model, "--data", root, "--check-copies", "--json")
    (report,) = json.loads(result.out)
    assert (report["count"], report["without_copies"]["count"]) == (25, 24)


def test_check_copies_says_that_all_are_copies(fer, model, tree):
    said = ("--data", tree, "--split", "train", "--check-copies")
    result = fer("models", "evaluate", model, *said)
    assert "each image is a copy of a training image" in result.out


def test_evaluate_other_classes(fer, model, tmp_path):
    for name in ("left", "up"):
        folder = tmp_path / "validation" / name
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "a.png"), np.zeros((48, 48), np.uint8))
    result = fer("models", "evaluate", model, "--data", tmp_path)
    assert result.status == 1
    assert "classes up, which the model does not know" in result.err


def test_a_bad_image_is_left_out_and_told(fer, model, trained, tree, tmp_path):
    """Of 24 images of the split one cannot be read: 23 are measured, embedded and compared."""
    root = tmp_path / "tree"
    shutil.copytree(tree, root)
    (root / "validation/left/3.png").write_bytes(b"no image")
    reason = "The file is not an image: neither OpenCV nor Pillow can decode it"
    told = f"left out 1 image that cannot be read: validation/left/3.png ({reason})"
    commands = {
        "evaluate": (model,),
        "embed": (model, "--projection", "pca", "--out", tmp_path / "map"),
        "export": (trained / "best.keras", "--out", tmp_path / "again.onnx"),
    }
    for name, words in commands.items():
        command = ("models", name, *words, "--data", root, "--overwrite")
        result = fer(*command)
        assert (result.status, result.out.count(told)) == (0, 1), result.err
        found = json.loads(fer(*command, "--json").out)
        found = found[0] if name == "evaluate" else found
        assert found["unreadable"] == {"validation/left/3.png": reason}
        assert found["count" if name == "evaluate" else "faces"] == 23


def test_predict(fer, model, tree, tmp_path):
    result = fer("models", "predict", model, tree / "validation", "-q")
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert len(rows) == 24
    assert list(rows[0])[:2] == ["file", "class"]
    for row in rows:
        shares = [float(row[name]) for name in SIDES]
        assert sum(shares) == pytest.approx(1, abs=1e-4)
        assert float(row[row["class"]]) == max(shares)
    broken = tmp_path / "ü broken.png"
    broken.write_bytes(b"no image")
    good = next(tree.glob("train/left/*.png"))
    result = fer("models", "predict", model, good, broken, "--out", tmp_path / "a.csv")
    assert result.status == 1
    assert "ü broken.png" in result.err
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 2


def test_predict_on_nothing(fer, model, tmp_path):
    result = fer("models", "predict", model, tmp_path)
    assert result.status == 1
    assert "There is no image in the input" in result.err


def test_embed(fer, model, tree, tmp_path):
    result = fer("models", "embed", model, "--data", tree, "--out", tmp_path, "--projection", "pca")
    assert result.status == 0, result.err
    assert "purity" in result.out
    with np.load(tmp_path / "features.npz") as stored:
        assert stored["features"].shape == (24, 128)
    assert len((tmp_path / "clusters.csv").read_text().splitlines()) == 25
    assert cv2.imread(str(tmp_path / "map.png")) is not None
    before_work = fer("models", "embed", "none", "--data", "none", "--out", tmp_path)
    assert before_work.status == 1
    assert "--overwrite" in before_work.err


def test_embed_with_a_seed_of_more_than_32_bits(tmp_path):
    with pytest.raises(OptionError, match="`seed` must be from 0 to 4294967295, got 4294967296"):
        embed_tree("ferplus", tmp_path, "validation", tmp_path / "out", seed=2**32)


def test_names_that_are_not_utf8(fer, tmp_path, monkeypatch):
    for level, name in enumerate(("left", "right")):
        folder = tmp_path / "tree" / "validation" / name
        folder.mkdir(parents=True)
        image = cv2.imencode(".png", np.full((48, 48), 200 * level, np.uint8))[1]
        (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(image)
    out = tmp_path / "out"
    result = fer("models", "predict", "ferplus", tmp_path / "tree", "--out", tmp_path / "a.csv")
    assert result.status == 0, result.err
    assert b"left/caf\xe9.png," in (tmp_path / "a.csv").read_bytes()
    result = fer("models", "embed", "ferplus", "--data", tmp_path / "tree", "--out", out)
    assert result.status == 0, result.err
    assert b"caf\xe9.png," in (out / "clusters.csv").read_bytes()
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["models", "predict", "ferplus", str(tmp_path / "tree"), "-q"]) == 0
    assert stream.buffer.getvalue() == (tmp_path / "a.csv").read_bytes()


def test_embed_with_more_clusters_than_faces(fer, model, tree, tmp_path):
    result = fer("models", "embed", model, "--data", tree, "--out", tmp_path, "--clusters", 99)
    assert result.status == 1
    assert "--clusters must be from 2 to 24, the number of faces, got 99" in result.err


def test_train_with_a_misspelt_recipe(fer, tree, tmp_path):
    recipe = tmp_path / "a.toml"
    recipe.write_text("epoch = 2\n")
    result = fer("models", "train", "--recipe", recipe, "--data", tree, "--out", tmp_path / "o")
    assert result.status == 1
    assert "try: epochs" in result.err


def test_export_to_another_suffix(fer, trained, tmp_path):
    result = fer("models", "export", trained / "best.keras", "--out", tmp_path / "a.tflite")
    assert result.status == 1
    assert "must end in .onnx, got" in result.err


def test_shipped_models(fer):
    """Each is small, knows itself, and is the better for a smile."""
    assert next(iter(bundled_models())) == DEFAULT
    for name, path in bundled_models().items():
        assert path.stat().st_size < 6e6
        assert "validation accuracy" in fer("models", "summary", name).out


@pytest.mark.data
def test_shipped_model_on_real_faces(data):
    from fercli.models.labeled_faces import read_face
    from fercli.models.onnx_model import OnnxModel

    paths = sorted((data / "ck48" / "happy").glob("*.png"))
    classifier = OnnxModel(bundled_models()[DEFAULT])
    answers = classifier.classify(np.stack([read_face(path, (48, 48)) for path in paths]))
    happy = answers.argmax(axis=1) == classifier.classes.index("happy")
    assert happy.mean() > 0.9


def test_finetuning_on_a_tree_that_is_not_split(fer, tree, tmp_path):
    """Without a word on the model, the rate or the splits."""
    shutil.copytree(tree / "train", tmp_path / "mine" / "all")
    run = tmp_path / "run"
    quick = ("--epochs", 1, "--frozen-epochs", 0.5, "--batch-size", 16)
    result = fer(
        "models", "train", "--preset", "finetune", "--data", tmp_path / "mine", "--out", run, *quick
    )
    assert result.status == 0, result.err
    assert "30 layers start from ferplus" in result.err
    assert "is not split: " in result.err
    found = json.loads(
        fer("models", "evaluate", run / "best.keras", "--data", tmp_path / "mine", "--json").out
    )
    assert 10 <= found[0]["count"] <= 15  # those that the training held out
    assert found[0]["assumptions"] is None


def test_what_was_assumed_of_a_model_is_in_the_json(fer, model, tree, tmp_path):
    content = onnx.load(model)
    del content.metadata_props[:]
    onnx.save(content, tmp_path / "bare.onnx")
    said = ("--classes", "down,left,right", "--mean", "127.5", "--data", tree)
    result = fer("models", "evaluate", tmp_path / "bare.onnx", *said, "--json")
    expected = f"{tmp_path / 'bare.onnx'}: not stated in the file, assumed: std 127.5"
    assert expected in result.err
    assert json.loads(result.out)[0]["assumptions"] == expected
    wrong = fer("models", "evaluate", tmp_path / "bare.onnx", *said, "--std", "0.5")
    assert "`std`" not in wrong.err
    assert "--std is of pixels 0…255, and 0.5 looks like one of pixels 0…1" in wrong.err
