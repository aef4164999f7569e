"""Where labels and panels go."""

from fercli.recognition.sinks.layout import Layout, in_rows_and_columns


def test_the_first_position_that_is_free():
    layout = Layout((100, 60), [(40, 20, 20, 20)])
    assert layout.first_free([(50, 30), (60, 20), (0, 0)], (20, 20)) == 1
    layout.take((60, 20, 20, 20))
    assert layout.first_free([(50, 30), (60, 20), (0, 0)], (20, 20)) == 2
    # Moved inside from the right edge it covers what was taken.
    assert layout.first_free([(95, 20)], (30, 20)) is None
    assert layout.first_free([(0, 0)], (101, 5)) is None
    assert layout.hidden([(50, 30), (0, 0)], (20, 20)).tolist() == [10 * 10 + 10 * 10, 0]


def test_the_nearest_free_position():
    layout = Layout((100, 60), [(0, 0, 60, 60)])
    assert layout.nearest_free((20, 10), (30, 20, 20, 20)) == (60, 25)
    assert layout.nearest_free((20, 10), (0, 20, 5, 5)) is None  # too far from the face
    assert layout.nearest_free((50, 10), (30, 20, 20, 20)) is None  # no room for it
    assert layout.nearest_free((20, 90), (30, 20, 20, 20)) is None


def test_cells_of_an_area():
    down = list(in_rows_and_columns(5, (10, 20), (25, 45), down_first=True))
    assert down == [(0, 0), (0, 20), (10, 0), (10, 20)]
    along = list(in_rows_and_columns(3, (10, 20), (25, 45), down_first=False))
    assert along == [(0, 0), (10, 0), (0, 20)]
