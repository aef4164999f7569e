import json
from dataclasses import replace
from itertools import product

import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.model import bundled_cascade, read_cascade, write_cascade
from fercli.cascade.samples.vec import write_vec
from fercli.cascade.training.calibration import (
    StageSums,
    Target,
    calibrate_cascade,
    cost,
    fit,
    fit_thresholds,
    passes,
    stage_sums,
)
from fercli.cascade.training.options import CalibrationOptions
from fercli.common.errors import InputError, OptionError, OutputExistsError
from fercli.common.parallel import KernelPool

pytestmark = pytest.mark.compiled

SIZES = np.array([5, 20])


def two_stages(rng, distances):
    """Sums of stages that tell positives from negatives by so many standard deviations."""
    positives = rng.normal(np.array(distances)[:, None], 1, (2, 2000)).astype(np.float32)
    negatives = rng.normal(0, 1, (2, 3000)).astype(np.float32)
    bounds = np.quantile(positives, (0.002, 0.1), axis=1).astype(np.float32)
    return StageSums(positives, negatives[:, passes(negatives, bounds[0])], negatives, *bounds)


def test_thresholds_are_nearly_the_best_that_there_are(rng):
    sums = two_stages(rng, (2.0, 3.0))
    target = Target(0.2, np.inf)
    thresholds = fit_thresholds(sums, SIZES, target)
    assert passes(sums.negatives, thresholds).mean() <= target.passing
    grid = np.quantile(sums.positives, np.linspace(0.002, 0.1, 40), axis=1).astype(np.float32)
    best = max(
        passes(sums.positives, pair).mean()
        for first, second in product(*grid.T)
        if passes(sums.negatives, pair := np.array([first, second])).mean() <= target.passing
    )
    assert passes(sums.positives, thresholds).mean() >= best - 0.005


def test_the_cost_is_kept_to(rng):
    sums = two_stages(rng, (3.0, 3.0))
    most = 0.8 * cost(sums.windows, SIZES, sums.lowest)
    thresholds = fit_thresholds(sums, SIZES, Target(0.9, most))
    assert cost(sums.windows, SIZES, thresholds) <= most
    # By hand: five for each window, twenty for each that passes the first stage.
    entering = (sums.windows[0] >= thresholds[0]).mean()
    assert cost(sums.windows, SIZES, thresholds) == pytest.approx(5 + 20 * entering)


def test_a_stage_that_tells_nothing_is_left_out(rng):
    sums = two_stages(rng, (3.0, 0.0))
    stages, thresholds = fit(sums, SIZES, Target(0.3, np.inf))
    assert stages == (0,)
    assert passes(sums.of_stages(stages).negatives, thresholds).mean() <= 0.3


def test_a_target_that_cannot_be_met_ends_at_the_highest_thresholds(rng):
    sums = two_stages(rng, (0.0, 0.0))
    thresholds = fit_thresholds(sums, SIZES, Target(1e-6, np.inf))
    assert thresholds.tolist() == sums.highest.tolist()


@pytest.mark.parametrize(("feature_type", "tilted"), [("HAAR", True), ("LBP", False)])
def test_sums_decide_as_the_detector(random_cascade, lfw, feature_type, tilted):
    cascade = random_cascade(feature_type, nodes=3, tilted=tilted, stage_threshold=-1.0)
    windows = np.concatenate(lfw(24))
    scanner = Scanner(cascade)
    refused = scanner.stages_passed(windows, workers=1) < 0
    with KernelPool(1) as pool:
        sums = stage_sums(cascade, windows, pool)
    passing = passes(sums, np.array([stage.threshold for stage in cascade.stages]))
    assert 0 < passing.sum() < len(windows)
    assert (passing & ~refused == scanner.accepts(windows, workers=1)).all()


@pytest.fixture
def samples(tmp_path, lfw, scenes):
    """Faces and backgrounds, as options of a training."""
    write_vec(tmp_path / "faces.vec", lfw(24)[0])
    return {"vec": tmp_path / "faces.vec", "bg": scenes, "workers": 1}


@pytest.fixture
def cascade_file(tmp_path):
    """The first six stages of fer's own."""
    own = read_cascade(bundled_cascade())
    write_cascade(tmp_path / "cascade.xml", replace(own, stages=own.stages[:6]))
    return tmp_path / "cascade.xml"


def test_a_calibrated_cascade_has_as_many_false_alarms(fer, tmp_path, cascade_file, samples):
    out = tmp_path / "better.xml"
    result = fer("cascade", "calibrate", cascade_file, "--vec", samples["vec"], "--bg",
                 samples["bg"], "--variants", 1, "--negatives", 2000, "--out", out, "-j", 1,
                 "--json")  # fmt: skip
    assert result.status == 0
    told = json.loads(result.out)
    assert (told["positives"], told["negatives"], told["stages_before"]) == (200, 2000, 6)
    before, after, held_out = (told[name] for name in ("before", "after", "held_out"))
    assert after["false_alarm_rate"] <= 1.001 * before["false_alarm_rate"]
    assert after["weak_classifiers_a_window"] <= 1.001 * before["weak_classifiers_a_window"]
    no_better = held_out["hit_rate"] <= before["hit_rate"]
    assert no_better == any("finds no more than before" in note for note in told["notes"])
    assert any("so few positives" in note for note in told["notes"])
    assert not cv2.CascadeClassifier(str(out)).empty()
    own = read_cascade(cascade_file).stages
    for stage, number in zip(read_cascade(out).stages, told["stages"], strict=True):
        leaves = [[weak.leaves for weak in one.weak_classifiers] for one in (stage, own[number])]
        assert leaves[0] == leaves[1]


def test_bad_requests_are_named_before_anything_is_read(tmp_path, cascade_file, samples):
    with pytest.raises(OutputExistsError):
        calibrate_cascade(cascade_file, samples, cascade_file)
    with pytest.raises(OptionError, match="`vec` or by `info`, got neither"):
        calibrate_cascade(cascade_file, {"bg": samples["bg"]}, tmp_path / "out.xml")
    with pytest.raises(OptionError, match="`max_cost`: expected more than 0"):
        calibrate_cascade(
            cascade_file, samples, tmp_path / "out.xml", options=CalibrationOptions(max_cost=0.0)
        )


def test_backgrounds_without_a_false_alarm_are_named(tmp_path, cascade_file, samples):
    flat = tmp_path / "flat"
    flat.mkdir()
    cv2.imwrite(str(flat / "flat.png"), np.tile(np.uint8([0, 60]), (30, 15)))
    with pytest.raises(InputError, match="Expected at least 50 background windows") as error:
        calibrate_cascade(cascade_file, {**samples, "bg": flat}, tmp_path / "out.xml")
    assert error.value.path == flat
    assert not (tmp_path / "out.xml").exists()
