import json
import subprocess
import sys

import pytest

from fercli.cascade.training.folder import CascadeFolder
from fercli.cascade.training.report import CascadeTrainingResult, StageRecord
from fercli.common.errors import OutputError, OutputExistsError, RecipeError, TrainingError
from fercli.common.files import folder_lock
from fercli.models.run_folder import ModelFolder
from fercli.run_folder import changes, output_folder, remove_unfinished

OPTIONS = {"engine": "opencv", "size": "20x20", "stages": 3, "min_hit_rate": 0.995, "tools": None}


@pytest.fixture
def folder(tmp_path):
    return CascadeFolder(tmp_path)


@pytest.fixture
def begun(folder):
    folder.write_recipe(OPTIONS)
    folder.write_stages([StageRecord(0, 2)])
    return folder


def test_an_empty_folder_has_no_training(folder):
    assert folder.read_recipe() is None
    assert folder.may_continue(OPTIONS, resume=False) is False


def test_the_same_settings_go_on(begun):
    assert begun.read_recipe() == {name: v for name, v in OPTIONS.items() if v is not None}
    assert begun.may_continue(OPTIONS, resume=False) is True


@pytest.mark.parametrize("name", ["workers", "tools", "value_buffer", "index_buffer"])
def test_what_does_not_change_the_cascade_may_change(begun, name):
    assert begun.may_continue({**OPTIONS, name: 5}, resume=False) is True


def test_settings_that_may_change_need_a_word(begun):
    more = {**OPTIONS, "stages": 5}
    with pytest.raises(TrainingError, match="`stages` 3 there, 5 here") as caught:
        begun.may_continue(more, resume=False)
    assert caught.value.hint.startswith("use `resume`")
    assert begun.may_continue(more, resume=True) is True


@pytest.mark.parametrize("resume", [False, True])
def test_settings_that_are_fixed_may_not_change(begun, resume):
    with pytest.raises(TrainingError, match="`size` 20x20 there, 24x24 here") as caught:
        begun.may_continue({**OPTIONS, "size": "24x24", "stages": 9}, resume=resume)
    assert "`stages`" not in caught.value.message
    assert "`resume`" not in caught.value.hint


def test_an_ended_training_is_not_repeated(begun):
    begun.cascade.touch()
    with pytest.raises(OutputExistsError, match="has ended") as caught:
        begun.may_continue(OPTIONS, resume=False)
    assert caught.value.hint == (
        "use `resume` with more `stages` to continue it, another `out`, "
        "or `overwrite` to start anew"
    )
    assert begun.may_continue(OPTIONS, resume=True) is True


@pytest.mark.parametrize("name", ["cascade.xml", "result.json", "training.log"])
def test_files_of_something_else_are_not_overwritten(folder, name):
    (folder.path / name).write_text("mine")
    with pytest.raises(OutputExistsError, match=f"{name}: already exists"):
        folder.may_continue(OPTIONS, resume=False)


def test_a_folder_engine_of_something_else_is_refused(folder):
    folder.engine.mkdir()
    (folder.engine / "mine.txt").write_text("mine")
    with pytest.raises(
        OutputExistsError, match="engine: The folder holds files that no training has written"
    ):
        CascadeFolder.locked(folder.path).__enter__()
    assert (folder.engine / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["stages.xml", "training.json", "params.xml", "../recipe.toml"])
def test_the_folder_engine_of_a_training_is_known(folder, name):
    folder.engine.mkdir()
    with CascadeFolder.locked(folder.path):
        pass
    (folder.engine / "stage0.xml").touch()
    (folder.engine / name).touch()
    with CascadeFolder.locked(folder.path):
        pass


@pytest.mark.parametrize(("kind", "key"), [(CascadeFolder, "size"), (ModelFolder, "batch_size")])
def test_settings_alone_are_no_training(tmp_path, kind, key):
    """It failed, or was killed, before there was anything to lose."""
    folder = kind(tmp_path)
    folder.write_recipe({key: 1})
    assert folder.may_continue({key: 2}) is False
    (tmp_path / folder.names[0]).touch()  # cascade.xml, checkpoint.npz
    with pytest.raises(TrainingError, match=f"other settings: .*`{key}` 1 there, 2 here"):
        folder.may_continue({key: 2})
    assert folder.may_continue({key: 2}, overwrite=True) is False


@pytest.mark.parametrize("kind", [CascadeFolder, ModelFolder])
def test_files_without_their_settings_are_not_continued(tmp_path, kind):
    folder = kind(tmp_path)
    (tmp_path / folder.names[0]).touch()
    with pytest.raises(OutputExistsError, match=f"{folder.names[0]}: already exists"):
        folder.may_continue({"size": 1})
    with pytest.raises(TrainingError, match="There is no training to continue"):
        folder.may_continue({"size": 1}, resume=True)


def test_what_a_killed_training_was_writing_is_removed(begun):
    begun.engine.mkdir()
    for name in (".fer-1.xml", ".fer-2.json", "stages.xml", "training.json"):
        (begun.engine / name).touch()
    with CascadeFolder.locked(begun.path):
        pass
    assert {path.name for path in begun.engine.iterdir()} == {"stages.xml", "training.json"}


def test_a_broken_recipe_is_named(folder):
    folder.recipe.write_text("no toml")
    with pytest.raises(RecipeError, match="Not a TOML file"):
        folder.may_continue(OPTIONS, resume=False)


def test_clearing_removes_a_training_and_nothing_else(begun):
    begun.engine.mkdir()
    (begun.engine / "stage0.xml").touch()
    begun.write_versions({"program": "1"})
    (begun.path / "mine.txt").touch()
    begun.clear()
    assert [path.name for path in begun.path.iterdir()] == ["mine.txt"]


def test_stages_are_read_as_far_as_they_are_wanted_and_known(folder):
    assert folder.read_stages(2) == []
    folder.write_stages([StageRecord(0, 2), StageRecord(1, 3), StageRecord(2, 4)])
    assert folder.read_stages(2) == [StageRecord(0, 2), StageRecord(1, 3)]
    folder.stages.write_text("damaged")
    assert folder.read_stages(2) == []


def test_versions_are_written_with_those_of_the_engine(folder):
    folder.write_versions({"program": "3.4.18"})
    found = json.loads(folder.versions.read_text())
    assert {"fer", "python", "platform", "numpy"} <= set(found)
    assert found["program"] == "3.4.18"


def test_a_result_is_drawn_and_written(folder):
    folder.cascade.touch()
    stages = (StageRecord(0, 2, 1.0, 0.4, 1.0),)
    folder.write_result(
        CascadeTrainingResult(folder.cascade, "opencv", "LBP", (20, 20), stages, 1, 1, "")
    )
    assert folder.rates.stat().st_size > 1000
    assert json.loads(folder.result.read_text())["stages"][0]["false_alarm_rate"] == 0.4


def test_changes_compare_as_recipes_do(tmp_path):
    assert changes({"vec": str(tmp_path)}, {"vec": tmp_path}) == {}
    assert changes({"a": 1}, {"a": None}) == {"a": "`a` 1 there, None here"}


def test_what_is_kept_of_an_interrupted_training_is_counted(tmp_path):
    folder = CascadeFolder(tmp_path)
    assert "interrupted; 0 whole stages are kept in" in folder.what_is_kept(0)
    assert "interrupted; 1 whole stage is kept in" in folder.what_is_kept(1)


# Two fer at once in one folder: the second says so, and neither spoils what the other does.


def test_a_folder_that_stays_empty_is_removed(tmp_path):
    with output_folder(tmp_path / "a" / "b", "work"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "a" / "b").exists()
    with output_folder(tmp_path / "a", "work"):
        (tmp_path / "a" / "kept").touch()
    assert (tmp_path / "a" / "kept").exists()
    with output_folder(None, "work"):
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
    with (
        output_folder(tmp_path, "a search"),
        pytest.raises(OutputError, match="a search is under way"),
    ):
        output_folder(tmp_path, "a search").__enter__()


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
