"""Trainings by the real ``opencv_traincascade``, on faces and photographs of scikit-image."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from fercli.cascade.model import read_cascade
from fercli.cascade.samples.vec import read_vec, write_vec
from fercli.cascade.training.folder import weak_classifiers
from fercli.common.files import folder_lock
from fercli.common.images import read_gray

pytestmark = pytest.mark.opencv3

SIZE = 20
FER_TRAIN = [sys.executable, "-m", "fercli", "cascade", "train"]
SCENES = ("brick", "coins", "gravel", "grass", "camera", "moon")


@pytest.fixture(scope="module", autouse=True)
def programs(opencv_tools):
    """Skip without OpenCV's programs."""
    return opencv_tools


@pytest.fixture(scope="module")
def material(tmp_path_factory, lfw):
    """A folder with 200 faces, half of them mirrored, and photographs without."""
    folder = tmp_path_factory.mktemp("material")
    faces, _ = lfw(SIZE)
    write_vec(folder / "faces.vec", np.concatenate([faces, faces[:, :, ::-1]]))
    for name in SCENES:
        scene = read_gray(Path(skimage.data.__file__).parent / f"{name}.png")
        cv2.imwrite(str(folder / f"{name}.png"), scene[:256, :256])
    (folder / "bg.txt").write_text("".join(f"{name}.png\n" for name in SCENES))
    return folder


@pytest.fixture
def options(material):
    """Options of a training that takes a second."""
    return [
        "--engine", "opencv", "--vec", material / "faces.vec", "--bg", material / "bg.txt",
        "--size", SIZE, "--feature-type", "LBP", "--stages", 3,
    ]  # fmt: skip


@pytest.fixture
def train(fer):
    return lambda *args: fer("cascade", "train", *args)


@pytest.fixture(scope="module")
def trained(material, tmp_path_factory):
    """The folder of a training that has ended, not to be changed."""
    out = tmp_path_factory.mktemp("trained") / "out"
    command = [
        *FER_TRAIN, "--engine", "opencv", "--vec", "faces.vec", "--bg", "bg.txt", "--size", SIZE,
        "--feature-type", "LBP", "--stages", 3, "--out", out,
    ]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, capture_output=True, cwd=material)
    return out


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of it that may be changed."""
    subprocess.run(["cp", "-r", trained, tmp_path / "copied"], check=True)
    return tmp_path / "copied"


def test_the_folder_holds_all_that_belongs_to_a_training(trained):
    names = {path.name for path in trained.iterdir()}
    assert names == {"cascade.xml", "engine", "rates.png", "recipe.toml", "result.json",
                     "stages.csv", "training.log", "versions.json"}  # fmt: skip
    result = json.loads((trained / "result.json").read_text())
    assert result["stopped_because"] == "all stages are trained"
    stages = result["stages"]
    assert [stage["index"] for stage in stages] == [0, 1, 2]
    cascade = read_cascade(trained / "cascade.xml")
    weak = [len(stage.weak_classifiers) for stage in cascade.stages]
    assert [stage["weak_classifiers"] for stage in stages] == weak
    assert all(stage["hit_rate"] >= 0.995 for stage in stages)
    assert all(stage["false_alarm_rate"] <= 0.5 for stage in stages)
    assert stages[0]["acceptance_ratio"] == 1
    assert stages[2]["acceptance_ratio"] < stages[1]["acceptance_ratio"] < 1
    versions = json.loads((trained / "versions.json").read_text())
    assert versions["opencv_traincascade"].startswith("3.4.")
    assert "current samples" not in (trained / "training.log").read_text()
    assert read_gray(trained / "rates.png").std() > 5


def test_a_detector_loads_the_cascade_and_it_knows_its_faces(trained, material):
    detector = cv2.CascadeClassifier(str(trained / "cascade.xml"))
    faces = read_vec(material / "faces.vec", (SIZE, SIZE))
    found = [len(detector.detectMultiScale(np.ascontiguousarray(face), 1.1, 0, 0, (SIZE, SIZE)))
             for face in faces]  # fmt: skip
    assert np.mean(found) > 0.9


def test_it_is_what_the_program_makes_by_hand(trained, material, programs, tmp_path):
    command = [
        programs / "opencv_traincascade", "-data", tmp_path, "-vec", "faces.vec", "-bg", "bg.txt",
        "-numPos", 197, "-numNeg", 98, "-numStages", 3, "-featureType", "LBP", "-w", SIZE, "-h",
        SIZE,
    ]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, capture_output=True, cwd=material)
    assert (trained / "cascade.xml").read_bytes() == (tmp_path / "cascade.xml").read_bytes()


def test_its_recipe_repeats_it(trained, train, tmp_path):
    result = train("--recipe", trained / "recipe.toml", "--out", tmp_path / "again")
    assert result.status == 0
    again = (tmp_path / "again" / "cascade.xml").read_bytes()
    assert again == (trained / "cascade.xml").read_bytes()


def test_what_it_tells(train, options, tmp_path):
    result = train(*options, "--out", tmp_path / "a folder é")
    assert result.status == 0
    notes = result.err.splitlines()
    assert notes[0] == "each stage: 197 positives, 98 negatives from 6 backgrounds"
    assert [note.split(":")[0] for note in notes[1:]] == ["stage 0", "stage 1", "stage 2"]
    assert "3 of 3 stages in" in result.out
    assert f"{tmp_path}/a folder é/cascade.xml: " in result.out


def test_json_is_all_there_is_on_standard_output(train, options, tmp_path):
    result = train(*options, "--out", tmp_path / "out", "--json", "--quiet")
    found = json.loads(result.out)
    assert found["cascade"] == str(tmp_path / "out" / "cascade.xml")
    assert len(found["stages"]) == 3
    assert result.err == ""


def test_a_training_that_has_ended_is_not_repeated(copied, train):
    before = (copied / "cascade.xml").read_bytes()
    result = train("--recipe", copied / "recipe.toml", "--out", copied)
    assert result.status == 1
    assert "holds a training that has ended; try: use --resume with more --stages" in result.err
    assert (copied / "cascade.xml").read_bytes() == before


def test_overwriting_starts_anew(copied, train, options):
    result = train(*options, "--out", copied, "--overwrite", "--stages", 1)
    assert result.status == 0
    assert len(read_cascade(copied / "cascade.xml").stages) == 1
    assert not (copied / "engine" / "stage1.xml").exists()


def test_further_stages_are_added(copied, train):
    result = train("--resume", "--out", copied, "--stages", 5)
    assert result.status == 0
    cascade = read_cascade(copied / "cascade.xml")
    assert len(cascade.stages) == 5
    with (copied / "stages.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["index"] for row in rows] == list("01234")
    assert float(rows[0]["acceptance_ratio"]) == 1
    assert "stages = 5\n" in (copied / "recipe.toml").read_text()


def test_other_settings_are_refused_unless_they_may_change(copied, train, options):
    fixed = train(*options, "--out", copied, "--min-hit-rate", 0.99, "--resume")
    assert fixed.status == 1
    assert "other settings: --min-hit-rate 0.995 there, 0.99 here" in fixed.err
    assert "--resume" not in fixed.err
    free = train(*options, "--out", copied, "--negatives", 50)
    assert free.status == 1
    assert "--negatives 98 there, 50 here; try: use --resume to continue" in free.err
    resumed = train(*options, "--out", copied, "--negatives", 50, "--resume", "--stages", 4)
    assert resumed.status == 0
    assert json.loads((copied / "result.json").read_text())["stages"][3]["negatives"] == 50


def test_changed_samples_are_noticed(copied, train, material, tmp_path):
    vec, recipe = tmp_path / "faces.vec", copied / "recipe.toml"
    faces = read_vec(material / "faces.vec", (SIZE, SIZE))
    write_vec(vec, faces)
    (copied / "cascade.xml").unlink()
    assert train("--recipe", recipe, "--vec", vec, "--out", copied, "--resume").status == 0
    write_vec(vec, faces[::-1], overwrite=True)
    (copied / "cascade.xml").unlink()
    refused = train("--recipe", recipe, "--out", copied)
    assert refused.status == 1
    assert "the positives changed since its stages were trained; try: use --resume" in refused.err
    resumed = train("--recipe", recipe, "--out", copied, "--resume", "--json")
    said = "the positives changed after 3 stages: further stages use the present ones"
    assert resumed.status == 0
    assert json.loads(resumed.out)["notes"] == [said]


def test_finishing_writes_the_first_stages(copied, train):
    result = train("--finish", "--out", copied, "--stages", 2, "--quiet")
    assert result.status == 0
    assert "2 of 3 stages" in result.out
    cascade = read_cascade(copied / "cascade.xml")
    assert len(cascade.stages) == 2
    assert train("--finish", "--out", copied, "--quiet").status == 0
    assert len(read_cascade(copied / "cascade.xml").stages) == 3


def test_a_training_by_hand_is_finished_and_gone_on_with(copied, train, options):
    # As the program leaves it when it aborts: its own files alone.
    for path in copied.iterdir():
        if path.name != "engine":
            path.unlink()
    for path in (copied / "engine").glob("*.xml"):
        path.rename(copied / path.name)
    subprocess.run(["rm", "-r", copied / "engine"], check=True)
    refused = train(*options, "--out", copied)
    assert refused.status == 1
    assert "begun by hand; try: use --resume" in refused.err
    other = train(*options, "--out", copied, "--boost-type", "RAB", "--resume")
    assert "--boost-type GAB there, RAB here" in other.err
    resumed = train(*options, "--out", copied, "--resume", "--stages", 4)
    assert resumed.status == 0
    assert len(read_cascade(copied / "cascade.xml").stages) == 4


def test_a_training_by_hand_is_finished(copied, train, tmp_path):
    by_hand = tmp_path / "by hand"
    by_hand.mkdir()
    for path in (copied / "engine").glob("*.xml"):
        path.rename(by_hand / path.name)
    assert train("--finish", "--out", by_hand).status == 0
    assert len(read_cascade(by_hand / "cascade.xml").stages) == 3


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_nothing_to_finish_or_to_resume_is_said(train, options, tmp_path, name):
    out = tmp_path / name
    if name == "empty":
        out.mkdir()
    for words, message in (
        (["--finish"], "The folder has no training"),
        ([*options, "--resume"], "There is no training to continue"),
    ):
        result = train("--out", out, *words)
        assert result.status == 1
        assert message in result.err
    assert not out.exists()


def test_a_damaged_stage_is_trained_again(copied, train):
    (copied / "cascade.xml").unlink()
    stage = copied / "engine" / "stage1.xml"
    whole = (copied / "engine" / "stage0.xml").read_bytes()
    stage.write_bytes(stage.read_bytes()[:300])
    result = train("--recipe", copied / "recipe.toml", "--out", copied)
    assert result.status == 0
    assert "stage1.xml is incomplete: the stage is trained again" in result.err
    assert len(read_cascade(copied / "cascade.xml").stages) == 3
    assert (copied / "engine" / "stage0.xml").read_bytes() == whole


def test_two_trainings_do_not_share_a_folder(train, options, copied):
    with folder_lock(copied, "a training"):
        result = train(*options, "--out", copied, "--overwrite")
    assert result.status == 1
    assert "a training is under way there already" in result.err
    assert (copied / "cascade.xml").exists()


def test_haar_features_in_the_old_format(train, options, tmp_path):
    result = train(*options, "--out", tmp_path / "out", "--feature-type", "HAAR", "--stages", 1,
                   "--max-depth", 2, "--old-format", "--mode", "all")  # fmt: skip
    assert result.status == 0
    assert "opencv-haar-classifier" in (tmp_path / "out" / "cascade.xml").read_text()
    assert not cv2.CascadeClassifier(str(tmp_path / "out" / "cascade.xml")).empty()


def test_the_acceptance_ratio_ends_it(train, options, tmp_path):
    result = train(*options, "--out", tmp_path / "out", "--stages", 20,
                   "--acceptance-ratio-break", 0.6)  # fmt: skip
    assert result.status == 0
    assert "the acceptance ratio has reached" in result.out
    assert len(read_cascade(tmp_path / "out" / "cascade.xml").stages) < 6


def test_an_early_stop_is_explained(train, options, tmp_path):
    # All windows are alike: the first stage refuses them, and eight of them are enough for a limit
    # of 0.5^3.
    board = np.indices((200, 200)).sum(axis=0) // 4 % 2 * 255
    cv2.imwrite(str(tmp_path / "board.png"), board.astype(np.uint8))
    (tmp_path / "bg.txt").write_text("board.png\n")
    result = train(*options, "--bg", tmp_path / "bg.txt", "--out", tmp_path / "out")
    assert result.status == 0
    assert "stopped early: none of the first windows passed" in result.out
    assert "0.5^3 = 0.12" in result.out
    assert "continue with --resume and more --stages" in result.out
    assert len(read_cascade(tmp_path / "out" / "cascade.xml").stages) < 3


@pytest.fixture
def half_odd(material):
    """200 faces, followed by 100 windows of photographs."""
    faces = read_vec(material / "faces.vec", (SIZE, SIZE))
    scene = read_gray(material / "coins.png")
    odd = [scene[20 * y : 20 * y + 20, 20 * x : 20 * x + 20] for y in range(10) for x in range(10)]
    path = material / "half_odd.vec"
    write_vec(path, np.concatenate([faces, np.stack(odd)]), overwrite=True)
    return path


def test_positives_that_run_out_become_fewer(train, options, half_odd, tmp_path):
    result = train(*options, "--vec", half_odd, "--positives", 200, "--stages", 8,
                   "--min-hit-rate", 0.95, "--out", tmp_path / "out")  # fmt: skip
    assert result.status == 0
    assert "left after" in result.err
    assert "continuing with" in result.err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert len(result["stages"]) == 8
    assert result["stages"][-1]["positives"] < 200


def test_positives_that_are_not_alike_end_it_with_what_to_do(train, options, half_odd, tmp_path):
    result = train(*options, "--vec", half_odd, "--positives", 300, "--min-hit-rate", 0.3,
                   "--stages", 9, "--max-false-alarm-rate", 0.01,
                   "--out", tmp_path / "out")  # fmt: skip
    assert result.status == 1
    assert "are not like the others; try: look at them (fer cascade samples show" in result.err
    assert not (tmp_path / "out" / "cascade.xml").exists()
    assert train("--finish", "--out", tmp_path / "out").status == 0


def test_samples_that_no_feature_tells_apart_are_named(train, options, tmp_path):
    write_vec(tmp_path / "gray.vec", np.full((50, SIZE, SIZE), 99, np.uint8))
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((64, 64), 99, np.uint8))
    (tmp_path / "bg.txt").write_text("gray.png\n")
    result = train(*options, "--vec", tmp_path / "gray.vec", "--bg", tmp_path / "bg.txt",
                   "--out", tmp_path / "out")  # fmt: skip
    assert result.status == 1
    assert "first stage cannot be trained" in result.err


def test_what_is_wrong_is_said_before_anything_is_written(train, options, tmp_path):
    for words, message in (
        (["--size", 24], "Expected samples of 24x24 = 576 pixels, the file holds samples of 400"),
        (["--vec", tmp_path / "none.vec"], "Expected a .vec file, found nothing of that name"),
        (["--bg", tmp_path / "none.txt"], "found nothing of that name"),
        (["--tools", tmp_path], "OpenCV 3.4's program opencv_traincascade was not found in"),
        (["--min-hit-rate", 1], "--min-hit-rate: expected more than 0 and less than 1"),
        (["--value-buffer", 10**7, "--index-buffer", 0, "--feature-type", "HAAR", "--positives",
          10**6], "has only 200 samples"),
    ):  # fmt: skip
        result = train(*options, "--out", tmp_path / "out", *words)
        assert result.status == 1
        assert message in result.err
        assert not (tmp_path / "out").exists()


@pytest.fixture
def long_training(material, tmp_path):
    """Start a training of a few seconds."""
    command = [
        *FER_TRAIN, "--engine", "opencv", "--vec", material / "faces.vec",
        "--bg", material / "bg.txt", "--size", SIZE, "--stages", 12, "--feature-type", "LBP",
        "--out", tmp_path / "out",
    ]  # fmt: skip
    started = []

    def start(*options):
        words = [*map(str, command), *options]
        child = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def wait_for_stage(out, number, seconds=60.0):
    end = time.monotonic() + seconds
    while not (out / "engine" / f"stage{number}.xml").exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_training_whose_report_could_not_be_written_has_not_ended(copied, train):
    (copied / "cascade.xml").unlink()
    (copied / "rates.png").unlink()
    (copied / "rates.png").mkdir()
    assert train("--recipe", copied / "recipe.toml", "--out", copied).status == 1
    assert not (copied / "cascade.xml").exists()
    (copied / "rates.png").rmdir()
    (copied / ".fer-of-a-killed-one.png").touch()
    assert train("--recipe", copied / "recipe.toml", "--out", copied).status == 0
    assert (copied / "rates.png").is_file()
    assert not list(copied.glob(".fer-*"))
    assert (copied / "cascade.xml").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_training_that_was_stopped_goes_on(long_training, tmp_path, number):
    out = tmp_path / "out"
    child = long_training()
    wait_for_stage(out, 1)
    child.send_signal(number)
    _, err = child.communicate(timeout=20)
    if number != signal.SIGKILL:
        assert child.returncode == 130
        assert re.search(r"interrupted; \d whole stages? (is|are) kept in", err)
        assert err.splitlines()[-1] == "fer: interrupted"
    assert not (out / "cascade.xml").exists()
    # The program may be stopped while it writes the second, which is then trained again.
    found = (out / "engine").glob("stage[01].xml")
    stages = {path.name: path.read_bytes() for path in found if weak_classifiers(path)}
    again = long_training()
    _, err = again.communicate(timeout=100)
    assert again.returncode == 0
    assert "there already" in err
    assert len(read_cascade(out / "cascade.xml").stages) == 12
    for name, content in stages.items():
        assert (out / "engine" / name).read_bytes() == content
    assert os.access(out / "result.json", os.R_OK)


def test_a_training_gone_on_with_has_not_ended_until_it_has(long_training, copied, tmp_path):
    out = copied.rename(tmp_path / "out")
    child = long_training("--resume")
    wait_for_stage(out, 3)
    child.kill()
    child.wait()
    assert not any((out / name).exists() for name in ("cascade.xml", "result.json", "rates.png"))
    assert long_training("--resume").wait(timeout=100) == 0
    assert json.loads((out / "result.json").read_text())["stages_wanted"] == 12
