import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.model import read_cascade
from fercli.cascade.model.export.c import c_header, table_bytes
from fercli.cascade.samples.vec import write_vec
from fercli.cascade.training.engines import train_cascade
from fercli.cascade.training.native import finish, options_there, train
from fercli.common.errors import (
    AnnotationError,
    FerError,
    InputError,
    OptionError,
    OutputError,
    OutputExistsError,
    TrainingError,
)
from fercli.common.progress import Progress

pytestmark = pytest.mark.compiled


class Notes(Progress):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


@pytest.fixture
def small(vec, scenes):
    """Options of a training that takes a second."""
    return {
        "vec": vec, "bg": scenes, "size": (12, 12), "stages": 3, "negatives": 150,
        "max_weak_count": 2, "min_hit_rate": 0.98,
    }  # fmt: skip


def test_a_budget_ends_a_training(small, tmp_path):
    """Stumps of 27 bytes, stages of 6: two stages of two, and a last one of what is left, one."""
    options = {**small, "stages": 9, "budget_kb": (3 * 6 + 5 * 27) / 1000}
    result = train(options, tmp_path / "out")
    assert [stage.weak_classifiers for stage in result.stages] == [2, 2, 1]
    cascade = read_cascade(result.cascade)
    assert table_bytes(cascade) == 153
    assert "tables in C take 153 bytes of the 0.153 kB" in result.stopped_because
    assert "`budget_kb`" in result.advice
    assert "splits[]" in c_header(cascade)
    # With more, it goes on with whole stages behind the short one.
    more = {**options, "budget_kb": 0.22}
    result = train(more, tmp_path / "out", resume=True)
    assert [stage.weak_classifiers for stage in result.stages] == [2, 2, 1, 2]
    with pytest.raises(TrainingError, match="no further stage fits") as error:
        train({**small, "budget_kb": 0.02}, tmp_path / "other")
    assert error.value.hint == "use more"


def test_a_budget_of_trees_counts_all_their_nodes(small, tmp_path):
    kinds = {"haar": {"mode": "ALL"}, "lbp": {"feature_type": "LBP"}}
    for name, kind in kinds.items():
        options = {**small, **kind, "max_depth": 2, "max_false_alarm_rate": 0.1}
        result = train({**options, "budget_kb": 0.4}, tmp_path / name)
        assert 200 < table_bytes(read_cascade(result.cascade)) <= 400


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"mode": "ALL", "max_depth": 2, "max_false_alarm_rate": 0.1},
        {"feature_type": "LBP"},
        {"boost_type": "LB"},
    ],
    ids=["haar", "trees of all features", "lbp", "logitboost"],
)
def test_a_training_ends_with_a_detector(small, tmp_path, lfw, kind):
    notes = Notes()
    result = train({**small, **kind}, tmp_path / "out", progress=notes)
    assert len(result.stages) == 3
    assert result.stopped_because == "all stages are trained"
    assert not cv2.CascadeClassifier(str(result.cascade)).empty()
    cascade = read_cascade(result.cascade)
    faces = lfw(12)[0]
    passing = Scanner(cascade).accepts(faces, workers=1).mean()
    assert passing > 0.8
    for number, stage in enumerate(result.stages):
        assert stage.index == number
        assert stage.weak_classifiers == len(cascade.stages[number].weak_classifiers)
        assert stage.hit_rate >= 0.98
        assert stage.negatives == 150
        assert 0.5 < stage.validation_hit_rate <= 1
        assert 0 <= stage.validation_false_alarm_rate <= 1
        assert stage.positives <= stage.positives_consumed <= 90
    ratios = [stage.acceptance_ratio for stage in result.stages]
    assert ratios == sorted(ratios, reverse=True)
    assert sum(text.startswith("stage ") for text in notes.texts) == 3


def test_folder_of_results(small, tmp_path):
    result = train({**small, "stages": 1}, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "cascade.xml", "engine", "rates.png", "recipe.toml", "result.json", "stages.csv",
        "versions.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "result.json").read_text())["engine"] == "native"
    again = train(options_there(tmp_path / "out"), tmp_path / "again")
    assert again.cascade.read_bytes() == result.cascade.read_bytes()


def test_same_bytes_at_any_number_of_threads(small, tmp_path):
    cascades = []
    for workers in (1, 3):
        out = tmp_path / str(workers)
        cascades.append(train({**small, "workers": workers}, out).cascade.read_bytes())
    assert cascades[0] == cascades[1]


def test_another_seed_another_cascade(small, tmp_path):
    cascades = [
        train({**small, "stages": 1, "seed": seed}, tmp_path / str(seed)).cascade.read_bytes()
        for seed in (0, 1)
    ]
    assert cascades[0] != cascades[1]


def test_more_stages_go_on_with_what_is_there(small, tmp_path):
    whole = train(small, tmp_path / "whole").cascade.read_bytes()
    first = train({**small, "stages": 2}, tmp_path / "out")
    assert first.cascade.read_bytes() != whole
    with pytest.raises(TrainingError, match="`stages` 2 there, 3 here"):
        train(small, tmp_path / "out")
    result = train(small, tmp_path / "out", resume=True)
    assert result.cascade.read_bytes() == whole
    assert len(result.stages) == 3


def test_a_training_that_has_ended_is_not_begun_again(small, tmp_path):
    train({**small, "stages": 1}, tmp_path / "out")
    with pytest.raises(OutputExistsError, match="has ended"):
        train({**small, "stages": 1}, tmp_path / "out")
    before = (tmp_path / "out" / "cascade.xml").read_bytes()
    seeded = {**small, "stages": 1, "seed": 5}
    assert train(seeded, tmp_path / "out", overwrite=True).cascade.read_bytes() != before


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_engine_that_is_not_ours_stays(small, tmp_path, overwrite):
    (tmp_path / "out" / "engine").mkdir(parents=True)
    mine = tmp_path / "out" / "engine" / "mine.txt"
    mine.write_text("mine")
    with pytest.raises(OutputExistsError, match="holds files that no training has written"):
        train(small, tmp_path / "out", overwrite=overwrite)
    assert mine.read_text() == "mine"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["engine"]


def test_a_training_gone_on_with_has_no_result_of_its_earlier_end(small, tmp_path):
    out = tmp_path / "out"
    train({**small, "stages": 2}, out)
    with pytest.raises(KeyboardInterrupt):
        train({**small, "stages": 4}, out, resume=True, progress=Interrupting())
    names = {path.name for path in out.iterdir()}
    assert names == {"engine", "recipe.toml", "stages.csv", "versions.json"}


def test_positives_of_another_kind_to_go_on_with(small, marked, tmp_path):
    out = tmp_path / "out"
    train({**small, "stages": 1}, out)
    result = train_cascade(None, {"info": marked, "stages": 2}, out, resume=True, progress=Notes())
    assert len(result.stages) == 2
    there = options_there(out)
    assert (there.get("vec"), Path(there["info"])) == (None, marked)
    both = {"info": marked, "vec": small["vec"]}
    with pytest.raises(OptionError, match="got both"):
        train_cascade(None, both, out, resume=True, progress=Notes())


def test_samples_in_place_of_boxes_of_a_label_to_go_on_with(small, labeled, tmp_path):
    vec = small.pop("vec")
    train({**small, "info": labeled, "label": ("face",), "stages": 1}, tmp_path / "out")
    train_cascade(None, {"vec": vec, "stages": 2}, tmp_path / "out", resume=True, progress=Notes())
    assert "label" not in {k for k, v in options_there(tmp_path / "out").items() if v}


def test_another_type_of_features_cannot_be_resumed_with(small, tmp_path):
    train({**small, "stages": 1}, tmp_path / "out")
    options = {"feature_type": "LBP", "stages": 2}
    with pytest.raises(TrainingError, match="`feature_type` HAAR there, LBP here"):
        train_cascade(None, options, tmp_path / "out", resume=True, progress=Notes())


def test_a_folder_without_a_training_cannot_be_resumed(tmp_path):
    with pytest.raises(TrainingError, match="nowhere: There is no training to continue"):
        train_cascade(None, {"stages": 2}, tmp_path / "nowhere", resume=True, progress=Notes())
    assert not (tmp_path / "nowhere").exists()


def test_no_variants_any_more_to_go_on_with(small, tmp_path):
    out = tmp_path / "out"
    train({**small, "stages": 1, "variants": 1, "jitter_shift": 0.1}, out)
    result = train_cascade(None, {"variants": 0, "stages": 2}, out, resume=True, progress=Notes())
    assert [stage.positives_consumed > 90 for stage in result.stages] == [True, False]


def test_changed_samples_are_noticed(small, tmp_path, lfw):
    train({**small, "stages": 1}, tmp_path / "out")
    (tmp_path / "out" / "cascade.xml").unlink()
    write_vec(small["vec"], lfw(12)[0][::-1], overwrite=True)
    with pytest.raises(TrainingError, match="the positives changed since"):
        train({**small, "stages": 1}, tmp_path / "out")
    assert len(train({**small, "stages": 2}, tmp_path / "out", resume=True).stages) == 2


@pytest.fixture
def edited(tmp_path, lfw):
    """Changes the gray levels of an image in place: same size in bytes, same time."""

    def edit(path):
        before, content = path.stat(), path.read_bytes()
        path.write_bytes(content[:-300] + bytes(255 - byte for byte in content[-300:]))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = path.stat()
        assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)

    return edit


def as_bmp(folder, target):
    """Write the images of a folder as BMP: whatever bytes are its pixels, it can be read."""
    target.mkdir(exist_ok=True)
    for path in folder.glob("*.png"):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(target / f"{path.stem}.bmp"), image)
    return target


def test_backgrounds_edited_in_place_are_noticed(small, scenes, tmp_path, edited):
    small["bg"] = as_bmp(scenes, tmp_path / "bg")
    out = tmp_path / "out"
    train({**small, "stages": 1}, out)
    edited(small["bg"] / "coins.bmp")
    (out / "cascade.xml").unlink()
    with pytest.raises(TrainingError, match="the backgrounds changed since"):
        train({**small, "stages": 1}, out)
    notes = Notes()
    result = train({**small, "stages": 2}, out, resume=True, progress=notes)
    said = "the backgrounds changed after 1 stage: further stages use the"
    assert any(text.startswith(said) for text in notes.texts)
    assert any(text.startswith(said) for text in result.to_dict()["notes"])


def test_images_of_positives_edited_in_place_are_noticed(small, marked, tmp_path, edited):
    as_bmp(tmp_path, tmp_path)
    marked.write_text(marked.read_text().replace(".png", ".bmp"))
    del small["vec"]
    small |= {"info": marked, "stages": 1}
    train(small, tmp_path / "out")
    (tmp_path / "out" / "cascade.xml").unlink()
    train(small, tmp_path / "out")
    edited(tmp_path / "sheet3.bmp")
    (tmp_path / "out" / "cascade.xml").unlink()
    with pytest.raises(TrainingError, match="the positives changed since"):
        train(small, tmp_path / "out")


@pytest.fixture
def labeled(marked):
    """The faces of `marked` as a table: 60 of one label and 40 of another."""
    lines = ["path,x,y,w,h,label"]
    for number, line in enumerate(marked.read_text().splitlines()):
        name, _, *numbers = line.split()
        label = "face" if number < 3 else "portrait"
        boxes = [numbers[at : at + 4] for at in range(0, len(numbers), 4)]
        lines += [",".join([name, *box, label]) for box in boxes]
    path = marked.with_name("boxes.csv")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_several_labels_are_told_and_one_can_be_chosen(small, labeled, tmp_path):
    del small["vec"]
    small |= {"info": labeled, "stages": 1, "validation": 0.0}
    both = train(small, tmp_path / "both")
    assert both.stages[0].positives == 100
    assert both.notes[0].startswith(
        "boxes of 2 labels are trained as one object: face 60, portrait 40"
    )
    one = train({**small, "label": ("portrait",)}, tmp_path / "one")
    assert (one.stages[0].positives, one.notes) == (40, ())
    assert options_there(tmp_path / "one")["label"] == ["portrait"]
    (tmp_path / "one" / "cascade.xml").unlink()
    train({**small, "label": ("portrait",)}, tmp_path / "one")
    with pytest.raises(AnnotationError, match="No box is labeled 'dog'"):
        train({**small, "label": ("dog",)}, tmp_path / "none")


def test_finish_writes_the_first_stages(small, tmp_path):
    whole = train(small, tmp_path / "out")
    two = finish(tmp_path / "out", stages=2)
    assert (len(two.stages), two.stages_wanted) == (2, 3)
    assert (
        read_cascade(two.cascade).stages
        == read_cascade(tmp_path / "out/engine/stages.xml").stages[:2]
    )
    assert finish(tmp_path / "out").cascade.read_bytes() == whole.cascade.read_bytes()


def test_finish_without_a_training(tmp_path):
    with pytest.raises(TrainingError, match="at least one finished stage"):
        finish(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_backgrounds_that_run_dry_end_the_training_well(small, tmp_path, make_image):
    for number in range(3):
        make_image(f"few/{number}.png", 30, 30)
    dry = {**small, "bg": tmp_path / "few", "stages": 20, "negatives": 300, "max_weak_count": 30}
    result = train(dry, tmp_path / "out")
    assert 1 <= len(result.stages) < 20
    assert "are exhausted" in result.stopped_because or "has reached" in result.stopped_because
    assert not cv2.CascadeClassifier(str(result.cascade)).empty()


def test_negatives_that_are_held_out_do_not_count_for_those_to_train_on(
    small, tmp_path, make_image
):
    # Nineteen windows in all, of which ten or nine are left: a stage needs eleven.
    make_image("few/one.png", 14, 14)
    few = {**small, "bg": tmp_path / "few", "negatives": 20, "validation": 0.5, "stages": 1}
    with pytest.raises(TrainingError, match="the backgrounds are exhausted"):
        train(few, tmp_path / "out")
    assert train({**few, "validation": 0.0}, tmp_path / "out").stages[0].negatives > 11


def test_fewer_negatives_than_wanted_are_told(small, tmp_path, make_image):
    make_image("few/one.png", 26, 26)
    notes = Notes()
    train({**small, "bg": tmp_path / "few", "stages": 1, "negatives": 5000, "validation": 0.0},
          tmp_path / "out", progress=notes)  # fmt: skip
    assert any("have only" in text for text in notes.texts)


def test_acceptance_ratio_ends_it(small, tmp_path):
    result = train({**small, "stages": 20, "acceptance_ratio_break": 0.6}, tmp_path / "out")
    assert len(result.stages) < 4
    assert "at the one to stop at" in result.stopped_because


def test_wanted_false_alarm_rate_ends_it(small, tmp_path):
    result = train({**small, "max_false_alarm_rate": 0.9, "stages": 2}, tmp_path / "out")
    # Two stages of 0.9 would let 0.81 pass; the first alone does better.
    assert len(result.stages) == 1
    assert "has reached" in result.stopped_because


def test_windows_that_touch_objects_are_never_taken(small, tmp_path, lfw):
    """Faces all over one side of the backgrounds: only the other side gives negatives."""
    scene = np.full((120, 120), 128, np.uint8)
    scene[:, :60] = np.random.default_rng(0).integers(0, 256, (120, 60))
    for row in range(10):
        for column in range(5):
            y, x = 12 * row, 60 + 12 * column
            scene[y : y + 12, x : x + 12] = lfw(12)[0][5 * row + column]
    cv2.imwrite(str(tmp_path / "scene.png"), scene)
    (tmp_path / "info.dat").write_text("scene.png 1 60 0 60 120\n")
    result = train({**small, "bg": tmp_path / "info.dat", "stages": 1}, tmp_path / "out")
    faces = Scanner(read_cascade(result.cascade)).accepts(lfw(12)[0], workers=1)
    # Had the faces been negatives, the false alarm rate could not have been kept.
    assert result.stages[0].false_alarm_rate <= 0.5
    assert faces.mean() > 0.9


def test_positives_from_marked_images_with_jitter(marked, scenes, small, tmp_path):
    del small["vec"]
    given = {**small, "info": marked, "variants": 2, "mirror": True, "stages": 1}
    result = train(given, tmp_path / "out")
    assert result.stages[0].positives == 90 * 6


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"size": (20, 20)}, FerError, "20x20"),
        ({"min_hit_rate": 1.0}, OptionError, "`min_hit_rate`"),
        ({"memory": 1}, OptionError, "`memory` is 1 MB"),
        ({"bg": Path("nowhere.txt")}, InputError, "nowhere.txt"),
        ({"vec": Path("nowhere.vec")}, InputError, "nowhere.vec"),
        ({"continue_from": Path("nowhere.xml")}, FerError, "nowhere.xml"),
    ],
    ids=str,
)
def test_what_cannot_be_is_named_before_anything_is_written(small, tmp_path, change, error, words):
    with pytest.raises(error) as raised:
        train({**small, **change}, tmp_path / "out")
    assert words in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_backgrounds_of_one_gray_level(small, tmp_path):
    (tmp_path / "flat").mkdir()
    cv2.imwrite(str(tmp_path / "flat" / "a.png"), np.full((80, 80), 77, np.uint8))
    with pytest.raises(TrainingError, match="no stage could be trained: the backgrounds are"):
        train({**small, "bg": tmp_path / "flat"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_backgrounds_smaller_than_the_window(small, tmp_path, make_image):
    make_image("tiny/a.png", 10, 10)
    with pytest.raises(InputError, match="as large as the window of 12x12"):
        train({**small, "bg": tmp_path / "tiny"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_training_without_a_stage_is_not_in_the_way_of_another(small, tmp_path, make_image):
    make_image("tiny/a.png", 10, 10)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(InputError):
        train({**small, "bg": tmp_path / "tiny"}, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    assert train(small, tmp_path / "out").cascade.exists()


def test_backgrounds_that_cannot_be_read_are_left_out_and_told(small, tmp_path, scenes):
    (tmp_path / "mixed").mkdir()
    for image in scenes.iterdir():
        os.link(image, tmp_path / "mixed" / image.name)
    (tmp_path / "mixed" / "broken.png").write_bytes(b"\x89PNG")
    notes = Notes()
    train({**small, "bg": tmp_path / "mixed", "stages": 1}, tmp_path / "out", progress=notes)
    assert any("broken.png" in text for text in notes.texts)


def test_goes_on_from_a_cascade(small, tmp_path):
    first = train({**small, "stages": 1}, tmp_path / "first").cascade
    result = train({**small, "continue_from": first}, tmp_path / "second")
    assert [stage.index for stage in result.stages] == [1, 2]
    whole = train(small, tmp_path / "whole").cascade
    assert result.cascade.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", ["cascade.xml", "engine/stages.xml", "link.xml"])
def test_a_cascade_that_the_training_would_remove_is_not_gone_on_from(small, tmp_path, name):
    out = tmp_path / "out"
    train({**small, "stages": 1}, out)
    (out / "link.xml").symlink_to(out / "cascade.xml")
    options = {**small, "stages": 2, "continue_from": out / name}
    for kind in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(
            OptionError, match="`continue_from` is a file of the training"
        ) as raised:
            train(options, out, **kind)
        assert raised.value.hint == "use `resume` without it, or another `out`"
    assert (out / name).exists()
    assert len(train(options, tmp_path / "another").stages) == 1


class Interrupting(Notes):
    """Ctrl-C after a stage."""

    def note(self, text):
        super().note(text)
        if text.startswith("stage 2:"):
            raise KeyboardInterrupt


def test_stopped_and_resumed_after_given_stages_it_ends_the_same(small, tmp_path):
    small["feature_type"] = "LBP"
    first = train({**small, "stages": 2}, tmp_path / "first").cascade
    options = {**small, "continue_from": first, "stages": 4}
    whole = train(options, tmp_path / "whole")
    told = "2 of 2 stages in .*: all stages are trained \\(after 2 that were given\\)"
    assert re.search(told, whole.to_text())
    notes = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        train(options, tmp_path / "out", progress=notes)
    assert "interrupted; 3 whole stages are kept" in notes.texts[-1]
    notes = Notes()
    again = train(options, tmp_path / "out", progress=notes)
    assert "3 stages trained already" in notes.texts
    assert [stage.index for stage in again.stages] == [2, 3]
    assert again.cascade.read_bytes() == whole.cascade.read_bytes()
    # More stages of one that has ended.
    train({**options, "stages": 3}, tmp_path / "ended")
    more = train(options, tmp_path / "ended", resume=True)
    assert more.cascade.read_bytes() == whole.cascade.read_bytes()


def test_given_stages_are_finished_with_the_others(small, tmp_path):
    small["feature_type"] = "LBP"
    first = train({**small, "stages": 2}, tmp_path / "first").cascade
    whole = train({**small, "continue_from": first}, tmp_path / "out").cascade.read_bytes()
    stages = read_cascade(tmp_path / "out" / "cascade.xml").stages
    for count, indices in ((1, []), (2, []), (3, [2]), (9, [2])):
        cut = finish(tmp_path / "out", stages=count)
        assert [stage.index for stage in cut.stages] == indices
        assert read_cascade(cut.cascade).stages == stages[:count]
        assert cut.to_text()
    assert finish(tmp_path / "out").cascade.read_bytes() == whole


def test_cascade_of_another_kind_cannot_be_gone_on_from(small, tmp_path):
    first = train({**small, "stages": 1}, tmp_path / "first").cascade
    with pytest.raises(InputError, match="of HAAR with a window of 12x12, and the training of LBP"):
        train({**small, "continue_from": first, "feature_type": "LBP"}, tmp_path / "out")
    with pytest.raises(OptionError, match="There is no new stage to train"):
        train({**small, "continue_from": first, "stages": 1}, tmp_path / "out")


@pytest.mark.opencv3
def test_goes_on_from_a_cascade_of_opencv(small, tmp_path, scenes, opencv_tools):
    (tmp_path / "bg.txt").write_text("".join(f"{path}\n" for path in sorted(scenes.iterdir())))
    (tmp_path / "theirs").mkdir()
    command = [
        str(opencv_tools / "opencv_traincascade"), "-data", "theirs", "-vec", "faces.vec",
        "-bg", "bg.txt", "-numPos", "90", "-numNeg", "150", "-numStages", "2", "-w", "12",
        "-h", "12", "-mode", "ALL", "-maxFalseAlarmRate", "0.6",
    ]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = read_cascade(tmp_path / "theirs" / "cascade.xml")
    options = {**small, "continue_from": tmp_path / "theirs" / "cascade.xml", "mode": "ALL"}
    options["max_false_alarm_rate"] = 0.1
    result = train({**options, "stages": len(theirs.stages) + 1}, tmp_path / "out")
    ours = read_cascade(result.cascade)
    assert ours.stages[0].threshold == theirs.stages[0].threshold
    assert len(ours.stages) == len(theirs.stages) + 1
    # Their windows are ours: nothing but false alarms of theirs was mined.
    assert result.stages[0].acceptance_ratio < 0.9


SCRIPT = """
import json, sys
from pathlib import Path
from fercli.cascade.training.native import train
given = json.loads(sys.argv[1])
{limit}
print("ready", flush=True)
train(given, Path(sys.argv[2]))
"""


def command(options, out, limit=""):
    given = json.dumps({name: str(v) if isinstance(v, Path) else v for name, v in options.items()})
    return [sys.executable, "-c", SCRIPT.format(limit=limit), given, str(out)]


@pytest.fixture
def long(small):
    """Options of a training of many short stages, as strings can carry them."""
    return {**small, "size": "12x12", "stages": 8, "max_false_alarm_rate": 0.7, "workers": 1}


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bytes(long, tmp_path):
    whole = train(long, tmp_path / "whole")
    moments = random.Random(5)
    for _ in range(6):
        process = subprocess.Popen(command(long, tmp_path / "out"), stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(moments.uniform(0.0, 1.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (tmp_path / "out" / "cascade.xml").exists():
            break
    else:
        subprocess.run(command(long, tmp_path / "out"), check=True, capture_output=True)
    assert (tmp_path / "out" / "cascade.xml").read_bytes() == whole.cascade.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_keeps_whole_stages(long, tmp_path, number):
    process = subprocess.Popen(
        command({**long, "stages": 30}, tmp_path / "out"), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    state = tmp_path / "out" / "engine" / "training.json"
    for _ in range(600):
        if state.exists():
            break
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode != 0
    assert "KeyboardInterrupt" in err
    kept = len(json.loads(state.read_text())["stages"])
    assert kept >= 1
    assert len(finish(tmp_path / "out").stages) == kept


def test_a_full_disk_leaves_the_stages_before_it(long, tmp_path):
    whole = train(long, tmp_path / "whole").cascade
    # No file may be larger than half of the cascade: as if that was all that is left.
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({whole.stat().st_size // 2},) * 2)"
    )
    done = subprocess.run(command(long, tmp_path / "out", limit), capture_output=True, text=True)
    assert "OutputError" in done.stderr
    assert len(finish(tmp_path / "out").stages) >= 1
    (tmp_path / "out" / "cascade.xml").unlink()
    assert train(long, tmp_path / "out").cascade.read_bytes() == whole.read_bytes()


def test_two_trainings_in_one_folder(small, tmp_path):
    from fercli.common.files import folder_lock

    (tmp_path / "out").mkdir()
    with folder_lock(tmp_path / "out", "a training"), pytest.raises(OutputError, match="under way"):
        train(small, tmp_path / "out")
