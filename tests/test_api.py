"""The public Python API; its examples in docs/python.md are run by tests/test_docs.py."""

import inspect
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import fercli
from fercli.common.errors import DependencyError, OptionError


def test_every_public_name_is_there_and_explained():
    assert set(fercli.__all__) <= set(dir(fercli))
    for name in fercli.__all__:
        assert inspect.getdoc(getattr(fercli, name)), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fercli.nothing


def test_the_import_is_cheap():
    code = "import sys, fercli; print({'numpy', 'cv2', 'click', 'keras'} & set(sys.modules))"
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert time.monotonic() - begun < 5  # with the start of Python, on a busy machine


def test_arguments_are_named_by_the_errors(tmp_path):
    with pytest.raises(OptionError, match="`stages`: expected 1 or more, got 0"):
        fercli.train_cascade(positives="a.vec", negatives="b", out=tmp_path / "run", stages=0)
    with pytest.raises(OptionError, match="`stage` cannot be used with `engine` native"):
        fercli.train_cascade(positives="a.vec", negatives="b", out=tmp_path / "run", stage=3)
    with pytest.raises(OptionError, match="`epoch`: no such option"):
        fercli.train_model(data=tmp_path, out=tmp_path / "run", epoch=3)
    with pytest.raises(OptionError, match="`min_neighbors`: expected 0 to"):
        fercli.evaluate_cascade("a.xml", "info.dat", min_neighbors=-1)
    with pytest.raises(OptionError, match="`info` or of `image`"):
        fercli.create_samples(out=tmp_path / "a.vec")
    with pytest.raises(OptionError, match="`size_wh`: expected 1 or more pixels a side, got 0x5"):
        fercli.create_samples(info=tmp_path, out=tmp_path / "a.vec", size=(0, 5))
    with pytest.raises(OptionError, match="`channels`: expected keep, gray or color, got blue"):
        fercli.import_dataset(tmp_path, out=tmp_path / "tree", channels="blue")
    assert not (tmp_path / "run").exists()


def test_every_function_that_takes_a_scheduler_asks_it(tmp_path, monkeypatch, face_cascade):
    monkeypatch.setattr("fercli.common.cluster.SCHEDULER_TIMEOUT", 0.1)
    monkeypatch.chdir(tmp_path)
    for at in range(4):
        Path(f"faces/{at}").mkdir(parents=True)
        cv2.imwrite(f"faces/{at}/{at}.png", np.full((48, 48), 50 * at, np.uint8))
    Path("info.dat").write_text("".join(f"faces/{at}/{at}.png 1 4 4 24 24\n" for at in range(4)))
    Path("bg.txt").write_text("".join(f"faces/{at}/{at}.png\n" for at in range(4)))
    there = {"scheduler": "tcp://127.0.0.1:9"}
    for call in (
        lambda: fercli.build_info("info.dat", "faces", out="lists", **there),
        lambda: fercli.create_samples(info="info.dat", out="a.vec", **there),
        lambda: fercli.create_samples(image="faces/0/0.png", bg="bg.txt", out="a.vec", **there),
        lambda: fercli.train_cascade(positives="info.dat", negatives="faces", out="run", **there),
        lambda: fercli.evaluate_cascade(face_cascade, "info.dat", **there),
        lambda: fercli.import_dataset(
            "faces", out="tree", map={"0": "happy", "1": "sad", "2": "fear", "3": "angry"}, **there
        ),
    ):
        with pytest.raises(DependencyError, match=r"No Dask scheduler answers at tcp://127\.0"):
            call()


def test_samples_of_an_image_take_the_options_of_the_command(tmp_path):
    image = np.full((20, 20), 200, np.uint8)
    image[5:15, 5:15] = 30
    cv2.imwrite(str(tmp_path / "logo.png"), image)
    made = fercli.create_samples(
        image=tmp_path / "logo.png", out=tmp_path / "a.vec", size=(16, 16), num=5, bg_color=200,
        max_x_angle=0.3,
    )  # fmt: skip
    assert made.count == 5


def test_a_training_can_be_evaluated_and_draws_itself(tmp_path):
    rng = np.random.default_rng(1)
    (tmp_path / "faces").mkdir()
    (tmp_path / "scenes").mkdir()
    for number in range(40):
        square = rng.integers(0, 80, (12, 12), np.uint8)
        square[3:9, 3:9] += 150
        cv2.imwrite(str(tmp_path / "faces" / f"{number}.png"), square)
        scene = rng.integers(0, 256, (60, 80), np.uint8)
        cv2.imwrite(str(tmp_path / "scenes" / f"{number}.png"), scene)
    lists = fercli.build_info(
        tmp_path / "faces", tmp_path / "scenes", out=tmp_path / "lists", size=(12, 12), test=0.25
    )
    assert lists.to_dict()["positives"]["boxes"] == 40
    assert len((tmp_path / "lists/test_info.dat").read_text().splitlines()) == 10
    result = fercli.train_cascade(
        positives=tmp_path / "lists/info.dat", negatives=str(tmp_path / "lists/bg.txt"),
        out=tmp_path / "run", size=(12, 12), stages=1, num_pos=25, num_neg=25,
    )  # fmt: skip
    assert result.to_dict()["stages"][0]["positives"] <= 25
    assert result._repr_png_().startswith(b"\x89PNG")
    found = fercli.Detector(result.cascade).detect(scene, min_neighbors=0)
    assert len(found.to_dict()["boxes_xywh"]) == len(found.scores)
    evaluation = fercli.evaluate_cascade(result.cascade, tmp_path / "lists/test_info.dat")
    assert evaluation.images == 10
    assert evaluation.to_dict()
    assert evaluation._repr_png_().startswith(b"\x89PNG")
