import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.cascade.list_builder.box_sizes import (
    LEAST_SIDE,
    Histogram,
    describe_sizes,
    draw_histogram,
    fitting_window,
    plot_sizes,
)
from fercli.common.errors import AnnotationError, OutputExistsError

sizes = st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("sizes_wh", "wanted"),
    [
        ([(48, 48)] * 10, (24, 24)),
        ([(100, 103)] * 10, (24, 24)),  # nearly square
        ([(40, 80)] * 10, (17, 34)),
        ([(160, 80)] * 10, (34, 17)),
        ([(20, 20)] * 9 + [(100, 100)], (20, 20)),  # none enlarged
        ([(12, 12)] + [(60, 60)] * 29, (24, 24)),  # one of thirty is
        ([(5, 5)] * 10, (LEAST_SIDE, LEAST_SIDE)),
        ([(300, 30)] * 10, (100, 10)),
    ],
)
def test_the_window_by_hand(sizes_wh, wanted):
    assert fitting_window(sizes_wh) == wanted


@given(sizes)
def test_the_window_is_never_too_small(sizes_wh):
    assert min(fitting_window(sizes_wh)) >= LEAST_SIDE


@given(sizes)
def test_every_box_is_counted_once(sizes_wh):
    statistics = describe_sizes(sizes_wh)
    assert sum(statistics.shorter_sides.counts) == len(sizes_wh)
    assert sum(statistics.aspects.counts) == len(sizes_wh)


def test_statistics_by_hand():
    statistics = describe_sizes([(10, 20), (30, 30), (50, 40)], (24, 24))
    assert statistics.boxes == 3
    assert statistics.smallest_wh == (10, 20)
    assert statistics.median_wh == (30, 30)
    assert statistics.largest_wh == (50, 40)
    assert statistics.median_aspect == 1.0
    assert statistics.window_wh == (24, 24)
    assert statistics.smaller == 1


def test_no_boxes():
    with pytest.raises(AnnotationError, match="There is no box"):
        describe_sizes([])


def test_drawn_as_text():
    histogram = Histogram((1, 8, 12, 16, 20), (0, 1, 0, 40))
    assert draw_histogram(histogram, width=10) == [
        "         8–11        1  █",
        "        12–15        0",
        "          16+       40  ██████████",
    ]
    assert draw_histogram(Histogram((0.5, 1.0), (2,)), width=3) == ["    0.50–1.00        2  ███"]
    assert draw_histogram(Histogram((1, 2), (0,))) == []


def test_plotted(tmp_path):
    path = tmp_path / "sizes.png"
    statistics = describe_sizes([(30, 30), (2000, 10)])
    plot_sizes(statistics, path)
    image = cv2.imread(str(path))
    assert image.shape[1] > image.shape[0] > 400
    with pytest.raises(OutputExistsError):
        plot_sizes(statistics, path)
