import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.training.report import (
    CascadeTrainingResult,
    StageRecord,
    draw_rates,
    format_duration,
    read_stages,
    write_result,
    write_stages,
)
from fercli.common.errors import InputError
from fercli.common.images import read_color

FIRST = StageRecord(0, 3, 0.996, 0.4, 1.0, 90, 90, 45, 2.5)
SECOND = StageRecord(1, 5, 0.995, 0.5, 0.25, 90, 92, 45, 3.0)
UNKNOWN = StageRecord(2, 7)

rates = st.none() | st.floats(0, 1)
counts = st.none() | st.integers(0, 2**40)
records = st.builds(
    StageRecord, st.integers(0, 99), st.integers(0, 999), rates, rates, rates, counts, counts,
    counts, st.none() | st.floats(0, 1e9),
)  # fmt: skip


@pytest.fixture
def result(tmp_path):
    cascade = tmp_path / "cascade.xml"
    cascade.write_bytes(b"x" * 1234)
    stages = (FIRST, SECOND)
    return CascadeTrainingResult(
        cascade, "opencv", "LBP", (20, 24), stages, 3, 70.2, "stopped", "do so"
    )


def test_a_stage_is_one_line():
    assert str(FIRST) == (
        "stage 0: 3 weak classifiers, hit rate 0.9960, false alarm rate 0.4000, "
        "acceptance ratio 1, 2.5 s"
    )
    assert str(StageRecord(4, 1)) == "stage 4: 1 weak classifier"


def test_rates_of_the_whole_are_products(result):
    assert result.weak_classifiers == 8
    assert result.hit_rate == pytest.approx(0.996 * 0.995)
    assert result.false_alarm_rate == pytest.approx(0.2)


HELD_OUT = (
    replace(FIRST, validation_hit_rate=0.9, validation_false_alarm_rate=0.5),
    replace(SECOND, validation_hit_rate=0.8, validation_false_alarm_rate=0.6),
)


def test_the_closing_line_has_the_ratio_that_was_counted(result):
    """0.25 of the windows pass stage 0; a search for a third stage counted 0.041 behind both."""
    counted = replace(result, stages=HELD_OUT, acceptance_ratio=0.041)
    # 0.996 · 0.995 of its own positives, 0.9 · 0.8 of those held out.
    assert (
        "of its own positives 99.1% pass all stages, of those held out 72.0%, "
        "of the windows of the backgrounds 0.041"
    ) in counted.to_text()
    assert counted.to_dict()["validation_hit_rate"] == pytest.approx(0.72)
    assert counted.to_dict()["passing"] == 0.041


def test_without_a_count_the_last_stage_is_estimated_by_what_it_was_not_trained_on(result):
    # 0.25 · 0.6 by the held-out negatives, 0.25 · 0.5 by its own.
    assert replace(result, stages=HELD_OUT).passing == pytest.approx(0.15)
    assert (
        "of the windows of the backgrounds about 0.15" in replace(result, stages=HELD_OUT).to_text()
    )
    assert result.passing == pytest.approx(0.125)
    assert "held out" not in result.to_text()


def test_a_rate_that_is_not_known_leaves_the_product_unknown(result):
    partly = CascadeTrainingResult(
        result.cascade, "opencv", "LBP", (20, 24), (FIRST, UNKNOWN), 3, 1.0, "stopped"
    )
    assert partly.hit_rate is None
    assert "own positives" not in partly.to_text()
    assert partly.to_text().splitlines()[2].split() == ["2", "7", *"-------"]


def test_the_summary_says_what_matters(result):
    text = result.to_text()
    assert "2 of 3 stages in 1 min 10 s: stopped\ndo so\n" in text
    assert "LBP, window 20x24, 8 weak classifiers" in text
    assert "of its own positives 99.1% pass all stages" in text
    assert "of the windows of the backgrounds about 0.12\n" in text
    assert text.endswith("cascade.xml: 1.2 kB")


def test_the_result_is_json(result, tmp_path):
    write_result(tmp_path / "result.json", result)
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["cascade"] == "cascade.xml"
    assert found["stages"][1]["positives_consumed"] == 92
    assert found["weak_classifiers"] == 8


@given(stages=st.lists(records, max_size=5))
def test_stages_come_back(tmp_path_factory, stages):
    path = tmp_path_factory.mktemp("stages") / "stages.csv"
    write_stages(path, stages)
    assert read_stages(path) == stages


@pytest.mark.parametrize(
    "text", ["index,weak_classifiers\n1,two\n", "a,b\n1,2\n", "index\n1\n", 200_000 * "a"]
)
def test_another_table_is_refused(tmp_path, text):
    path = tmp_path / "stages.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="not a table of the stages of a training"):
        read_stages(path)


def test_rates_are_drawn(tmp_path):
    draw_rates(tmp_path / "rates.png", [FIRST, SECOND, UNKNOWN])
    assert read_color(tmp_path / "rates.png").shape[2] == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.9, "59.9 s"), (59.97, "1 min 00 s"), (192, "3 min 12 s"),
     (3599.6, "1 h 00 min"), (7500, "2 h 05 min")],
)  # fmt: skip
def test_durations(seconds, text):
    assert format_duration(seconds) == text
