import numpy as np
import pytest

from fercli.cascade.features.haar import KINDS, as_rectangles, corner_table, haar_features
from fercli.cascade.model import HaarFeature, WeightedRectangle


@pytest.mark.parametrize(
    ("side", "mode", "count"),
    [
        (20, "BASIC", 78_460),
        (20, "CORE", 101_329),
        (20, "ALL", 125_199),
        (24, "BASIC", 162_336),
        (24, "CORE", 210_400),
        (24, "ALL", 261_600),
    ],
)
def test_counts_are_those_of_opencv_traincascade(side, mode, count):
    assert len(haar_features((side, side), mode)) == count


def naive_features(width, height, mode):
    """OpenCV's order and conditions, one by one, from the published table."""
    core, tilted = mode != "BASIC", mode == "ALL"
    for x in range(width):
        for y in range(height):
            for dx in range(1, width + 1):
                for dy in range(1, height + 1):
                    w, h = width - x, height - y
                    upright = [
                        ("x2", 2 * dx <= w and dy <= h, True),
                        ("y2", dx <= w and 2 * dy <= h, True),
                        ("x3", 3 * dx <= w and dy <= h, True),
                        ("y3", dx <= w and 3 * dy <= h, True),
                        ("x4", 4 * dx <= w and dy <= h, core),
                        ("y4", dx <= w and 4 * dy <= h, core),
                        ("x2y2", 2 * dx <= w and 2 * dy <= h, True),
                        ("point", 3 * dx <= w and 3 * dy <= h, core),
                        ("tilted x2", 2 * dx <= w and 2 * dx + dy <= h and x >= dy, tilted),
                        ("tilted y2", dx <= w and dx + 2 * dy <= h and x >= 2 * dy, tilted),
                        ("tilted x3", 3 * dx <= w and 3 * dx + dy <= h and x >= dy, tilted),
                        ("tilted y3", dx <= w and dx + 3 * dy <= h and x >= 3 * dy, tilted),
                        ("tilted x4", 4 * dx <= w and 4 * dx + dy <= h and x >= dy, tilted),
                        ("tilted y4", dx <= w and dx + 4 * dy <= h and x >= 4 * dy, tilted),
                    ]
                    for name, fits, wanted in upright:
                        if fits and wanted:
                            yield name, x, y, dx, dy


@pytest.mark.parametrize("mode", ["BASIC", "CORE", "ALL"])
@pytest.mark.parametrize(("width", "height"), [(7, 5), (5, 8)])
def test_order_is_that_of_opencv_traincascade(width, height, mode):
    found = haar_features((width, height), mode)
    named = [(KINDS[part[0]].name, *part[1:].tolist()) for part in found.parts]
    assert named == list(naive_features(width, height, mode))


def test_rectangles_of_some_features():
    named = {kind.name: number for number, kind in enumerate(KINDS)}
    assert as_rectangles(np.array([named["x3"], 1, 2, 3, 4], np.uint8)) == HaarFeature(
        (WeightedRectangle(1, 2, 9, 4, -1.0), WeightedRectangle(4, 2, 3, 4, 2.0))
    )
    assert as_rectangles(np.array([named["tilted y3"], 9, 1, 2, 3], np.uint8)) == HaarFeature(
        (WeightedRectangle(9, 1, 2, 9, -1.0), WeightedRectangle(6, 4, 2, 3, 3.0)), tilted=True
    )


def test_a_feature_has_at_most_nine_corners_whose_weights_cancel():
    table = corner_table((20, 20))
    assert table.shape == (len(KINDS), 9, 4)
    assert (table[:, :, 3].sum(axis=1) == 0).all()


def test_three_part_upright_kinds_are_not_balanced_and_tilted_ones_are():
    flat = {}
    for number, kind in enumerate(KINDS):
        feature = as_rectangles(np.array([number, 12, 0, 2, 2], np.uint8))
        flat[kind.name] = sum(r.width * r.height * r.weight for r in feature.rectangles)
    assert {name for name, total in flat.items() if total != 0} == {"x3", "y3"}
