import subprocess
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.features.haar import haar_features
from fercli.cascade.features.lbp import lbp_features
from fercli.cascade.features.sample_matrix import haar_values, to_sample_matrix
from fercli.cascade.model import Cascade
from fercli.cascade.samples.vec import write_vec
from fercli.cascade.training.boosting import METHODS, grow_tree, train_stage, untrimmed
from fercli.cascade.training.lbp_search import LbpSearch
from fercli.cascade.training.options import StageOptions
from fercli.cascade.training.split_search import HaarSearch, Split
from fercli.common.parallel import KernelPool

pytestmark = pytest.mark.compiled


def search_in(samples, kind, method="fast", workers=1):
    windows = to_sample_matrix(*samples)
    size = windows.size_wh
    if kind == "LBP":
        return LbpSearch(lbp_features(size), windows, KernelPool(workers), method=method)
    return HaarSearch(haar_features(size, kind), windows, KernelPool(workers), method=method)


def train(search, **options):
    options = {"false_alarm_rate": 0.0, "max_weak_count": 6} | options
    return train_stage(search, 100, StageOptions(**options), seed=(0,), pool=KernelPool(1))


def cascade_of(search, stage, kind):
    features = tuple(search.features.feature(n) for n in range(len(search.features)))
    family = "LBP" if kind == "LBP" else "HAAR"
    return Cascade(family, search.windows.size_wh, (stage,), features)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("kind", ["BASIC", "ALL", "LBP"])
@pytest.mark.parametrize("method", METHODS)
def test_the_detector_decides_as_the_training_did(lfw, method, kind, depth):
    # The detector refuses windows without contrast, which no training should be given.
    samples = [array[to_sample_matrix(array).have_contrast()] for array in lfw(10)]
    positives = len(samples[0])
    assert positives > 80
    search = search_in(samples, kind)
    options = StageOptions(method, max_depth=depth, max_weak_count=3, false_alarm_rate=0.0)
    trained = train_stage(search, positives, options, seed=(0,), pool=KernelPool(1))
    scanner = Scanner(cascade_of(search, trained.stage, kind))
    accepted = scanner.accepts(np.concatenate(samples), workers=1)
    assert trained.hit_rate == accepted[:positives].mean()
    assert trained.hit_rate >= 0.995
    assert trained.false_alarm_rate == accepted[positives:].mean()


def test_loss_falls_with_every_gentle_stump(lfw):
    trained = train(search_in(lfw(12), "BASIC"), max_weak_count=8, weight_trim_rate=1)
    assert len(trained.losses) == len(trained.stage.weak_classifiers)
    assert (np.diff(trained.losses) < 0).all()


def test_a_stage_ends_where_few_enough_negatives_pass(lfw):
    seen = []
    search = search_in(lfw(12), "BASIC")
    trained = train_stage(
        search, 100, StageOptions(false_alarm_rate=0.2, hit_rate=0.97), seed=(0,),
        pool=KernelPool(1),
        watch=lambda *figures: seen.append(figures),
    )  # fmt: skip
    assert seen[-1] == (len(seen), trained.hit_rate, trained.false_alarm_rate)
    assert trained.false_alarm_rate <= 0.2
    assert all(false_alarm_rate > 0.2 for _, _, false_alarm_rate in seen[:-1])
    assert trained.hit_rate >= 0.97


@pytest.mark.parametrize("trim", [0.95, 1.0])
def test_same_stage_at_any_number_of_threads(lfw, trim):
    stages = []
    for workers in (1, 3):
        search = search_in(lfw(12), "ALL", workers=workers)
        stages.append(train(search, weight_trim_rate=trim))
    assert stages[0] == stages[1]


def test_the_seed_matters_only_for_the_fast_search(lfw):
    options = StageOptions(max_weak_count=2, false_alarm_rate=0.0)
    stages = [
        train_stage(
            search_in(lfw(8), "BASIC", "exhaustive"), 100, options, seed=(n,), pool=KernelPool(1)
        )
        for n in (1, 2)
    ]
    assert stages[0] == stages[1]


def test_too_few_samples_give_no_stage(lfw):
    faces, others = lfw(8)
    search = search_in((faces[:5], others[:5]), "BASIC")
    assert train_stage(search, 5, StageOptions(), seed=(0,), pool=KernelPool(1)) is None


class Scripted:
    """A search that splits by given features at the median."""

    def __init__(self, windows, numbers):
        self.windows = windows
        self.features = haar_features(windows.size_wh, "BASIC")
        self._numbers = iter(numbers)

    def best_split(self, samples, rng):
        number = next(self._numbers, None)
        if number is None:
            return None
        values = haar_values(self.windows, self.features.feature(number), KernelPool(1))
        return Split(number, threshold=float(np.median(values[samples.columns])))


def test_nodes_and_leaves_are_numbered_level_by_level(lfw):
    windows = to_sample_matrix(*lfw(12))
    halving = [700, 4000, 9000]
    search = Scripted(windows, halving)
    weak, votes = grow_tree(
        search, METHODS["GAB"](np.repeat([1.0, -1.0], 100)), np.arange(200), 100, 2,
        np.random.default_rng, KernelPool(1),
    )  # fmt: skip
    assert [(node.left, node.right, node.feature) for node in weak.nodes] == [
        (1, 2, 700),
        (0, -1, 4000),
        (-2, -3, 9000),
    ]
    assert len(weak.leaves) == 4
    assert set(votes.tolist()) == set(weak.leaves)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("BASIC", ["-bt", "GAB"]),
        ("ALL", ["-bt", "GAB", "-maxDepth", "2", "-weightTrimRate", "0.8"]),
        ("CORE", ["-bt", "RAB"]),
        ("BASIC", ["-bt", "DAB", "-weightTrimRate", "1"]),
        ("BASIC", ["-bt", "LB"]),
        ("LBP", ["-bt", "GAB"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1],
)
@pytest.mark.opencv3
def test_exhaustive_search_trains_the_stage_that_opencv_trains(
    lfw, tmp_path, opencv_tools, kind, options
):
    faces, others = lfw(14)
    write_vec(tmp_path / "faces.vec", faces)
    for number, window in enumerate(others):
        # Of an image of the window's size, the program takes the one window.
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), window)
    (tmp_path / "bg.txt").write_text("".join(f"{number:03}.png\n" for number in range(100)))
    (tmp_path / "out").mkdir()
    feature = ["-featureType", "LBP"] if kind == "LBP" else ["-mode", kind]
    command = [
        str(opencv_tools / "opencv_traincascade"), "-data", "out", "-vec", "faces.vec",
        "-bg", "bg.txt", "-numPos", "100", "-numNeg", "100", "-numStages", "1",
        "-w", "14", "-h", "14", "-minHitRate", "0.995", "-maxFalseAlarmRate", "0.0001",
        "-maxWeakCount", "6", *feature, *options,
    ]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = ET.parse(tmp_path / "out" / "stage0.xml").getroot()[0]
    given = dict(zip(options[::2], options[1::2], strict=True))
    ours = train(
        search_in(lfw(14), kind, "exhaustive"), method=given["-bt"], false_alarm_rate=0.0001,
        max_depth=int(given.get("-maxDepth", 1)),
        weight_trim_rate=float(given.get("-weightTrimRate", 0.95)),
    )  # fmt: skip
    weak_classifiers = theirs.find("weakClassifiers")
    assert len(weak_classifiers) == len(ours.stage.weak_classifiers)
    for expected, weak in zip(weak_classifiers, ours.stage.weak_classifiers, strict=True):
        numbers = [
            number
            for node in weak.nodes
            for number in (node.left, node.right, node.feature, *(node.subset or [node.threshold]))
        ]
        # The program writes eight digits.
        assert numbers == pytest.approx(
            [float(word) for word in expected.find("internalNodes").text.split()], rel=2e-6
        )
        leaves = [float(word) for word in expected.find("leafValues").text.split()]
        assert weak.leaves == pytest.approx(leaves, rel=1e-5)
    assert ours.stage.threshold == pytest.approx(
        float(theirs.find("stageThreshold").text), rel=1e-5
    )


LABELS = np.array([1.0, 1.0, -1.0, -1.0])


@pytest.mark.parametrize("name", METHODS)
def test_weights_begin_equal_and_sum_to_one(name, rng):
    boosting = METHODS[name](LABELS)
    assert boosting.weights.tolist() == [0.25] * 4
    for _ in range(3):
        boosting.update(rng.uniform(-1, 1, 4))
        assert boosting.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_answered_wrongly_grows_heavier(name):
    boosting = METHODS[name](LABELS)
    boosting.update(np.array([0.7, -0.7, -0.7, -0.7]))
    if name == "LB":
        # Logit weighs what is undecided, and asks for more where it is wrong.
        assert np.abs(boosting.targets[1]) == max(np.abs(boosting.targets))
    else:
        assert boosting.weights[1] == max(boosting.weights)


def test_gentle_answers_the_mean_label():
    gentle = METHODS["GAB"](LABELS)
    assert gentle.leaf(np.array([1.0, 3.0]), np.array([1.0, -1.0])) == -0.5
    gentle.update(np.array([1.0, 1.0, 1.0, -1.0]))
    raw = np.exp([-1, -1, 1, -1])
    assert gentle.weights == pytest.approx(raw / raw.sum())


def test_real_answers_half_the_log_odds():
    real = METHODS["RAB"](LABELS)
    assert real.leaf(np.array([3.0, 1.0]), np.array([1.0, -1.0])) == pytest.approx(np.log(3) / 2)
    # Certainty is bounded.
    only_positives = real.leaf(np.array([1.0]), np.array([1.0]))
    assert only_positives == pytest.approx(np.log((1 - 1e-5) / 1e-5) / 2)


def test_discrete_weighs_errors_by_the_odds():
    discrete = METHODS["DAB"](LABELS)
    votes = np.array([1.0, -1.0, -1.0, -1.0])
    assert discrete.leaf(np.array([3.0, 1.0]), np.array([-1.0, 1.0])) == -1
    assert discrete.scale(votes) == pytest.approx(np.log(3))
    discrete.update(votes)
    assert discrete.weights == pytest.approx(np.array([1, 3, 1, 1]) / 6)


def test_discrete_turns_a_vote_that_is_mostly_wrong():
    discrete = METHODS["DAB"](LABELS)
    votes = -np.array([1.0, -1.0, -1.0, -1.0])
    scale = discrete.scale(votes)
    assert scale == pytest.approx(-np.log(3))
    discrete.update(votes * scale)
    assert discrete.weights == pytest.approx(np.array([1, 3, 1, 1]) / 6)


def test_logit_takes_newton_steps():
    logit = METHODS["LB"](LABELS)
    assert logit.targets.tolist() == [2, 2, -2, -2]
    logit.update(np.array([2.0, 0.0, -2.0, 0.0]))
    share = 1 / (1 + np.exp(-2))
    raw = np.array([share * (1 - share), 0.25] * 2)
    assert logit.weights == pytest.approx(raw / raw.sum())
    assert logit.targets == pytest.approx([1 / share, 2, -1 / share, -2])


def test_logit_targets_are_bounded():
    logit = METHODS["LB"](LABELS)
    for _ in range(3):
        logit.update(np.array([-1000.0, 1.0, 1.0, -1.0]))
    assert logit.targets[0] == 10
    assert np.isfinite(logit.weights).all()


def test_pure_nodes():
    for name in ("RAB", "DAB"):
        boosting = METHODS[name](LABELS)
        assert boosting.is_pure(np.ones(2), np.array([1.0, 1.0]))
        assert not boosting.is_pure(np.ones(2), np.array([1.0, -1.0]))
    gentle = METHODS["GAB"](LABELS)
    assert gentle.is_pure(np.array([0.5, 1e-6]), np.array([1.0, -1.0]))
    assert not gentle.is_pure(np.array([0.5, 0.1]), np.array([1.0, -1.0]))


@pytest.mark.parametrize(
    ("weights", "rate", "kept"),
    [
        ([0.1, 0.2, 0.3, 0.4], 1.0, [0, 1, 2, 3]),
        ([0.1, 0.2, 0.3, 0.4], 0.0, [0, 1, 2, 3]),
        # The lightest goes with 0.05 of its 0.1 still to be saved.
        ([0.1, 0.2, 0.3, 0.4], 0.95, [1, 2, 3]),
        ([0.4, 0.3, 0.2, 0.1], 0.75, [0, 1]),
        # Equals of the lightest that stays are kept.
        ([0.3, 0.1, 0.1, 0.1, 0.4], 0.95, [0, 1, 2, 3, 4]),
        ([1.0], 0.5, []),
    ],
)
def test_trimming(weights, rate, kept):
    assert untrimmed(np.array(weights), rate).tolist() == kept
