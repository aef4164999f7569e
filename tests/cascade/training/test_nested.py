import math

import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.features.haar import haar_features
from fercli.cascade.features.sample_matrix import haar_values, to_sample_matrix
from fercli.cascade.model import Cascade, Node, Stage, WeakClassifier, read_cascade
from fercli.cascade.training.boosting import train_stage
from fercli.cascade.training.checkpoint import with_stage
from fercli.cascade.training.native import train
from fercli.cascade.training.nested import (
    PENALTY,
    earlier_trees,
    fit_votes,
    leaves_reached,
    sums_of,
    train_nested_stage,
)
from fercli.cascade.training.options import StageOptions
from fercli.cascade.training.split_search import HaarSearch
from fercli.common.errors import OptionError
from fercli.common.parallel import KernelPool

pytestmark = pytest.mark.compiled

POOL = KernelPool(1)


def halves(bright_left):
    """Windows of 12x12 pixels, each with its left or its right half bright."""
    windows = np.zeros((len(bright_left), 12, 12), np.uint8)
    for window, left in zip(windows, bright_left, strict=True):
        window[:, :6] = 200 if left else 0
        window[:, 6:] = 0 if left else 200
    return windows


def left_minus_right():
    """A stump whose feature is positive where the left half is bright: 10x10, at 1, 1."""
    features = haar_features((12, 12), "BASIC")
    bright_left = to_sample_matrix(halves([True]))
    for number in range(len(features)):
        feature = features.feature(number)
        if abs(haar_values(bright_left, feature, POOL)[0]) > 0.9:
            sign = haar_values(bright_left, feature, POOL)[0]
            return feature, WeakClassifier((Node(0, -1, 0, 0.0),), (0.0, 0.0)), sign
    raise AssertionError("no feature tells the halves apart")


def test_votes_are_the_penalized_log_odds():
    # 8 positives of which 6 are bright on the left, 4 negatives of which 1 is: half of the weight
    # is the positives', so that 6/8 · 1/2 and 1/4 · 1/2 of it lie on one side. The best vote v
    # there solves 3/8 · 1/(1 + e^v) − 1/8 · 1/(1 + e^−v) = penalty · v: nearly log 3; on the other
    # side, with 1/8 and 3/8, nearly −log 3.
    feature, stump, sign = left_minus_right()
    windows = to_sample_matrix(halves([True] * 6 + [False] * 2 + [True] + [False] * 3))
    trees, sums = fit_votes([stump], leaves_reached([stump], [feature], windows, POOL), 8)
    low, high = trees[0].leaves  # below the threshold, above it
    of_left, of_right = (high, low) if sign > 0 else (low, high)
    assert of_left == pytest.approx(math.log(3), abs=0.02)
    assert of_right == pytest.approx(-math.log(3), abs=0.02)
    for vote, positive, negative in ((of_left, 3 / 8, 1 / 8), (of_right, 1 / 8, 3 / 8)):
        slope = positive / (1 + math.exp(vote)) - negative / (1 + math.exp(-vote))
        assert slope == pytest.approx(PENALTY * vote, abs=1e-5)
    assert sums.tolist() == [of_left] * 6 + [of_right] * 2 + [of_left] + [of_right] * 3


def test_votes_of_two_equal_stumps_add_up_to_one_of_them():
    feature, stump, _ = left_minus_right()
    windows = to_sample_matrix(halves([True] * 6 + [False] * 2 + [True] + [False] * 3))
    both = [stump, stump]
    _, sums = fit_votes(both, leaves_reached(both, [feature], windows, POOL), 8)
    assert abs(sums) == pytest.approx(math.log(3), abs=0.02)


def test_sums_are_the_detectors(lfw):
    samples = [array[to_sample_matrix(array).have_contrast()] for array in lfw(10)]
    cascade, _ = small_cascade(samples)
    stage = cascade.stages[0]
    windows = to_sample_matrix(*samples)
    trees = stage.weak_classifiers
    sums = sums_of(trees, leaves_reached(trees, cascade.features, windows, POOL))
    accepted = Scanner(cascade).accepts(np.concatenate(samples), workers=1)
    assert ((sums >= np.float32(stage.threshold) - np.float32(1e-5)) == accepted).all()


def small_cascade(samples):
    windows = to_sample_matrix(*samples)
    search = HaarSearch(haar_features(windows.size_wh, "BASIC"), windows, POOL)
    options = StageOptions(max_weak_count=2, false_alarm_rate=0.0)
    trained = train_stage(search, len(samples[0]), options, seed=(0,), pool=POOL)
    empty = Cascade("HAAR", windows.size_wh, (), ())
    return with_stage(empty, trained.stage, search.features.feature), search


@pytest.mark.parametrize("method", ["GAB", "RAB", "DAB", "LB"])
def test_a_nested_stage_begins_with_all_before_and_tells_more_apart(lfw, method):
    samples = [array[to_sample_matrix(array).have_contrast()] for array in lfw(10)]
    cascade, search = small_cascade(samples)
    options = StageOptions(
        method, hit_rate=0.97, max_depth=2, max_weak_count=6, false_alarm_rate=0.0
    )
    whole, trained = train_nested_stage(
        cascade, search, len(samples[0]), samples[0][:0], options, seed=(0, 1), pool=POOL
    )
    nodes = [weak.nodes for weak in whole.stages[1].weak_classifiers]
    assert nodes[:2] == [weak.nodes for weak in cascade.stages[0].weak_classifiers]
    assert 2 < len(nodes) <= 8
    accepted = Scanner(whole).accepts(np.concatenate(samples), workers=1)
    faces = len(samples[0])
    alone = Scanner(cascade).accepts(np.concatenate(samples), workers=1)
    assert trained.hit_rate >= 0.97
    assert accepted[faces:].mean() <= trained.false_alarm_rate < alone[faces:].mean()


def test_the_threshold_is_set_on_positives_that_were_kept_out(lfw):
    faces, others = lfw(10)
    cascade, search = small_cascade((faces, others))
    # As many as are needed, all of them the same face: none of them may be lost.
    kept_out = np.repeat(faces[:1], 500, axis=0)
    options = StageOptions(hit_rate=0.9, max_weak_count=0, false_alarm_rate=0.0)
    whole, _ = train_nested_stage(
        cascade, search, len(faces), kept_out, options, seed=(0, 1), pool=POOL
    )
    stage = whole.stages[1]
    trees, one = stage.weak_classifiers, to_sample_matrix(faces[:1])
    vote = sums_of(trees, leaves_reached(trees, whole.features, one, POOL))
    assert stage.threshold == pytest.approx(float(vote[0]), abs=1e-5)


def test_equal_nodes_count_once():
    first, second = (WeakClassifier((Node(0, -1, n, 0.5),), (1.0, -1.0)) for n in (0, 1))
    again = WeakClassifier(first.nodes, (3.0, -3.0))
    features = tuple(haar_features((12, 12), "BASIC").feature(n) for n in (0, 1))
    stages = (Stage(0.0, (first, second)), Stage(0.0, (again,)))
    assert earlier_trees(Cascade("HAAR", (12, 12), stages, features)) == (again, second)


@pytest.mark.parametrize("kind", [{"max_depth": 2}, {"feature_type": "LBP"}], ids=["haar", "lbp"])
def test_a_nested_training_goes_on_with_the_same_bytes(vec, scenes, tmp_path, kind):
    options = {
        "vec": vec, "bg": scenes, "size": (12, 12), "stages": 3, "negatives": 150, **kind,
        "max_weak_count": 3, "min_hit_rate": 0.98, "nested_from": 1, "max_false_alarm_rate": 0.2,
    }  # fmt: skip
    whole = train(options, tmp_path / "whole")
    train({**options, "stages": 2}, tmp_path / "parts")
    parts = train(options, tmp_path / "parts", resume=True)
    assert parts.cascade.read_bytes() == whole.cascade.read_bytes()
    assert not cv2.CascadeClassifier(str(whole.cascade)).empty()
    counts = [len(stage.weak_classifiers) for stage in read_cascade(whole.cascade).stages]
    assert counts == sorted(counts)
    assert [stage.weak_classifiers for stage in whole.stages] == counts


def test_nested_stages_begin_with_all_that_is_given_though_few_stages_are_kept(
    vec, scenes, tmp_path
):
    options = {
        "vec": vec, "bg": scenes, "size": (12, 12), "stages": 3, "negatives": 150,
        "max_weak_count": 2, "min_hit_rate": 0.98,
    }  # fmt: skip
    given = train(options, tmp_path / "given").cascade
    options |= {
        "continue_from": given, "continue_stages": 1, "nested_from": 1, "stages": 2,
        "max_false_alarm_rate": 0.1,
    }  # fmt: skip
    result = train(options, tmp_path / "out")
    cascade, whole = read_cascade(result.cascade), read_cascade(given)
    assert cascade.stages[0] == whole.stages[0]
    wanted = [nodes_of(weak, whole) for stage in whole.stages for weak in stage.weak_classifiers]
    found = [nodes_of(weak, cascade) for weak in cascade.stages[1].weak_classifiers]
    different = list(dict.fromkeys(wanted))
    assert found[: len(different)] == different
    with pytest.raises(OptionError, match=r"`continue_stages` is 4, but .* has 3 stages"):
        train({**options, "continue_stages": 4, "stages": 5}, tmp_path / "more")


def nodes_of(weak, cascade):
    return tuple((cascade.features[node.feature], node.threshold) for node in weak.nodes)
