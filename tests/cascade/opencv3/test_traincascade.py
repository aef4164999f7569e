"""The program as it is run, with one in its place that only says what it was told."""

import os
import sys
from pathlib import Path

import pytest

from fercli.cascade.opencv3 import ProgramSettings
from fercli.cascade.opencv3.preparation import Buffers
from fercli.cascade.opencv3.traincascade import (
    NO_POSITIVES,
    NO_SAMPLES,
    TARGET,
    VERBOSE_LINES,
    TrainCascade,
    TrainingLog,
)
from fercli.cascade.training.report import StageRecord


def test_names_that_are_not_utf8_stand_in_the_log_as_they_are(tmp_path):
    vec = tmp_path / os.fsdecode(b"caf\xe9.vec")
    log = tmp_path / "training.log"
    settings = ProgramSettings(vec=vec, bg=tmp_path)
    program = TrainCascade(Path(sys.executable), tmp_path, log, os.open(tmp_path, os.O_RDONLY))
    try:
        run = program.run(settings, tmp_path, TrainingLog(), Buffers(0, 0))
    finally:
        os.close(program.lock)
    assert run.status != 0
    assert b"caf\xe9.vec" in log.read_bytes()


STAGE_0 = """\
===== TRAINING 0-stage =====
<BEGIN
POS current samples: 1
POS current samples: 90
POS count : consumed   90 : 90
NEG current samples: 1
NEG current samples: 45
NEG count : acceptanceRatio    45 : 1
Precalculation time: 0
+----+---------+---------+
|  N |    HR   |    FA   |
+----+---------+---------+
|   1|        1|        1|
+----+---------+---------+
|   2| 0.988889| 0.111111|
+----+---------+---------+
END>
Training until now has taken 0 days 0 hours 0 minutes 3 seconds.
"""
STAGE_1 = """\
===== TRAINING 1-stage =====
<BEGIN
POS current samples: 90
POS count : consumed   90 : 91
NEG current samples: 3
"""


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        self.now += 1.5
        return self.now


def read(text):
    stages, figures = [], []
    log = TrainingLog(on_stage=stages.append, on_figures=figures.append, clock=Clock())
    for line in text.splitlines():
        log.read(line)
    return log, stages, figures


def test_a_stage_becomes_a_record():
    _, stages, figures = read(STAGE_0)
    assert stages == [StageRecord(0, 2, 0.988889, 0.111111, 1.0, 90, 90, 45, 1.5)]
    assert figures == [
        "stage 0: 1 positives",
        "stage 0: 90 positives",
        "stage 0: 1 negatives",
        "stage 0: 45 negatives",
        "stage 0: computing features",
        "stage 0: 1 weak, hit rate 1.0000, false alarm rate 1.0000",
        "stage 0: 2 weak, hit rate 0.9889, false alarm rate 0.1111",
    ]


def test_what_was_told_last_is_told_again_in_silence():
    log, _, figures = read(STAGE_0 + STAGE_1)
    log.read("")
    assert figures[-2:] == ["stage 1: 3 negatives"] * 2


def test_a_stage_that_is_not_done_is_known_as_far_as_it_went():
    log, stages, _ = read(STAGE_0 + STAGE_1)
    assert len(stages) == 1
    assert log.current == StageRecord(1, 0, positives=90, positives_consumed=91)
    assert log.found == {"POS": 90, "NEG": 3}


def test_the_rule_that_stops_it_is_known():
    end = "NEG count : acceptanceRatio    0 : 0\nRequired leaf false alarm rate achieved. Branch\n"
    log, _, _ = read(STAGE_0 + STAGE_1 + end)
    assert log.rule == TARGET
    log, _, _ = read(STAGE_0 + STAGE_1 + "Train dataset for temp stage can not be filled. B\n")
    assert log.rule == NO_SAMPLES


def test_an_abort_is_known_by_its_message():
    end = (
        "terminate called after throwing an instance of 'cv::Exception'\n"
        "  what():  OpenCV(3.4.18) /src/imagestorage.cpp:157: error: (-5:Bad argument) in function "
        "'get'\n> Can not get new positive sample. The most possible reason is so and so\n>\n"
    )
    log, _, _ = read(STAGE_0 + STAGE_1 + end)
    assert log.error.startswith(NO_POSITIVES)
    assert log.found["POS"] == 90


def test_an_abort_of_one_line_is_known():
    log, _, _ = read(
        "  what():  OpenCV(3.4.18) /a.cpp:1: error: (-215:Assertion failed) a == b in\n"
    )
    assert log.error == "a == b in"


def test_rates_that_are_no_numbers_do_not_stop_the_reading():
    log, _, _ = read(STAGE_0.split("END>")[0] + "|   3|     -nan|      nan|\n")
    assert log.current.weak_classifiers == 3


def test_only_what_says_nothing_is_left_out_of_the_log():
    kept = [line for line in STAGE_0.splitlines() if not VERBOSE_LINES.fullmatch(line)]
    assert not any("current samples" in line or line.startswith("+") for line in kept)
    assert len(kept) == 10


@pytest.mark.parametrize(
    "line",
    ["|   3| 1.2.3|  w.w|", "|%s|  1|  1|" % ("9" * 5000), "POS current samples: " + "9" * 5000],
)
def test_figures_that_are_none_do_not_stop_the_reading(line):
    log, _, _ = read(STAGE_0.split("END>")[0] + line + "\n")
    assert log.current.weak_classifiers == 2
