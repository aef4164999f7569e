"""The scanner against cv2's detector: equal sets of windows, without any tolerance."""

import dataclasses

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fercli.cascade.detection import scanner
from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.model import read_cascade, write_cascade
from fercli.common.errors import CascadeFileError, OptionError

KINDS = {
    "haar": {},
    "haar, tilted": {"tilted": True},
    "haar, trees": {"nodes": 3},
    "haar, tilted trees, wide": {"nodes": 2, "tilted": True, "size_wh": (36, 18)},
    "haar, high": {"size_wh": (14, 28)},
    "haar, large": {"size_wh": (64, 48), "tilted": True},
    "lbp": {"feature_type": "LBP"},
    "lbp, trees, wide": {"feature_type": "LBP", "nodes": 3, "size_wh": (31, 17)},
}


@pytest.fixture(params=KINDS)
def cascade(request, random_cascade):
    return random_cascade(**KINDS[request.param])


@pytest.fixture
def load(tmp_path):
    """Load a cascade into cv2's detector."""

    def load(cascade, stages=None):
        path = tmp_path / "cascade.xml"
        stages = cascade.stages[:stages]
        write_cascade(path, dataclasses.replace(cascade, stages=stages), overwrite=True)
        return cv2.CascadeClassifier(str(path))

    return load


def found_by_cv2(detector, image, **options):
    options = {"scaleFactor": 1.1, "minNeighbors": 0, **options}
    return in_order(np.reshape(detector.detectMultiScale(image, **options), (-1, 4)))


def found(scanner, image, **options):
    return in_order(scanner.detect(image, **options).boxes_xywh)


def in_order(boxes):
    return boxes[np.lexsort(boxes.T)]


def texture(rng, width, height):
    """Smooth noise with flat and with harsh places."""
    noise = sum(
        scale * cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), scale)
        for scale in (1, 3, 9)
    )
    contrast = cv2.resize(rng.uniform(0, 100, (4, 4)), (width, height))
    return np.clip(128 + contrast * noise, 0, 255).astype(np.uint8)


def windows_of(image, size_wh, rng, count):
    width, height = size_wh
    tops = rng.integers(0, image.shape[0] - height + 1, count)
    lefts = rng.integers(0, image.shape[1] - width + 1, count)
    return np.array(
        [image[y : y + height, x : x + width] for x, y in zip(lefts, tops, strict=True)]
    )


@pytest.mark.compiled
def test_finds_what_cv2_finds(cascade, load, rng, astronaut):
    detections = Scanner(cascade).detect(astronaut)
    assert 0 < len(detections.boxes_xywh) < detections.entered[0] / 2
    for image in (astronaut, texture(rng, 301, 214)):
        assert_array_equal(found(Scanner(cascade), image), found_by_cv2(load(cascade), image))


@pytest.mark.compiled
@pytest.mark.parametrize("stages", [1, 2])
def test_finds_what_cv2_finds_after_few_stages(cascade, stages, load, rng):
    """Where many windows pass, many decisions are compared."""
    short = Scanner(dataclasses.replace(cascade, stages=cascade.stages[:stages]))
    image = texture(rng, 240, 180)
    assert_array_equal(found(short, image), found_by_cv2(load(cascade, stages), image))


@pytest.mark.compiled
def test_finds_what_cv2_finds_with_a_real_cascade(face_cascade, astronaut):
    boxes = found(Scanner(read_cascade(face_cascade)), astronaut)
    assert len(boxes) > 10
    assert_array_equal(boxes, found_by_cv2(cv2.CascadeClassifier(str(face_cascade)), astronaut))


@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["haar, tilted trees, wide", "lbp"])
def test_finds_what_cv2_finds_with_stages_of_very_many_trees(kind, random_cascade, load, rng):
    """Windows are then packed, but in the first stage, which decides what cv2 leaves out."""
    cascade = random_cascade(**KINDS[kind])
    long = [
        dataclasses.replace(
            stage, threshold=300 * stage.threshold, weak_classifiers=300 * stage.weak_classifiers
        )
        for stage in cascade.stages
    ]
    cascade = dataclasses.replace(cascade, stages=tuple(long))
    image = texture(rng, 150, 110)
    image[:, 75:] = 90
    boxes = found(Scanner(cascade), image)
    assert len(boxes)
    assert_array_equal(boxes, found_by_cv2(load(cascade), image))


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"scale_factor": 1.37}, {"scaleFactor": 1.37}),
        ({"min_size": (40, 40)}, {"minSize": (40, 40)}),
        ({"max_size": (50, 70)}, {"maxSize": (50, 70)}),
        # No scale fits: the closest is taken.
        ({"min_size": (37, 37), "max_size": (37, 37)}, {"minSize": (37, 37), "maxSize": (37, 37)}),
    ],
)
def test_finds_what_cv2_finds_with_options(ours, theirs, random_cascade, load, rng):
    cascade = random_cascade()
    image = texture(rng, 213, 160)
    boxes = found(Scanner(cascade), image, **ours)
    assert len(boxes)
    assert_array_equal(boxes, found_by_cv2(load(cascade), image, **theirs))


def test_counts_stages_as_shorter_cascades_decide(cascade, load, rng):
    width, height = cascade.size_wh
    windows = windows_of(texture(rng, 20 * width, 20 * height), cascade.size_wh, rng, 300)
    passed = Scanner(cascade).stages_passed(windows)
    assert len(set(passed.tolist()) - {-1}) >= 3
    for stages in range(1, len(cascade.stages) + 1):
        detector = load(cascade, stages)
        accepted = [len(detector.detectMultiScale(w, minNeighbors=0)) > 0 for w in windows]
        assert (passed >= stages).tolist() == accepted


def test_refuses_flat_windows_as_cv2_does(random_cascade, load):
    """Standard deviations around 10, of checks of two gray levels without the border."""
    accepts_all = random_cascade(stage_threshold=-100.0)
    detector = load(accepts_all)
    window = np.indices((24, 24)).sum(axis=0) % 2
    windows = [
        np.where(window & (np.arange(24)[:, None] > top), 100 + step, 100)
        for step in range(18, 26)
        for top in range(12)
    ]
    windows = np.array([np.zeros((24, 24)), np.full((24, 24), 255), *windows], np.uint8)
    accepted = [len(detector.detectMultiScale(w, minNeighbors=0)) > 0 for w in windows]
    assert 0 < sum(accepted) < len(windows)
    passed = Scanner(accepts_all).stages_passed(windows)
    assert (passed == len(accepts_all.stages)).tolist() == accepted
    assert set(passed.tolist()) == {-1, len(accepts_all.stages)}


@pytest.mark.compiled
def test_image_and_windows_agree(cascade, rng):
    """A window is judged alike alone and in its image, at any step and start."""
    ready = Scanner(cascade)
    width, height = cascade.size_wh
    image = texture(rng, 121, 97)
    for step, (x, y) in [(1, (0, 0)), (2, (0, 0)), (2, (1, 0)), (2, (0, 1)), (2, (1, 1))]:
        columns, rows = (121 - width - x) // step + 1, (97 - height - y) // step + 1
        scan = ready.scan_layer(image, step, start_xy=(x, y), columns=columns, rows=rows)
        places = [(x + step * i, y + step * j) for j in range(rows) for i in range(columns)]
        crops = np.array([image[b : b + height, a : a + width] for a, b in places])
        passed = ready.stages_passed(crops)
        wanted = [place for place, stages in zip(places, passed, strict=True) if stages == 4]
        assert sorted(map(tuple, scan.positions_xy)) == sorted(wanted)
        entered = [(passed >= stage).sum() for stage in range(5)]
        assert scan.entered.tolist() == [len(places), *entered]


@pytest.mark.compiled
def test_bands_make_no_difference(random_cascade, rng, monkeypatch):
    ready = Scanner(random_cascade(tilted=True))
    image = texture(rng, 161, 143)
    whole = ready.detect(image)
    monkeypatch.setattr(scanner, "BAND", 300)
    banded = ready.detect(image, workers=1)
    assert len(whole.boxes_xywh)
    assert (banded.boxes_xywh == whole.boxes_xywh).all()
    assert (banded.entered == whole.entered).all()


@pytest.mark.compiled
def test_threads_make_no_difference(random_cascade, rng):
    ready = Scanner(random_cascade())
    image = texture(rng, 320, 240)
    one, four = ready.detect(image, workers=1), ready.detect(image, workers=4)
    assert len(one.boxes_xywh)
    assert (one.boxes_xywh == four.boxes_xywh).all()
    windows = windows_of(image, (24, 24), rng, 40 * scanner.BATCH + 3)
    passed = ready.stages_passed(windows, workers=1)
    assert (passed == ready.stages_passed(windows, workers=4)).all()


@pytest.mark.compiled
def test_bright_images_do_not_overflow(random_cascade, load, rng):
    """The squares of 600 × 600 bright pixels are far beyond int32."""
    cascade = random_cascade()
    image = np.maximum(texture(rng, 600, 600), 140)
    options = {"min_size": (24, 24), "max_size": (26, 26)}
    boxes = found(Scanner(cascade), image, **options)
    assert len(boxes)
    assert_array_equal(
        boxes, found_by_cv2(load(cascade), image, minSize=(24, 24), maxSize=(26, 26))
    )


def test_finds_what_cv2_finds_in_small_images(cascade, load, rng):
    width, height = cascade.size_wh
    first = dataclasses.replace(cascade, stages=cascade.stages[:2])
    image = texture(rng, width + 11, height + 9)
    assert_array_equal(found(Scanner(first), image), found_by_cv2(load(first), image))


@pytest.mark.parametrize("size_wh", [(24, 24), (25, 24), (24, 26), (27, 27)])
def test_smallest_images(size_wh, random_cascade, load, rng):
    accepts_all = random_cascade(stage_threshold=-100.0)
    image = texture(rng, *size_wh)
    boxes = found(Scanner(accepts_all), image)
    assert len(boxes)
    assert_array_equal(boxes, found_by_cv2(load(accepts_all), image))


def test_images_smaller_than_the_window(random_cascade):
    ready = Scanner(random_cascade())
    detections = ready.detect(np.zeros((100, 23), np.uint8))
    assert detections.boxes_xywh.shape == (0, 4)
    assert not detections.entered.any()
    assert ready.stages_passed(np.zeros((0, 24, 24), np.uint8)).shape == (0,)


@pytest.mark.parametrize("factor", [1, 0.5, float("nan")])
def test_scale_factors_that_never_end_are_refused(factor, random_cascade):
    with pytest.raises(OptionError, match="more than 1"):
        Scanner(random_cascade()).detect(np.zeros((50, 50), np.uint8), scale_factor=factor)


def test_what_no_detector_may_load_is_refused(random_cascade):
    cascade = random_cascade(feature_type="LBP")
    outside = dataclasses.replace(cascade.features[0], x=20, width=3)
    with pytest.raises(CascadeFileError):
        Scanner(dataclasses.replace(cascade, features=(outside, *cascade.features[1:])))


def test_without_a_stage_all_but_flat_windows_pass(random_cascade, rng):
    windows = windows_of(texture(rng, 200, 150), (24, 24), rng, 200)
    windows[::3] = 77
    for feature_type in ("HAAR", "LBP"):
        cascade = random_cascade(feature_type=feature_type)
        accepted = Scanner(dataclasses.replace(cascade, stages=())).accepts(windows)
        deviations = windows[:, 1:-1, 1:-1].std(axis=(1, 2))
        assert accepted.tolist() == [feature_type == "LBP" or d > 10 for d in deviations]


def test_the_threshold_of_a_stage_is_missed_by_a_little(random_cascade, load):
    """A sum passes that is up to 1e-5 below the threshold, in float32."""
    window = (np.indices((24, 24)).sum(axis=0) % 2 * 200).astype(np.uint8)
    accepted = []
    for excess in np.arange(0.5e-5, 1.5e-5, 0.3e-6):
        cascade = random_cascade(stage_threshold=float(np.float32(0.7 + excess)))
        stump = dataclasses.replace(cascade.stages[0].weak_classifiers[0], leaves=(0.7, 0.7))
        stage = dataclasses.replace(cascade.stages[0], weak_classifiers=(stump,))
        cascade = dataclasses.replace(cascade, stages=(stage,))
        accepted.append(len(load(cascade).detectMultiScale(window, minNeighbors=0)) > 0)
        assert Scanner(cascade).accepts(window[None]).tolist() == accepted[-1:]
    assert len(set(accepted)) == 2


@pytest.mark.compiled
@pytest.mark.data
def test_finds_what_cv2_finds_in_photographs(cascade, load, data):
    for path in sorted((data / "negatives").iterdir())[::500]:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for stages in (1, 4):
            short = Scanner(dataclasses.replace(cascade, stages=cascade.stages[:stages]))
            wanted = found_by_cv2(load(cascade, stages), image)
            assert_array_equal(found(short, image), wanted)
