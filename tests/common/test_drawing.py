import numpy as np
import pytest

from fercli.common.drawing import draw_boxes


def label_width(box_xywh):
    """Return how many columns the label of a box on an image of 160x120 changes."""
    paper = np.full((120, 160, 3), 255, np.uint8)
    plain, labeled = (draw_boxes(paper, np.array([box_xywh]), [s]) for s in ("", "1.23e+03"))
    return (plain != labeled).any(axis=(0, 2)).sum()


@pytest.mark.parametrize("box", [(140, 40, 19, 19), (-30, 40, 60, 20), (150, 60, 9, 9)])
def test_labels_are_whole_at_the_sides(box):
    # Give or take the rounding of a label's place.
    assert abs(int(label_width(box)) - int(label_width((70, 40, 20, 20)))) <= 1
