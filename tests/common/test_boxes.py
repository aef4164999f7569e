import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.common.boxes import clip_box, fit_box, has_shape, turn_boxes

SIZE = (100, 80)


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((10, 10, 20, 20), (10, 10, 20, 20)),
        ((-5, -5, 20, 20), (0, 0, 15, 15)),
        ((90, 70, 11, 11), (90, 70, 10, 10)),
        ((-10, 0, 20, 20), (0, 0, 10, 20)),  # half of it is inside
        ((-11, 0, 20, 20), None),
        ((200, 0, 20, 20), None),
        ((0, 0, 0, 20), None),
        ((5, 5, -3, 20), None),
    ],
)
def test_clipping_by_hand(box, wanted):
    assert clip_box(box, SIZE) == wanted


@pytest.mark.parametrize(
    ("box", "options", "wanted"),
    [
        ((10, 10, 20, 20), {}, (10, 10, 20, 20)),
        ((40, 30, 20, 10), {"window_wh": (24, 24)}, (40, 25, 20, 20)),
        ((40, 30, 10, 20), {"window_wh": (48, 24)}, (25, 30, 40, 20)),
        ((40, 30, 20, 10), {"padding": 0.25}, (35, 28, 30, 14)),
        ((40, 30, 20, 10), {"padding": 0.5, "window_wh": (1, 1)}, (30, 15, 40, 40)),
        ((40, 0, 20, 10), {"window_wh": (24, 24)}, (40, 0, 20, 20)),  # moved down
        ((90, 70, 10, 5), {"window_wh": (24, 24)}, (90, 68, 10, 10)),
        ((95, 75, 5, 5), {"padding": 1.0}, (85, 65, 15, 15)),  # moved up and left
        ((0, 0, 100, 80), {"window_wh": (24, 24)}, (0, 0, 100, 80)),  # no room
        ((0, 0, 90, 10), {"window_wh": (24, 24)}, (0, 0, 90, 80)),  # ends with the image
    ],
)
def test_fitting_by_hand(box, options, wanted):
    assert fit_box(box, SIZE, **options) == wanted


extents = st.integers(1, 300)
boxes = st.tuples(st.integers(-50, 300), st.integers(-50, 300), extents, extents)
windows = st.tuples(st.integers(8, 64), st.integers(8, 64))


@given(boxes, st.tuples(extents, extents), windows, st.floats(0, 2))
def test_what_fits_lies_in_the_image_around_what_was_clipped(box, size_wh, window_wh, padding):
    clipped = clip_box(box, size_wh)
    fitted = fit_box(box, size_wh, padding=padding, window_wh=window_wh)
    assert (fitted is None) == (clipped is None)
    if fitted is None:
        return
    x, y, width, height = fitted
    assert 0 <= x < x + width <= size_wh[0]
    assert 0 <= y < y + height <= size_wh[1]
    assert x <= clipped[0]
    assert y <= clipped[1]
    assert x + width >= clipped[0] + clipped[2]
    assert y + height >= clipped[1] + clipped[3]
    assert has_shape(fitted, window_wh) or width == size_wh[0] or height == size_wh[1]


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3, 6])
def test_turned_boxes_hold_what_they_held(quarters):
    image = np.arange(100 * 80).reshape(80, 100)
    turned = np.rot90(image, quarters)
    given = np.array([[10, 20, 30, 5], [0, 0, 100, 80], [99, 79, 1, 1]])
    boxes = turn_boxes(given, quarters, SIZE)
    for (x, y, w, h), (a, b, c, d) in zip(given, boxes, strict=True):
        inside = np.rot90(image[y : y + h, x : x + w], quarters)
        assert turned[b : b + d, a : a + c].tolist() == inside.tolist()
    back = turn_boxes(boxes, -quarters, turned.shape[::-1])
    assert back.tolist() == given.tolist()
