import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.evaluation.matching import (
    FALSE_ALARM,
    IGNORED,
    CenterRule,
    IouRule,
    match,
    match_rule,
    scaled,
)
from fercli.common.errors import OptionError

HALF = (10, 0, 10, 10)
boxes = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30)),
    max_size=6,
)


@pytest.mark.parametrize(
    ("detections", "truths", "rule", "verdicts"),
    [
        ([(0, 0, 10, 10)], [(0, 0, 10, 10)], IouRule(), [0]),
        # 10x10 and 10x5 in it: 50 / 100, just enough; one row less is not.
        ([(0, 0, 10, 5)], [(0, 0, 10, 10)], IouRule(), [0]),
        ([(0, 0, 10, 4)], [(0, 0, 10, 10)], IouRule(), [FALSE_ALARM]),
        ([(0, 0, 10, 4)], [(0, 0, 10, 10)], IouRule(0.4), [0]),
        ([(20, 20, 5, 5)], [(0, 0, 10, 10)], IouRule(0.01), [FALSE_ALARM]),
        # The second detection of an object is a false alarm.
        ([(0, 0, 10, 9), (0, 0, 10, 10)], [(0, 0, 10, 10)], IouRule(), [0, FALSE_ALARM]),
        # The better one takes the object that suits it best, the other what is left.
        ([(4, 0, 10, 10), (0, 0, 10, 10)], [(0, 0, 10, 10), (4, 0, 10, 10)], IouRule(), [1, 0]),
        ([(0, 0, 10, 10), (1, 0, 10, 10)], [(0, 0, 10, 10), (4, 0, 10, 10)], IouRule(), [0, 1]),
        ([], [(0, 0, 10, 10)], IouRule(), []),
        ([(0, 0, 10, 10)], [], IouRule(), [FALSE_ALARM]),
        # Centers 3 apart, side 10: 0.3; sides 10 and 15: 1.5.
        ([(3, 0, 10, 10)], [(0, 0, 10, 10)], CenterRule(), [0]),
        ([(4, 0, 10, 10)], [(0, 0, 10, 10)], CenterRule(), [FALSE_ALARM]),
        ([(-2.5, -2.5, 15, 15)], [(0, 0, 10, 10)], CenterRule(), [0]),
        ([(-3, -3, 16, 16)], [(0, 0, 10, 10)], CenterRule(), [FALSE_ALARM]),
        ([(0, 0, 10, 10)], [(-3, -3, 16, 16)], CenterRule(), [FALSE_ALARM]),
        ([(-3, -3, 16, 16)], [(0, 0, 10, 10)], CenterRule(max_size_ratio=1.6), [0]),
        # It forgives what intersection over union does not: half the side, a quarter of the area.
        ([(5, 5, 10, 10)], [(0, 0, 20, 20)], CenterRule(max_size_ratio=2), [0]),
        ([(5, 5, 10, 10)], [(0, 0, 20, 20)], IouRule(), [FALSE_ALARM]),
        ([(2, 0, 10, 10), (1, 0, 10, 10)], [(0, 0, 10, 10)], CenterRule(), [0, FALSE_ALARM]),
    ],
)
def test_cases_by_hand(detections, truths, rule, verdicts):
    assert match(detections, truths, rule).tolist() == verdicts


def test_ignored_regions_take_what_no_object_takes():
    crowd = [(0, 0, 100, 100)]
    inside, half_inside, a_quarter_inside = (50, 50, 10, 10), (95, 0, 10, 10), (95, 95, 10, 10)
    detections = [(10, 10, 10, 10), inside, half_inside, a_quarter_inside, (200, 0, 10, 10)]
    verdicts = match(detections, [(10, 10, 10, 10)], IouRule(), ignored_xywh=crowd)
    assert verdicts.tolist() == [0, IGNORED, IGNORED, FALSE_ALARM, FALSE_ALARM]


@pytest.mark.parametrize("rule", [IouRule(0.4), CenterRule()])
def test_what_would_be_a_hit_on_an_ignored_object_is_ignored(rule):
    larger, ignored = [(0, 0, 15, 15)], [(2.5, 2.5, 10, 10)]  # four ninths of it lie inside
    assert match(larger, ignored, rule).tolist() == [0]
    assert match(larger, [], rule, ignored_xywh=ignored).tolist() == [IGNORED]
    assert match(larger, [], IouRule(0.5), ignored_xywh=ignored).tolist() == [FALSE_ALARM]


@pytest.mark.filterwarnings("error")
def test_boxes_without_extent_match_nothing():
    point = [(5, 5, 0, 0)]
    for rule in (IouRule(), CenterRule()):
        assert match(point, [(0, 0, 10, 10)], rule).tolist() == [FALSE_ALARM]
    assert match(point, point, IouRule()).tolist() == [FALSE_ALARM]


def naive_match(detections, truths, minimum):
    left, verdicts = dict(enumerate(truths)), []
    for x, y, w, h in detections:
        best, best_overlap = FALSE_ALARM, 0.0
        for at, (tx, ty, tw, th) in left.items():
            common_w = min(x + w, tx + tw) - max(x, tx)
            common_h = min(y + h, ty + th) - max(y, ty)
            common = max(common_w, 0) * max(common_h, 0)
            overlap = common / (w * h + tw * th - common)
            if overlap >= minimum and overlap > best_overlap:
                best, best_overlap = at, overlap
        left.pop(best, None)
        verdicts.append(best)
    return verdicts


@given(boxes, boxes, st.sampled_from([0.1, 0.3, 0.5]))
def test_verdicts_are_those_of_the_naive_twin(detections, truths, minimum):
    assert match(detections, truths, IouRule(minimum)).tolist() == naive_match(
        detections, truths, minimum
    )


@given(boxes, boxes, st.integers(-50, 50), st.sampled_from([1, 2, 8]))
def test_place_and_zoom_do_not_matter(detections, truths, shift, zoom):
    def moved(several):
        return [
            ((x + shift) * zoom, (y - shift) * zoom, w * zoom, h * zoom) for x, y, w, h in several
        ]

    for rule in (IouRule(0.3), CenterRule()):
        np.testing.assert_array_equal(
            match(detections, truths, rule), match(moved(detections), moved(truths), rule)
        )


@given(boxes, boxes)
def test_every_object_is_taken_once(detections, truths):
    for rule in (IouRule(0.1), CenterRule(1, 3)):
        verdicts = match(detections, truths, rule)
        taken = verdicts[verdicts >= 0].tolist()
        assert len(taken) == len(set(taken))


def test_scaling_keeps_the_center():
    assert scaled([(10, 20, 10, 20)], 1.5).tolist() == [[7.5, 15, 15, 30]]
    assert scaled([(10, 20, 10, 20)], 1).tolist() == [[10, 20, 10, 20]]


@pytest.mark.parametrize(
    ("name", "limits", "rule"),
    [
        ("iou", {}, IouRule(0.5)),
        ("iou", {"minimum": 0.3, "max_distance": None}, IouRule(0.3)),
        ("iou", {"minimum": 1.0}, IouRule(1.0)),
        ("center", {"max_size_ratio": 1.0}, CenterRule(0.3, 1.0)),
        ("center", {"max_size_ratio": 2.0}, CenterRule(0.3, 2.0)),
    ],
)
def test_rules_by_name(name, limits, rule):
    assert match_rule(name, **limits) == rule


@pytest.mark.parametrize(
    ("name", "limits", "message"),
    [
        ("overlap", {}, "`match` must be one of iou, center, got 'overlap'"),
        ("iou", {"max_distance": 0.3}, "The rule iou has no `max_distance`"),
        ("center", {"minimum": 0.3}, "The rule center has no `iou`"),
        ("iou", {"minimum": 0.0}, "`iou` must be above 0"),
        ("iou", {"minimum": float("nan")}, "`iou` must be above 0"),
        ("iou", {"minimum": 1.01}, "`iou` must be above 0 and at most 1, got 1"),
        ("center", {"max_distance": 0.0}, "`max_distance` must be above 0"),
        ("center", {"max_size_ratio": 0.9}, "`max_size_ratio` at least 1"),
    ],
)
def test_wrong_limits_are_named(name, limits, message):
    with pytest.raises(OptionError, match=message):
        match_rule(name, **limits)
