import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fercli.cascade.detection import DetectionOptions
from fercli.cascade.detection.detector import Detector
from fercli.cascade.detection.scanner import detector_layers
from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    bundled_cascade,
    find_cascade,
    read_cascade,
    write_cascade,
)
from fercli.common.errors import CascadeFileError, DependencyError, ImageError, OptionError

#: Around the astronaut's face.
FACE = (175, 70, 100, 100)


def overlap(a, b):
    (ax, ay, aw, ah), (bx, by, bw, bh) = a, b
    width = max(0, min(ax + aw, bx + bw) - max(ax, bx))
    height = max(0, min(ay + ah, by + bh) - max(ay, by))
    return width * height / (aw * ah + bw * bh - width * height)


@pytest.fixture(scope="module")
def detector(face_cascade):
    return Detector(face_cascade)


def test_the_face_is_found_and_ranks_first(detector, astronaut):
    found = detector.detect(astronaut)
    assert found.boxes_xywh.dtype == np.int32
    assert overlap(found.boxes_xywh[0], FACE) > 0.5
    assert (np.diff(found.scores) <= 0).all()
    everything = detector.detect(astronaut, DetectionOptions(min_neighbors=0))
    assert len(everything.scores) > 1
    assert everything.boxes_xywh[0].tolist() == found.boxes_xywh[0].tolist()
    assert everything.scores[0] > 1.5 * everything.scores[1]


def test_a_score_is_the_norm_of_the_margins_of_its_windows(detector, astronaut):
    options = DetectionOptions(min_neighbors=0, min_size_wh=(90, 90), max_size_wh=(120, 120))
    face = astronaut[50:200, 150:300]
    margins = detector.scan(face, options).margins
    found = detector.detect(face, options)
    assert len(margins) > 5
    assert found.scores.tolist() == pytest.approx([np.linalg.norm(margins)])


def test_windows_of_several_cascades_are_grouped_together(detector, face_cascade, astronaut):
    face = astronaut[50:200, 150:300]
    options = DetectionOptions(min_size_wh=(60, 60))
    once, own = detector.detect(face, options), Detector(bundled_cascade())
    twice = Detector([face_cascade, face_cascade]).detect(face, options)
    assert twice.boxes_xywh.tolist() == once.boxes_xywh.tolist()
    assert twice.neighbors.tolist() == (2 * once.neighbors).tolist()
    both = pickle.loads(pickle.dumps(Detector([face_cascade, bundled_cascade()])))
    windows = [each.scan(face, options).boxes_xywh for each in (detector, own)]
    assert all(map(len, windows))
    found = both.scan(face, options).boxes_xywh
    assert sorted(found.tolist()) == sorted(np.concatenate(windows).tolist())
    (neighbors,) = both.detect(face, options).neighbors
    assert neighbors > max(once.neighbors)
    assert both.window_wh == (24, 24)


def test_no_cascade_at_all_is_an_error():
    with pytest.raises(OptionError, match="`cascade`: expected at least one file, got none"):
        Detector([])


def test_color_images_are_searched_as_gray(detector, astronaut):
    color = cv2.cvtColor(astronaut, cv2.COLOR_GRAY2BGR)
    gray = detector.detect(cv2.cvtColor(color, cv2.COLOR_BGR2GRAY))
    np.testing.assert_array_equal(detector.detect(color).boxes_xywh, gray.boxes_xywh)


@pytest.mark.parametrize("min_neighbors", [1, 3])
@pytest.mark.parametrize("scale_factor", [1.05, 1.2])
def test_boxes_are_those_of_detect_multi_scale(
    face_cascade, detector, astronaut, min_neighbors, scale_factor
):
    theirs = cv2.CascadeClassifier(str(face_cascade)).detectMultiScale(
        astronaut, scale_factor, min_neighbors
    )
    ours = detector.detect(astronaut, DetectionOptions(scale_factor, min_neighbors)).boxes_xywh
    assert len(ours) == len(theirs) > 0
    # A mean of windows may fall on a half, which cv2 rounds either way.
    difference = np.array(sorted(ours.tolist())) - np.array(sorted(theirs.tolist()))
    assert np.abs(difference).max() <= 1


def test_boxes_at_the_edges_are_those_of_cv2(face_cascade, astronaut, tmp_path):
    """cv2 joins windows first and clips their mean; the mean of clipped windows is narrower."""
    whole = read_cascade(face_cascade)
    write_cascade(tmp_path / "short.xml", replace(whole, stages=whole.stages[:3]))
    detector = Detector(tmp_path / "short.xml")
    clipped = 0
    for cut in range(20):
        image = astronaut[40 : 190 + cut, 120 : 293 - cut]
        image_wh = np.array(image.shape[::-1])
        theirs = detector.classifier.detectMultiScale(image, 1.1, 1)
        ours = detector.detect(image, DetectionOptions(min_neighbors=1)).boxes_xywh
        assert sorted(ours.tolist()) == sorted(np.asarray(theirs).tolist())
        windows = detector.scan(image).boxes_xywh
        clipped += int((windows[:, :2] + windows[:, 2:] > image_wh).any(axis=1).sum())
    assert clipped > 20


def test_single_windows_are_as_large_as_their_layer(detector, astronaut):
    image = astronaut[60:201, 150:303]
    boxes = detector.scan(image).boxes_xywh
    sizes = {tuple(layer.boxes(np.zeros((1, 2), np.int32))[0, 2:].tolist()) for layer in
             detector_layers((153, 141), detector.cascade.size_wh)}  # fmt: skip
    assert {tuple(size) for size in boxes[:, 2:].tolist()} <= sizes


@pytest.mark.parametrize(
    "options",
    [DetectionOptions(min_size_wh=(200, 200)), DetectionOptions(max_size_wh=(50, 50))],
)
def test_sizes_bound_what_is_found(detector, astronaut, options):
    boxes = detector.scan(astronaut, options).boxes_xywh
    smallest, largest = options.min_size_wh or (0, 0), options.max_size_wh or (999, 999)
    assert ((boxes[:, 2:] >= smallest) & (boxes[:, 2:] <= largest)).all()
    assert not any(overlap(box, FACE) > 0.5 for box in boxes)


def test_equalization_sees_the_dark(detector, astronaut):
    dark = (astronaut // 24 + 3).astype(np.uint8)
    found = detector.detect(dark, DetectionOptions(equalize=True)).boxes_xywh
    assert overlap(found[0], FACE) > 0.5
    assert found.tolist() == detector.detect(cv2.equalizeHist(dark)).boxes_xywh.tolist()


@pytest.mark.parametrize("shape", [(10, 10), (24, 24), (1, 500), (100, 100)])
def test_images_without_anything(detector, shape):
    assert detector.detect(np.full(shape, 127, np.uint8)).boxes_xywh.shape == (0, 4)


def naive_lbp_sum(stage, features, window):
    """The sum of a stage over one window, from the definition."""
    total = 0.0
    for weak in stage.weak_classifiers:
        (node,) = weak.nodes
        feature = features[node.feature]
        blocks = np.array(
            [
                [
                    window[y : y + feature.height, x : x + feature.width].sum(dtype=np.int64)
                    for x in range(feature.x, feature.x + 3 * feature.width, feature.width)
                ]
                for y in range(feature.y, feature.y + 3 * feature.height, feature.height)
            ]
        )
        around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
        code = sum((blocks[at] >= blocks[1, 1]) << (7 - bit) for bit, at in enumerate(around))
        left = node.subset[code // 32] >> (code % 32) & 1
        total += weak.leaves[0 if left else 1]
    return total


def test_margins_are_sums_of_the_last_stage_above_its_threshold(face_cascade, astronaut, tmp_path):
    cascade = replace(read_cascade(face_cascade), stages=read_cascade(face_cascade).stages[:3])
    write_cascade(tmp_path / "short.xml", cascade)
    detector = Detector(tmp_path / "short.xml")
    # Windows of the cascade's own size: the image is searched as it is.
    image = astronaut[60:200, 150:300]
    windows = detector.scan(image, DetectionOptions(max_size_wh=(24, 24)))
    assert len(windows.margins) > 20
    for (x, y, width, height), margin in zip(windows.boxes_xywh, windows.margins, strict=True):
        window = image[y : y + height, x : x + width]
        sums = [naive_lbp_sum(stage, cascade.features, window) for stage in cascade.stages]
        assert all(
            total >= stage.threshold - 1e-4
            for total, stage in zip(sums, cascade.stages, strict=True)
        )
        # cv2 sums in float32.
        assert margin == pytest.approx(sums[-1] - cascade.stages[-1].threshold, abs=1e-4)


def test_a_haar_cascade_finds_what_it_was_made_for(tmp_path):
    """One feature: the right half brighter than the left; the flat is passed over."""
    feature = HaarFeature((WeightedRectangle(0, 0, 8, 8, -1.0), WeightedRectangle(4, 0, 4, 8, 2.0)))
    weak = WeakClassifier((Node(0, -1, 0, threshold=0.3),), (-1.0, 1.0))
    cascade = Cascade("HAAR", (8, 8), (Stage(0.0, (weak,)),), (feature,))
    write_cascade(tmp_path / "edge.xml", cascade)
    image = np.full((40, 40), 50, np.uint8)
    image[:, 20:] = 200
    options = DetectionOptions(max_size_wh=(8, 8))
    boxes = Detector(tmp_path / "edge.xml").scan(image, options).boxes_xywh
    assert len(boxes) > 0
    # Half of the window or nearly so is right of the edge, at 20.
    assert set(boxes[:, 0]) <= {14, 15, 16, 17, 18}
    mirrored = Detector(tmp_path / "edge.xml").scan(image[:, ::-1].copy(), options)
    assert len(mirrored.margins) == 0


@pytest.mark.parametrize("name", ["ü 漢.xml", "what?.xml", "no-suffix"])
def test_names_that_opencv_does_not_open(face_cascade, astronaut, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(face_cascade.read_bytes())
    assert len(Detector(path).detect(astronaut).boxes_xywh) > 0


def test_what_is_wrong_is_found_before_opencv_sees_it(face_cascade, tmp_path, capfd):
    path = tmp_path / "bad.xml"
    path.write_text(face_cascade.read_text().replace("0 -1 46 -67130709", "0 -1 999 -67130709"))
    with pytest.raises(CascadeFileError, match="expected the index of one of the 136 features"):
        Detector(path)
    with pytest.raises(CascadeFileError, match="nothing of that name"):
        Detector(tmp_path / "missing.xml")
    assert capfd.readouterr() == ("", "")


def test_a_cv2_without_cascades_is_named(face_cascade, monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(DependencyError, match=r"pip install .*opencv-contrib-python"):
        Detector(face_cascade)


@pytest.mark.parametrize("wrong", [{"scale_factor": 1.0}, {"scale_factor": float("nan")}])
def test_options_out_of_range(wrong):
    with pytest.raises(OptionError, match=r"`scale_factor`: expected 1\.01 or more"):
        DetectionOptions(**wrong)


def test_neighbors_out_of_range():
    with pytest.raises(OptionError, match="`min_neighbors`: expected 0 to 2147483647, got -1"):
        DetectionOptions(min_neighbors=-1)


@pytest.mark.parametrize("least", [(60, 40), (40, 60), (60, 60)])
def test_sizes_that_leave_nothing_between_them(least):
    with pytest.raises(OptionError, match=r"`min_size_wh` \d+x\d+ exceeds `max_size_wh` 50x50"):
        DetectionOptions(min_size_wh=least, max_size_wh=(50, 50))
    DetectionOptions(min_size_wh=(50, 50), max_size_wh=(50, 50))


@pytest.mark.parametrize("field", ["min_neighbors", "min_size_wh", "max_size_wh"])
def test_numbers_beyond_those_of_cv2(detector, astronaut, field):
    number = 1 << 31
    value = (number, 1) if field.endswith("wh") else number
    with pytest.raises(OptionError, match=f"expected 0 to {number - 1}.*, got {number}"):
        DetectionOptions(**{field: value})
    value = (number - 1, 1) if field.endswith("wh") else number - 1
    detector.detect(astronaut[:100, :100], DetectionOptions(**{field: value}))


def test_a_panorama_after_a_long_screenshot(face_cascade, rng):
    """cv2's buffers are as wide and as high as any image so far: these took 30 GB, or crashed."""
    detector = Detector(face_cascade)
    for size in ((33000, 24), (24, 33000), (30, 30)):
        assert len(detector.detect(rng.integers(0, 256, size, np.uint8)).scores) == 0
    assert detector._own.buffers_wh == (33000, 30)


def test_what_opencv_cannot_search_is_named(face_cascade):
    class Failing:
        def detectMultiScale3(self, *_, **__):  # noqa: N802
            raise cv2.error("no memory")

    detector = Detector(face_cascade)
    detector._own.classifier = Failing()
    with pytest.raises(ImageError, match="OpenCV cannot search 40 × 30 pixels"):
        detector.scan(np.zeros((30, 40), np.uint8))


def test_a_cascade_that_comes_with_fer_is_known_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = Detector("frontalface-small")
    assert named.cascade == read_cascade(find_cascade(Path("frontalface-small")))
    # A file of that name comes first.
    Path("frontalface-small").write_bytes(bundled_cascade().read_bytes())
    assert Detector("frontalface-small").cascade == read_cascade(bundled_cascade())
