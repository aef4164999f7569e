import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations.base import (
    LARGEST,
    AnnotatedImage,
    LabeledBox,
    Record,
    joined_by_path,
    round_box,
)
from fercli.common.errors import AnnotationError, ImageError

HERE = Path("a.png")
coordinates = st.floats(-1e6, 1e6)
extents = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        ((0.4, 0.6, 10.0, 10.0), (0, 1, 10, 10)),
        ((0.5, 1.5, 1.0, 1.0), (1, 2, 1, 1)),
        ((-0.5, -1.5, 2.0, 2.0), (0, -1, 2, 2)),
        ((10.2, 10.2, 0.3, 0.3), (10, 10, 1, 1)),
        ((5, 5, 0, 0), (5, 5, 0, 0)),
        ((5, 5, -3, 2), (5, 5, -3, 2)),
    ],
)
def test_rounding_by_hand(box, wanted):
    assert round_box(*box) == wanted


@given(coordinates, coordinates, extents, extents)
def test_no_edge_moves_by_more_than_half_a_pixel_unless_to_keep_one(x, y, width, height):
    left, top, wide, high = round_box(x, y, width, height)
    assert abs(left - x) <= 0.5 + 1e-9
    assert abs(top - y) <= 0.5 + 1e-9
    assert wide == 1 or abs((left + wide) - (x + width)) <= 0.5 + 1e-9
    assert high == 1 or abs((top + high) - (y + height)) <= 0.5 + 1e-9
    assert (wide > 0) == (width > 0)


@given(coordinates, extents, extents)
def test_boxes_that_touch_still_do(x, first, second):
    if min(first, second) < 1:
        return
    left, _, width, _ = round_box(x, 0, first, 1)
    assert abs(left + width - round_box(x + first, 0, second, 1)[0]) <= (
        0 if (x + first) % 1 != 0.5 else 1
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, LARGEST * 2, 10**400])
def test_what_is_no_coordinate_is_named_with_its_place(value):
    record = Record(HERE, (LabeledBox(0, 0, value, 1),), Path("b.csv"), 7)
    with pytest.raises(AnnotationError, match=r"^b\.csv:7: Expected a box in pixels, got 0 0 "):
        record.in_pixels((10, 10))


def test_fractions_need_the_size_and_ignored_boxes_stay_apart(make_image):
    boxes = (
        LabeledBox(0.25, 0.5, 0.5, 0.25, "face"),
        LabeledBox(0, 0, 1, 1, "crowd", ignored=True),
    )
    path = make_image("a.png", 64, 48)
    record = Record(path, boxes, path, normalized=True)
    wanted = AnnotatedImage(path, ((16, 24, 32, 12),), ((0, 0, 64, 48),))
    assert record.in_pixels((64, 48)) == wanted
    assert record.in_pixels() == wanted
    assert record.with_labels(["face"]).in_pixels() == AnnotatedImage(path, ((16, 24, 32, 12),))


def test_fractions_of_a_image_that_is_not_there():
    with pytest.raises(ImageError, match="nothing of that name"):
        Record(HERE, (LabeledBox(0, 0, 1, 1),), HERE, normalized=True).in_pixels()


def test_what_is_said_of_one_image_is_joined():
    one, two, three = (1, 1, 2, 2), (3, 3, 4, 4), (5, 5, 6, 6)
    said = [
        AnnotatedImage(HERE, (one, one)),
        AnnotatedImage(Path("b.png"), (three,)),
        AnnotatedImage(HERE, (two, one), (three,), (9, 9)),
        AnnotatedImage(HERE, (), (three,)),
    ]
    joined = joined_by_path(said)
    assert joined == [AnnotatedImage(HERE, (one, two), (three,)), said[1]]
    assert joined[0].size_wh == (9, 9)
