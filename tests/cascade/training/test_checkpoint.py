import json

import pytest

from fercli.cascade.model import Cascade, LbpFeature, Node, Stage, WeakClassifier, read_cascade
from fercli.cascade.training.checkpoint import (
    Checkpoint,
    first_stages,
    read_checkpoint,
    save_checkpoint,
    with_stage,
)
from fercli.cascade.training.report import StageRecord
from fercli.common.errors import TrainingError

FEATURES = [LbpFeature(x, 0, 1, 1) for x in range(10)]
PARAMETERS = {
    "boostType": "GAB",
    "minHitRate": 0.5,
    "maxFalseAlarm": 0.25,
    "weightTrimRate": 1.0,
    "maxDepth": 1,
    "maxWeakCount": 9,
}
SUBSET = (1, 2, 3, 4, 5, 6, 7, -8)


def stage_of(*numbers):
    weak = tuple(
        WeakClassifier((Node(0, -1, number, subset=SUBSET),), (0.5, -0.25)) for number in numbers
    )
    return Stage(0.125, weak)


def grown(*stages):
    cascade = Cascade("LBP", (13, 12), (), (), PARAMETERS)
    for stage in stages:
        cascade = with_stage(cascade, stage, FEATURES.__getitem__)
    return cascade


@pytest.fixture
def checkpoint():
    records = (StageRecord(0, 2, 0.99, 0.5), StageRecord(1, 2, validation_hit_rate=0.75))
    return Checkpoint(grown(stage_of(7, 3), stage_of(3, 9)), records, 12.5, {"positives": "abc"})


def test_features_stand_in_the_order_of_their_first_use():
    cascade = grown(stage_of(7, 3), stage_of(3, 9))
    assert cascade.features == (FEATURES[7], FEATURES[3], FEATURES[9])
    numbers = [[weak.nodes[0].feature for weak in s.weak_classifiers] for s in cascade.stages]
    assert numbers == [[0, 1], [1, 2]]


def test_first_stages_leave_out_what_only_later_ones_use():
    assert first_stages(grown(stage_of(7, 3), stage_of(3, 9)), 1) == grown(stage_of(7, 3))
    assert first_stages(grown(stage_of(7)), 0) == grown()
    unused = Cascade("LBP", (13, 12), (stage_of(0),), tuple(FEATURES))
    assert first_stages(unused, 1) == unused


def test_a_cascade_with_a_feature_twice_keeps_its_numbers():
    twice = Cascade("LBP", (13, 12), (stage_of(1),), (FEATURES[0], FEATURES[0], FEATURES[2]))
    cascade = with_stage(twice, stage_of(2, 5), FEATURES.__getitem__)
    assert cascade.stages[0] == stage_of(1)
    assert cascade.features == (*twice.features, FEATURES[5])
    assert [weak.nodes[0].feature for weak in cascade.stages[1].weak_classifiers] == [2, 3]


def test_saved_and_read(tmp_path, checkpoint):
    save_checkpoint(tmp_path, checkpoint)
    assert read_checkpoint(tmp_path) == checkpoint


def test_stages_that_were_given_have_no_record(tmp_path, checkpoint):
    cascade = grown(stage_of(7, 3), stage_of(3, 9), stage_of(1))
    given = Checkpoint(cascade, (StageRecord(2, 1),))
    save_checkpoint(tmp_path, given)
    read = read_checkpoint(tmp_path)
    assert (read, read.given, checkpoint.given) == (given, 2, 0)


def test_nothing_there(tmp_path):
    assert read_checkpoint(tmp_path) is None


def test_a_stage_without_its_record_is_dropped(tmp_path, checkpoint):
    """The process died between the two files."""
    save_checkpoint(tmp_path, Checkpoint(grown(stage_of(7, 3)), checkpoint.records[:1]))
    state = (tmp_path / "training.json").read_text()
    save_checkpoint(tmp_path, checkpoint)
    (tmp_path / "training.json").write_text(state)
    assert len(read_cascade(tmp_path / "stages.xml").stages) == 2
    assert read_checkpoint(tmp_path).cascade == grown(stage_of(7, 3))


@pytest.mark.parametrize(
    "damage", ["cut", "not json", "deep", "no stages", "no file", "few", "fewer", "other"]
)
def test_damage_is_named(tmp_path, checkpoint, damage):
    save_checkpoint(tmp_path, checkpoint)
    state, stages = tmp_path / "training.json", tmp_path / "stages.xml"
    if damage == "cut":
        stages.write_bytes(stages.read_bytes()[:-100])
    elif damage == "not json":
        state.write_text("{")
    elif damage == "deep":
        state.write_text(20_000 * "[")
    elif damage == "no stages":
        state.write_text("{}")
    elif damage == "no file":
        stages.unlink()
    elif damage == "few":
        save_checkpoint(tmp_path, Checkpoint(grown(stage_of(1)), checkpoint.records))
    elif damage == "fewer":
        save_checkpoint(tmp_path, Checkpoint(grown(stage_of(1)), (StageRecord(3, 1),)))
    else:
        state.write_text(json.dumps([1, 2]))
    with pytest.raises(TrainingError, match="start again with `overwrite`"):
        read_checkpoint(tmp_path)
