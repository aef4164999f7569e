import cv2
import numpy as np
import pytest

from fercli.common.drawing import draw_boxes, new_plot, save_plot
from fercli.common.errors import OutputError, OutputExistsError


def test_a_plot_is_written_and_can_be_read(tmp_path):
    figure, axes = new_plot("Recall", "false positives", "recall")
    axes.plot([0, 1], [0, 1])
    save_plot(figure, tmp_path / "a.png")
    assert cv2.imread(str(tmp_path / "a.png")).shape == (675, 1050, 3)


def test_bad_names_are_refused(tmp_path):
    figure, _ = new_plot("", "", "")
    with pytest.raises(OutputError, match=r"'\.doc' is not a file type of plots"):
        save_plot(figure, tmp_path / "a.doc")
    (tmp_path / "a.png").touch()
    with pytest.raises(OutputExistsError):
        save_plot(figure, tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_names_are_no_formulas_and_of_any_script(tmp_path, suffix):
    figure, axes = new_plot(r"cost $\foo$", "$", "$$")
    axes.bar(["a $\\foo$", "喜び"], [1, 2], label=r"$\bar$")
    axes.legend()
    save_plot(figure, tmp_path / f"a{suffix}")
    assert (tmp_path / f"a{suffix}").stat().st_size


def test_powers_of_ten_stay_formulas(tmp_path):
    figure, axes = new_plot("$a$", "", "")
    axes.set_xscale("log")
    axes.plot([1, 1e4], [0, 1])
    save_plot(figure, tmp_path / "a.png")
    assert all(label.get_parse_math() for label in axes.get_xticklabels())


def label_width(box_xywh):
    """Return how many columns the label of a box on an image of 160x120 changes."""
    paper = np.full((120, 160, 3), 255, np.uint8)
    plain, labeled = (draw_boxes(paper, np.array([box_xywh]), [s]) for s in ("", "1.23e+03"))
    return (plain != labeled).any(axis=(0, 2)).sum()


@pytest.mark.parametrize("box", [(140, 40, 19, 19), (-30, 40, 60, 20), (150, 60, 9, 9)])
def test_labels_are_whole_at_the_sides(box):
    # Give or take the rounding of a label's place.
    assert abs(int(label_width(box)) - int(label_width((70, 40, 20, 20)))) <= 1
