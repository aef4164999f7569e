"""The format of OpenCV 1, read back by fer and by cv2."""

from dataclasses import replace
from xml.etree import ElementTree

import cv2
import pytest

from fercli.cascade.model import HaarFeature, read_cascade, write_cascade
from fercli.cascade.model.export.opencv1 import opencv1_text, unbalanced
from fercli.cascade.model.read import bundled_cascade
from fercli.common.errors import CascadeFileError


def test_what_it_looks_like(haar):
    root = ElementTree.fromstring(opencv1_text(haar, name="my face"))[0]
    assert (root.tag, root.get("type_id")) == ("my_face", "opencv-haar-classifier")
    assert root.findtext("size") == "12 9"
    first, second = root.find("stages")
    assert (first.findtext("parent"), first.findtext("next")) == ("-1", "-1")
    assert (second.findtext("parent"), second.findtext("next")) == ("0", "-1")
    assert float(second.findtext("stage_threshold")) == 0.5
    root_node, child = first.find("trees")[0]
    assert root_node.findtext("left_node") == "1"
    assert float(root_node.findtext("right_val")) == 0.5
    assert [float(child.findtext(f"{side}_val")) for side in ("left", "right")] == [-1.0, 0.75]
    assert root_node.find("feature/rects")[1].text.split() == ["3", "0", "3", "4", "2."]
    stump = first.find("trees")[1][0]
    assert stump.findtext("feature/tilted") == "1"


def windows(path, image):
    found = cv2.CascadeClassifier(str(path)).detectMultiScale(image, minNeighbors=0)
    return sorted(map(tuple, found))


@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_cv2_finds_the_same_in_both_formats(random_cascade, nodes, astronaut, tmp_path):
    """Trees of any shape: children before and behind their parent."""
    cascade = random_cascade(tilted=True, nodes=nodes, stage_threshold=0.5)
    new, old = tmp_path / "new.xml", tmp_path / "old.xml"
    write_cascade(new, cascade)
    old.write_text(opencv1_text(cascade))
    assert len(windows(new, astronaut)) > 10
    assert windows(new, astronaut) == windows(old, astronaut)


def test_the_shipped_cascade_there_and_back(astronaut, tmp_path):
    old, again = tmp_path / "old.xml", tmp_path / "again.xml"
    old.write_text(opencv1_text(read_cascade(bundled_cascade())))
    again.write_text(opencv1_text(read_cascade(old)))
    assert old.read_text() == again.read_text()
    face = astronaut[:200, 150:350]
    assert windows(old, face) == windows(bundled_cascade(), face)


def test_children_stand_behind_their_parent(random_cascade):
    text = opencv1_text(random_cascade(nodes=3))
    for tree in ElementTree.fromstring(text).iter("trees"):
        for weak in tree:
            for at, node in enumerate(weak):
                children = [node.findtext(f"{side}_node") for side in ("left", "right")]
                assert all(int(child) > at for child in children if child is not None)


def test_lbp_is_refused(lbp):
    with pytest.raises(CascadeFileError, match="LBP") as error:
        opencv1_text(lbp)
    assert "--feature-type HAAR" in error.value.hint


def test_weights_that_do_not_cancel_out_are_counted(haar):
    """Areas: −24 + 2 · 12, −6 + 2 · 3, and with a third of the first, −24 + 2 · 8."""
    assert unbalanced(haar) == 0
    whole, half = haar.features[0].rectangles
    third = HaarFeature((whole, replace(half, width=2)))
    assert unbalanced(replace(haar, features=(third, *haar.features[1:]))) == 1
