import cv2
import pytest
import skimage.data

from fercli.cascade.model import bundled_cascade, read_cascade
from fercli.cascade.model.write import convert_cascade
from fercli.common.errors import CascadeFileError, OptionError, OutputExistsError


@pytest.mark.parametrize("compact", [False, True])
def test_a_converted_cascade_finds_the_same(face_cascade, tmp_path, compact):
    done = convert_cascade(face_cascade, tmp_path / "new.xml", compact=compact)
    gray = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    before, after = (  # cv2's threads give them in any order
        sorted(cv2.CascadeClassifier(str(path)).detectMultiScale(gray, minNeighbors=0).tolist())
        for path in (face_cascade, done.path)
    )
    assert len(before) > 10
    assert before == after
    assert done.bytes_after == done.path.stat().st_size


def test_a_cascade_is_cut_to_its_first_stages(tmp_path):
    whole = read_cascade(bundled_cascade())
    done = convert_cascade(bundled_cascade(), tmp_path / "cut.xml", stages=3)
    cut = read_cascade(tmp_path / "cut.xml")
    assert [s.threshold for s in cut.stages] == [s.threshold for s in whole.stages[:3]]
    assert len(cut.features) < len(whole.features)
    assert "cut.xml: 3 stages, " in done.to_text()


@pytest.mark.parametrize("stages", [0, -1, 99])
def test_a_number_of_stages_that_there_is_not_is_named(tmp_path, stages):
    with pytest.raises(OptionError, match=f"`stages`: expected 1 to .*, got {stages}"):
        convert_cascade(bundled_cascade(), tmp_path / "cut.xml", stages=stages)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_and_nothing_broken_is_converted(tmp_path):
    there, broken = tmp_path / "a.xml", tmp_path / "b.xml"
    there.write_text("mine")
    broken.write_text("<opencv_storage>")
    with pytest.raises(OutputExistsError):
        convert_cascade(bundled_cascade(), there)
    with pytest.raises(CascadeFileError):
        convert_cascade(broken, there, overwrite=True)
    assert there.read_text() == "mine"
