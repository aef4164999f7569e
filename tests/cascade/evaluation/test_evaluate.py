from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fercli.annotations.base import AnnotatedImage
from fercli.cascade.detection import DetectionOptions
from fercli.cascade.evaluation import CascadeResult, CenterRule, IouRule, evaluate
from fercli.cascade.evaluation.evaluate import short_names
from fercli.cascade.evaluation.matching import FALSE_ALARM, IGNORED
from fercli.cascade.evaluation.results import DetectionCounts, ImageResult, MatchedDetections
from fercli.cascade.model import read_cascade, write_cascade
from fercli.common.errors import CascadeFileError, InputError, OptionError

ELSEWHERE = (5, 300, 60, 60)


def one(face_cascade, images, **options):
    evaluation = evaluate([face_cascade], images, **options)
    return evaluation.cascades[0]


def test_what_is_found_is_counted(face_cascade, make_annotated, blank, face):
    images = [make_annotated("a.png", face), blank, make_annotated("b.png", face, ELSEWHERE)]
    result = one(face_cascade, images)
    assert (result.counts.truths, result.counts.hits, result.counts.false_alarms) == (3, 2, 0)
    assert (result.counts.precision, result.counts.recall) == (1.0, pytest.approx(2 / 3))
    assert result.counts.f1 == pytest.approx(2 * (2 / 3) / (1 + 2 / 3))
    assert result.average_precision == pytest.approx(2 / 3)
    assert result.false_alarms_per_image == 0
    assert [image.missed for image in result.images] == [[], [], [1]]
    assert [image.counts.hits for image in result.images] == [1, 0, 1]
    assert all(image.milliseconds > 0 for image in result.images)
    # The curve has all detections, the point of operation those of min_neighbors.
    assert result.curve.truths == 3
    assert result.curve.false_alarms[-1] > 0


def test_a_face_in_the_wrong_place_is_a_miss_and_a_false_alarm(face_cascade, make_annotated, face):
    result = one(face_cascade, [make_annotated("a.png", ELSEWHERE)])
    assert (result.counts.hits, result.counts.false_alarms) == (0, 1)
    assert (result.counts.precision, result.counts.recall, result.counts.f1) == (0.0, 0.0, 0.0)
    assert result.average_precision == 0.0
    assert result.images[0].chosen.verdicts.tolist() == [FALSE_ALARM]


def test_ignored_objects_count_neither_way(face_cascade, make_annotated, face):
    result = one(face_cascade, [make_annotated("a.png", ignored=[face])])
    assert (result.counts.truths, result.counts.hits, result.counts.false_alarms) == (0, 0, 0)
    assert result.images[0].chosen.verdicts.tolist() == [IGNORED]


def test_without_objects_shares_are_undefined(face_cascade, make_annotated, blank):
    result = one(face_cascade, [blank])
    assert (
        result.counts.precision,
        result.counts.recall,
        result.counts.f1,
        result.average_precision,
    ) == (None,) * 4
    result = one(face_cascade, [make_annotated("a.png"), blank])
    assert (result.counts.precision, result.counts.recall) == (0.0, None)
    assert result.false_alarms_per_image == 0.5


def grown(box, factor):
    x, y, width, height = box
    side_x, side_y = width * factor, height * factor
    return tuple(
        round(v) for v in (x + (width - side_x) / 2, y + (height - side_y) / 2, side_x, side_y)
    )


def test_boxes_of_another_size_are_made_up_for(face_cascade, make_annotated, face):
    images = [make_annotated(f"{at}.png", grown(face, 1.6)) for at in range(5)]
    as_it_is = one(face_cascade, images)
    assert as_it_is.counts.hits == 0
    assert as_it_is.box_ratio == pytest.approx(1 / 1.6, rel=0.02)
    for scale in (1.6, "auto"):
        result = one(face_cascade, images, box_scale=scale)
        assert (result.counts.hits, result.counts.false_alarms) == (5, 0)
        assert result.box_scale == pytest.approx(1.6, rel=0.02)
    assert one(face_cascade, images, rule=CenterRule(max_size_ratio=2)).counts.hits == 5
    assert one(face_cascade, images, rule=IouRule(0.3)).counts.hits == 5


def test_too_few_objects_say_nothing_about_the_size(face_cascade, make_annotated, face):
    result = one(face_cascade, [make_annotated("a.png", grown(face, 1.6))], box_scale="auto")
    assert (result.box_ratio, result.box_scale) == (None, 1.0)


def test_fewer_neighbors_find_more(face_cascade, make_annotated, face):
    images = [make_annotated("a.png", face)]
    few, many = (
        one(face_cascade, images, options=DetectionOptions(min_neighbors=n)) for n in (0, 3)
    )
    assert few.counts.false_alarms > many.counts.false_alarms
    assert few.average_precision == many.average_precision


@pytest.mark.compiled
def test_other_choices_of_neighbors_are_what_they_would_have_given(
    face_cascade, make_annotated, face, tmp_path
):
    # A cascade of few stages finds much, in groups of all sizes.
    cascade = read_cascade(face_cascade)
    write_cascade(tmp_path / "short.xml", replace(cascade, stages=cascade.stages[:6]))
    images = [make_annotated("a.png", face, ELSEWHERE)]
    tallies = one(tmp_path / "short.xml", images).by_neighbors
    assert tallies[3].false_alarms > tallies[10].false_alarms > tallies[40].false_alarms > 0
    for count, counts in tallies.items():
        options = DetectionOptions(min_neighbors=count)
        assert one(tmp_path / "short.xml", images, options=options).counts == counts


def test_the_best_choice_of_neighbors_is_that_of_the_best_f1():
    nothing = MatchedDetections(np.empty((0, 4)), np.empty(0), np.empty(0, np.intp))
    image = ImageResult(AnnotatedImage(Path("a.png"), (ELSEWHERE,)), nothing, nothing, 1.0)
    result = CascadeResult(
        Path("x.xml"),
        "x",
        (image,),
        1.0,
        None,
        {9: DetectionCounts(3, 2, 4), 5: DetectionCounts(3, 2, 4), 3: DetectionCounts(4, 9, 4)},
    )
    assert result.best_neighbors == 5


def test_cascades_are_measured_on_the_same_images(face_cascade, make_annotated, face, tmp_path):
    copy = tmp_path / "copy.xml"
    copy.write_bytes(face_cascade.read_bytes())
    evaluation = evaluate([face_cascade, copy], [make_annotated("a.png", face)])
    first, second = evaluation.cascades
    assert (first.name, second.name) == ("faces", "copy")
    assert first.average_precision == second.average_precision
    assert evaluation.images == 1


def test_images_that_cannot_be_read_are_left_out(face_cascade, make_annotated, face, tmp_path):
    broken = AnnotatedImage(tmp_path / "broken.png", (face,))
    broken.path.write_bytes(b"no image")
    evaluation = evaluate([face_cascade], [broken, make_annotated("a.png", face)])
    assert [error.path for error in evaluation.left_out] == [broken.path]
    assert evaluation.cascades[0].counts.truths == 1
    with pytest.raises(InputError, match=r"None of the images can be read: .*broken\.png"):
        evaluate([face_cascade], [broken])


def test_wrong_input_is_named(face_cascade, blank, tmp_path):
    with pytest.raises(InputError, match="at least one cascade and one annotated image"):
        evaluate([face_cascade], [])
    with pytest.raises(InputError, match="at least one cascade"):
        evaluate([], [blank])
    with pytest.raises(CascadeFileError, match="nothing of that name"):
        evaluate([tmp_path / "missing.xml"], [blank])
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="`box_scale` must be a number above 0 or auto"):
            evaluate([face_cascade], [blank], box_scale=scale)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/x.xml"], ["x"]),
        (["a/x.xml", "a/y.xml"], ["x", "y"]),
        (["a/x.xml", "b/x.xml", "y.xml"], ["a/x", "b/x", "y"]),
        (["a/b/x.xml", "c/b/x.xml"], ["a/b/x", "c/b/x"]),
        (["a/x.xml", "a/x.xml"], ["x", "x (2)"]),
        (["/x.xml", "/a/x.xml"], ["//x", "a/x"]),
        (["one/cascade.xml", "two/cascade.xml"], ["one", "two"]),
        (["a/one/cascade.xml", "b/one/cascade.xml"], ["a/one", "b/one"]),
        (["/cascade.xml"], ["cascade"]),
    ],
)
def test_names_tell_cascades_apart(paths, names):
    assert short_names([Path(path) for path in paths]) == names
