import pytest

from fercli.cascade.training.folder import (
    copy_stages,
    keep_whole_stages,
    read_parameters,
    stage_files,
    weak_classifiers,
)
from fercli.common.errors import TrainingError

HEAD = '<?xml version="1.0"?>\n<opencv_storage>\n'
PARAMS = (
    HEAD + "<params><stageType>BOOST</stageType><featureType>HAAR</featureType>"
    "<height>16</height><width>20</width><stageParams><boostType>GAB</boostType>"
    "<minHitRate>9.9500000476837158e-01</minHitRate><maxFalseAlarm>0.5</maxFalseAlarm>"
    "<weightTrimRate>0.95</weightTrimRate><maxDepth>1</maxDepth><maxWeakCount>100</maxWeakCount>"
    "</stageParams><featureParams><maxCatCount>0</maxCatCount><featSize>1</featSize>"
    "<mode>ALL</mode></featureParams></params></opencv_storage>\n"
)


def stage(number, weak):
    trees = "<_><internalNodes>0 -1 5 0.1</internalNodes><leafValues>-1 1</leafValues></_>" * weak
    return (
        HEAD + f"<stage{number}><maxWeakCount>{weak}</maxWeakCount><stageThreshold>-0.5"
        f"</stageThreshold><weakClassifiers>{trees}</weakClassifiers></stage{number}>"
        "</opencv_storage>\n"
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "params.xml").write_text(PARAMS)
    for number in range(3):
        (tmp_path / f"stage{number}.xml").write_text(stage(number, number + 2))
    return tmp_path


def test_the_parameters_are_those_asked_for(folder):
    assert read_parameters(folder) == {
        "feature_type": "HAAR", "boost_type": "GAB", "min_hit_rate": 0.995,
        "max_false_alarm_rate": 0.5, "weight_trim_rate": 0.95, "max_depth": 1,
        "max_weak_count": 100, "mode": "ALL", "size": "20x16",
    }  # fmt: skip


@pytest.mark.parametrize("content", [None, "", PARAMS[:200], PARAMS.replace("20<", "wide<")])
def test_parameters_that_are_not_whole_are_none(folder, content):
    (folder / "params.xml").unlink()
    if content is not None:
        (folder / "params.xml").write_text(content)
    assert read_parameters(folder) is None
    with pytest.raises(TrainingError, match=r"There are 3 stages, but params\.xml is missing"):
        keep_whole_stages(folder)


def test_whole_stages_stay(folder):
    assert keep_whole_stages(folder) == 3
    assert [weak_classifiers(path) for path in stage_files(folder)] == [2, 3, 4]


@pytest.mark.parametrize("content", ["", stage(1, 3)[:-60], stage(1, 0)])
def test_a_damaged_stage_and_those_after_it_go(folder, content):
    (folder / "stage1.xml").write_text(content)
    (folder / "stage_2.txt").write_text("somebody else's")
    assert keep_whole_stages(folder) == 1
    assert sorted(path.name for path in folder.iterdir()) == [
        "params.xml", "stage0.xml", "stage_2.txt",
    ]  # fmt: skip


def test_stages_after_a_gap_go(folder):
    (folder / "stage1.xml").unlink()
    assert keep_whole_stages(folder) == 1
    assert not (folder / "stage2.xml").exists()


def test_parameters_without_a_stage_go(folder):
    (folder / "stage0.xml").write_text("")
    assert keep_whole_stages(folder) == 0
    assert list(folder.iterdir()) == []


def test_a_training_by_hand_is_copied(folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("a") / "engine"
    copy_stages(folder, target)
    assert keep_whole_stages(target) == 3
    assert (folder / "stage0.xml").exists()
