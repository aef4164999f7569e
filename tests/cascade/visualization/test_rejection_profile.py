import cv2
import numpy as np
import pytest

from fercli.cascade.detection.scanner import Scanner
from fercli.cascade.visualization.rejection_profile import (
    RejectionProfile,
    measure_profile,
    plot_profile,
)
from fercli.common.errors import InputError

PROFILE = RejectionProfile(2, 1000, (800, 400, 100), 10, (2, 5, 20))


def test_shares_by_hand():
    assert PROFILE.rows() == [
        {"stage": 0, "weak_classifiers": 2, "windows": 800, "share": 0.8, "passed": 0.5},
        {"stage": 1, "weak_classifiers": 5, "windows": 400, "share": 0.4, "passed": 0.25},
        {"stage": 2, "weak_classifiers": 20, "windows": 100, "share": 0.1, "passed": 0.1},
    ]
    assert PROFILE.weak_classifiers_a_window == (800 * 2 + 400 * 5 + 100 * 20) / 1000
    assert PROFILE.to_dict()["flat"] == 200


def test_text():
    assert PROFILE.to_text().splitlines() == [
        "stage  weak classifiers  windows  share  passed",
        "    0                 2      800    80%     50%",
        "    1                 5      400    40%     25%",
        "    2                20      100    10%     10%",
        "",
        "1,000 windows in 2 images, 200 of them flat; 10 accepted (1 in 100)",
        "5.6 weak classifiers evaluated a window",
    ]


def test_counts_what_the_detector_looks_at(random_cascade, make_image):
    cascade = random_cascade()
    paths = [make_image("a.png", 90, 60), make_image("b.png", 70, 80)]
    profile = measure_profile(cascade, paths)
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    entered = sum(Scanner(cascade).detect(image).entered for image in images)
    assert (profile.windows, *profile.entered, profile.accepted) == tuple(entered.tolist())
    assert profile.images == 2
    assert profile.windows > profile.accepted > 0


def test_images_that_cannot_be_read_are_left_out(random_cascade, make_image, tmp_path):
    path = make_image("a.png", 90, 60)
    alone = measure_profile(random_cascade(stage_threshold=-100.0), [path])
    both = measure_profile(random_cascade(stage_threshold=-100.0), [tmp_path / "missing.png", path])
    assert both == alone
    with pytest.raises(
        InputError, match=r"No image can be read of 1 to scan; the first: .*missing\.png"
    ):
        measure_profile(random_cascade(), [tmp_path / "missing.png"])
    with pytest.raises(InputError, match="smaller than the window of 24x24 pixels"):
        measure_profile(random_cascade(), [make_image("small.png", 23, 90)])


@pytest.mark.parametrize("accepted", [0, 10])
def test_plot(accepted):
    profile = RejectionProfile(2, 1000, (800, 400, 100), accepted, (2, 5, 20))
    shares, work = plot_profile(profile, "cascade.xml").axes
    values = shares.lines[0].get_ydata()
    np.testing.assert_allclose(values, [0.8, 0.4, 0.1, accepted / 1000])
    assert shares.get_ylim()[0] > 0
    assert [bar.get_height() for bar in work.patches] == pytest.approx([1.6, 2, 2])
    assert [text.get_text() for text in shares.texts] == ["accepted: 1 in 100"] * bool(accepted)
