import cv2
import pytest

from fercli.errors import OutputError, OutputExistsError
from fercli.plots import new_plot, save_plot


def test_a_plot_is_written_and_can_be_read(tmp_path):
    figure, axes = new_plot("Recall", "false positives", "recall")
    axes.plot([0, 1], [0, 1])
    save_plot(figure, tmp_path / "a.png")
    assert cv2.imread(str(tmp_path / "a.png")).shape == (675, 1050, 3)


def test_bad_names_are_refused(tmp_path):
    figure, _ = new_plot("", "", "")
    with pytest.raises(OutputError, match=r"wanted the suffix of a plot, found '\.doc'"):
        save_plot(figure, tmp_path / "a.doc")
    (tmp_path / "a.png").touch()
    with pytest.raises(OutputExistsError):
        save_plot(figure, tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
